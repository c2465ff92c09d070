# SPDX-License-Identifier: Apache-2.0
"""Each feature of the Gleitzeit reference that is answered by /v1/rpc, as docs/compatibility.md lists them. Those of
workflows and of the command line are in test_workflows.py, those of the client in test_client_python.py."""

import asyncio
import sys

import pytest
from rpc import FULL, NONE, Rpc
from service import ROOT, Service

sys.path.insert(0, str(ROOT / "api/clients/python"))

TEXT = '''"""Functions of a user."""
import asyncio
import functools
from typing import Dict, List, Optional

_state = {}


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


def divide(a: float, b: float) -> Dict:
    if b == 0:
        return {"error": "Division by zero", "success": False}
    return {"value": a / b, "success": True}


async def fetch_all(urls: List[str], pause: Optional[float] = 0) -> List[int]:
    async def one(url):
        await asyncio.sleep(pause)
        return len(url)
    return await asyncio.gather(*(one(url) for url in urls))


def not_async(urls):
    return fetch_all(urls)


async def fetch(url):
    import aiohttp
    async with aiohttp.ClientSession() as session:
        return await session.get(url)


def set_state(key, value):
    _state[key] = value
    return {"stored": key}


def get_state(key):
    return _state.get(key)


def call_many(names, value):
    return {name: globals()[name](value) for name in names if name in globals()}


@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def in_batches(items, size=2):
    return [items[at:at + size] for at in range(0, len(items), size)]


def read_file(path):
    with open(path) as file:
        return file.read()


def run_command(command):
    import subprocess
    return subprocess.run(command)


def connect():
    import socket
    return socket.create_connection(("127.0.0.1", 80))
'''


@pytest.fixture(scope="module")
def served(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / ".gleitzeit/functions"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(TEXT)
    with Service(config=config) as cloche:
        cloche.folder = folder
        from gleitzeit_v4 import Connection
        Connection(cloche.url, cloche.token).push(folder)
        yield cloche


@pytest.fixture
def rpc(served):
    return Rpc(served, FULL)


def test_row_execute(rpc):
    answer = rpc.post({"protocol": "python/v1", "method": "execute",
                       "params": {"function": "mine.add", "args": [1], "kwargs": {"b": 41}}}).json()
    assert (answer["result"]["result"], answer["result"]["success"]) == (42, True)


def test_row_builtins(rpc):
    assert rpc.result("list", {"source": "builtin"})["count"] == 14
    assert [rpc.value("math.sqrt", 16), rpc.value("str.upper", "a"), rpc.value("sorted", [2, 1]),
            rpc.value("json.loads", "[1]")] == [4.0, "A", [1, 2], [1]]


def test_row_function_files(served, monkeypatch):
    from gleitzeit_v4 import Connection, CustomFunctionProvider
    monkeypatch.setenv("HOME", str(served.folder.parents[1]))

    async def use():
        async with CustomFunctionProvider("mine", connection=Connection(served.url, served.token)) as provider:
            return await provider.handle_request("execute", {"function": "mine.add", "args": [1]})
    assert asyncio.run(use())["result"] == 2


def test_row_async_functions(rpc):
    assert rpc.value("mine.fetch_all", ["ab", "abc"]) == [2, 3]
    found = rpc.run("mine.fetch", "http://x")
    assert (found["success"], found["error"], found["error_type"]) == (False, "Module aiohttp not allowed", "ImportError")


def test_row_register_lambda(rpc):
    rpc.result("register", {"name": "row_square", "type": "lambda", "lambda": "lambda x: x ** 2"})
    assert rpc.value("row_square", 9) == 81


def test_row_register_module(rpc):
    rpc.result("register", {"name": "row_urlparse", "type": "module", "module": "urllib.parse", "function": "urlparse"})
    assert rpc.value("row_urlparse", "https://a.example/b") == ["https", "a.example", "/b", "", "", ""]


def test_row_own_error_values(rpc):
    found = rpc.run("mine.divide", 1, 0)
    assert found["success"] is True and found["result"] == {"error": "Division by zero", "success": False}


def test_row_several_parameters(rpc):
    rpc.result("register", {"name": "row_area", "lambda": "lambda w, h=2, *, scale=1: w * h * scale"})
    assert rpc.value("row_area", 3) == 6 and rpc.value("row_area", 3, 4, kwargs={"scale": 10}) == 120


def test_row_introspection(rpc):
    found = rpc.result("info", {"function": "mine.add"})
    assert (found["name"], found["signature"], found["doc"], found["is_async"]) == (
        "mine.add", "(a: int, b: int = 1) -> int", "Adds two numbers.", False)
    assert rpc.result("info", {"function": "mine.fetch_all"})["is_async"] is True


def test_row_globals(rpc):
    assert rpc.value("mine.call_many", ["add", "fibonacci", "nope"], 10) == {"add": 11, "fibonacci": 55}


def test_row_state(rpc, served):
    assert rpc.value("mine.set_state", "k", [1]) == {"stored": "k"}
    assert rpc.value("mine.get_state", "k") == [1]
    assert Rpc(served, {**FULL, **NONE}).value("mine.get_state", "k") is None


MODULES = {"math": ("gcd", [4, 6], 2), "statistics": ("median", [[1, 2, 9]], 2), "json": ("dumps", [[1]], "[1]"),
           "re": ("escape", ["."], "\\."), "collections": ("Counter", ["aa"], {"a": 2}),
           "itertools": ("chain", [[1], [2]], [1, 2]), "operator": ("mul", [2, 3], 6),
           "urllib.parse": ("quote", ["/ "], "/%20")}
OPAQUE = {"datetime": ("timedelta", [1], "timedelta"), "hashlib": ("sha256", [], "sha256"),
          "base64": ("b64decode", ["AA=="], "bytes"), "uuid": ("uuid4", [], "UUID")}


def test_row_default_modules(rpc):
    for module, (function, args, value) in MODULES.items():
        rpc.result("register", {"name": "row_m", "type": "module", "module": module, "function": function})
        assert rpc.value("row_m", *args) == value, module
    for module, (function, args, kind) in OPAQUE.items():
        rpc.result("register", {"name": "row_m", "type": "module", "module": module, "function": function})
        assert rpc.run("row_m", *args)["error"] == f"Object of type {kind} is not JSON serializable"
    assert rpc.refusal("register", {"name": "row_m", "type": "module", "module": "functools", "function": "reduce"})[1] \
        == "Function reduce of module functools not allowed"
    assert rpc.refusal("register", {"name": "row_m", "type": "module", "module": "numpy", "function": "mean"})[1] \
        == "Module numpy not allowed"


def test_row_eval(rpc, served):
    found = rpc.result("eval", {"expression": "x + y * 2", "context": {"x": 10, "y": 5}, "allow_eval": True})
    assert found == {"expression": "x + y * 2", "result": 20, "success": True}
    assert rpc.refusal("exec", {"code": "x = 1"})[0] == -32601


def test_row_no_files_no_commands(rpc):
    assert rpc.run("mine.read_file", "/etc/passwd")["success"] is False
    found = rpc.run("mine.run_command", ["id"])
    assert (found["success"], found["error"]) == (False, "Module subprocess not allowed")


def test_row_no_network(rpc):
    assert rpc.run("mine.connect")["error"] == "Module socket not allowed"


def test_row_plain_import(served, monkeypatch):
    monkeypatch.syspath_prepend(str(served.folder))
    import mine
    assert mine.add(1, 2) == 3


def test_row_not_found_and_imports(rpc):
    error = rpc.error("execute", {"function": "mine.ad"})
    assert error["data"]["similar"] == ["mine.add"] and "exports no function" in error["data"]["reason"]
    assert rpc.error("execute", {"function": "nofile.f"})["data"]["reason"] == "there is no such file"
    error = rpc.error("register", {"name": "f", "type": "module", "module": "numpy", "function": "mean"})
    assert error["data"]["reason"] == "python.modules of the policy does not list numpy"


def test_row_parameters_and_async(rpc):
    found = rpc.run("mine.add")
    assert (found["error"], found["error_type"]) == ("add() missing 1 required positional argument: 'a'", "TypeError")
    assert rpc.value("mine.not_async", ["ab"]) == [2]


def test_row_cache_gather_batches(rpc):
    assert rpc.value("mine.fibonacci", 80) == 23416728348467685
    assert rpc.value("mine.fetch_all", ["a"] * 50) == [1] * 50
    assert rpc.value("mine.in_batches", [1, 2, 3]) == [[1, 2], [3]]
