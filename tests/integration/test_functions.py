# SPDX-License-Identifier: Apache-2.0
"""Calls of functions that are kept: by name, by path, with imports of each other, under whose policy, how fast."""

import json
import pathlib
import statistics
import subprocess
import textwrap
import time
import uuid

import pytest
from service import BIN, SLOW

PYTHON = {"Content-Type": "text/x-python"}


def put(service, name, source):
    answer = service.http.put(f"/v1/modules/{name}", content=textwrap.dedent(source), headers=PYTHON)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def call(service, function, *args, **body):
    answer = service.post({"function": function, "args": list(args), **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(answer, status, slug):
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:cloche:problem:{slug}"
    return answer.json()


@pytest.fixture
def name():
    return "m_" + uuid.uuid4().hex[:12]


@pytest.fixture
def prices(cloche, name):
    put(cloche, name, """
        import asyncio, dataclasses, enum
        state = []
        def net(gross, rate=0.2): return gross / (1 + rate)
        def main(): return __name__, __file__
        async def later(n):
            await asyncio.sleep(0)
            return n + 1
        def rows(n):
            for i in range(n):
                print("row", i)
                yield i
        def count():
            state.append(1)
            return len(state)
        @dataclasses.dataclass
        class Money:
            cents: int
            @classmethod
            def parse(cls, text): return cls(int(text))
            def _hidden(self): pass
        class Kind(enum.Enum):
            A = "a"
        def kinds(): return [Kind.A, Money(3), Money.__module__ == __name__]
        def table(name): return globals()[name](5)
        def fail(): return {}["missing"]
        def _private(): return 1
        value = 5
        """)
    return name


def test_calls_by_name(cloche, prices):
    assert call(cloche, f"{prices}.net", 120)["result"] == 100.0
    assert call(cloche, f"{prices}.net", kwargs={"gross": 3, "rate": 0.5})["result"] == 2.0
    assert call(cloche, prices)["result"] == [prices, f"{prices}.py"]
    assert call(cloche, f"{prices}.later", 1)["result"] == 2
    assert call(cloche, f"{prices}.rows", 3)["result"] == [0, 1, 2]
    assert call(cloche, f"{prices}.Money.parse", "7")["result"] == {"cents": 7}
    assert call(cloche, f"{prices}.Money", 7)["result"] == {"cents": 7}
    assert call(cloche, f"{prices}.kinds")["result"] == ["a", {"cents": 3}, True]
    assert call(cloche, f"{prices}.table", "later")["verdict"] in ("ok", "error")
    assert call(cloche, f"{prices}.table", "Money")["result"] == {"cents": 5}


def test_every_call_is_a_new_jail(cloche, prices):
    assert [call(cloche, f"{prices}.count")["result"] for _ in range(3)] == [1, 1, 1]


def test_the_path_may_name_it(cloche, prices):
    path = f"/v1/functions/{prices}.net/calls"
    answer = cloche.http.post(path, json={"args": [120]})
    assert answer.json().get("result") == 100.0, answer.text
    assert cloche.http.post(f"/v1/functions/{prices}/calls").json()["result"][0] == prices
    assert refusal(cloche.http.post(path, json={"function": "a.b"}), 400, "malformed")["pointer"] == "/function"
    assert refusal(cloche.http.post(path, json={"source": "x"}), 400, "malformed")["pointer"] == "/source"
    refusal(cloche.http.post(f"/v1/functions/{prices}.nope/calls", json={}), 404, "function-not-found")
    refusal(cloche.http.post("/v1/functions/%2e%2e/calls", json={}), 400, "malformed")
    assert cloche.http.get(path).status_code == 405


def test_streams_as_any_call_does(cloche, prices):
    with cloche.stream({"function": f"{prices}.rows", "args": [2]}) as answer:
        events = [json.loads(line) for line in answer.iter_lines()]
    assert [e["event"] for e in events][0] == "started" and events[-1]["verdict"] == "ok"
    assert [e["value"] for e in events if e["event"] == "item"] == [0, 1]


def test_traceback_shows_the_modules_lines(cloche, prices):
    error = call(cloche, f"{prices}.fail")["error"]
    assert error["type"] == "KeyError"
    assert f'File "{prices}.py", line' in error["traceback"] and 'return {}["missing"]' in error["traceback"]
    assert error["line"] > 0


@pytest.mark.parametrize("rest", [".nett", "._private", ".value.real", ".asyncio", ".asyncio.sleep", ".Money._hidden",
                                  ".Money.__init__", ".__builtins__", ".net.__globals__", ".__name__", ".state"])
def test_what_is_not_exported_is_not_found(cloche, prices, rest):
    found = refusal(cloche.post({"function": prices + rest}), 404, "function-not-found")
    assert found["detail"] == f"Function {prices}{rest} not found"


def test_similar_names_are_told(cloche, prices):
    assert cloche.post({"function": f"{prices}.nett"}).json()["similar"] == [f"{prices}.net"]
    assert cloche.post({"function": f"{prices}x.net"}).json()["similar"][0] == f"{prices}.net"
    assert "similar" not in cloche.post({"function": "entirely_unknown.f"}).json()


def test_body_is_read_strictly(cloche, prices):
    for body, pointer in [({"function": f"{prices}.net", "source": "x"}, "/function"),
                          ({"function": f"{prices}.net", "entry": "f"}, "/entry"),
                          ({"function": f"{prices}.net", "version": "x"}, "/version"),
                          ({"source": "x", "version": "0" * 12}, "/version"), ({"function": "a b"}, "/function")]:
        assert refusal(cloche.post(body), 400, "malformed")["pointer"] == pointer


# --------------------------------------------------------------------------------------- each other's modules

def test_modules_import_each_other(cloche, name):
    a, b, c = (f"{name}_{letter}" for letter in "abc")
    put(cloche, a, f"import {b}\nfrom {c} import add as plus\ndef f(x): return {b}.twice(plus(x, 1))\n")
    put(cloche, b, f"def twice(x):\n    import {c}\n    return {c}.add(x, x)\n")
    put(cloche, c, "def add(a, b): return a + b\n")
    assert call(cloche, f"{a}.f", 1)["result"] == 4
    put(cloche, c, "def add(a, b): return a * b + 1\n")
    assert call(cloche, f"{a}.f", 1)["result"] == 5


def test_cycles_work_as_in_python(cloche, name):
    a, b = name + "_a", name + "_b"
    put(cloche, a, f"import {b}\ndef f(n): return n and {b}.g(n - 1)\n")
    put(cloche, b, f"import {a}\ndef g(n): return n and {a}.f(n - 1)\n")
    assert call(cloche, f"{a}.f", 7)["result"] == 0
    put(cloche, a, f"from {b} import g\ndef f(n): return g(n)\n")
    put(cloche, b, f"from {a} import f\ndef g(n): return n\n")
    assert "cannot import name" in call(cloche, f"{a}.f", 1)["error"]["message"]


def test_missing_one_is_named(cloche, name):
    put(cloche, name, f"def f():\n    import {name}_gone\n")
    denied = call(cloche, f"{name}.f")["denied"]
    assert (denied["rule"], denied["name"]) == ("modules", f"{name}_gone")


def test_source_of_its_own_has_no_modules(cloche, prices):
    """They go along with functions only: a call with a source is what it always was."""
    assert cloche.call(f"import {prices}\ndef main(): pass")["denied"]["name"] == prices


def test_module_that_changes_builtins_changes_its_own_call_only(cloche, name):
    put(cloche, name, """
        import builtins_of
        def f(): return len("ab")
        """.replace("import builtins_of", "__builtins__['len'] = lambda x: 'stolen'"))
    assert call(cloche, f"{name}.f")["result"] == "stolen"
    assert cloche.call("def main(): return len('ab')")["result"] == 2


# ------------------------------------------------------------------------------------------- whose policy

def test_policy_is_the_modules_unless_one_is_named(cloche, name):
    policies = [p["name"] for p in cloche.http.get("/v1/policies").json()["policies"]]
    other = next(p for p in policies if p not in ("default",))
    answer = cloche.http.put(f"/v1/modules/{name}", json={"source": "def f(): return 1\n", "policy": other})
    assert answer.status_code == 201, answer.text
    assert call(cloche, f"{name}.f")["policy"]["name"] == other
    assert call(cloche, f"{name}.f", policy="default")["policy"]["name"] == "default"


def test_limits_narrow_as_in_any_call(cloche, prices):
    envelope = call(cloche, f"{prices}.rows", 100000, limits={"result": "1Ki", "output": "1Mi"})
    assert envelope["verdict"] == "limit"
    refusal(cloche.post({"function": f"{prices}.net", "args": [1], "limits": {"wall": "10h"}}), 403, "limit-widened")


# ---------------------------------------------------------------------------------------------- later, fast

def test_async_call_of_a_function(cloche, prices):
    answer = cloche.http.post("/v1/calls", json={"function": f"{prices}.net", "args": [120]},
                              headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    found = cloche.http.get(f"/v1/calls/{answer.json()['id']}", params={"wait": "20s"}).json()
    assert found["status"] == "done" and found["result"] == 100.0


def test_kept_function_is_not_compiled_again(cloche, name):
    """Nearly all of the time of so large a source is the compiler's."""
    large = "".join(f"def f{n}(x):\n    return [x + {n} for _ in range(3)]\n" for n in range(max(200, int(1000 / SLOW)))) + "def main(): return 1\n"
    put(cloche, name, large)

    def cpu_us(body):
        envelopes = [cloche.post(body).json() for _ in range(9)]
        assert {envelope["result"] for envelope in envelopes} == {1}
        return statistics.median(envelope["usage"]["cpu_us"] for envelope in envelopes)
    assert cpu_us({"function": name}) < cpu_us({"source": large}) / 2


# --------------------------------------------------------------------------------------------- command line

@pytest.fixture
def command(cloche):
    def run(*words):
        return subprocess.run([BIN / "cloche", *words, "--url", cloche.url, "--token-file",
                               pathlib.Path(cloche.state) / "local.token"], capture_output=True, text=True, timeout=60)
    return run


def test_command_pushes_lists_calls_and_removes(command, tmp_path, name):
    (tmp_path / f"{name}.py").write_text('def net(gross: float) -> float:\n    """Without tax."""\n    return gross / 1.2\n')
    (tmp_path / f"{name}_b.py").write_text("x = 1\ndef (:\n")
    (tmp_path / "Not-A-Name.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("x")
    done = command("push", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout.split()[:2] == [name, "new"] and len(done.stdout.splitlines()) == 1
    assert f"{name}_b.py:2: SyntaxError: invalid syntax" in done.stderr and "Not-A-Name.py" in done.stderr
    assert "2 left out, 1 pushed" in done.stderr
    assert command("call", f"{name}.net", "-a", "120").stdout == "100.0\n"
    assert command("call", f"{name}.net", "-k", "gross=120", "--stream").stdout == "100.0\n"
    later = command("call", f"{name}.net", "-a", "120", "--async")
    assert later.returncode == 0 and len(later.stdout.strip()) == 26
    missing = command("call", f"{name}.nett")
    assert missing.returncode == 2 and f"did you mean {name}.net" in missing.stderr
    assert f"{name}.net(gross: float) -> float  Without tax." in command("functions").stdout.splitlines()
    assert any(line.split()[0] == name for line in command("modules", "list").stdout.splitlines())
    assert "net(gross: float) -> float" in command("modules", "show", name).stdout
    assert command("modules", "source", name).stdout.startswith("def net(gross")
    assert command("modules", "versions", name).stdout.rstrip().endswith("  current")
    assert command("modules", "remove", name).returncode == 0
    assert command("modules", "show", name).returncode == 2
    assert json.loads(command("functions", "-o", "json").stdout.splitlines()[0])["functions"] is not None


def test_command_pushes_one_file(command, tmp_path, name):
    file = tmp_path / f"{name}.py"
    file.write_text("def main(): return 'here'\n")
    assert command("push", str(file)).returncode == 0
    assert command("call", name).stdout == "here\n"
    assert command("push", str(tmp_path / "absent")).returncode == 2
    assert command("push", str(file), "--prune").returncode == 2
    assert command("call", name, "--async", "--stream").returncode == 2


@pytest.mark.alone
def test_lists_are_quick_with_many_modules(own):
    files = {f"many_{n}": f"def f(x: int = {n}) -> int:\n    return x\n" for n in range(400)}
    assert own.http.post("/v1/modules:push", json={"files": files}).status_code == 200
    own.http.get("/v1/modules")
    start = time.monotonic()
    assert len(own.http.get("/v1/modules").json()["modules"]) == 100
    assert time.monotonic() - start < 0.2 * SLOW
