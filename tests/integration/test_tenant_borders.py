# SPDX-License-Identifier: Apache-2.0
"""Every route that takes an id or a name, with another tenant's: the answer is that of one that never was, and
nothing happens to it."""

import contextlib
import json
import subprocess
import threading

import httpx
import pytest
from service import BIN, ROOT, SLOW, STRETCH, Service, wait_until

SCOPES = "call,modules,workflows,policies:read,admin"
NAP = f"import time\ndef main(): time.sleep({15 * STRETCH})"
TENANTS = "version: 1\ntenants:\n" + "".join(
    f"  {name}:\n    policies: [kept]\n" for name in ("owner", "thief"))
POLICY = (f"version: 1\nextends: default\nlimits: {{wall: {20 * STRETCH}s}}\n"
          "sessions: {allow: true}\npool: {min: 1, max: 8}\n")
# An id of each kind that nobody has, of the form of those that somebody has.
NOBODY = {"call": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "session": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
          "workflow": "workflow-00000000", "task": "task-00000000", "module": "nosuch"}
ROUTES = [
    ("call", "GET", "/v1/calls/{}", None), ("call", "GET", "/v1/calls/{}?wait=1s", None),
    ("call", "GET", "/v1/calls/{}/events", None), ("call", "DELETE", "/v1/calls/{}", None),
    ("session", "GET", "/v1/sessions/{}", None), ("session", "DELETE", "/v1/sessions/{}", None),
    ("workflow", "GET", "/v1/workflows/{}", None), ("workflow", "GET", "/v1/workflows/{}/events", None),
    ("workflow", "POST", "/v1/workflows/{}:cancel", {}), ("workflow", "GET", "/v1/tasks/{}", None),
    ("task", "GET", "/v1/tasks/{}", None), ("task", "GET", "/v1/workflows/{}", None),
    ("task", "POST", "/v1/workflows/{}:cancel", {}),
    ("module", "GET", "/v1/modules/{}", None), ("module", "GET", "/v1/modules/{}/versions", None),
    ("module", "DELETE", "/v1/modules/{}", None), ("module", "POST", "/v1/functions/{}.main/calls", {}),
    ("module", "POST", "/v1/calls", {"function": "{}.main"}),
]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("borders")
    (folder / "policies").mkdir()
    (folder / "policies/kept.yaml").write_text(POLICY)
    file = folder / "tenants.yaml"
    file.write_text(TENANTS)
    with Service(config=folder, args=["--drain", "100ms"]) as service, contextlib.ExitStack() as stack:
        def client(tenant, key):
            made = subprocess.run([BIN / "cloche", "token", "create", "--tenant", tenant, "--id", key, "--file", file,
                                   "--scopes", SCOPES], capture_output=True, text=True, timeout=30, check=True)
            http = stack.enter_context(httpx.Client(
                base_url=service.url, timeout=60 * SLOW,
                headers={"Authorization": f"Bearer {made.stdout.strip()}"}))
            wait_until(lambda: http.get("/v1/calls").status_code == 200, what=f"the token {key}")
            return http
        yield client("owner", "one"), client("owner", "two"), client("thief", "three")


@pytest.fixture(scope="module")
def ids(two):
    """One of each kind that runs or is there, all of the first."""
    owner = two[0]
    nap = {"id": "t", "method": "python/execute", "parameters": {"code": f"import time\ntime.sleep({15 * STRETCH})"}}
    later = owner.post("/v1/calls", json={"source": NAP}, headers={"Prefer": "respond-async", "Idempotency-Key": "k"})
    assert owner.put("/v1/modules/mine", json={"source": "def main(): return 1"}).status_code == 201
    return {"call": later.json()["id"], "session": owner.post("/v1/sessions", json={}).json()["session"],
            "workflow": owner.post("/v1/workflows", json={"name": "w", "tasks": [nap]}).json()["workflow_id"],
            "task": owner.post("/v1/tasks", json={**nap, "id": "task-4711aaaa"}).json()["workflow_id"], "module": "mine"}


def ask(http, method, path, body, name):
    body = json.loads(json.dumps(body).replace("{}.", name + ".")) if body else body
    answer = http.request(method, path.format(name), json=body)
    return answer.status_code, answer.text.replace(name, "?"), answer.headers.get("content-type")


@pytest.mark.parametrize("kind,method,path,body", ROUTES)
def test_what_another_tenant_has_never_was(two, ids, kind, method, path, body):
    found = ask(two[2], method, path, body, ids[kind])
    assert found[0] == 404 and found == ask(two[2], method, path, body, NOBODY[kind])


@pytest.mark.parametrize("path,body", [
    ("/v1/calls", {"source": "def main(): return 1"}), ("/v1/functions/mine.main/calls", {}),
    ("/v1/rpc", {"jsonrpc": "2.0", "id": 1, "method": "python/execute", "params": {"code": "result = 1"}})])
def test_a_session_is_entered_by_its_key_alone(two, ids, path, body):
    for http in two[1:]:
        answers = [http.post(path, json=body, headers={"Cloche-Session": id})
                   for id in (ids["session"], NOBODY["session"])]
        texts = {(a.status_code, a.text.replace(ids["session"], "?").replace(NOBODY["session"], "?")) for a in answers}
        assert len(texts) == 1 and answers[0].status_code == 404, texts
    assert two[1].get("/v1/sessions/" + ids["session"]).status_code == 404


def test_lists_hold_nothing_of_others(two, ids):
    for path in ("/v1/calls", "/v1/sessions", "/v1/workflows", "/v1/modules", "/v1/functions",
                 f"/v1/calls?cursor={ids['call']}", "/v1/modules?cursor=a", "/v1/workflows?status=active"):
        answer = two[2].get(path)
        assert answer.status_code == 200, answer.text
        assert not any(id in answer.text for id in ids.values()), (path, answer.text)


def test_an_idempotency_key_is_each_tenants_own(two, ids):
    answer = two[2].post("/v1/calls", json={"source": NAP}, headers={"Prefer": "respond-async", "Idempotency-Key": "k"})
    assert answer.status_code == 202 and answer.json()["id"] != ids["call"]
    assert two[2].delete("/v1/calls/" + answer.json()["id"]).status_code in (200, 202)


def test_the_table_of_routes_has_no_id_that_is_not_tried_here(two):
    rows = (ROOT / "api/routes.c").read_text()
    tried = {(method, path.split("?")[0].replace("{}.main", "{}")) for _, method, path, _ in ROUTES}
    fields = [part.split('"') for part in rows.split("{ ")[1:]]
    known = {(part[1], part[3]) for part in fields if len(part) > 3 and "{}" in part[3]}
    assert known - tried == {("PUT", "/v1/modules/{}"), ("GET", "/v1/policies/{}")}  # names are each tenant's


def test_all_of_it_is_as_it_was(two, ids):
    owner = two[0]
    assert owner.get("/v1/calls/" + ids["call"]).json()["status"] in ("queued", "running")
    assert owner.get("/v1/sessions/" + ids["session"]).status_code == 200
    assert owner.get("/v1/workflows/" + ids["workflow"]).json()["status"] == "running"
    assert owner.get("/v1/tasks/" + ids["task"]).json()["status"] in ("queued", "executing")
    assert owner.get("/v1/modules/mine").status_code == 200


def test_who_gets_a_new_token_gets_no_interpreter_of_the_old_one(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/kept.yaml").write_text(POLICY.replace("allow: true", "allow: true, default: token"))
    file = tmp_path / "tenants.yaml"
    file.write_text(TENANTS)
    request = {"jsonrpc": "2.0", "id": 1, "method": "python/execute",
             "params": {"code": "result = 1"}}
    nap = {"source": "import time\ndef main():\n    time.sleep(3)\n    return 1"}

    def made(*words):
        return subprocess.run([BIN / "cloche", "token", *words, "--tenant", "owner", "--file", file],
                              capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    old = made("create", "--id", "ci")
    with Service(config=tmp_path) as service:
        def own(token):
            """Ids of the sessions that a call makes, or finds."""
            head = {"Authorization": f"Bearer {token}"}
            httpx.post(service.url + "/v1/rpc", json=request, timeout=30 * SLOW, headers=head)
            answer = httpx.get(service.url + "/v1/sessions", headers=head)
            return {s["session"] for s in answer.json()["sessions"]} if answer.status_code == 200 else None
        before = own(old)
        assert len(before) == 1 and own(old) == before
        head = {"Authorization": f"Bearer {old}"}
        session = httpx.post(service.url + "/v1/sessions", json={}, headers=head, timeout=60 * SLOW).json()["session"]
        runs = []
        running = threading.Thread(target=lambda: runs.append(httpx.post(
            service.url + "/v1/calls", json=nap, headers={**head, "Cloche-Session": session}, timeout=30 * SLOW)))
        running.start()
        wait_until(lambda: httpx.get(f"{service.url}/v1/sessions/{session}", headers=head).json()["running"] == 1)
        made("revoke", "--id", "ci")
        new = made("create", "--id", "ci")
        wait_until(lambda: own(new), what="an interpreter of its own")
        assert own(old) is None and len(own(new)) == 1 and not own(new) & {*before, session}
        head = {"Authorization": f"Bearer {new}"}
        assert httpx.get(f"{service.url}/v1/sessions/{session}", headers=head).status_code == 404
        running.join()
        assert runs[0].json()["result"] == 1  # what ran ends well, and its session with it
        wait_until(lambda: any(f"session.end session={session}" in line for line in service.log), what="its end")
