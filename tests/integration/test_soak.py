# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand calls at full speed leave no trace."""

import json
import os
import pathlib

import pytest
from service import SLOW, cgroups_named, children, status, wait_until

CALLS = int(os.environ.get("CLOCHE_SOAK_CALLS", 100_000 / SLOW))


def instance(service):
    for pid in service.zygotes():
        for line in open(f"/proc/{pid}/cgroup"):
            for part in line.strip().split("/"):
                if part.startswith("cloche."):
                    return part
    raise AssertionError("no cgroup of this instance")


def long_lived(service):
    """What a leak would show in: resident memory and descriptors of every long-lived process."""
    found = {}
    for name, pids in (("cloched", [service.pid]), ("api", service.api()), ("zygote", service.zygotes())):
        for pid in pids:
            found[name, pid] = (int(status(pid)["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")))
    return found


def settle(service):
    """One zygote: the load may have ended while one took over from another."""
    wait_until(lambda: len(service.zygotes()) == 1, what="a zygote's successor to take over")


def zombies(service):
    return [pid for pid in children(service.pid) if status(pid).get("State", "").strip()[:1] == "Z"]


def load(service, seconds):
    """Calls in a closed loop; the load client's report."""
    with service.load({"source": "def main():\n    return sum(range(1000))\n"}, 8, seconds, "-w", 0) as process:
        report = process.communicate()[0]
    assert process.returncode == 0
    return json.loads(report)


@pytest.mark.alone
def test_a_hundred_thousand_calls_leave_no_trace(own):
    load(own, 8)
    wait_until(lambda: len(own.workers()) > 1)
    settle(own)
    before, mounts = long_lived(own), pathlib.Path("/proc/self/mountinfo").read_text()
    calls = 0
    while calls < CALLS:
        report = load(own, 20)
        assert report["errors"] == 0, report
        calls += report["calls"]
    settle(own)
    after = long_lived(own)
    assert len(after) == len(before) <= 4, (before, after)
    assert {("cloched", own.pid), ("api", own.api()[0])} <= set(before) & set(after), "one was replaced"
    for key in set(after) & set(before):  # zygotes are recycled on the way
        assert after[key][0] - before[key][0] < 4 << 10, (key, before[key], after[key])
    wait_until(lambda: len(own.workers()) <= 32, what="workers beyond the pool to go")
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
    wait_until(lambda: not zombies(own), what="zombies to go")
    groups = {path for name in [instance(own)] for base in cgroups_named(name) for path in pathlib.Path(base).rglob("s*") if path.is_dir()}
    # Slots are kept: as many as the pool may have workers, and eight on their way out.
    assert len({path.name for path in groups}) <= 32 + 8, groups
    # Nine descriptors a slot and two a spare, and what a daemon has anyway.
    assert max(count for _, count in after.values()) < 12 * (32 + 8) + 64
