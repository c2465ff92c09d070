# SPDX-License-Identifier: Apache-2.0
"""Modules that are kept: what a PUT answers, versions, lists, pushes, refusals, and that they outlive a restart."""

import hashlib
import json
import os
import signal
import textwrap
import uuid

import pytest
from service import ROOT, Service, wait_until

PYTHON = {"Content-Type": "text/x-python"}
PRICES = '''"""Prices."""
def net(gross: float, rate: float = 0.2, *, round_to: int | None = None) -> float:
    """Without tax."""
    return round(gross / (1 + rate), round_to)

async def fetch(*ids: int, **rest): pass

class Money:
    """Cash."""
    def __init__(self, cents: int): self.cents = cents

def _hidden(): pass
'''


def put(service, name, source, **headers):
    return service.http.put(f"/v1/modules/{name}", content=textwrap.dedent(source), headers={**PYTHON, **headers})


def call(service, function, *args, **body):
    answer = service.post({"function": function, "args": list(args), **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def name():
    """A name that no other test has."""
    return "m_" + uuid.uuid4().hex[:12]


def problem(answer, status, slug):
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:cloche:problem:{slug}"
    return answer.json()


# ------------------------------------------------------------------------------------------- one module

def test_put_answers_what_the_file_defines(cloche, name):
    answer = put(cloche, name, PRICES)
    assert answer.status_code == 201, answer.text
    module = answer.json()
    assert module["name"] == name
    assert module["version"] == hashlib.sha256(PRICES.encode()).hexdigest()[:12]
    assert [f["name"] for f in module["functions"]] == ["net", "fetch", "Money"]
    net, fetch, money = module["functions"]
    assert net == {
        "name": "net", "signature": "(gross: float, rate: float = 0.2, *, round_to: int | None = None) -> float",
        "schema": {"type": "object", "required": ["gross"], "additionalProperties": False, "properties": {
            "gross": {"type": "number"}, "rate": {"type": "number", "default": 0.2},
            "round_to": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}}},
        "doc": "Without tax.", "is_async": False, "line": 2}
    assert (fetch["is_async"], fetch["signature"]) == (True, "(*ids: int, **rest)")
    assert (money["signature"], money["doc"]) == ("(cents: int)", "Cash.")
    assert (module["policy"], module["retry"], module["description"], module["served"]) == (None, False, "", False)
    assert cloche.http.get(f"/v1/modules/{name}").json() == module


def test_same_content_again_is_no_new_version(cloche, name):
    first = put(cloche, name, "def f(): return 1\n")
    again = put(cloche, name, "def f(): return 1\n")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_json_sets_what_belongs_to_the_module_and_python_keeps_it(cloche, name):
    body = {"source": "def f(): return 1\n", "description": "One.", "policy": "default", "retry": True}
    answer = cloche.http.put(f"/v1/modules/{name}", json=body)
    assert answer.status_code == 201
    assert [answer.json()[key] for key in ("description", "policy", "retry")] == ["One.", "default", True]
    module = put(cloche, name, "def f(): return 2\n").json()
    assert [module[key] for key in ("description", "policy", "retry")] == ["One.", "default", True]
    module = cloche.http.put(f"/v1/modules/{name}", json={"source": "def f(): return 2\n"}).json()
    assert [module[key] for key in ("description", "policy", "retry")] == ["", None, False]


def test_source_comes_back_as_it_was(cloche, name):
    text = "# ü\r\ndef f():\n\treturn '\\u2028'\n"
    cloche.http.put(f"/v1/modules/{name}", content=text.encode(), headers=PYTHON)
    answer = cloche.http.get(f"/v1/modules/{name}", headers={"Accept": "text/x-python"})
    assert answer.content == text.encode()
    assert answer.headers["content-type"].startswith("text/x-python")


def test_old_versions_stay_callable(cloche, name):
    versions = [put(cloche, name, f"def f(): return {n}\n").json()["version"] for n in range(3)]
    assert call(cloche, f"{name}.f")["result"] == 2
    assert [call(cloche, f"{name}.f", version=version)["result"] for version in versions] == [0, 1, 2]
    listed = cloche.http.get(f"/v1/modules/{name}/versions").json()["versions"]
    assert [v["version"] for v in listed] == versions[::-1] and [v["is_current"] for v in listed] == [True, False, False]
    problem(cloche.http.get(f"/v1/modules/{name}_x/versions"), 404, "module-not-found")
    old = cloche.http.get(f"/v1/modules/{name}", params={"version": versions[0]})
    assert old.json()["version"] == versions[0]
    source = cloche.http.get(f"/v1/modules/{name}", params={"version": versions[0]}, headers={"Accept": "text/x-python"})
    assert source.text == "def f(): return 0\n"
    assert put(cloche, name, "def f(): return 0\n").json()["version"] == versions[0]
    assert call(cloche, f"{name}.f")["result"] == 0


def test_old_version_has_its_own_functions(cloche, name):
    old = put(cloche, name, "def before(): return 1\n").json()["version"]
    put(cloche, name, "def after(): return 2\n")
    assert call(cloche, f"{name}.before", version=old)["result"] == 1
    problem(cloche.post({"function": f"{name}.after", "version": old}), 404, "function-not-found")
    problem(cloche.post({"function": f"{name}.before"}), 404, "function-not-found")
    problem(cloche.post({"function": f"{name}.before", "version": "0" * 12}), 404, "function-not-found")
    problem(cloche.http.get(f"/v1/modules/{name}", params={"version": "0" * 12}), 404, "module-not-found")


def test_delete_takes_all_versions(cloche, name):
    version = put(cloche, name, "def f(): return 1\n").json()["version"]
    assert cloche.http.delete(f"/v1/modules/{name}").status_code == 204
    problem(cloche.http.delete(f"/v1/modules/{name}"), 404, "module-not-found")
    problem(cloche.http.get(f"/v1/modules/{name}"), 404, "module-not-found")
    problem(cloche.post({"function": f"{name}.f", "version": version}), 404, "function-not-found")
    assert put(cloche, name, "def f(): return 1\n").status_code == 201


# --------------------------------------------------------------------------------------------- refusals

def test_file_that_does_not_compile_is_refused_with_its_place(cloche, name):
    found = problem(put(cloche, name, "x = 1\ndef f(:\n    pass\n"), 422, "module-invalid")
    assert (found["line"], found["column"], found["detail"]) == (2, 7, "SyntaxError: invalid syntax")
    problem(cloche.http.get(f"/v1/modules/{name}"), 404, "module-not-found")
    problem(cloche.http.delete(f"/v1/modules/{name}"), 404, "module-not-found")
    assert name not in cloche.http.get("/v1/modules", params={"limit": 1000}).text, "a refusal leaves nothing behind"
    put(cloche, name, "def f(): return 1\n")
    problem(put(cloche, name, "def f(:\n"), 422, "module-invalid")
    assert call(cloche, f"{name}.f")["result"] == 1


@pytest.mark.parametrize("bad", ["Prices", "1st", "a-b", "a.b", "..%2fx", "pr%C4%B1ces", "рrices", "a" * 65, "a%00", "a b"])
def test_names_are_plain(cloche, bad):
    answer = put(cloche, bad, "x = 1\n")
    assert answer.status_code in (400, 422, 404), answer.text


@pytest.mark.parametrize("taken", ["json", "sys", "os", "main", "__main__", "cloche", "builtins", "marshal", "tkinter",
                                   "urllib", "_imp", "__init__", "zipimport"])
def test_name_of_another_module_is_refused(cloche, taken):
    found = problem(put(cloche, taken, "x = 1\n"), 422, "module-invalid")
    assert found["detail"] == f"File name {taken} hides a module"
    problem(cloche.post({"function": f"{taken}.f"}), 404, "function-not-found")
    assert cloche.call("import json\ndef main(): return json.dumps([1])")["result"] == "[1]"


@pytest.mark.parametrize("body,pointer", [
    ({}, "/source"), ({"source": 5}, "/source"), ({"source": "x", "more": 1}, ""), ({"source": "x", "retry": 1}, "/retry"),
    ({"source": "x", "description": "d" * 3000}, "/description"), ([], ""),
])
def test_bodies_are_read_strictly(cloche, name, body, pointer):
    found = problem(cloche.http.put(f"/v1/modules/{name}", json=body), 400, "malformed")
    assert found["pointer"] == pointer


def test_other_refusals(cloche, name):
    assert cloche.http.put(f"/v1/modules/{name}", content="x", headers={"Content-Type": "text/plain"}).status_code == 415
    answer = cloche.http.put(f"/v1/modules/{name}", json={"source": "x = 1", "policy": "nobodys"})
    problem(answer, 403, "policy-not-allowed")
    problem(put(cloche, name, "#" * ((1 << 20) + 1)), 413, "too-large")
    answer = cloche.http.put(f"/v1/modules/{name}", content=b"x = '\xff\xfe'\n", headers=PYTHON)
    problem(answer, 422, "module-invalid")
    problem(put(cloche, name, "x = 1\n\0"), 422, "module-invalid")


@pytest.mark.parametrize("source", ["(" * 50_000, "x = " + "-" * 200_000 + "1", "f(" * 30_000, "[" * 9999 + "]" * 9999,
                                    "x" + ".a" * 100_000, "lambda: " * 40_000 + "1", "if 1:\n" * 50])
def test_hostile_sources_end_in_a_refusal(cloche, name, source):
    problem(put(cloche, name, source), 422, "module-invalid")
    assert cloche.call("def main(): return 1")["result"] == 1


def test_reading_runs_nothing(cloche, name):
    source = """
        raise SystemExit
        import os
        @(lambda f: 1 / 0)
        def f(x=1 / 0, y: 1 / 0 = exit()): pass
        __all__ = [print('ran')] + exit()
        z = 'a' * 10 ** 9
        """
    answer = put(cloche, name, source)
    assert answer.status_code == 201 and [f["name"] for f in answer.json()["functions"]] == ["f"]


# ------------------------------------------------------------------------------------------ lists, push

def test_lists_are_paged(cloche):
    names = sorted(f"page_{n}_{uuid.uuid4().hex[:6]}" for n in range(5))
    answer = cloche.http.post("/v1/modules:push", json={"files": {n: "def f(): pass\ndef g(): pass\n" for n in names}})
    assert answer.status_code == 200
    seen, cursor = [], None
    while cursor or not seen:
        page = cloche.http.get("/v1/modules", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert page.keys() == {"modules", "next"} and len(page["modules"]) <= 2
        seen += [m["name"] for m in page["modules"]]
        cursor = page["next"]
    assert seen == sorted(seen) and set(names) <= set(seen)
    functions = cloche.http.get("/v1/functions", params={"limit": 1000}).json()["functions"]
    found = [f["function"] for f in functions if f["module"] in names]
    assert found == [f"{n}.{f}" for n in names for f in "fg"]
    assert functions[0].keys() >= {"function", "module", "version", "name", "signature", "schema", "doc", "line"}


@pytest.mark.parametrize("path", ["/v1/modules", "/v1/functions"])
@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "cursor=", "cursor=No-Name",
                                   "cursor=" + "a" * 65, "cursor=%00", "page=1"])
def test_lists_with_wrong_queries_are_400(cloche, path, query):
    found = problem(cloche.http.get(f"{path}?{query}"), 400, "malformed")
    assert query.split("=")[0] in found["detail"]


def push(service, files, **more):
    answer = service.http.post("/v1/modules:push", json={"files": files, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_push_is_one_set_and_names_what_is_broken(cloche, name):
    a, b, c = name + "_a", name + "_b", name + "_c"
    found = push(cloche, {a: f"import {b}\ndef f(): return {b}.g()\n", b: "def g(): return 1\n", c: "x = 1\ndef (:\n"})
    assert [(m["name"], m["state"]) for m in found["modules"]] == [(a, "new"), (b, "new")]
    assert found["refused"] == [{"name": c, "message": "SyntaxError: invalid syntax", "line": 2, "column": 5}]
    assert call(cloche, f"{a}.f")["result"] == 1
    answer = cloche.post({"function": f"{c}.x"})
    assert problem(answer, 404, "function-not-found")["detail"] == \
        f"Function {c}.x not found: line 2: SyntaxError: invalid syntax"
    assert "SyntaxError" in cloche.http.get(f"/v1/modules/{c}").json()["error"]
    found = push(cloche, {a: f"import {b}\ndef f(): return {b}.g()\n", b: "def g(): return 2\n", c: "x = 1\n"})
    assert [(m["name"], m["state"]) for m in found["modules"]] == [(a, "same"), (b, "changed"), (c, "new")]
    assert call(cloche, f"{a}.f")["result"] == 2


def test_what_was_broken_is_remembered_until_the_next_push(own):
    """A tenant that pushes nothing but broken files, each time under other names, fills no memory."""
    for turn in range(3):
        assert len(push(own, {f"bad_{turn}_{n}": "def (:\n" for n in range(20)})["refused"]) == 20
        assert {m["name"] for m in own.http.get("/v1/modules").json()["modules"]} == {f"bad_{turn}_{n}" for n in range(20)}
    assert own.http.delete("/v1/modules/bad_2_0").status_code == 204
    assert put(own, "bad_2_1", "def f(): return 1\n").status_code == 201 and call(own, "bad_2_1.f")["result"] == 1
    push(own, {"fine": "x = 1\n"})
    assert [m["name"] for m in own.http.get("/v1/modules").json()["modules"]] == ["bad_2_1", "fine"]


def test_push_may_remove_what_is_not_in_it(own):
    push(own, {"one": "def f(): return 1\n", "two": "def f(): return 2\n"})
    assert push(own, {"two": "def f(): return 2\n"}, prune=True)["removed"] == ["one"]
    assert [m["name"] for m in own.http.get("/v1/modules").json()["modules"]] == ["two"]


@pytest.mark.parametrize("body,pointer", [
    ({}, "/files"), ({"files": []}, "/files"), ({"files": {"A": "x"}}, "/files/A"), ({"files": {"a": 1}}, "/files/a"),
    ({"files": {}, "source": "x"}, ""), ({"files": {"a/b": "x"}}, "/files/a~1b"),
])
def test_push_is_read_strictly(cloche, body, pointer):
    answer = cloche.http.post("/v1/modules:push", json=body)
    assert problem(answer, 400, "malformed")["pointer"] == pointer


# --------------------------------------------------------------------------------------------- restarts

def test_they_outlive_a_restart(config, tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with Service(config=config, state=state) as service:
        put(service, "tax", "def of(rate): return rate\n")
        versions = [put(service, "prices", f"import tax\ndef net(x): return x * tax.of({n})\n").json()["version"]
                    for n in (2, 3)]
        before = service.http.get("/v1/modules/prices").json()
        assert call(service, "prices.net", 5)["result"] == 15
    with Service(config=config, state=state) as service:
        assert service.http.get("/v1/modules/prices").json() == before
        assert call(service, "prices.net", 5)["result"] == 15  # neither is in memory now
        assert call(service, "prices.net", 5, version=versions[0])["result"] == 10


def test_killed_api_has_lost_nothing_that_was_answered(own):
    for n in range(5):
        assert put(own, f"kept_{n}", f"def f(): return {n}\n").status_code == 201
    before = own.api()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: own.api() and own.api() != before, what="another api")
    with own.client() as client:
        wait_until(lambda: client.get("/readyz").status_code == 200, what="it to be ready")
        assert [m["name"] for m in client.get("/v1/modules").json()["modules"]] == [f"kept_{n}" for n in range(5)]
        answer = client.post("/v1/calls", json={"function": "kept_3.f"})
        assert answer.json()["result"] == 3, json.dumps(answer.json())


def test_what_modules_define_has_a_bound_in_memory(tmp_path):
    """Each of these has a default of 800 kB, which its schema tells."""
    source = "def f(x='" + "y" * 800_000 + "'): pass"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/default.yaml").write_text(
        (ROOT / "policies/default.yaml").read_text().replace("cpu: 2s", "cpu: 60s").replace("wall: 5s", "wall: 120s"))
    with Service(config=tmp_path) as service:
        taken, refused = 0, []
        while not refused and taken < 120:
            names = [f"m{taken + i}" for i in range(4)]
            answer = service.http.post("/v1/modules:push", json={"files": dict.fromkeys(names, source)}).json()
            taken, refused = taken + len(answer["modules"]), answer["refused"]
        assert 75 < taken < 90 and "64 MiB" in refused[0]["message"]
        assert put(service, "large", source).status_code == 422
        assert put(service, "m0", "def f(): pass").status_code == 200  # less than it was
        assert put(service, "small", "def f(): pass").status_code == 201
        assert call(service, "m1.f")["verdict"] == "ok"
