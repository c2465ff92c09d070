#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps files and functions short, and all that root runs small enough to re-read in an hour."""

import ast
import pathlib
import re
import subprocess
import sys

FILE_MOST = 400
TEST_MOST = 600  # a table of cases is long without being hard to read
FUNCTION_MOST = 60
FUNCTION_WARN = 50
# Most lines of code of a folder's own *.c and *.h, blank lines and comments not counted: cloched, the way
# into the jail, what proves it (never as root), what reads the command line and cloche.yaml before cloched is,
# what opens the configuration (root, but without a capability), and what every process links. A subfolder counts for itself alone. Raise one only with a reason in the commit.
SANDBOX_MOST = {"sandbox": 3999, "sandbox/enter": 800, "sandbox/prove": 600, "sandbox/load": 1080, "sandbox/begin": 490, "sandbox/base": 2480}
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def code_lines(text):
    return sum(1 for line in COMMENT.sub("", text).splitlines() if line.strip())


def functions_of_c(lines):
    """(name line, length) of each body: Linux braces put both of its braces in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1
            start = None


def functions_of_python(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def check_file(path):
    """(is an error, message) for each thing that is too long."""
    text = path.read_text()
    lines = text.splitlines()
    most = TEST_MOST if path.parts[0] == "tests" else FILE_MOST
    if len(lines) > most:
        yield True, f"{path}: {len(lines)} lines, {most} at most"

    functions = functions_of_python(text) if path.suffix == ".py" else functions_of_c(lines)
    for number, length in functions:
        if length > FUNCTION_WARN:
            is_error = length > FUNCTION_MOST
            yield is_error, f"{path}:{number}: a function of {length} lines, {FUNCTION_MOST} at most"


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                             "*.c", "*.h", "*.py"], capture_output=True, text=True, check=True)
    files = [pathlib.Path(name) for name in listed.stdout.split()]
    failed = False
    sandbox_lines = dict.fromkeys(SANDBOX_MOST, 0)
    for path in filter(pathlib.Path.exists, files):
        if str(path.parent) in sandbox_lines:
            sandbox_lines[str(path.parent)] += code_lines(path.read_text())
        for is_error, message in check_file(path):
            print(message if is_error else f"{message} (warning)")
            failed = failed or is_error
    for folder, lines in sandbox_lines.items():
        if lines > SANDBOX_MOST[folder]:
            print(f"{folder}/: {lines} lines of code, {SANDBOX_MOST[folder]} at most")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
