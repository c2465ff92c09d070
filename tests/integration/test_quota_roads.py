# SPDX-License-Identifier: Apache-2.0
"""A tenant's quota holds on every road to a call, not only on requests of one call each."""

import subprocess
import threading
import time

import httpx
import pytest
from service import BIN, SLOW, Service, wait_until

BURN = ("import time\ndef main():\n    end = time.process_time() + 0.3\n"
        "    while time.process_time() < end: pass\n    return 1")
LINES = BURN.split("\n", 1)[0] + "\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nresult = 1"
# Two of 0.3 s are within it, a third takes it over; whatever comes behind is not run.
TENANTS = """version: 1
tenants:
  thrifty:
    policies: [kept]
    quota: {cpu: 500ms/m, concurrency: 1}
  single:
    policies: [kept]
    quota: {concurrency: 1}
  counted:
    policies: [kept]
    quota: {rate: 60/m, burst: 10}
"""
POLICY = "version: 1\nextends: default\nlimits: {wall: 20s}\nsessions: {allow: true}\npool: {min: 1, max: 8}\n"


@pytest.fixture
def quotas(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/kept.yaml").write_text(POLICY)
    file = tmp_path / "tenants.yaml"
    file.write_text(TENANTS)
    tokens = {name: subprocess.run([BIN / "cloche", "token", "create", "--tenant", name, "--file", file,
                                    "--scopes", "call,workflows"], capture_output=True, text=True,
                                   timeout=30, check=True).stdout.strip() for name in ("thrifty", "single", "counted")}
    with Service(config=tmp_path) as service:
        clients = {name: httpx.Client(base_url=service.url, timeout=60 * SLOW,
                                      headers={"Authorization": f"Bearer {token}"})
                   for name, token in tokens.items()}
        yield clients
        for client in clients.values():
            client.close()


def test_stored_calls_wait_while_processor_time_is_used_up(quotas):
    client = quotas["thrifty"]
    ids = [client.post("/v1/calls", json={"source": BURN}, headers={"Prefer": "respond-async"}).json()["id"]
           for _ in range(6)]

    def done():
        return sum(client.get(f"/v1/calls/{id}").json()["status"] == "done" for id in ids)
    wait_until(lambda: done() >= 2, what="what the quota has room for")
    time.sleep(1)
    assert done() == 2
    answer = client.post("/v1/calls", json={"source": BURN})
    assert answer.status_code == 429 and answer.json()["type"].endswith("quota-cpu")


def test_stored_calls_start_when_there_is_a_place_for_them(quotas):
    """Not before: one that only waits is not marked as started, gives way to callers and to more urgent ones."""
    client = quotas["single"]

    def post(number, priority):
        body = {"source": f"import time\ndef main():\n    time.sleep(0.2)\n    return {number}", "priority": priority}
        return client.post("/v1/calls", json=body, headers={"Prefer": "respond-async"}).json()["id"]

    def states():
        return [client.get(f"/v1/calls/{id}").json()["status"] for id in ids]
    ids = [post(number, "low") for number in range(12)]
    wait_until(lambda: states()[0] == "done", what="the first one")
    urgent = post(12, "high")
    assert client.post("/v1/calls", json={"source": "def main(): return 'now'"}).json()["result"] == "now"
    assert states().count("queued") > 4
    seen = []
    wait_until(lambda: seen.append(states()) or client.get(f"/v1/calls/{urgent}").json()["status"] == "done",
               what="the urgent one")
    assert seen[-1].count("queued") > 2
    wait_until(lambda: seen.append(states()) or set(seen[-1]) == {"done"}, what="all")
    assert max(each.count("running") for each in seen) <= 2  # one may end while they are asked in turn


def test_tasks_of_a_workflow_wait_while_processor_time_is_used_up(quotas):
    client = quotas["thrifty"]
    made = client.post("/v1/workflows", json={"name": "w", "tasks": [
        {"id": f"t{i}", "method": "python/execute", "parameters": {"code": LINES}} for i in range(6)]})
    assert made.status_code == 202, made.text

    def done():
        tasks = client.get("/v1/workflows/" + made.json()["workflow_id"]).json()["tasks"].values()
        assert not any(task["status"] == "failed" for task in tasks), tasks
        return sum(task["status"] == "completed" for task in tasks)
    wait_until(lambda: done() >= 2, what="what the quota has room for")
    time.sleep(1)
    assert done() == 2


def test_calls_that_wait_and_batches_are_refused_when_processor_time_is_used_up(quotas):
    client = quotas["thrifty"]
    batch = [{"jsonrpc": "2.0", "id": i, "method": "python/execute", "params": {"code": LINES}} for i in range(6)]
    answers = client.post("/v1/rpc", json=batch).json()
    assert sum("result" in answer for answer in answers) == 2, answers
    assert all("processor time" in answer["error"]["message"] for answer in answers if "error" in answer)


def test_calls_of_sessions_count_as_calls_that_run(quotas):
    client = quotas["single"]
    ids = [client.post("/v1/sessions", json={}).json()["session"] for _ in range(4)]
    assert all(client.post("/v1/calls", json={"source": "def main(): return 1"},
                           headers={"Cloche-Session": id}).json()["result"] == 1 for id in ids)
    nap = {"source": "import time\ndef main():\n    start = time.monotonic()\n    time.sleep(0.3)\n"
                     "    return [start, time.monotonic()]"}
    times = []

    def call(id):
        times.append(client.post("/v1/calls", json=nap, headers={"Cloche-Session": id}).json()["result"])
    threads = [threading.Thread(target=call, args=(id,)) for id in ids for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    assert len(times) == 8
    assert all(before[1] <= after[0] for before, after in zip(times, times[1:])), times


def test_many_calls_in_one_request_are_many_to_the_rate(quotas):
    client = quotas["counted"]

    def left(answer):
        return int(answer.headers["RateLimit"].split("r=")[1].split(";")[0])
    one = {"jsonrpc": "2.0", "method": "execute", "params": {"function": "len", "args": ["ab"]}}
    answer = client.post("/v1/rpc", json=[{**one, "id": number} for number in range(6)])
    assert all("result" in item for item in answer.json()), answer.text
    answer = client.post("/v1/rpc", json={**one, "id": 0})
    assert answer.status_code == 200 and left(answer) in (3, 4)  # one may have come back meanwhile
    flow = {"name": "many", "tasks": [{"id": f"t{number}", "method": "execute", "params": {"code": "result = 1"}}
                                      for number in range(40)]}
    assert client.post("/v1/workflows", json=flow).status_code == 202
    answer = client.post("/v1/calls", json={"source": "def main(): return 1"})
    assert answer.status_code == 429 and answer.json()["type"].endswith("quota-rate")
    assert 25 < int(answer.headers["Retry-After"]) < 40
