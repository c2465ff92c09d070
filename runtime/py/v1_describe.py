# SPDX-License-Identifier: Apache-2.0
"""What `info` tells of a function."""

COROUTINE = 0x80
ASYNC_GENERATOR = 0x200


def signature_of(function):
    try:
        import inspect
        return str(inspect.signature(function))
    except (ImportError, ValueError, TypeError):
        return "N/A"


def describe(function):
    doc = getattr(function, "__doc__", None)
    code = getattr(function, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    found = {"doc": doc if isinstance(doc, str) else None, "signature": signature_of(function),
             "is_async": bool(flags & (COROUTINE | ASYNC_GENERATOR))}
    line = getattr(code, "co_firstlineno", None)
    if type(line) is int:
        found["line"] = line
    return found
