# SPDX-License-Identifier: Apache-2.0
"""What a caller may ask of a policy: narrower limits for one call, and to see what it grants."""

import subprocess

import pytest
from service import BIN, ROOT
from test_keys import CASES, host, keys, limited, policies, result, run  # noqa: F401 (three are fixtures)


def test_call_narrows_each_limit(keys):
    limited(run(keys, "base", "import time\ndef main(): time.sleep(1)", limits={"wall": "200ms"}), "wall", 200, "ms")
    limited(run(keys, "base", "def main():\n    while True: pass", limits={"cpu": "100ms"}), "cpu", 100, "ms")
    limited(run(keys, "base", "def main(): bytearray(40 << 20)", limits={"memory": "20Mi"}), "memory", 20 << 20,
            "bytes")
    limited(run(keys, "base", "def main(): print('x' * 10)", limits={"output": "10"}), "output", 10, "bytes")
    limited(run(keys, "base", "def main(): return 'x' * 9", limits={"result": "10"}), "result", 10, "bytes")
    threads = "import threading\ndef main():\n    gate = threading.Event()\n    for _ in range(2): " \
              "threading.Thread(target=gate.wait, daemon=True).start()"
    limited(run(keys, "processes", threads, limits={"processes": 2}), "processes", 2, "count")
    fill = "def main():\n    with open('/tmp/x', 'wb') as file: file.write(bytes(8192))"
    limited(run(keys, "files", fill, limits={"files": "4Ki"}, artifacts=["x"]), "files", 4096, "bytes")


def test_call_may_ask_for_exactly_what_is_granted(keys):
    limits = {"wall": "5s", "cpu": "2s", "memory": "128Mi", "processes": 1, "output": "1Mi", "result": "1Mi",
              "files": "0"}
    assert result(keys, "base", "def main(): return 1", limits=limits) == 1


@pytest.mark.parametrize("limit, value, said", [
    ("wall", "5001ms", "wall: 5001 ms asked for, policy \"base\" grants 5000"), ("wall", "1h", "3600000 ms"),
    ("cpu", "2001ms", "grants 2000"), ("memory", "129Mi", "grants 134217728"), ("processes", 2, "2 count asked for"),
    ("output", "1048577", "grants 1048576"), ("result", "2Mi", "grants 1048576"), ("files", "1", "grants 0")])
def test_call_that_widens_a_limit_is_refused(keys, limit, value, said):
    answer = keys.post({"source": "def main(): return 1", "policy": "base", "limits": {limit: value}})
    assert answer.status_code == 403, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:cloche:problem:limit-widened" and problem["status"] == 403
    assert problem["pointer"] == f"/limits/{limit}" and said in problem["detail"]


@pytest.mark.parametrize("limits, pointer", [
    ({"wall": "0s"}, "/limits/wall"), ({"wall": 5}, "/limits/wall"), ({"wall": "5"}, "/limits/wall"),
    ({"cpu": "1d"}, "/limits/cpu"), ({"memory": "1MB"}, "/limits/memory"), ({"memory": "0"}, "/limits/memory"),
    ({"processes": 0}, "/limits/processes"), ({"processes": "1"}, "/limits/processes"),
    ({"processes": 1.5}, "/limits/processes"), ({"request": "1Ki"}, "/limits/request"),
    ({"inodes": 16}, "/limits/inodes"), ([], "/limits")])
def test_call_with_a_malformed_limit_is_told_where(keys, limits, pointer):
    answer = keys.post({"source": "def main(): return 1", "policy": "base", "limits": limits})
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:cloche:problem:malformed" and answer.json()["pointer"] == pointer


EVERYTHING = {
    "name": "everything", "description": "All keys, none at its default.",
    "python": {"modules": ["math", "json", "base64"], "names": {"math": ["sin", "cos"], "base64": ["b64encode"]},
               "preload": ["json"], "transitive": "listed", "eval": True,
               "register": False, "builtins": {"remove": ["open", "exec"]}},
    "limits": {"wall_ms": 60_000, "cpu_ms": 1500, "memory_bytes": 64 << 20, "processes": 4, "output_bytes": 2048,
               "result_bytes": 3072, "request_bytes": 8192, "files_bytes": 1 << 20, "inodes": 77, "depth": 64,
               "calls_per_worker": 1},
    "cpu": {"weight": 250, "max_milli": 1500}, "network": "none",
    # The target alone: where it lies on the host is nobody's business.
    "files": {"read_only": ["/licences"]},
    "syscalls": {"tiers": ["compute", "time", "threads", "tmp_files"], "on_violation": "errno"},
    "sessions": {"allow": True, "default": "token", "idle_ms": 30_000, "max_ms": 3_600_000, "threads": 7},
    "isolation": "policy",
}


def test_policy_shows_every_field(keys):
    shown = keys.http.get("/v1/policies/everything").json()
    assert shown.pop("generation") == keys.http.get("/v1/policies/default").json()["generation"] >= 1
    opened = shown["syscalls"].pop("allowed")
    assert shown == EVERYTHING
    assert opened > keys.http.get("/v1/policies/base").json()["syscalls"]["allowed"] > 20


def test_policy_shows_what_the_parent_says(keys):
    base, grown = (keys.http.get(f"/v1/policies/{name}").json() for name in ("base", "grown"))
    assert grown["description"] == "" and base["description"] == "What the other cases extend."
    assert grown["python"]["modules"] == [*base["python"]["modules"], "cmath", "colorsys"]
    assert {**grown, "name": 0, "description": 0, "python": 0} == {**base, "name": 0, "description": 0, "python": 0}


def test_list_shows_the_same_as_each_policy(keys):
    listed = keys.http.get("/v1/policies").json()["policies"]
    assert {policy["name"] for policy in listed} == {*CASES, "base", "bound", "default", "strict"}
    for policy in listed:
        assert keys.http.get(f"/v1/policies/{policy['name']}").json() == policy


@pytest.mark.parametrize("name", ["nowhere", "Base", "base.yaml", "b" * 63, "source-link"])
def test_policy_that_the_tenant_does_not_have_is_404(keys, name):
    answer = keys.http.get(f"/v1/policies/{name}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["type"] == "urn:cloche:problem:policy-not-found"
    assert keys.post({"source": "def main(): pass", "policy": name}).status_code == 403


def test_policies_want_a_token(keys):
    for path in ("/v1/policies", "/v1/policies/base"):
        assert keys.http.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_explain_shows_where_sessions_come_from():
    example = ROOT / "policies/examples/gleitzeit.yaml"
    done = subprocess.run([BIN / "cloche-policyc", "explain", example], capture_output=True, text=True, check=True)
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("sessions.")}
    assert set(lines) == {"sessions.allow", "sessions.default", "sessions.idle", "sessions.max", "sessions.threads"}
    assert lines["sessions.default"].split()[1] == "token" and "gleitzeit.yaml" in lines["sessions.default"]
