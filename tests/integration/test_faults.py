# SPDX-License-Identifier: Apache-2.0
"""kill -9 of every long-lived process under load, restarts, leftovers, reload."""

import os
import signal
import threading
import time

import httpx
import pytest
from service import Service, cgroups_named, children, status, wait_until

pytestmark = pytest.mark.alone


class Load:
    """Clients that call all the time and keep what they got."""

    def __init__(self, service, clients=4, source="def main(): return 1"):
        self.service, self.source = service, source
        self.stop_event = threading.Event()
        self.verdicts, self.failures = [], []
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def _run(self):
        while not self.stop_event.is_set():
            try:
                with self.service.client(10) as client:
                    while not self.stop_event.is_set():
                        answer = client.post("/v1/calls", json={"source": self.source})
                        self.verdicts.append((time.monotonic(), answer.json().get("verdict", answer.status_code)))
            except (httpx.HTTPError, ValueError) as fault:
                self.failures.append((time.monotonic(), fault))
                time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_event.set()
        for thread in self.threads:
            thread.join(20)


def back(service, since, seconds=1.0):
    """A call that began after `since` answers ok within `seconds`."""
    while True:
        try:
            with service.client(5) as client:
                answer = client.post("/v1/calls", json={"source": "def main(): return 1"})
                if answer.status_code == 200 and answer.json()["verdict"] == "ok":
                    return time.monotonic() - since
        except httpx.HTTPError:
            pass
        assert time.monotonic() - since < 10 * seconds, "service did not come back"
        time.sleep(0.005)


def test_killed_api_is_back_within_a_second(own):
    [api] = own.api()
    with Load(own):
        time.sleep(0.5)
        os.kill(api, signal.SIGKILL)
        took = back(own, time.monotonic())
        assert took < 1.0 * float(os.environ.get("CLOCHE_SLOW", "1")), took
    [again] = own.api()
    assert again != api


def test_killed_zygote_ends_its_calls_as_lost_and_is_back_within_a_second(own):
    got = {}
    thread = threading.Thread(target=lambda: got.update(own.call("import time\ndef main(): time.sleep(3)")))
    thread.start()
    time.sleep(0.5)
    with Load(own):
        time.sleep(0.3)
        for zygote in own.zygotes():
            os.kill(zygote, signal.SIGKILL)
        took = back(own, time.monotonic())
        assert took < 1.0 * float(os.environ.get("CLOCHE_SLOW", "1")), took
    thread.join()
    assert got["verdict"] == "lost", got


def test_calls_in_flight_when_the_api_dies_do_not_run_on(own):
    thread = threading.Thread(target=lambda: pytest.raises(httpx.HTTPError, own.call,
                                                           "import time\ndef main(): time.sleep(4)"))
    thread.start()
    time.sleep(0.5)
    before = set(own.workers())
    os.kill(own.api()[0], signal.SIGKILL)
    wait_until(lambda: not before & set(own.workers()), 2, "old workers to go")
    thread.join()


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        for child in children(todo.pop()):
            found.append(child)
            todo.append(child)
    return found


def instance_cgroups(service):
    """Names of this instance's cgroups, from where its workers are."""
    names = set()
    for pid in service.workers() + service.zygotes():
        try:
            lines = open(f"/proc/{pid}/cgroup").read().splitlines()
        except OSError:
            continue  # a worker that has just ended
        names |= {part for line in lines for part in line.split("/") if part.startswith("cloche.")}
    return names


def test_killed_cloched_leaves_nothing_and_a_restart_serves_at_once(config, tmp_path):
    service = Service(config=config, state=tmp_path / "state").start()
    second = Service(config=config, state=tmp_path / "state")
    try:
        names = instance_cgroups(service)
        assert len(names) == 1
        below = descendants(service.pid)
        assert len(below) >= 4
        with Load(service):
            time.sleep(0.5)
            below = sorted(set(below) | set(descendants(service.pid)))
            service.process.kill()
            service.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in below), 3, "every process of it to go")
        wait_until(lambda: not any(cgroups_named(name) for name in names), 3, "its cgroups to go")
        since = time.monotonic()
        second.start()
        assert second.call("def main(): return 1")["verdict"] == "ok"
        assert time.monotonic() - since < 5 * float(os.environ.get("CLOCHE_SLOW", "1"))
    finally:
        service.stop()
        second.stop()
    assert not any(cgroups_named(name) for name in names)


def alive(pid):
    return status(pid).get("State", "Z").strip()[0] not in "ZX"


def test_orderly_stop_leaves_nothing(config, tmp_path):
    service = Service(config=config, state=tmp_path / "state").start()
    names, below = instance_cgroups(service), descendants(service.pid)
    service.call("def main(): return 1")
    service.stop()
    assert service.process.returncode == 0
    assert not any(alive(pid) for pid in below)
    assert names and not any(cgroups_named(name) for name in names)


def sweepers(service):
    return [pid for pid in children(service.pid) if status(pid).get("Name", "").strip() == "cloched"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_sweeper_that_took_the_place_of_a_killed_one_leaves_nothing(config, tmp_path, end):
    """It is started by a confined cloched, and has to remove groups from a directory that nobody may write to."""
    service = Service(config=config, state=tmp_path / "state").start()
    try:
        names = instance_cgroups(service)
        [first] = sweepers(service)
        modes = {path: os.stat(os.path.dirname(path)).st_mode for name in names for path in cgroups_named(name)}
        assert modes
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: sweepers(service) not in ([], [first]), what="another sweeper")
        [second] = sweepers(service)
        wait_until(lambda: int(status(second).get("CapEff", "0"), 16) == 1 << 5,
                   what="its having KILL alone")
        assert service.call("def main(): return 1")["verdict"] == "ok"
        service.process.send_signal(end)
        service.process.wait(20)
    finally:
        service.stop()
    wait_until(lambda: not any(cgroups_named(name) for name in names), 3, "its cgroups to go")
    assert modes == {path: os.stat(os.path.dirname(path)).st_mode for path in modes}


def test_sigterm_lets_running_calls_finish(config, tmp_path):
    service = Service(config=config, state=tmp_path / "state").start()
    got = {}
    thread = threading.Thread(target=lambda: got.update(service.call("import time\ndef main():\n    time.sleep(1)\n    return 5")))
    thread.start()
    time.sleep(0.4)
    service.process.send_signal(signal.SIGTERM)
    thread.join()
    service.process.wait(10)
    service.stop()
    assert got["verdict"] == "ok" and got["result"] == 5


def test_stopped_api_does_not_stop_the_deadline(own):
    """The deadline is cloched's: a worker dies on time while the API hangs."""
    [api] = own.api()
    thread = threading.Thread(target=lambda: own.call("import time\ndef main(): time.sleep(60)", limits={"wall": "1s"}))
    thread.start()
    time.sleep(0.4)
    sleeping = [pid for pid in own.workers() if open(f"/proc/{pid}/syscall").read().split()[0] == "230"]
    os.kill(api, signal.SIGSTOP)
    try:
        wait_until(lambda: not any(alive(pid) for pid in sleeping), 3, "the worker to die on time")
    finally:
        os.kill(api, signal.SIGCONT)
    thread.join()


CRASH = "import ctypes\ndef main(): ctypes.string_at(0)"


def crashed_before_cloched_looked(service, ended):
    """A call that begins and crashes while cloched stands still, which sees the end first, and then who took the worker.
    False: the API had no worker left to give it to."""
    thread = threading.Thread(target=lambda: ended.append(service.call(CRASH, policy="roomy")))
    os.kill(service.pid, signal.SIGSTOP)
    try:
        os.kill(service.pid, signal.SIGCHLD)  # the first of what waits for it
        thread.start()
        wait_until(lambda: any(status(pid).get("State", "Z").strip()[0] == "Z" for pid in children(service.pid)), 2,
                   "a worker to crash")
        return True
    except AssertionError:
        return False
    finally:
        os.kill(service.pid, signal.SIGCONT)
        thread.join()


def test_crash_before_cloched_hears_of_the_call_is_the_calls(own):
    """It was told as a worker that did not come up: its pool began to wait before it made others."""
    own.call(CRASH, policy="roomy")
    ended = []
    wait_until(lambda: crashed_before_cloched_looked(own, ended), what="a call that ran while cloched stood still")
    assert {one["verdict"] for one in ended} == {"crashed"}, ended
    assert {one["crash"]["signal"] for one in ended} == {"SIGSEGV"}, ended
    assert not [line for line in own.log if "did not come up" in line]


def test_zygote_recycling_has_no_gap(config, tmp_path):
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    (policies / "default.yaml").write_text((config / "policies/default.yaml").read_text().replace(
        "recycle_calls: 10000", "recycle_calls: 50"))
    with Service(config=tmp_path / "config") as service:
        first = set(service.zygotes())
        with Load(service) as load:
            wait_until(lambda: len(load.verdicts) > 600, 20, "600 calls")
        assert not load.failures, load.failures[:3]
        assert {verdict for _, verdict in load.verdicts} == {"ok"}
        assert not first & set(service.zygotes())


def test_reload_swaps_policies_and_keeps_the_last_good_ones(config, tmp_path):
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    file = policies / "mine.yaml"
    file.write_text("version: 1\nextends: default\nlimits: {wall: 2s}\n")
    with Service(config=tmp_path / "config") as service:
        generation = service.call("def main(): return 1", policy="mine")["policy"]["generation"]
        file.write_text("version: 1\nextends: default\nlimits: {wal: 2s}\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("mine.yaml:3" in line for line in service.log), what="the message")
        again = service.call("def main(): return 1", policy="mine")
        assert again["verdict"] == "ok" and again["policy"]["generation"] == generation
        file.write_text("version: 1\nextends: default\nlimits: {wall: 100ms}\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.call("import time\ndef main(): time.sleep(0.5)", policy="mine")["verdict"] == "limit",
                   what="the new limit")
