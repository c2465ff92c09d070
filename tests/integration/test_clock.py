# SPDX-License-Identifier: Apache-2.0
"""The machine's clock is set, by hours in both directions, while calls and workflows are under way: what waits goes by a clock
that nobody sets, ids still come in order, keys are still known."""

import pytest
from faults import LIBRARY, Order
from service import SLOW, wait_until

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason=f"no {LIBRARY}")
JUMPS = (10_800, -172_800, 86_400)  # seconds, each from the machine's own time
MODULE = """
import time
def slow(n):
    time.sleep(0.4)
    return n
def broken():
    raise ValueError('always')
"""
WORKFLOW = {"name": "clocked", "timeout": 30, "tasks": [
    {"id": "slow", "method": "execute", "params": {"function": "m.slow", "args": [5], "isolated": True}},
    {"id": "again", "method": "execute", "params": {"function": "m.broken", "isolated": True},
     "retry": {"max_attempts": 3, "base_delay": 0.4, "on": ["ValueError"]}}]}


@pytest.fixture
def clocked(tmp_path):
    order = Order("nobody")
    service = order.service(state=tmp_path / "state").start()
    try:
        assert service.http.put("/v1/modules/m", json={"source": MODULE}).status_code == 201
        yield service, order
    finally:
        service.stop()


def submit(service, n, key=None):
    answer = service.http.post("/v1/calls", json={"function": "m.slow", "args": [n]},
                               headers={"Prefer": "respond-async", **({"Idempotency-Key": key} if key else {})})
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["id"]


def listed(service):
    """Every id, page by page."""
    found, params = [], {"limit": 3}
    while True:
        page = service.http.get("/v1/calls", params=params).json()
        found += [call["id"] for call in page["calls"]]
        if not page.get("next"):
            return found
        params["cursor"] = page["next"]


def durations(value, path=""):
    """All that is a length of time, anywhere in a record."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from durations(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from durations(inner, path)
    elif isinstance(value, (int, float)) and path.endswith(("_us", "_ms", "duration", "_time", "elapsed")):
        yield path, value


def check_durations(record):
    for path, value in durations(record):
        assert 0 <= value < 60e6 * SLOW, f"{path} is {value}: {record}"


def test_a_clock_that_is_set_hurries_and_delays_nothing(clocked):
    service, order = clocked
    ids, keyed = [], submit(service, 0, key="the key")
    ids.append(keyed)
    for number, jump in enumerate(JUMPS):
        before = submit(service, number)
        workflow = service.http.post("/v1/workflows", json=WORKFLOW).json()["workflow_id"]
        order.move_clock(jump)
        after = submit(service, number)
        ids += [before, after]
        for name in (before, after):
            record = wait_until(lambda n=name: (r := service.http.get(f"/v1/calls/{n}").json())["status"] == "done" and r,
                                15, what="the end of a call")
            assert record["verdict"] == "ok" and record["result"] == number, record
            assert record["attempts"] == 1
            check_durations(record)
        done = wait_until(lambda w=workflow: (r := service.http.get(f"/v1/workflows/{w}").json())["status"] == "failed" and r,
                          15, what="the end of a workflow")
        assert done["tasks"]["slow"]["status"] == "completed", done
        assert done["tasks"]["again"]["attempts"] == 3 and "always" in done["tasks"]["again"]["error"], done
        check_durations(done)
        plain = service.call("def main(): return 1")
        assert plain["verdict"] == "ok"
        check_durations(plain)
        assert submit(service, 0, key="the key") == keyed, "the key is forgotten"
    times = [name[:10] for name in ids]
    assert times == sorted(times), "later ids sort behind earlier ones"
    assert listed(service) == sorted(ids, reverse=True), "a page that repeats or leaves out"
    assert service.http.get("/readyz").json()["status"] == "ready"


def test_what_waits_over_a_restart_waits_no_longer_than_it_would_have(clocked):
    """The clock goes back two days while the service is down."""
    service, order = clocked
    order.move_clock(0)
    slow = {**WORKFLOW, "tasks": [{**WORKFLOW["tasks"][1], "retry": {**WORKFLOW["tasks"][1]["retry"], "max_attempts": 2, "base_delay": 2, "max_delay": 2}}]}
    workflow = service.http.post("/v1/workflows", json=slow).json()["workflow_id"]

    def waits():
        record = service.http.get(f"/v1/workflows/{workflow}").json()
        return record["tasks"]["again"]["attempts"] == 1 and record["tasks"]["again"]["status"] not in ("executing", "failed")

    wait_until(waits, 10, what="the wait for the second attempt")
    service.http.close()
    service.process.kill()
    service.process.wait()
    order.move_clock(-172_800)
    service.start()
    done = wait_until(lambda: (r := service.http.get(f"/v1/workflows/{workflow}").json())["status"] == "failed" and r,
                      15, what="the second attempt")
    assert done["tasks"]["again"]["attempts"] == 2, done


def test_machine_whose_clock_user_space_can_not_read(tmp_path):
    """As with hpet, acpi_pm or Xen: the vDSO makes the system call. A policy without the tier `time` has those clocks all the same."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/bare.yaml").write_text("version: 1\nextends: default\nsyscalls: {tiers: [compute]}\n")
    order = Order("cloche-zygote")
    order.ask_the_kernel()
    with order.service(config=tmp_path) as service:
        now = "import time\ndef main(): return time.time() > 1e9 and time.monotonic() > 0"
        used = "import time\ndef main(): return time.process_time() >= 0"
        for policy in ("default", "bare"):
            assert service.call(now, policy=policy)["result"] is True
        assert service.call(used)["result"] is True
        assert service.call(used, policy="bare")["denied"]["name"] == "clock_gettime"
