#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compile the shipped Python helpers to marshalled code in one C header.

    freeze.py OUT.h MODULE.py...

No source or bytecode file of Cloche's own exists at run time.
"""

import importlib.util
import marshal
import pathlib
import sys


def array(name, code):
    rows = [code[i:i + 16] for i in range(0, len(code), 16)]
    body = "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)
    return f"static const unsigned char code_{name}[] = {{\n{body}\n}};\n"


def main():
    out, *sources = sys.argv[1:]
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
    parts = ["/* Made by runtime/freeze.py from runtime/py/. */\n#include <stddef.h>\n"
             "struct frozen {\n    const char *name;\n    const unsigned char *code;\n"
             f"    size_t size;\n}};\nenum {{ FROZEN_MAGIC = {magic} }};\n"]
    table = []
    for source in map(pathlib.Path, sources):
        # -O style compilation drops docstrings and asserts: less to map, less to copy.
        code = compile(source.read_text(), f"<cloche {source.stem}>", "exec",
                       dont_inherit=True, optimize=2)
        parts.append(array(source.stem, marshal.dumps(code)))
        table.append(f'    {{ "{source.stem}", code_{source.stem}, sizeof(code_{source.stem}) }},')
    parts.append("static const struct frozen frozen_modules[] = {\n" + "\n".join(table) + "\n};\n")
    pathlib.Path(out).write_text("".join(parts))


main()
