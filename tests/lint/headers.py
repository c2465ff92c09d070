#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what stands at the top of each file, and the words that must stand nowhere."""

import pathlib
import re
import subprocess
import sys

SPDX = "SPDX-License-Identifier: Apache-2.0"
WITH_LICENCE = {".c", ".h", ".py", ".sh", ".mk", ".yaml"}
FACTS = ("Runs in:", "Trusts:")

# What is not finished, and paths of one machine, do not belong into the tree.
WORDS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|WIP)\b(?! #\d)|lorem ipsum|not implemented yet|(?<![\w.])/(?:home|work|mnt)/\w"
)
TEXT = {".c", ".h", ".py", ".sh", ".mk", ".yaml", ".md", ".service", ".1", ".5", ".8", ""}
UNREAD = ("fuzz/corpus/", "fuzz/regress/", "tests/golden/")
EXEMPT = {"tests/lint/headers.py", "LICENSE"}


def first_comment(text):
    """The comment block behind the SPDX line of a C file."""
    rest = text.split("\n", 1)[1] if "\n" in text else ""
    match = re.match(r"\s*/\*(.*?)\*/", rest, re.DOTALL)
    return match.group(1) if match else ""


def check_file(path):
    text = path.read_text(errors="replace")
    lines = text.splitlines()
    if path.suffix in WITH_LICENCE and not any(SPDX in line for line in lines[:2]):
        yield 1, "no SPDX line at the top"
    if path.suffix == ".c" and path.parts[0] not in ("tests", "fuzz"):
        comment = first_comment(text)
        for fact in FACTS:
            if fact not in comment:
                yield 2, f"the first comment does not say '{fact}'"
    for number, line in enumerate(lines, 1):
        match = WORDS.search(line)
        if match:
            yield number, f"'{match.group(0)}' may not stand here"


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=True)
    failed = False
    for name in listed.stdout.splitlines():
        path = pathlib.Path(name)
        if name in EXEMPT or path.suffix not in TEXT or not path.is_file():
            continue
        if b"\0" in path.read_bytes()[:4096] or name.startswith(UNREAD):
            continue
        for number, wrong in check_file(path):
            print(f"{path}:{number}: {wrong}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
