# SPDX-License-Identifier: Apache-2.0
"""The N-th call of a kind fails, in cloched or in the API: while it starts, during one call, during one reload. What
follows is a clean end with a sentence, or a service that answers again by itself; never a hang, never a jail that
lacks a layer, never anything left behind.

Every N up to CLOCHE_FAULT_MOST is tried when CLOCHE_FAULT_STEP is 1; by default some of them are."""

import mmap
import os
import signal
import struct
import time

import httpx
import pytest
from service import BIN, SLOW, Service, cgroups_named, wait_until
from test_jail import check_cgroup, check_worker, parked_default

STEP = int(os.environ.get("CLOCHE_FAULT_STEP", "0"))
MOST = int(os.environ.get("CLOCHE_FAULT_MOST", "500"))
LIBRARY = BIN / "cloche-faults.so"
KINDS = {"memory": 1, "fork": 2, "interrupted": 3, "short": 4, "full": 5, "descriptors": 6, "refused": 7}
ORDER = struct.Struct("32s I I Q Q Q")  # struct order of tests/support/faults.c

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason=f"no cloche-faults.so in {BIN}")


class Order:
    """What is to fail, shared with the processes that it is for."""

    def __init__(self, directory, program):
        self.path = directory / "faults"
        self.path.write_bytes(bytes(4096))
        self.path.chmod(0o666)
        for parent in (directory, *directory.parents[:-1]):
            if parent.stat().st_mode & 0o011 != 0o011:
                parent.chmod(parent.stat().st_mode | 0o011)  # the API has a uid of its own
        self.program = program
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.disarm()

    def arm(self, kind, at):
        ORDER.pack_into(self.page, 0, self.program.encode(), KINDS[kind], 0, at, 0, 0)
        struct.pack_into("I", self.page, 36, 1)  # last: now it counts

    def disarm(self):
        ORDER.pack_into(self.page, 0, self.program.encode(), 0, 0, 0, 0, 0)

    @property
    def seen(self):
        return ORDER.unpack_from(self.page)[4]

    @property
    def struck(self):
        return ORDER.unpack_from(self.page)[5] > 0

    def service(self, **kw):
        return Service(wrap=["env", f"LD_PRELOAD={LIBRARY}", f"CLOCHE_FAULTS={self.path}"], **kw)


@pytest.fixture
def order_of(tmp_path):
    return lambda program: Order(tmp_path, program)


def numbers(step):
    return range(1, MOST + 1, STEP or step)


def answers(service, within):
    """An ok within so many seconds, whatever the calls before it were answered with."""
    until = time.monotonic() + within * SLOW
    while time.monotonic() < until and service.process.poll() is None:
        try:
            with service.client(5) as client:
                answer = client.post("/v1/calls", json={"source": "def main(): return 42"})
                if answer.status_code == 200 and answer.json()["verdict"] == "ok":
                    assert answer.json()["result"] == 42
                    return True
                # Anything else is a problem or a verdict, in words.
                assert answer.status_code in (200, 429, 500, 503, 507), answer.text
                assert answer.status_code != 200 or answer.json()["verdict"] in ("lost", "limit"), answer.text
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    return False


def check_layers(service):
    # A zygote that the fault struck is tried again, later each time.
    for pid in wait_until(lambda: [w for w in service.workers() if parked_default(w)], 60, what="a parked worker"):
        try:
            check_worker(service, pid)
            check_cgroup(pid)
        except (FileNotFoundError, ProcessLookupError, KeyError, ValueError):
            assert not os.path.exists(f"/proc/{pid}"), f"worker {pid} lacks something"


def check_clean_end(service, what):
    """It ended by itself: with a status that says so, a sentence, and nothing left behind."""
    code = service.process.wait(20 * SLOW)
    assert code != 0, what
    wait_until(lambda: service.log, 5, what=f"a word of why of {what}")
    text = "".join(service.log)
    assert "AddressSanitizer" not in text and "stack smashing" not in text, text
    name = f"cloche.{service.process.pid}"
    wait_until(lambda: not cgroups_named(name), 20, what=f"the cgroups of {what} to be gone")


# ---------------------------------------------------------------------------------------------------- start

def start_once(order, kind, at):
    """Starts with the fault ahead. Whether it struck."""
    what = f"start, {order.program}, {kind} {at}"
    order.arm(kind, at)
    service = order.service()
    try:
        service.start(wait=False)
        until = time.monotonic() + 30 * SLOW
        while service.url is None and service.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        struck = order.struck
        order.disarm()
        if service.process.poll() is not None:
            assert struck, f"{what}: ended without a fault\n" + "".join(service.log)
            check_clean_end(service, what)
            return True
        assert service.url, f"{what}: neither ready nor at an end\n" + "".join(service.log)
        service.token = (service.state / "local.token").read_text().strip()
        assert answers(service, 20), f"{what}: ready, but no answer\n" + "".join(service.log)
        check_layers(service)
        return struck
    finally:
        order.disarm()
        service.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", ["cloched", "cloche-api"])
def test_start(order_of, program, kind):
    order = order_of(program)
    for at in numbers(41):
        if not start_once(order, kind, at):
            break  # it makes fewer such calls


# ------------------------------------------------------------------------------------- one call, one reload

class Sweep:
    """One service that meets one fault after the other, and is started again when one ended it."""

    def __init__(self, order, config):
        self.order, self.config = order, config
        self.service = None

    def ready(self):
        if self.service and self.service.process.poll() is None:
            return self.service
        if self.service:
            self.service.stop()
        self.service = self.order.service(config=self.config)
        self.service.start()
        return self.service

    def once(self, kind, at, act):
        """Whether the fault struck while `act` ran."""
        service = self.ready()
        what = f"{act.__name__}, {self.order.program}, {kind} {at}"
        assert answers(service, 20), f"{what}: not even before"
        self.order.arm(kind, at)
        act(service)
        is_up = answers(service, 20)
        struck = self.order.struck
        self.order.disarm()
        if service.process.poll() is not None:
            assert struck, f"{what}: ended without a fault\n" + "".join(service.log)
            check_clean_end(service, what)
        else:
            assert is_up, f"{what}: no answer any more\n" + "".join(service.log[-30:])
            check_layers(service)
        return struck

    def stop(self):
        self.order.disarm()
        if self.service:
            self.service.stop()


@pytest.fixture
def sweep(order_of, tmp_path):
    made = []

    def make(program):
        folder = tmp_path / "config"
        (folder / "policies").mkdir(parents=True)
        (folder / "policies/default.yaml").write_text("version: 1\nlimits: {wall: 3s}\n")
        made.append(Sweep(order_of(program), folder))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def one_call(service):
    try:
        with service.client(10) as client:
            client.post("/v1/calls", json={"source": "def main():\n    print('x' * 1000)\n    return 1"})
    except httpx.HTTPError:
        pass  # the connection of a process that ended


def one_reload(service):
    file = service.config / "policies/default.yaml"
    file.write_text(file.read_text() + "# once more\n")
    before = len(service.log)
    if service.process.poll() is None:
        service.process.send_signal(signal.SIGHUP)

    def heard():
        said = "".join(service.log[before:])
        return "load" in said or service.process.poll() is not None

    wait_until(heard, 20, what="an outcome of the reload")


@pytest.mark.parametrize("act", [one_call, one_reload], ids=["call", "reload"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", ["cloched", "cloche-api"])
def test_while_it_serves(sweep, program, kind, act):
    one = sweep(program)
    for at in numbers(11):
        if not one.once(kind, at, act):
            break


def test_a_fault_does_strike(order_of, sweep):
    """The sweep is not blind: the first of these calls are made, and fail."""
    # Whether the API writes anything before it is ready is a matter of moments; a call's answer it does write.
    assert sweep("cloche-api").once("short", 1, one_call)
    for program, kinds in (("cloched", KINDS), ("cloche-api", set(KINDS) - {"fork", "refused", "short"})):
        order = order_of(program)
        for kind in kinds:
            assert start_once(order, kind, 1), f"{program} {kind}"
