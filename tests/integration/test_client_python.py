# SPDX-License-Identifier: Apache-2.0
"""The client package `gleitzeit_v4` against a real service: the spellings of the Gleitzeit reference."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from service import BIN, ROOT

CLIENT = ROOT / "api/clients/python"
sys.path.insert(0, str(CLIENT))

from gleitzeit_v4 import (Connection, CustomFunctionProvider, ProtocolError, SocketIOPythonFunctionProvider,  # noqa: E402
                          Unreachable)
from gleitzeit_v4 import cli, testing  # noqa: E402

FILE = '''state = {}
def double(x):
    """Twice."""
    return x * 2
async def later(x):
    return x + 1
def set_state(key, value):
    state[key] = value
def get_state(key):
    return state.get(key)
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clientmath.py").write_text(FILE)
    (tmp_path / "clientbroken.py").write_text("def f(:\n")
    return tmp_path


@pytest.fixture
def connection(cloche):
    return Connection(cloche.url, cloche.token, policy="gleitzeit")


def run(coroutine):
    return asyncio.run(coroutine)


def test_row_custom_function_provider(connection, folder):
    async def use():
        provider = CustomFunctionProvider("mine", functions_dir=str(folder), connection=connection)
        await provider.initialize()
        assert {"math.sqrt", "len", "clientmath.double", "clientmath.later"} <= set(provider.functions.keys())
        assert not any(name.startswith("clientbroken.") for name in provider.functions.keys())
        answer = await provider.handle_request("execute", {"function": "clientmath.double", "args": [21]})
        assert (answer["result"], answer["success"]) == (42, True)
        assert (await provider.handle_request("execute", {"function": "clientmath.later", "args": [1]}))["result"] == 2
        await provider.shutdown()
        return provider
    provider = run(use())
    assert provider.functions == {} and provider.connection.session is None


def test_state_and_registrations_live_in_the_providers_session(connection, folder):
    async def use():
        async with CustomFunctionProvider("mine", folder, connection=connection) as provider:
            assert provider.connection.session
            await provider.handle_request("execute", {"function": "clientmath.set_state", "args": ["a", 5]})
            found = await provider.handle_request("execute", {"function": "clientmath.get_state", "args": ["a"]})
            assert found["result"] == 5
            await provider.handle_request("register", {"name": "inc", "lambda": "lambda x: x + 1"})
            assert "inc" in provider.functions
            assert (await provider.handle_request("execute", {"function": "inc", "args": [1]}))["result"] == 2
    run(use())


def test_row_handle_request_raises_refusals(connection, tmp_path):
    async def use():
        async with CustomFunctionProvider("mine", tmp_path, connection=connection) as provider:
            with pytest.raises(ValueError, match="Function nope not found"):
                await provider.handle_request("execute", {"function": "nope"})
            with pytest.raises(AttributeError, match="has no attribute"):
                await provider.handle_request("register", {"name": "f", "type": "module", "module": "math",
                                                           "function": "nope"})
            with pytest.raises(SyntaxError):
                await provider.handle_request("register", {"name": "f", "lambda": "lambda:"})
            with pytest.raises(ProtocolError) as caught:
                await provider.handle_request("nope")
            assert caught.value.code == -32601
            found = await provider.handle_request("execute", {"function": "math.sqrt", "args": [-1]})
            assert found["success"] is False and found["error"] == "math domain error"
    run(use())


def test_policy_that_forbids_raises_permission_error(cloche, tmp_path):
    async def use():
        provider = CustomFunctionProvider("mine", tmp_path, connection=Connection(cloche.url, cloche.token))
        await provider.initialize()
        with pytest.raises(PermissionError, match="not permitted by policy"):
            await provider.handle_request("eval", {"expression": "1", "allow_eval": True})
    run(use())


def test_allowed_modules_only_narrow(connection, tmp_path):
    async def use():
        async with CustomFunctionProvider("mine", tmp_path, ["json", "os"], connection) as provider:
            for module in ("math", "os"):
                with pytest.raises(ValueError, match=f"Module {module} not allowed"):
                    await provider.handle_request("register", {"name": "f", "type": "module", "module": module,
                                                               "function": "sqrt"})
            found = await provider.handle_request("register", {"name": "f", "type": "module", "module": "json",
                                                               "function": "dumps"})
            assert found["success"] is True
    run(use())


def test_row_socketio_provider(cloche, folder, monkeypatch):
    monkeypatch.setenv("CLOCHE_TOKEN", cloche.token)

    async def use():
        provider = SocketIOPythonFunctionProvider(provider_id="remote", server_url=cloche.url,
                                                  functions_dir=str(folder))
        await provider.start()
        assert (await provider.health_check())["status"] == "healthy"
        found = await provider.handle_request("execute", {"function": "clientmath.double", "args": ["ab"]})
        assert found["result"] == "abab"
        await provider.stop()
        await asyncio.wait_for(provider.wait(), 1)
    run(use())


def test_service_that_is_not_there(tmp_path):
    nobody = Connection("http://127.0.0.1:1", "x")
    with pytest.raises(Unreachable):
        nobody.call("list")
    provider = CustomFunctionProvider("mine", tmp_path, connection=nobody)
    assert run(provider.health_check())["status"] == "unhealthy"
    assert cli.main(["--url", "http://127.0.0.1:1", "workflow", "status", "x"]) == cli.UNREACHABLE


def test_package_needs_the_standard_library_only():
    code = "import sys, gleitzeit_v4, gleitzeit_v4.cli, gleitzeit_v4.testing\n" \
           "print([n for n in sys.modules if n.split('.')[0] not in sys.stdlib_module_names and " \
           "not n.startswith('gleitzeit_v4') and n != '__main__'])"
    found = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(CLIENT)!r})\n{code}"],
                           capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]", found


def command(cloche, *arguments):
    return subprocess.run([sys.executable, "-m", "gleitzeit_v4.cli", *arguments], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(CLIENT), "CLOCHE_URL": cloche.url,
                               "CLOCHE_TOKEN": cloche.token})


def test_cli_says_how_it_is_used(cloche):
    assert command(cloche).returncode == 2
    found = command(cloche, "task", "submit", "--help")
    assert found.returncode == 0 and "--depends-on" in found.stdout
    assert command(cloche, "task", "submit", "--method", "execute", "--params", "[]").returncode == 2


WORKFLOW = '''name: "client"
tasks:
  - {id: one, protocol: python/v1, method: execute, params: {function: sum, args: [[1, 2]]}}
  - {id: two, protocol: python/v1, method: execute, dependencies: [one],
     params: {function: max, args: ["${one.result.result}", "${params.least}"]}}
'''


@pytest.fixture
def workflows(cloche):
    if cloche.http.get("/v1/workflows").status_code in (404, 501):
        pytest.skip("this build serves no workflows")
    return cloche


def test_row_cli_workflow_submit_wait(workflows, tmp_path):
    file = tmp_path / "flow.yaml"
    file.write_text(WORKFLOW)
    found = command(workflows, "workflow", "submit", str(file), "--params", '{"least": 1}', "--wait")
    assert found.returncode == 0, found
    assert "with 2 tasks..." in found.stdout and "Workflow completed with status: completed" in found.stdout
    assert "Tasks: 2/2 completed" in found.stdout
    assert json.loads(command(workflows, "workflow", "submit", str(file), "--params", '{"least": 1}',
                              "--dry-run").stdout)["tasks"]


def test_row_cli_task_submit_wait(workflows):
    found = command(workflows, "task", "submit", "--method", "execute", "--params",
                    '{"function": "math.sqrt", "args": [16]}', "--wait")
    assert found.returncode == 0 and "Task completed with status: completed" in found.stdout, found
    found = command(workflows, "task", "submit", "--method", "execute", "--params",
                    '{"function": "math.sqrt", "args": [-1]}', "--wait")
    assert found.returncode == 1 and "Task completed with status: failed" in found.stdout


def test_cli_says_why_tasks_did_not_complete(workflows, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("wait_for_completion: true\ntasks:\n- {id: a, method: python/execute, params: {code: 1 / 0}}\n"
                    "- {id: b, method: list, dependencies: [a]}\n")
    found = command(workflows, "workflow", "submit", str(file))
    assert found.returncode == 1 and "Tasks: 0/2 completed" in found.stdout
    assert found.stderr.splitlines()[:2] == ["Task a failed (TASK_EXECUTION_FAILED)", "Traceback (most recent call last):"]
    assert "ZeroDivisionError: division by zero\nTask b skipped" in found.stderr
    found = command(workflows, "task", "submit", "--method", "execute", "--params",
                    '{"function": "math.sqrt", "args": [-1]}', "--wait")
    assert "ValueError: math domain error" in found.stderr


def test_cli_waits_for_what_a_task_depends_on(workflows):
    def submit(*words):
        return command(workflows, "task", "submit", "--method", "execute", *words)
    first = submit("--params", '{"function": "len", "args": ["x"]}').stdout.split()[2].removesuffix("...")
    assert submit("--params", '{"function": "len", "args": ["x"]}', "--depends-on", first, "--wait").returncode == 0
    bad = submit("--params", '{"function": "len"}').stdout.split()[2].removesuffix("...")
    found = submit("--params", '{"function": "len", "args": ["x"]}', "--depends-on", bad)
    assert (found.returncode, found.stdout, found.stderr) == (1, "", f"task {bad} did not complete\n")


def test_cli_lists_and_stops(workflows, tmp_path):
    file = tmp_path / "long.yaml"
    file.write_text("id: client long\ntasks: [{id: a, method: python/execute, params: {code: import time; time.sleep(60)}}]\n")
    assert command(workflows, "--policy", "gleitzeit", "workflow", "submit", str(file)).returncode == 0
    active = json.loads(command(workflows, "workflow", "list-active").stdout)["workflows"]
    assert [row["status"] for row in active if row["workflow_id"] == "client long"] == ["running"]
    assert json.loads(command(workflows, "workflow", "cancel", "client long").stdout)["status"] == "cancelled"
    assert json.loads(command(workflows, "workflow", "status", "client long").stdout)["status"] == "cancelled"
    assert not [row for row in json.loads(command(workflows, "workflow", "list-active").stdout)["workflows"]
                if row["workflow_id"] == "client long"]


def test_row_central_server(workflows, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOCHE_BIN", str(BIN))
    document = tmp_path / "flow.yaml"
    document.write_text(WORKFLOW.replace("function: max", "function: clientmath.double").replace(
        ', "${params.least}"', ""))
    with testing.CentralServer(functions_dir=folder) as server:
        state = server.folder
        results = testing.execute_workflow(testing.load_yaml(document), server)
        assert results["one"]["success"] is True and results["two"]["result"] == 6
        failed = server.execute_workflow({"name": "bad", "tasks": [
            {"id": "bad", "method": "execute", "params": {"function": "math.sqrt", "args": [-1]}}]})
        assert failed["bad"]["success"] is False
    assert not state.exists()
