#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom: each folder may include only what its row names."""

import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')

# What is compiled for others to read: any folder may include it.
COMPILED = ["policies/policy.h", "policies/tenant.h", "policies/setting.h"]

# Folder of the file -> prefixes of the project's own headers that it may include.
# A file is judged by its longest row.
OWN = {
    "sandbox/base": ["sandbox/base/", *COMPILED],
    "sandbox/enter": ["sandbox/base/", "sandbox/enter/", *COMPILED],
    "sandbox/load": ["sandbox/base/", "sandbox/load/", "sandbox/loop.h", *COMPILED],
    "sandbox/begin": ["sandbox/base/", "sandbox/begin/", "sandbox/load/owned.h", "sandbox/load/settings.h", *COMPILED],
    "sandbox/prove": ["sandbox/base/", "sandbox/prove/", *COMPILED],
    "sandbox": ["sandbox/", *COMPILED],
    "policies": ["policies/", "sandbox/base/"],
    "runtime": ["runtime/", "sandbox/base/", "sandbox/enter/enter.h", "sandbox/enter/clone.h",
                *COMPILED],
    "api": ["api/", "sandbox/base/", *COMPILED],
    "api/workflow": ["api/", "sandbox/base/", *COMPILED],
    # The command plans and replaces `${params.x}` with the service's own code.
    "api/cli": ["api/cli/", "api/workflow/", "api/json/", "api/audit/", "sandbox/base/", "api/quantity.h", *COMPILED],
    "tests": ["tests/", "sandbox/", "policies/", "runtime/", "api/"],
    "fuzz": ["tests/support/", "sandbox/", "policies/", "runtime/", "api/"],
}

# cloched walks no step of a jail; it only names the one that failed. It judges none either.
FORBIDDEN = {
    "sandbox": re.compile(r"sandbox/(enter/(?!enter\.h)|prove/|load/|begin/)"),
}

# Headers of libraries -> folders that may include them. Everything else in <> must be libc or
# the kernel, which is what the compiler finds without any of these.
LIBRARIES = {
    "Python.h": ["runtime"],
    "marshal.h": ["runtime"],
    "frameobject.h": ["runtime"],
    "sys/capability.h": ["sandbox", "sandbox/enter", "runtime"],
    "seccomp.h": ["policies"],
    "yaml.h": ["policies", "api/workflow"],
    "event2/": ["api", "api/workflow"],
    "json-c/": ["api", "api/cli"],
    "openssl/": ["api", "tests"],
    "sodium.h": ["api", "api/cli"],
    "sqlite3.h": ["api"],
    "curl/": ["api/cli"],
    "cmocka.h": ["tests"],
}

# Bytes of callers never enter cloched, and nothing there may grow threads.
LIBC_FORBIDDEN = {
    "pthread.h": ["sandbox", "sandbox/base", "policies"],
}

GENERATED = re.compile(r"(frozen\.h|\.inc)$")


def row_of(path, table):
    rows = [row for row in table if path.startswith(row + "/")]
    return max(rows, key=len) if rows else None


def check_own(path, row, name):
    if GENERATED.search(name):
        return None
    if not any(name.startswith(prefix) for prefix in OWN[row]):
        return f"{row}/ may not include {name}"
    if row in FORBIDDEN and FORBIDDEN[row].match(name):
        return f"{row}/ may not include {name}"
    return None


def check_system(path, row, name):
    for table, verdict in ((LIBRARIES, lambda rows: row not in rows),
                           (LIBC_FORBIDDEN, lambda rows: row in rows)):
        for header, rows in table.items():
            if name.startswith(header) and verdict(rows) and row not in ("tests", "fuzz"):
                return f"{row}/ may not include <{name}>"
    return None


def check_file(path):
    row = row_of(path, OWN)
    if not row:
        yield 1, "is in no folder that layers.py knows"
        return
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        own, system = match.groups()
        wrong = check_own(path, row, own) if own else check_system(path, row, system)
        if wrong:
            yield number, wrong


def check_compiled(path):
    """A header that every folder may include must bring nothing along."""
    text = pathlib.Path(path).read_text()
    includes = [a or b for a, b in re.findall(r'#include\s+(?:"([^"]+)"|<([^>]+)>)', text)]
    return [] if includes == ["stdint.h"] else [f"{path}:1: may include stdint.h and nothing else"]


def main():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                            "*.c", "*.h"], capture_output=True, text=True, check=True)
    messages = [wrong for path in COMPILED for wrong in check_compiled(path)]
    for path in filter(lambda path: pathlib.Path(path).exists(), files.stdout.split()):
        messages += [f"{path}:{number}: {wrong}" for number, wrong in check_file(path)]
    print(*messages, sep="\n", end="\n" if messages else "")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
