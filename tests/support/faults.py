# SPDX-License-Identifier: Apache-2.0
"""What is to fail (tests/support/faults.c), and whether a service under a fault is still itself: layers of its jails, confinement
of its processes, nothing left behind."""

import mmap
import os
import pathlib
import struct
import tempfile
import time

from service import BIN, Service, cgroups_named, status, wait_until
from test_jail import check_cgroup, check_worker, parked_default

LIBRARY = (BIN / "cloche-faults.so").resolve()  # a preload is looked for from anywhere
KINDS = {"memory": 1, "fork": 2, "interrupted": 3, "short": 4, "full": 5, "descriptors": 6, "refused": 7, "broken": 8}
ORDER = struct.Struct("32s I I Q Q Q Q q")  # struct order of tests/support/faults.c
ARMED, CLOCK, ASKED = 36, 72, 80


class Order:
    """What is to fail, shared with the processes that it is for."""

    def __init__(self, program):
        # Not among the directories of the tests: the API has a uid of its own, and may not go there.
        self.folder = tempfile.TemporaryDirectory(prefix="cloche-faults-")
        pathlib.Path(self.folder.name).chmod(0o711)
        self.path = pathlib.Path(self.folder.name, "faults")
        self.path.write_bytes(bytes(4096))
        self.path.chmod(0o666)
        self.program = program
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.disarm()

    def arm(self, kind, at, every=0):
        ORDER.pack_into(self.page, 0, self.program.encode(), KINDS[kind], 0, at, 0, 0, every, 0)
        struct.pack_into("I", self.page, ARMED, 1)  # last: now it counts

    def disarm(self):
        ORDER.pack_into(self.page, 0, self.program.encode(), 0, 0, 0, 0, 0, 0, 0)

    def move_clock(self, seconds):
        """The real-time clock of all programs is so far ahead of the machine's."""
        struct.pack_into("q", self.page, CLOCK, int(seconds * 1000))

    def ask_the_kernel(self):
        """For every time, as where the clock source is none that user space can read."""
        struct.pack_into("I", self.page, ASKED, 1)

    @property
    def struck(self):
        return ORDER.unpack_from(self.page)[5]

    def service(self, **kw):
        return Service(wrap=["env", f"LD_PRELOAD={LIBRARY}", f"CLOCHE_FAULTS={self.path}"], **kw)


def is_alive(pid):
    return status(pid).get("State", "Z").strip()[:1] not in "ZX"


def check_jail(service, pid, seconds=2):
    """Every layer that can be seen from the host; a worker that ends meanwhile says nothing. One that is on its way out, or whose
    zygote is, looks odd for a moment; what a jail lacks it lacks for good."""
    until = time.monotonic() + seconds
    while is_alive(pid):
        try:
            check_worker(service, pid)
            check_cgroup(pid)
            return
        except (AssertionError, OSError, KeyError, ValueError) as fault:
            if time.monotonic() > until and is_alive(pid):
                raise AssertionError(f"worker {pid}: {fault!r}") from fault
        time.sleep(0.02)


def check_jails(service):
    """All that are parked just now. How many."""
    parked = [pid for pid in service.workers() if parked_default(service, pid)]
    for pid in parked:
        check_jail(service, pid)
    return len(parked)


def capabilities(pid, *names):
    facts = status(pid)
    return {int(facts[name], 16) for name in names} if facts else {0}


def check_confined(service):
    """The programs that cloched started, as the host sees them: no capability, no way to one."""
    every = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    for name in ("cloche-api", "cloche-loader"):
        for pid in service.named(name):
            wait_until(lambda p=pid: not is_alive(p) or capabilities(p, *every) == {0}, 5, what=f"{name} without capabilities")
            facts = status(pid)
            if not is_alive(pid):
                continue
            assert facts["NoNewPrivs"].strip() == "1", name
            if name == "cloche-api":
                assert int(facts["Uid"].split()[0]) >= 1879048192 and facts["Groups"].strip() == "", facts
                wait_until(lambda p=pid: not is_alive(p) or status(p)["Seccomp"].strip() == "2", 5, what="the API's filter")
    for pid in service.zygotes():
        facts = status(pid)
        assert not facts or os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")


def group_of(service):
    """The name of its cgroups: FNV-1a of the state directory, as sandbox/state.c has it."""
    value = 2166136261
    for byte in str(pathlib.Path(service.state).resolve()).encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return f"cloche.{value:08x}"


def check_gone(service, what):
    """Nothing of an instance that ended is left: no group in any hierarchy, hence no process of a jail."""
    wait_until(lambda: not cgroups_named(group_of(service)), 20, what=f"the cgroups of {what} to be gone")
