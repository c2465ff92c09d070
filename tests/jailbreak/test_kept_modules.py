# SPDX-License-Identifier: Apache-2.0
"""A module that is kept is the caller's code and nothing more: every way out of Python is tried from one, too, and
the road by which modules come (frames, import, bytecode, inspection) opens nothing."""

import pytest
from escapes import ESCAPES, has_guard, stops
from test_python_escapes import HARNESS, check_jail, column, host  # noqa: F401 - a fixture

PYTHON = {"Content-Type": "text/x-python"}


def put(service, name, source):
    answer = service.http.put(f"/v1/modules/{name}", content=source, headers=PYTHON)
    assert answer.status_code in (200, 201), answer.text


def call(service, function, *args):
    answer = service.post({"function": function, "args": list(args)})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("name", ESCAPES)
def test_escape_from_a_kept_module(cloche, host, name):  # noqa: F811
    by, source = ESCAPES[name]
    secret, marker, listener = host
    put(cloche, "escape", source + HARNESS)
    envelope = call(cloche, "escape", str(secret), str(marker), listener.getsockname()[1])
    check_jail(envelope, host)
    if stops(by):
        stopped, said = column(envelope)
        assert stopped, f"the guard let it through: {said}"


ROADS = [
    "import sys", "import marshal", "import _imp", "import builtins", "import _frozen_importlib", "import gc",
    "import importlib.machinery", "from importlib import util", "import zipimport", "import runpy", "import imp",
    "__import__('posix')", "__builtins__['__import__']('posix')", "import helper.os", "from helper import sys",
    "import importlib; importlib.reload(__import__('helper'))", "__import__('helper', level=1)",
    "__import__('sys', fromlist=['modules'])",
]


@pytest.mark.skipif("not has_guard()", reason="tells of the guard, which this build leaves out")
@pytest.mark.parametrize("road", ROADS)
def test_no_road_to_the_loader(cloche, road):
    put(cloche, "helper", "import json\n")
    put(cloche, "escape", f"import helper\ndef main():\n    {road}\n    return 'through'\n")
    envelope = call(cloche, "escape")
    assert envelope["verdict"] in ("denied", "error"), envelope


@pytest.mark.skipif("not has_guard()", reason="tells of the guard, which this build leaves out")
def test_module_knows_nothing_of_its_loader(cloche):
    put(cloche, "helper", "import json\n")
    put(cloche, "escape", """
import helper
def main():
    found = []
    for module in (helper, __import__('escape')):
        space = module.__dict__
        found.append([space.get(n) for n in ('__loader__', '__spec__', '__path__', '__cached__')])
        found.append(type(space['__builtins__']).__name__)
        found.append(space['__builtins__']['__import__'].__name__)
        found.append([n for n in ('open', 'input') if space['__builtins__'][n].__name__ == n])
    return found
""")
    assert call(cloche, "escape")["result"] == [[None] * 4, "dict", "__import__", []] * 2


@pytest.mark.parametrize("victim", ["json", "re", "enum", "functools", "abc", "typing", "decimal"])
def test_module_takes_no_librarys_place(cloche, victim):
    """Neither by its name, nor by putting itself into sys.modules through a library."""
    put(cloche, "escape", f"""
import {victim}, typing
def main():
    mine = __import__('escape')
    {victim}.taken = mine
    import {victim} as again
    return [again is mine, hasattr(typing, 'sys') and typing.sys.modules.get({victim!r}) is mine]
""")
    assert call(cloche, "escape")["result"] == [False, False]
    assert cloche.call(f"import {victim}\ndef main(): return hasattr({victim}, 'taken')")["result"] is False


def test_reading_a_source_is_in_the_jail(cloche, host):  # noqa: F811
    """What a hostile source can do to its reader ends with that reader."""
    secret, marker, listener = host
    bombs = ["x = " + "(" * 90 + "1" + ")" * 90 + "\n" * 100_000, "'" + "a" * 1_000_000 + "'", "def f(" + ",".join(
        f"a{n}" for n in range(20_000)) + "): pass", "x: " + "list[" * 100 + "int" + "]" * 100,
        "def f(x=" + "[" * 90 + "]" * 90 + "): pass", "import " + ",".join(f"m{n}" for n in range(50_000)),
        f"open({str(marker)!r}, 'w')", f"import socket\nsocket.create_connection(('127.0.0.1', {listener.getsockname()[1]}))"]
    for bomb in bombs:
        answer = cloche.http.put("/v1/modules/bomb", content=bomb, headers=PYTHON)
        assert answer.status_code in (200, 201, 422, 413), answer.text
        assert secret.read_text() not in answer.text and not marker.exists()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert cloche.call("def main(): return 1")["result"] == 1


def test_two_modules_are_not_one_jail(cloche):
    put(cloche, "first", "import json\nsecret = 'mine'\njson.left = secret\ndef main(): return 1\n")
    put(cloche, "second", "import json\ndef main(): return [hasattr(json, 'left'), 'first' in globals()]\n")
    assert call(cloche, "first")["result"] == 1
    assert call(cloche, "second")["result"] == [False, False]
