# SPDX-License-Identifier: Apache-2.0
"""Workflows when the service dies under them. CLOCHE_ROUNDS says how often (3)."""

import os
import random
import shutil
import signal
import tempfile
import time

import httpx
import pytest
from service import Service, children, wait_until
from workflows import Workflows, call, code, states

ROUNDS = int(os.environ.get("CLOCHE_ROUNDS", "3"))
RETRY = {"max_attempts": 10, "backoff": "fixed", "base_delay": 0.1, "jitter": False}
LAST = {"completed", "failed", "cancelled", "timeout"}


@pytest.fixture
def state():
    folder = tempfile.mkdtemp(prefix="cloche-test-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def api_of(service):
    for pid in children(service.pid):
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() == "cloche-api":
                    return pid
        except OSError:
            pass
    return None


def start(config, state):
    service = Service(config=config, state=state)
    return service.start()


def kill_api(service):
    """cloched starts another one on the same port."""
    pid = api_of(service)
    service.http.close()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: api_of(service) not in (None, pid), 20, "another cloche-api")
    service.http = service.client()
    return service


def kill_all(service, config, state):
    """cloched and all that it started."""
    service.http.close()
    below = children(service.pid)
    for pid in [service.pid, *below]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    service.process.wait(40)
    return start(config, state)


def submit_some(flows, dice, count):
    """What was acknowledged: ids, whether all of its tasks may be retried."""
    kept = {}
    for number in range(count):
        retry = {"retry": RETRY} if number % 2 else {}
        tasks = [code(f"t{i}", "import time\ntime.sleep(0.05)\nresult = 1",
                      *[f"t{k}" for k in dice.sample(range(i), min(i, 2))], **retry) for i in range(8)]
        try:
            kept[flows.submit(*tasks, max_parallel_tasks=3)] = bool(retry)
        except (httpx.HTTPError, AssertionError):
            break
    return kept


def check_ended(flows, workflow, is_retried):
    record = flows.record(workflow)
    events = [event["event"] for event in flows.events(workflow)]
    assert events[0] == "workflow:submitted" and events[-1].removeprefix("workflow:") == record["status"]
    for name, task in record["tasks"].items():
        ends = [event for event in flows.events(workflow) if event.get("task_id") == name
                and event["event"] in ("task:completed", "task:failed", "task:skipped")]
        assert len(ends) == 1, (name, ends)
        if task["status"] == "failed":
            assert task["code"] == -25004 and task["error_code"] == "CONNECTION_LOST"
    if is_retried:
        assert record["status"] == "completed", states(record)


def test_killed_service_goes_on_where_it_was(config, state):
    dice = random.Random(int(os.environ.get("CLOCHE_SEED", time.time_ns())))
    kept = {}
    service = start(config, state)
    try:
        for number in range(ROUNDS):
            kept.update(submit_some(Workflows(service), dice, 20))
            time.sleep(dice.random() * 1.5)  # any moment will do; which one does not matter to what is checked
            service = kill_all(service, config, state) if number % 2 else kill_api(service)
        flows = Workflows(service)
        for workflow in kept:
            wait_until(lambda: flows.record(workflow)["status"] in LAST, 60, f"{workflow} to end")
        for workflow, is_retried in kept.items():
            check_ended(flows, workflow, is_retried)
        assert len(kept) >= 20
    finally:
        service.stop()


def test_running_task_without_retry_is_lost(config, state):
    service = start(config, state)
    flows = Workflows(service)
    workflow = flows.submit(code("a", "import time\ntime.sleep(30)", timeout=60), code("b", "result = 1",
                                                                                       "a"),
                            code("c", "result = 1", "d"), call("d", "len", "x"))
    wait_until(lambda: states(flows.record(workflow))["c"] == "completed", 10, "c")
    wait_until(lambda: states(flows.record(workflow))["a"] == "executing", 10, "a")
    service = kill_all(service, config, state)
    try:
        flows = Workflows(service)
        wait_until(lambda: flows.record(workflow)["status"] == "failed", 10, "its end")
        record = flows.record(workflow)
        assert states(record) == {"a": "failed", "b": "skipped", "c": "completed", "d": "completed"}
        assert record["tasks"]["a"]["code"] == -25004
        assert record["tasks"]["c"]["attempts"] == 1
    finally:
        service.stop()


def test_registered_names_go_on(config, state):
    service = start(config, state)
    flows = Workflows(service)
    workflow = flows.submit(
        {"id": "reg", "method": "register", "params": {"name": "twice", "lambda": "lambda x: x * 2"}},
        code("wait", "import time\ntime.sleep(1)\nresult = 4", "reg", retry=RETRY),
        call("use", "twice", "${wait.result}", needs=["wait"]))
    wait_until(lambda: states(flows.record(workflow))["wait"] == "executing", 10, "wait")
    service = kill_api(service)
    try:
        flows = Workflows(service)
        wait_until(lambda: flows.record(workflow)["status"] in LAST, 20, "its end")
        record = flows.record(workflow)
        assert states(record) == {"reg": "completed", "wait": "completed", "use": "completed"}, record
        assert record["tasks"]["use"]["result"]["result"] == 8
    finally:
        service.stop()
