# SPDX-License-Identifier: Apache-2.0
"""What a leak would show in, looked at from the host, and the ledger of what was acknowledged."""

import collections
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading

from faults import group_of, is_alive
from service import BIN, cgroups_named, children, status

FDS_PER_SLOT = 12       # ten of a slot, its job socket, one to spare
GROWTH_MOST_KIB = 4096  # between the medians of the first and the last third


def rss_kib(pid):
    return int(status(pid).get("VmRSS", "0 kB").split()[0])


def fds(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def slots(service):
    """Pooled cgroups of workers, by zygote."""
    return {path for base in cgroups_named(group_of(service))[:1] for path in pathlib.Path(base).glob("z*/s*")}


def zygote_groups(service):
    return {path for base in cgroups_named(group_of(service))[:1] for path in pathlib.Path(base).glob("z*")}


def zombies(service):
    return [pid for pid in children(service.pid) if status(pid).get("State", "").strip()[:1] == "Z"]


def mounts(folder):
    """Of the host, but what others mount for themselves below the directory for temporary files."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(line for line in lines if str(folder) in line or not line.split()[4].startswith(tempfile.gettempdir() + "/"))


class Ledger:
    """What the service acknowledged, and what it should not have said. Shared by all actors."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()  # what happened, by name
        self.calls = {}       # id of an acknowledged call -> (what it returns, may it run twice)
        self.workflows = {}   # id -> what its last task returns
        self.ends = {}        # id -> the record of its end as first seen
        self.keys = {}        # Idempotency-Key -> ids it was answered with
        self.wrong = []       # broken promises

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def blame(self, text):
        with self.lock:
            self.wrong.append(text)
            if len(self.wrong) <= 20:
                print(f"broken: {text[:2000]}", flush=True)

    def expect(self, is_right, text):
        if not is_right:
            self.blame(text)

    def acknowledge(self, kind, name, returns):
        with self.lock:
            kind[name] = returns
            self.counts["acknowledged"] += 1

    def open_ones(self):
        return [name for name in [*self.calls, *self.workflows] if name not in self.ends]

    def note_end(self, name, record):
        """The same end as the last time, if it was seen before."""
        text = json.dumps(record, sort_keys=True)
        with self.lock:
            before = self.ends.setdefault(name, text)
        self.expect(before == text, f"{name} ended twice: {before} and {text}")
        if name in self.calls:
            self.check_call(record, *self.calls[name])
        else:
            self.check_workflow(record, self.workflows[name])

    def check_call(self, record, returns, may_repeat):
        self.expect(record["verdict"] in ("ok", "lost", "crashed"), f"acknowledged call: {record}")
        self.expect(record["verdict"] != "ok" or record["result"] == returns, f"another result than {returns}: {record}")
        self.expect(may_repeat or record["attempts"] <= 1, f"run twice without leave: {record}")
        self.count(f"later {record['verdict']}")

    def check_workflow(self, record, returns):
        tasks = record["tasks"].values()
        if record["status"] == "completed":
            self.expect(record["tasks"]["sum"]["result"]["result"] == returns, f"another result than {returns}: {record}")
        else:
            self.expect(record["status"] == "failed" and any(task["status"] == "failed" and task["error"] for task in tasks),
                        f"unexplained: {record}")
        self.count(f"workflow {record['status']}")


class Watch:
    """Samples of the long-lived processes; what is left at the end."""

    def __init__(self, service):
        self.service = service
        self.mounts = mounts(service.state.parent)
        self.memory = {"cloched": [], "cloche-api": []}  # (pid, KiB)
        self.most = collections.Counter()

    def sample(self):
        service = self.service
        for name, pids in (("cloched", [service.pid]), ("cloche-api", service.api()[:1])):
            for pid in pids:
                size = rss_kib(pid)
                if size:
                    self.memory[name].append((pid, size))
                    self.most[name] = max(self.most[name], size)
        self.most["fds"] = max(self.most["fds"], fds(service.pid))

    def line(self):
        """Figures of now, for people."""
        service = self.service
        last = {name: sizes[-1][1] // 1024 if sizes else 0 for name, sizes in self.memory.items()}
        return (f"cloched {last['cloched']} MiB {fds(service.pid)} fds  api {last['cloche-api']} MiB  "
                f"zygotes {len(service.zygotes())}  workers {len(service.workers())}  slots {len(slots(service))}")

    def growth_kib(self, name):
        """Of one process: the one that was sampled most, from the first third of its samples to the last."""
        samples = self.memory[name]
        if not samples:
            return 0
        [(pid, _)] = collections.Counter(pid for pid, _ in samples).most_common(1)
        sizes = [size for one, size in samples if one == pid]
        third = len(sizes) // 3
        return statistics.median(sizes[-third:]) - statistics.median(sizes[:third]) if third else 0

    def check_quiet(self, ledger):
        """Under no load: what is there is what the pools keep."""
        service = self.service
        held, kept = fds(service.pid), len(slots(service))
        most = FDS_PER_SLOT * kept + 16 * len(zygote_groups(service)) + 100
        ledger.expect(held <= most, f"cloched holds {held} descriptors for {kept} slots")
        ledger.expect(not zombies(service), f"zombies: {zombies(service)}")
        left = set(mounts(service.state.parent)) - set(self.mounts)
        ledger.expect(not left, f"mounts were left on the host: {left}")
        ledger.expect(len(zygote_groups(service)) == len(service.zygotes()),
                      f"{len(zygote_groups(service))} groups for {len(service.zygotes())} zygotes")
        alive = len([pid for pid in service.workers() if is_alive(pid)])
        ledger.expect(alive <= kept, f"{alive} workers in {kept} slots")
        for name in self.memory:
            grown = self.growth_kib(name)
            ledger.expect(grown < GROWTH_MOST_KIB, f"{name} grew by {grown:.0f} KiB")


def check_audit(service, ledger, is_calm):
    """The chain of the audit log holds. Every stored call has its line, but where lines that waited for a full disk went with a
    killed API."""
    log = service.state / "audit.log"
    done = subprocess.run([BIN / "cloche", "audit", "verify", log], capture_output=True, text=True)
    ledger.expect(done.returncode == 0, f"the audit log: {done.stdout[:500]} {done.stderr[:300]}")
    told = {line.get("id") for line in map(json.loads, log.read_bytes().splitlines()) if line["event"] == "call"}
    missing = [name for name in ledger.calls if name not in told]
    ledger.counts["audit lines missing"] = len(missing)
    ledger.expect(not (is_calm and missing), f"calls without a line in the audit log: {missing[:5]}")
