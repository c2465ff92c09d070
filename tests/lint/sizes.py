#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps files and functions short, and all that root runs small enough to re-read in an hour."""

import ast
import pathlib
import re
import subprocess
import sys

FILE_MOST = 400
FUNCTION_MOST = 60
FUNCTION_WARN = 50
# Lines of code, without blank lines and comments, of what only root's process and the way into
# the jail run; sandbox/base/ is linked into all and has no share.
SANDBOX_MOST = 4000
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
    if len(lines) > FILE_MOST:
        yield True, f"{path}: {len(lines)} lines, {FILE_MOST} at most"

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
    sandbox_lines = 0
    for path in filter(pathlib.Path.exists, files):
        if path.parts[0] == "sandbox" and path.parts[1] != "base":
            sandbox_lines += code_lines(path.read_text())
        for is_error, message in check_file(path):
            print(message if is_error else f"{message} (warning)")
            failed = failed or is_error
    if sandbox_lines > SANDBOX_MOST:
        print(f"sandbox/: {sandbox_lines} lines of code, {SANDBOX_MOST} at most")
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
