# SPDX-License-Identifier: Apache-2.0
"""python/v1: execute, list and info of what is built in, and the shape of results. Sections 3.1, 3.3, 4."""

import json

import pytest
from rpc import NONE, Rpc

PARAMS = -32602
BUILTINS = ["math.sqrt", "math.sin", "math.cos", "math.factorial", "str.upper", "str.lower", "str.strip", "len",
            "sum", "max", "min", "sorted", "json.dumps", "json.loads"]


@pytest.fixture
def rpc(cloche):
    return Rpc(cloche)


CALLS = [
    ("math.sqrt", [4], {}, "2.0"), ("math.sin", [0], {}, "0.0"), ("math.cos", [0], {}, "1.0"),
    ("math.factorial", [30], {}, "265252859812191058636308480000000"), ("str.upper", ["aß"], {}, '"ASS"'),
    ("str.lower", ["ABC"], {}, '"abc"'), ("str.strip", ["  x "], {}, '"x"'), ("str.strip", ["xax", "x"], {}, '"a"'),
    ("len", [[1, 2, 3]], {}, "3"), ("sum", [[1, 2, 3.5]], {}, "6.5"), ("sum", [[1]], {"start": 10}, "11"),
    ("max", [3, 7, 5], {}, "7"), ("max", [[]], {"default": "none"}, '"none"'), ("min", [[2, 1]], {}, "1"),
    ("sorted", [[3, 1, 2]], {"reverse": True}, "[3,2,1]"),
    ("json.dumps", [{"a": [1, None]}], {"indent": 1}, None), ("json.loads", ['{"a": 1.50}'], {}, '{"a":1.5}'),
]


@pytest.mark.parametrize("name,args,kwargs,text", CALLS)
def test_builtins_are_cpythons_own(rpc, name, args, kwargs, text):
    answer = rpc.post({"jsonrpc": "2.0", "id": 1, "method": "execute",
                       "params": {"function": name, "args": args, "kwargs": kwargs}})
    if text is None:
        assert answer.json()["result"]["result"] == json.dumps(*args, **kwargs)
    else:
        assert f'"result":{text},"success":true' in answer.text


ERRORS = [
    ("math.sqrt", [-1], "math domain error", "ValueError"),
    ("math.sqrt", [], "math.sqrt() takes exactly one argument (0 given)", "TypeError"),
    ("math.factorial", [-1], "factorial() not defined for negative values", "ValueError"),
    ("len", [5], "object of type 'int' has no len()", "TypeError"),
    ("max", [[]], "max() arg is an empty sequence", "ValueError"),
    ("sorted", [[1, "a"]], "'<' not supported between instances of 'str' and 'int'", "TypeError"),
    ("str.upper", [5], "descriptor 'upper' for 'str' objects doesn't apply to a 'int' object", "TypeError"),
    ("json.loads", ["{"], "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
     "JSONDecodeError"),
]


@pytest.mark.parametrize("name,args,message,kind", ERRORS)
def test_function_that_raised_is_a_result(rpc, name, args, message, kind):
    found = rpc.run(name, *args)
    assert found["function"] == name and found["success"] is False
    assert (found["error"], found["error_type"]) == (message, kind)
    assert "result" not in found and "timestamp" in found and isinstance(found["traceback"], str)


def test_result_has_the_documented_keys(rpc):
    found = rpc.run("len", "ab")
    assert list(found)[:4] == ["function", "result", "success", "timestamp"]
    assert set(found) == {"function", "result", "success", "timestamp", "stdout", "stderr", "stdout_truncated",
                          "stderr_truncated", "duration_ms", "limits"}
    assert set(found["limits"]) == {"wall_ms", "cpu_ms", "memory_peak_bytes"}
    assert found["duration_ms"] > 0 and found["limits"]["memory_peak_bytes"] > 0


def test_output_comes_beside_the_result(rpc):
    found = rpc.source("def f():\n    print('out ü')\n    return 1\n")
    assert (found["result"], found["stdout"], found["stderr"]) == (1, "out ü\n", "")


@pytest.mark.parametrize("function", [None, "", 5, ["len"], {"x": 1}])
def test_function_is_required(rpc, function):
    assert rpc.refusal("execute", {"function": function}) == (PARAMS, "Missing 'function' parameter")
    assert rpc.refusal("execute", {}) == (PARAMS, "Missing 'function' parameter")


@pytest.mark.parametrize("name", ["nope", "math.pow", "os.system", "builtins.eval", "eval", "str.format", "len ", "Len",
                                  "a.b.c", "math.__class__", ".", "../x", "x" * 500, "ünbekannt"])
def test_unknown_function_is_refused(rpc, name):
    code, message = rpc.refusal("execute", {"function": name})
    assert (code, message) == (PARAMS, f"Function {name} not found")


def test_unknown_function_names_what_comes_near(rpc):
    assert rpc.error("execute", {"function": "math.sqr"})["data"]["similar"] == ["math.sqrt"]


@pytest.mark.parametrize("args", [5, "x", {"a": 1}, True])
def test_args_must_be_a_list(rpc, args):
    assert rpc.refusal("execute", {"function": "len", "args": args}) == (PARAMS, "Parameter 'args' must be a list")


@pytest.mark.parametrize("kwargs", [5, "x", [1], False])
def test_kwargs_must_be_an_object(rpc, kwargs):
    assert rpc.refusal("execute", {"function": "len", "kwargs": kwargs}) == (
        PARAMS, "Parameter 'kwargs' must be an object")


def test_null_counts_as_absent(rpc):
    assert rpc.result("execute", {"function": "max", "args": None, "kwargs": None})["success"] is False


def test_function_that_returns_success_false_has_succeeded(rpc):
    found = rpc.source("def f():\n    return {'success': False, 'error': 'mine'}\n")
    assert found["success"] is True and found["result"] == {"success": False, "error": "mine"}


def test_coroutines_and_stray_awaitables_are_awaited(rpc):
    assert rpc.source("async def f(x):\n    return x + 1\n", 1)["result"] == 2
    assert rpc.source("async def g(x):\n    return x * 2\ndef f(x):\n    return g(x)\n", 4)["result"] == 8
    text = "import asyncio\nasync def f():\n    return await asyncio.gather(*(g(n) for n in range(3)))\n" \
           "async def g(n):\n    await asyncio.sleep(0)\n    return n\n"
    assert rpc.source(text)["result"] == [0, 1, 2]


def test_traceback_shows_frames_of_the_caller_alone(rpc):
    found = rpc.source("def f():\n    return g()\ndef g():\n    return {}['x']\n")
    assert (found["error"], found["error_type"]) == ("'x'", "KeyError")
    lines = found["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "KeyError: 'x'"
    assert [line.split(", in ")[1] for line in lines if line.startswith("  File")] == ["f", "g"]


def test_own_exception_is_named_as_it_is(rpc):
    found = rpc.source("class Mine(Exception):\n    pass\ndef f():\n    raise Mine('so', 5)\n")
    assert (found["error"], found["error_type"]) == ("('so', 5)", "Mine")


def test_module_that_is_not_allowed_is_an_import_error(rpc):
    found = rpc.source("def f():\n    import socket\n")
    assert (found["error"], found["error_type"]) == ("Module socket not allowed", "ImportError")
    text = "def f():\n    try:\n        import socket\n    except ImportError as error:\n        return str(error)\n"
    assert rpc.source(text)["result"] == "Module socket not allowed"


# ------------------------------------------------------------------------------------------ list and info

def test_list_begins_with_the_builtins_in_their_order(rpc):
    found = rpc.result("list", {"source": "builtin"})
    assert found == {"functions": BUILTINS, "count": 14}
    assert rpc.result("list")["functions"][:14] == BUILTINS


def test_list_of_an_unknown_source_is_refused(rpc):
    assert rpc.refusal("list", {"source": "nope"}) == (PARAMS, "Unknown source: nope")


INFO = [("math.sqrt", "(x, /)", False), ("len", "(obj, /)", False), ("sum", "(iterable, /, start=0)", False),
        ("max", "N/A", False), ("sorted", "(iterable, /, *, key=None, reverse=False)", False),
        ("str.upper", "(self, /)", False), ("math.factorial", "(n, /)", False)]


@pytest.mark.parametrize("name,signature,is_async", INFO)
def test_info_of_builtins(rpc, name, signature, is_async):
    found = rpc.result("info", {"function": name})
    assert set(found) == {"name", "doc", "signature", "is_async", "source"}
    assert (found["name"], found["signature"], found["is_async"], found["source"]) == (
        name, signature, is_async, "builtin")
    assert isinstance(found["doc"], str)


def test_info_of_what_is_registered(rpc):
    text = 'async def f(a: int, *, b="x") -> str:\n    """Says so.\n\n    Twice."""\n'
    _, lam, _, src, _, mod = [one["result"] for one in rpc.batch(
        ("register", {"name": "g", "lambda": "lambda x, y=2: x + y"}), ("info", {"function": "g"}),
        ("register", {"name": "f", "type": "source", "source": text, "function": "f"}), ("info", {"function": "f"}),
        ("register", {"name": "q", "type": "module", "module": "urllib.parse", "function": "quote"}),
        ("info", {"function": "q"}))]
    assert lam == {"name": "g", "doc": None, "signature": "(x, y=2)", "is_async": False, "source": "registered"}
    assert (src["signature"], src["is_async"], src["doc"].startswith("Says so.")) == (
        "(a: int, *, b='x') -> str", True, True)
    assert mod["signature"].startswith("(string, safe='/'") and mod["source"] == "registered"


def test_info_of_nothing(rpc):
    assert rpc.refusal("info", {}) == (PARAMS, "Missing 'function' parameter")
    assert rpc.refusal("info", {"function": "nope"}) == (PARAMS, "Function nope not found")


def test_task_id_and_timeout_are_accepted(rpc):
    assert rpc.result("execute", {"function": "len", "args": ["x"]}, task_id="t-1", timeout=5)["result"] == 1


def test_isolated_is_accepted(cloche):
    assert Rpc(cloche, NONE).run("len", "x", isolated=True)["result"] == 1
