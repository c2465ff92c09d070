# SPDX-License-Identifier: Apache-2.0
"""python/v1: values in both directions, output, and every row of the table of limits. Section 7."""

import base64
import re

import pytest
from rpc import FULL, NONE, Rpc
from service import ROOT, Service


@pytest.fixture
def rpc(cloche):
    return Rpc(cloche)


@pytest.fixture
def roomy(cloche):
    return Rpc(cloche, {**FULL, **NONE})


def returns(rpc, expression, *args, imports="", **call):
    return rpc.source(f"{imports}\ndef f(*args):\n    return {expression}\n", *args, **call)


VALUES = [
    ("10 ** 400", "1" + "0" * 400), ("0.1 + 0.2", "0.30000000000000004"), ("2.0", "2.0"), ("1e300", "1e+300"),
    ("True", "true"), ("None", "null"), ("(1, (2,))", "[1,[2]]"), ("{1: 2, 1.5: 3, None: 4, False: 5}",
                                                                   '{"1":2,"1.5":3,"null":4,"false":5}'),
    ("'\\u00fc\\U0001f600\\x00'", '"ü😀\\u0000"'), ("[[], {}]", "[[],{}]"), ("-0.0", "-0.0"),
    ("type('S', (str,), {})('s')", '"s"'), ("type('D', (dict,), {})(a=1)", '{"a":1}'),
]


@pytest.mark.parametrize("expression,text", VALUES, ids=range(len(VALUES)))
def test_values_come_out_unchanged(rpc, expression, text):
    body = [{"jsonrpc": "2.0", "id": 1, "method": "register",
             "params": {"name": "f", "type": "source", "source": f"def f():\n    return {expression}\n", "function": "f"}},
            {"jsonrpc": "2.0", "id": 2, "method": "execute", "params": {"function": "f"}}]
    assert f'"result":{text},"success":true' in rpc.post(body).text


@pytest.mark.parametrize("text", ["1" + "0" * 300, "0.10000000000000000000", "1.0e5", '"\\ud83d\\ude00 ü"', "-0.0"])
def test_arguments_keep_what_python_reads(rpc, text):
    import json
    body = '{"jsonrpc":"2.0","id":1,"method":"execute","params":{"function":"json.dumps","args":[%s],' \
           '"kwargs":{"ensure_ascii":false}}}' % text
    assert rpc.post(body).json()["result"]["result"] == json.dumps(json.loads(text), ensure_ascii=False)


def test_named_tuple_is_an_array(rpc):
    assert returns(rpc, "namedtuple('P', 'x y')(1, 2)", imports="from collections import namedtuple")["result"] == [1, 2]


NOT_JSON = [
    ("{1, 2}", "set"), ("frozenset()", "frozenset"), ("b'x'", "bytes"), ("bytearray(b'x')", "bytearray"),
    ("datetime.datetime(2026, 1, 1)", "datetime"), ("datetime.date(2026, 1, 1)", "date"), ("1j", "complex"),
    ("range(3)", "range"), ("(x for x in ())", "generator"), ("f", "function"), ("object()", "object"),
    ("decimal.Decimal('1.5')", "Decimal"), ("uuid.UUID(int=0)", "UUID"), ("{}.keys()", "dict_keys"),
    ("iter([])", "list_iterator"), ("datetime", "module"), ("[1, {'a': {2}}]", "set"), ("collections.deque()", "deque"),
    ("Ellipsis", "ellipsis"),
]


@pytest.mark.parametrize("expression,name", NOT_JSON, ids=[name for _, name in NOT_JSON])
def test_anything_else_is_a_failure_result(rpc, expression, name):
    found = returns(rpc, expression, imports="import datetime, decimal, uuid, collections")
    assert found["success"] is False and "result" not in found
    assert (found["error"], found["error_type"]) == (f"Object of type {name} is not JSON serializable", "TypeError")


def test_odd_keys_and_circles(rpc):
    assert returns(rpc, "{(1, 2): 3}")["error"] == "keys must be str, int, float, bool or None, not tuple"
    found = rpc.source("def f():\n    a = []\n    a.append(a)\n    return a\n")
    assert (found["error"], found["error_type"]) == ("Circular reference detected", "ValueError")


def test_depth_is_a_failure_result(rpc):
    assert rpc.source("def f():\n    a = []\n    for _ in range(60):\n        a = [a]\n    return a\n")["success"] is True
    found = rpc.source("def f():\n    a = []\n    for _ in range(90):\n        a = [a]\n    return a\n")
    assert (found["success"], found["error_type"]) == (False, "RecursionError")


@pytest.mark.parametrize("expression,value", [("float('nan')", None), ("[1, float('inf')]", [1, None]),
                                              ("{'a': float('-inf')}", {"a": None})])
def test_numbers_that_json_lacks_are_null_and_marked(rpc, expression, value):
    found = returns(rpc, expression)
    assert (found["success"], found["result"], found["nonfinite"]) == (True, value, True)


def test_finite_results_are_not_marked(rpc):
    assert "nonfinite" not in returns(rpc, "1.5")


# -------------------------------------------------------------------------------------------- typed values

IMPORTS = "import datetime, decimal, uuid"
TYPED = [
    ("b'\\x00\\xff'", {"$bytes": base64.b64encode(b"\x00\xff").decode()}),
    ("datetime.datetime(2026, 1, 5, 8, 0, 0, 1)", {"$datetime": "2026-01-05T08:00:00.000001"}),
    ("{3}", {"$set": [3]}), ("decimal.Decimal('1.10')", {"$decimal": "1.10"}),
    ("uuid.UUID(int=1)", {"$uuid": "00000000-0000-0000-0000-000000000001"}),
    ("[{'a': (b'', {b'x'})}]", [{"a": [{"$bytes": ""}, {"$set": [{"$bytes": "eA=="}]}]}]),
]


@pytest.mark.parametrize("expression,value", TYPED, ids=range(len(TYPED)))
def test_typed_values_go_out(rpc, expression, value):
    assert returns(rpc, expression, imports=IMPORTS, typed=True)["result"] == value


@pytest.mark.parametrize("expression,value", TYPED, ids=range(len(TYPED)))
def test_typed_values_come_in(rpc, expression, value):
    text = f"{IMPORTS}\ndef f(x, k=None):\n    want = {expression}\n" \
           "    same = lambda a: list(map(same, a)) if isinstance(a, (list, tuple)) else a\n" \
           "    return repr(x) == repr(want).replace('(b', '[b').replace('})', '}]') and type(x) is type(want)\n"
    assert rpc.source(text, value, typed=True)["result"] is True


def test_without_the_flag_they_are_plain_objects(rpc):
    assert returns(rpc, "args[0]", {"$bytes": "AA=="})["result"] == {"$bytes": "AA=="}
    assert returns(rpc, "args[0]", {"$bytes": "AA=="}, typed="true")["result"] == {"$bytes": "AA=="}


@pytest.mark.parametrize("value", [{"$bytes": "?"}, {"$bytes": 5}, {"$set": "x"}, {"$set": [[]]}, {"$decimal": "x"},
                                   {"$uuid": "x"}, {"$datetime": "gestern"}])
def test_wrong_typed_values_are_refused(rpc, value):
    found = returns(rpc, "args", value, typed=True)
    assert found["code"] == -32602 and found["message"].startswith("Invalid typed value " + next(iter(value)))


def test_module_functions_drain_iterators(rpc):
    _, found = rpc.once({"type": "module", "module": "itertools", "function": "groupby"}, call={"args": ["aab"]})
    assert found["result"]["result"] == [["a", ["a", "a"]], ["b", ["b"]]]


# -------------------------------------------------------------------------------------------------- limits

def limit(rpc, text, *args, **call):
    found = rpc.source(text, *args, **call)
    assert "code" in found, found
    return found["code"], found["message"]


def test_wall_time(roomy):
    first = {"jsonrpc": "2.0", "id": 1, "method": "register",
             "params": {"name": "f", "type": "source", "function": "f",
                        "source": "import time\ndef f():\n    time.sleep(20)\n"}}
    second = {"jsonrpc": "2.0", "id": 2, "method": "execute", "params": {"function": "f"}, "timeout": 1,
              "task_id": "my task"}
    error = roomy.post([first, second]).json()[1]["error"]
    assert (error["code"], error["message"]) == (-29003, "Task my task timed out after 1s")
    assert error["data"]["retryable"] is True


def test_cpu_time_names_the_call(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/default.yaml").write_text((ROOT / "policies/default.yaml").read_text().replace(
        "wall: 5s", "wall: 120s").replace("cpu: 2s", "cpu: 1s"))
    with Service(config=tmp_path) as cloche:
        code, message = limit(Rpc(cloche), "def f():\n    while True:\n        pass\n")
    assert code == -29003 and re.fullmatch(r"Task [0-9A-Z]{26} timed out after 1s", message)


def test_memory(cloche):
    rpc = Rpc(cloche, {"Cloche-Policy": "ample"})
    assert limit(rpc, "def f():\n    return len(bytearray(1 << 30))\n") == (-31004, "Memory limit exceeded")
    assert limit(rpc, "def f():\n    a = []\n    while True:\n        a.append(bytearray(1 << 20))\n") == (
        -31004, "Memory limit exceeded")


def test_processes(roomy):
    text = "import threading, time\ndef f():\n    for _ in range(50):\n" \
           "        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n"
    assert limit(roomy, text) == (-31004, "Process limit exceeded")


def test_result_size(rpc):
    assert limit(rpc, "def f():\n    return 'x' * (2 << 20)\n") == (-29007, "Result larger than 1048576 bytes")


def test_output_size(rpc):
    assert limit(rpc, "def f():\n    print('x' * (2 << 20))\n") == (-29007, "Result larger than 1048576 bytes")


def test_endless_iterator(rpc):
    _, found = rpc.once({"type": "module", "module": "itertools", "function": "count"})
    assert (found["error"]["code"], found["error"]["message"]) == (-29007, "Result larger than 1048576 bytes")


CTYPES = "import ctypes\ndef f():\n    libc = ctypes.CDLL(None)\n    "


def test_crash_tells_the_signal(cloche):
    rpc = Rpc(cloche, {"Cloche-Policy": "native"})
    assert limit(rpc, CTYPES + "ctypes.string_at(0)\n") == (-29002, "Worker ended: SIGSEGV")
    assert limit(rpc, CTYPES + "libc._exit(3)\n") == (-29002, "Worker ended: exit status 3")


def test_forbidden_system_call_is_told(cloche):
    rpc = Rpc(cloche, {"Cloche-Policy": "native"})
    assert limit(rpc, CTYPES + "libc.syscall(101, 0, 0, 0, 0)\n") == (-29002, "Worker ended: forbidden system call ptrace")


def test_output_that_is_cut_says_so(cloche):
    found = Rpc(cloche, {"Cloche-Policy": "loud"}).source("def f():\n    for _ in range(30):\n        print('x' * 99_999)\n")
    assert (found["stdout_truncated"], found["stderr_truncated"]) == (True, False)
    assert len(found["stdout"]) < 1_100_000
