#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the commands of `make -Bn V=1` (stdin) into compile_commands.json (stdout)."""

import json
import os
import shlex
import sys


def main():
    entries = []
    for line in sys.stdin:
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        sources = [word for word in words if word.endswith(".c")]
        if "-c" in words and len(sources) == 1:
            entries.append({"directory": os.getcwd(), "file": sources[0], "arguments": words})
    json.dump(entries, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
