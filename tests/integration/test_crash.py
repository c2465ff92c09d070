# SPDX-License-Identifier: Apache-2.0
"""kill -9 of every process in turn, at random moments, under running workflows and async calls: what was acknowledged
is there and comes to an end, nothing ends twice, and what was cut off says so.

CLOCHE_CRASH_ROUNDS asks for more kills than the few of an ordinary run, CLOCHE_CRASH_SEED for other moments."""

import json
import os
import random
import signal
import threading
import time

import httpx
from service import SLOW, Service, wait_until

ROUNDS = int(os.environ.get("CLOCHE_CRASH_ROUNDS", "4"))
SEED = int(os.environ.get("CLOCHE_CRASH_SEED", "9"))
CALLS, WORKFLOWS, TASKS = 200, 20, 6

WORK = """
import time

def step(number, seconds=0.15):
    time.sleep(seconds)
    return number

def add(*numbers):
    return sum(numbers)
"""


class Clients:
    """Keeps so many calls and workflows going, and remembers what was acknowledged."""

    def __init__(self, service):
        self.service = service
        self.stop_event = threading.Event()
        self.calls, self.workflows = {}, set()  # id -> the number sent; ids
        self.ended = {}                         # id -> the record as first seen at its end
        self.faults = []                        # what should not have been answered
        self.twice = []                         # ids whose end was told in two ways
        self.threads = [threading.Thread(target=self._run, args=(self._calls,), daemon=True),
                        threading.Thread(target=self._run, args=(self._workflows,), daemon=True)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_event.set()
        for thread in self.threads:
            thread.join(60 * SLOW)

    def _run(self, what):
        while not self.stop_event.is_set():
            try:
                with self.service.client(10) as client:
                    while not self.stop_event.is_set():
                        what(client)
                        time.sleep(0.02)
            except (httpx.HTTPError, ValueError, OSError, TypeError):
                time.sleep(0.05)  # it is being killed, or has no address yet
            except AssertionError as fault:
                self.faults.append(fault)
                return

    def note(self, name, record):
        """The same end as the last time, if it was seen before."""
        text = json.dumps(record, sort_keys=True)
        if self.ended.setdefault(name, text) != text:
            self.twice.append((name, self.ended[name], text))

    def _calls(self, client):
        for name in [one for one in self.calls if one not in self.ended][:40]:
            self.look_at_call(client, name)
        while len(self.calls) - len([one for one in self.calls if one in self.ended]) < CALLS:
            number = len(self.calls)
            function = "again.step" if number % 3 == 0 else "work.step"
            answer = client.post("/v1/calls", json={"function": function, "args": [number]},
                                 headers={"Prefer": "respond-async"})
            if answer.status_code != 202:
                assert answer.status_code in (429, 503), answer.text
                return
            self.calls[answer.json()["id"]] = number

    def _workflows(self, client):
        for name in [one for one in self.workflows if one not in self.ended]:
            self.look_at_workflow(client, name)
        while len([one for one in self.workflows if one not in self.ended]) < WORKFLOWS:
            answer = client.post("/v1/workflows", json=workflow(len(self.workflows)))
            if answer.status_code != 202:
                assert answer.status_code in (429, 503), answer.text
                return
            self.workflows.add(answer.json()["workflow_id"])

    def look_at_call(self, client, name):
        answer = client.get(f"/v1/calls/{name}")
        if answer.status_code in (500, 503):
            return None
        assert answer.status_code == 200, f"acknowledged call {name}: {answer.status_code} {answer.text}"
        if answer.json()["status"] != "done":
            return None
        self.note(name, answer.json())
        return answer.json()

    def look_at_workflow(self, client, name):
        answer = client.get(f"/v1/workflows/{name}")
        if answer.status_code in (500, 503):
            return None
        assert answer.status_code == 200, f"acknowledged workflow {name}: {answer.status_code} {answer.text}"
        if answer.json()["status"] not in ("completed", "failed", "cancelled", "timeout"):
            return None
        self.note(name, answer.json())
        return answer.json()


def workflow(number):
    retry = {"max_attempts": 3, "base_delay": 0.1} if number % 2 else None
    tasks = [{"id": f"s{at}", "method": "execute", "params": {"function": "work.step", "args": [at], "isolated": True},
              "dependencies": [f"s{at - 2}"] if at > 1 else [], **({"retry": retry} if retry else {})}
             for at in range(TASKS)]
    tasks.append({"id": "sum", "method": "execute", "dependencies": [f"s{at}" for at in range(TASKS)],
                  "params": {"function": "work.add", "isolated": True,
                             "args": [f"${{s{at}.result}}" for at in range(TASKS)]}})
    return {"name": f"run {number}", "tasks": tasks}


# ------------------------------------------------------------------------------------------------- the kills

def victims(service):
    return {"api": service.api(), "zygote": service.zygotes(), "worker": service.workers(), "cloched": [service.pid]}


def kill_one(service, kind, chance):
    def killed():
        pids = victims(service)[kind]
        try:
            os.kill(chance.choice(pids), signal.SIGKILL) if pids else None
        except ProcessLookupError:
            return False  # a worker that had ended by itself
        return bool(pids)

    wait_until(killed, 20, what=f"a {kind} to kill")
    if kind == "cloched":
        service.process.wait(20 * SLOW)
        service.http.close()
        service.start()


def serves(service):
    def answers():
        try:
            with service.client(5) as client:
                answer = client.post("/v1/calls", json={"source": "def main(): return 1"})
                return answer.status_code == 200 and answer.json()["verdict"] == "ok"
        except httpx.HTTPError:
            return False

    wait_until(answers, 20, what="an answer after the kill")


def check_call(record, number):
    assert record["verdict"] in ("ok", "lost", "crashed"), record
    if record["verdict"] == "ok":
        assert record["result"] == number, record
    if number % 3:
        assert record["attempts"] <= 1, f"run twice without leave: {record}"
    if record["verdict"] == "lost":
        assert record["message"], record
    if record["verdict"] == "crashed":  # its own worker was the one
        assert record["crash"]["signal"] == "SIGKILL", record


def check_workflow(record):
    states = {task["status"] for task in record["tasks"].values()}
    assert states <= {"completed", "failed", "skipped", "cancelled"}, record
    if record["status"] == "completed":
        assert states == {"completed"}, record
        assert record["tasks"]["sum"]["result"]["result"] == sum(range(TASKS)), record
        return
    assert record["status"] == "failed", record
    broken = [task for task in record["tasks"].values() if task["status"] == "failed"]
    assert broken, record
    for task in record["tasks"].values():
        if task["status"] != "completed":
            assert task["error"] and task["error_code"] and task["code"], f"unexplained: {task}"


def test_what_was_acknowledged_outlives_every_kill():
    chance = random.Random(SEED)
    with Service() as service:
        for name, retry in (("work", False), ("again", True)):
            answer = service.http.put(f"/v1/modules/{name}", json={"source": WORK, "retry": retry})
            assert answer.status_code == 201, answer.text
        with Clients(service) as clients:
            wait_until(lambda: len(clients.calls) >= CALLS and len(clients.workflows) >= WORKFLOWS, 30, what="enough under way")
            for number in range(ROUNDS):
                time.sleep(chance.uniform(0.05, 0.6) * SLOW)
                kill_one(service, ("api", "zygote", "worker", "cloched")[number % 4], chance)
                serves(service)
            time.sleep(0.3 * SLOW)

        assert not clients.faults, clients.faults[0]
        assert len(clients.calls) >= CALLS and len(clients.workflows) >= WORKFLOWS, "too little was under way"
        with service.client() as client:
            for name, number in clients.calls.items():
                wait_until(lambda: clients.look_at_call(client, name), 60, what=f"the end of call {name}")
                check_call(json.loads(clients.ended[name]), number)
            for name in clients.workflows:
                wait_until(lambda: clients.look_at_workflow(client, name), 60, what=f"the end of workflow {name}")
                check_workflow(json.loads(clients.ended[name]))
        assert not clients.twice, clients.twice[:3]
        verdicts = [json.loads(clients.ended[name])["verdict"] for name in clients.calls]
        assert verdicts.count("ok") > len(verdicts) // 2, "hardly anything got through"
