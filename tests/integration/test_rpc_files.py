# SPDX-License-Identifier: Apache-2.0
"""python/v1: function files, their state in sessions, and code. Sections 2, 5 and 6."""

import concurrent.futures
import time

import pytest
from rpc import FULL, NONE, Rpc
from service import SLOW

PARAMS = -32602

PRICES = '''"""Prices."""
import asyncio
import functools
import time
from math import ceil

VAT = 0.2
state = {}
__all_ours__ = None


def net(gross, rate=VAT):
    """Without tax."""
    return gross / (1 + rate)


async def slow(seconds):
    await asyncio.sleep(seconds)
    return seconds


def set_state(key, value):
    state[key] = value
    return {"success": True}


def get_state(key):
    return state.get(key)


def by_name(names):
    return [globals()[name](120) for name in names]


@functools.lru_cache
def cached(x):
    state["misses"] = state.get("misses", 0) + 1
    return x


def plain_sleep(seconds):
    time.sleep(seconds)
    return seconds


def _private():
    return 1


def uses_private():
    return _private()


class Basket:
    def __init__(self, *items):
        self.items = items


def spin():
    while True:
        pass


def boom():
    raise ValueError("boom")


def is_ten(x):
    return x == 10
'''


@pytest.fixture(scope="module")
def served(request, config):
    from service import Service
    with Service(config=config) as cloche:
        def put(name, text):
            return cloche.http.put(f"/v1/modules/{name}", content=text.encode(),
                                   headers={"Content-Type": "text/x-python"})
        assert put("prices", PRICES).status_code in (200, 201)
        assert put("shop", "import prices\ndef total(xs):\n    return sum(prices.net(x) for x in xs)\n"
                           "result = context and context.get('n') if 'context' in globals() else None\n"
                   ).status_code in (200, 201)
        yield cloche


@pytest.fixture
def rpc(served):
    session = served.http.post("/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]
    yield Rpc(served, {"Cloche-Session": session})
    served.http.delete(f"/v1/sessions/{session}")


def test_functions_are_called_as_file_dot_function(rpc):
    found = rpc.result("execute", {"function": "prices.net", "kwargs": {"gross": 120}})
    assert (found["function"], found["result"], found["success"]) == ("prices.net", 100.0, True)


def test_files_import_each_other(rpc):
    assert rpc.value("shop.total", [120, 240]) == pytest.approx(300.0)


def test_async_functions_are_awaited(rpc):
    assert rpc.value("prices.slow", 0.01) == 0.01


def test_names_are_looked_up_in_globals(rpc):
    assert rpc.value("prices.by_name", ["net", "is_ten"]) == [100.0, False]


@pytest.mark.parametrize("name", ["prices.ceil", "prices.functools", "prices.VAT", "prices._private", "prices.nope",
                                  "nofile.f", "prices.net.__class__", "prices.state", "prices."])
def test_what_is_not_exported_is_not_found(rpc, name):
    assert rpc.refusal("execute", {"function": name}) == (PARAMS, f"Function {name} not found")


def test_private_functions_serve_their_file(rpc):
    assert rpc.value("prices.uses_private") == 1


def test_class_is_exported_and_its_object_is_not_json(rpc):
    found = rpc.run("prices.Basket", 1)
    assert (found["success"], found["error"]) == (False, "Object of type Basket is not JSON serializable")


def test_globals_last_within_a_session_and_nowhere_else(rpc, served):
    assert rpc.value("prices.set_state", "a", 1) == {"success": True}
    assert rpc.value("prices.get_state", "a") == 1
    assert Rpc(served, {**FULL, **NONE}).value("prices.get_state", "a") is None
    assert Rpc(served, FULL).value("prices.get_state", "a") is None
    assert rpc.run("prices.get_state", "a", isolated=True)["result"] is None


def test_default_session_of_the_key_keeps_globals(served):
    rpc = Rpc(served, FULL)
    rpc.value("prices.set_state", "default", 5)
    assert rpc.value("prices.get_state", "default") == 5


def test_cache_lives_with_the_session(rpc):
    for _ in range(3):
        assert rpc.value("prices.cached", 7) == 7
    assert rpc.value("prices.get_state", "misses") == 1


@pytest.mark.parametrize("function", ["prices.slow", "prices.plain_sleep"])
def test_functions_of_a_session_run_beside_each_other(rpc, function):
    rpc.value(function, 0)
    seconds = 2 * min(SLOW, 8)
    before = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: rpc.value(function, seconds), range(3))) == [seconds] * 3
    assert time.monotonic() - before < 2.75 * seconds


def test_limit_ends_the_worker_not_the_session(rpc):
    rpc.value("prices.set_state", "a", 1)
    rpc.result("register", {"name": "twice", "lambda": "lambda x: x * 2"})
    code, message = rpc.refusal("execute", {"function": "prices.spin"}, task_id="spin", timeout=1)
    assert (code, message) == (-29003, "Task spin timed out after 1s")
    assert rpc.value("prices.get_state", "a") is None
    assert rpc.value("twice", 2) == 4


def test_other_calls_of_an_ended_worker_may_be_sent_again(rpc):
    rpc.value("prices.slow", 0)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        other = pool.submit(rpc.error, "execute", {"function": "prices.slow", "args": [20]})
        time.sleep(0.3)
        assert rpc.refusal("execute", {"function": "prices.spin"}, timeout=1)[0] == -29003
        error = other.result()
    assert error["code"] == -25004 and error["data"]["retryable"] is True
    assert rpc.value("prices.slow", 0) == 0


def test_list_and_info_of_files(rpc):
    names = rpc.result("list", {"source": "file"})["functions"]
    assert names.index("prices.net") < names.index("prices.slow") < names.index("prices.Basket")
    assert "prices._private" not in names and "shop.total" in names
    assert names.index("prices.is_ten") < names.index("shop.total")
    found = rpc.result("info", {"function": "prices.net"})
    assert found == {"name": "prices.net", "doc": "Without tax.", "signature": "(gross, rate=0.2)", "is_async": False,
                     "line": 12, "file": "prices.py", "source": "file"}
    assert rpc.result("info", {"function": "prices.slow"})["is_async"] is True


def test_traceback_names_the_file(rpc):
    found = rpc.run("prices.boom")
    assert found["error"] == "boom" and 'File "prices.py"' in found["traceback"]


def test_file_function_cannot_be_replaced_by_accident(rpc):
    assert rpc.refusal("register", {"name": "prices.net", "lambda": "lambda g: 1"}) == (
        PARAMS, "Function prices.net already exists")
    rpc.result("register", {"name": "prices.net", "lambda": "lambda g: 'mine'", "overwrite": True})
    assert rpc.value("prices.net", 1) == "mine"
    assert rpc.result("list")["functions"].count("prices.net") == 1
    rpc.result("unregister", {"name": "prices.net"})
    assert rpc.value("prices.net", 120) == 100.0


def test_broken_file_is_not_found_with_its_reason(rpc, served):
    answer = served.http.put("/v1/modules/broken", content=b"def f(:\n", headers={"Content-Type": "text/x-python"})
    assert answer.status_code == 422
    assert rpc.refusal("execute", {"function": "broken.f"})[1] == "Function broken.f not found"


# ---------------------------------------------------------------------------------------------- code

@pytest.fixture
def code(served):
    return Rpc(served, {**FULL, **NONE})


def test_context_is_bound_under_the_key_that_was_used(code):
    for params, value in [({}, [{}, False]), ({"context": None}, [{}, False]), ({"context": [1]}, [[1], False]),
                          ({"args": [1]}, [[1], True]), ({"context": 2, "args": 3}, [2, True])]:
        source = "result = [context, 'args' in globals()]"
        assert code.result("python/execute", {"code": source, **params})["result"] == value, params


def test_values_that_json_lacks(code):
    found = code.result("python/execute", {"code": "result = b'x'"})
    assert (found["success"], found["error"]) == (False, "Object of type bytes is not JSON serializable")
    source = "result = [type(context).__name__, context]"
    found = code.result("python/execute", {"code": source, "context": {"$bytes": "eA=="}, "typed": True})
    assert found["result"] == ["bytes", {"$bytes": "eA=="}]
    assert code.result("python/execute", {"code": source, "context": {"$bytes": "eA=="}})["result"] == [
        "dict", {"$bytes": "eA=="}]
    assert code.refusal("python/execute", {"code": source, "context": {"$uuid": "x"}, "typed": True})[0] == PARAMS


def test_code_answers_its_variable_result(code):
    found = code.result("python/execute", {"code": "print('hi')\nresult = {'n': context['x'] + 1}", "context": {"x": 1}})
    assert set(found) == {"result", "output", "success", "execution_time"}
    assert (found["result"], found["output"], found["success"]) == ({"n": 2}, "hi\n", True)
    assert found["execution_time"] > 0


@pytest.mark.parametrize("text,value", [("", None), ("result = None", None), ("result = []", []), ("result = 0", 0),
                                        ("result = False", False), ("result = ''", ""), ("print('5')", None),
                                        ("raise SystemExit", None)])
def test_results_keep_their_type(code, text, value):
    found = code.result("python/execute", {"code": text})
    assert found["success"] is True and found["result"] == value and type(found["result"]) is type(value)


def test_context_may_come_as_args(code):
    assert code.result("python/execute", {"code": "result = args", "args": [1, 2]})["result"] == [1, 2]
    assert code.result("python/execute", {"code": "result = args['a']", "args": {"a": 3}})["result"] == 3


def test_code_that_raised_is_a_result_with_the_traceback(code):
    found = code.result("python/execute", {"code": "x = 1\nraise KeyError('k')"})
    assert found["success"] is False and "result" not in found
    assert found["error"].startswith("Traceback (most recent call last):") and "KeyError: 'k'" in found["error"]
    assert set(found) >= {"file", "error", "success", "timestamp"}


def test_code_that_takes_too_long(code):
    found = code.result("python/execute", {"code": "while True: pass", "timeout": 1})
    assert (found["success"], found["error"]) == (False, "Execution timed out after 1 seconds")


def test_file_runs_as_code(code):
    assert code.result("python/execute", {"file": "shop.py", "context": {"n": 5}})["result"] == 5
    assert code.result("python/execute", {"file": "shop", "context": {"n": 6}})["result"] == 6


@pytest.mark.parametrize("file", ["../prices.py", "/etc/passwd", "a/../../b.py", "~/x.py", "..\\x.py"])
def test_paths_outside_are_refused(code, file):
    assert code.refusal("python/execute", {"file": file}) == (PARAMS, f"File path not allowed: {file}")
    assert code.refusal("python/validate", {"file": file}) == (PARAMS, f"File path not allowed: {file}")


def test_parameters_of_code(code):
    assert code.refusal("python/execute", {}) == (PARAMS, "Missing 'file' or 'code' parameter")
    assert code.refusal("python/execute", {"file": "a.py", "code": "1"})[0] == PARAMS
    assert code.refusal("python/execute", {"file": "nope.py"}) == (PARAMS, "File nope.py not found")
    for timeout in (0, 301, "5", 1.5, -1):
        assert code.refusal("python/execute", {"code": "1", "timeout": timeout})[0] == PARAMS
    assert code.refusal("python/execute", {"code": "1", "execution_mode": "root"}) == (
        PARAMS, "Unknown execution_mode")
    for mode in ("local", "sandboxed", "datascience"):
        assert code.result("python/execute", {"code": "result = 1", "execution_mode": mode})["result"] == 1


def test_validate(code):
    assert code.result("python/validate", {"code": "x = 1"}) == {"valid": True, "message": "Syntax is valid"}
    found = code.result("python/validate", {"code": "x = 1\ndef f(:\n  pass"})
    assert found["valid"] is False and found["line"] == 2 and found["offset"] == 7 and "invalid syntax" in found["error"]
    assert code.result("python/validate", {"file": "prices.py"})["valid"] is True
    assert code.result("python/validate", {"code": "x = '\x00'"})["valid"] is False
    assert code.refusal("python/validate", {"file": "nope.py"}) == (PARAMS, "File nope.py not found")
