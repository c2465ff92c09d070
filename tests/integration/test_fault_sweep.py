# SPDX-License-Identifier: Apache-2.0
"""The N-th call of a kind fails, in one of the programs: while the service starts, during one call, during one reload. What
follows is a clean end with a sentence, or a service that answers again by itself; never a hang, never a jail that lacks a
layer, never anything left behind.

Some numbers are tried by default. `make faultsweep` tries every one (CLOCHE_FAULT_STEP=1) up to CLOCHE_FAULT_MOST and adds up what
came of each (CLOCHE_FAULT_REPORT names the file); CLOCHE_FAULT_FROM begins later."""

import collections
import json
import os
import signal
import time

import httpx
import pytest
from faults import KINDS, LIBRARY, Order, check_confined, check_gone, check_jails
from service import SLOW, some, wait_until

STEP = int(os.environ.get("CLOCHE_FAULT_STEP", "0"))
FROM = int(os.environ.get("CLOCHE_FAULT_FROM", "1"))
MOST = int(os.environ.get("CLOCHE_FAULT_MOST", "500"))
REPORT = os.environ.get("CLOCHE_FAULT_REPORT")
# Of these every kind is tried by default; the others are for the whole sweep.
ALWAYS = ("cloched", "cloche-api")
PROGRAMS = (*ALWAYS, "cloche-zygote", "cloche-loader", "cloche-policyc", "cloche-prover") if STEP else ALWAYS
WITHIN = 20  # seconds to be itself again
POLICY = "version: 1\nlimits: {wall: 3s}\npool: {min: 1, max: 4}\n"
# What a call may be told while something fails. A job socket that cannot be read looks like a worker that is gone.
EXCUSED = {"lost", "limit", "crashed"}

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason=f"no {LIBRARY}")


@pytest.fixture
def order_of():
    return Order


@pytest.fixture
def small(tmp_path):
    """A configuration that starts quickly: one policy, and a spare of it."""
    folder = tmp_path / "config"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies/default.yaml").write_text(POLICY)
    return folder


def numbers(step):
    return range(FROM, MOST + 1, STEP or int(step * SLOW))


def run_rounds(what, step, once):
    """Calls `once` with each number until it is beyond what is ever reached; adds up the outcomes."""
    outcomes, faults = collections.Counter(), []
    missed = 0
    for at in numbers(step):
        try:
            outcome = once(at)
        except AssertionError as fault:
            if not REPORT:
                raise
            outcome = "FAILED"
            faults.append(f"{what} {at}: {fault}")
        outcomes[outcome] += 1
        # A moment more or less makes some calls more or fewer: one that missed says nothing yet.
        missed = missed + 1 if outcome == "not reached" else 0
        if missed == (4 if STEP else 2):
            break
    if REPORT:
        with open(REPORT, "a") as file:
            file.write(json.dumps({"sweep": what, "outcomes": outcomes}) + "\n")
    assert not faults, "\n\n".join(faults)


def answers(service, order, within=WITHIN):
    """An ok within so many seconds, whatever the calls before it were answered with."""
    until = time.monotonic() + within * SLOW
    excused = EXCUSED | ({"error"} if order.program == "cloche-zygote" else set())
    while time.monotonic() < until and service.process.poll() is None:
        try:
            with service.client(5) as client:
                answer = client.post("/v1/calls", json={"source": "def main(): return 42"})
                if answer.status_code == 200 and answer.json()["verdict"] == "ok":
                    assert answer.json()["result"] == 42
                    return True
                # Anything else is a problem or a verdict, in words.
                assert answer.status_code in (200, 429, 500, 503, 507), answer.text
                assert answer.status_code != 200 or answer.json()["verdict"] in excused, answer.text
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    return False


def check_layers(service):
    """Of all that is parked, and of who made it; whoever ends meanwhile says nothing."""
    # A zygote that the fault struck is tried again, later each time.
    try:
        wait_until(lambda: service.process.poll() is not None or check_jails(service), 60, what="a parked worker")
    except AssertionError as fault:
        raise AssertionError(f"{fault}\n" + "".join(service.log[-30:])) from fault
    check_confined(service)


def outcome_of(service, is_up, struck, what):
    """What became of a service that a fault was meant for."""
    if is_up:
        check_layers(service)
    if service.process.poll() is not None:
        assert struck, f"{what}: ended without a fault\n" + "".join(service.log)
        check_clean_end(service, what)
        return "ended with a sentence"
    assert is_up, f"{what}: no answer any more\n" + "".join(service.log[-30:])
    return "serves" if struck else "not reached"


def check_clean_end(service, what):
    """It ended by itself: with a status that says so, a sentence, and nothing left behind."""
    code = service.process.wait(20 * SLOW)
    service.drained.join(20 * SLOW)
    assert not service.drained.is_alive(), f"{what}: somebody outlives cloched"
    text = "".join(service.log)
    assert code != 0 and text, what
    assert "AddressSanitizer" not in text and "stack smashing" not in text, text
    check_gone(service, what)


def check_stop(service, what):
    """An orderly end, and nothing left behind."""
    service.end()
    service.drained.join(20 * SLOW)
    assert service.process.returncode == 0, f"{what}: stopped with {service.process.returncode}"
    assert not service.drained.is_alive(), f"{what}: somebody outlives cloched"
    check_gone(service, what)


# ---------------------------------------------------------------------------------------------------- start

def start_once(order, config, kind, at):
    """Starts with the fault ahead. What came of it."""
    what = f"start, {order.program}, {kind} {at}"
    order.arm(kind, at)
    service = order.service(config=config)
    try:
        service.start(wait=False)
        until = time.monotonic() + 30 * SLOW
        while service.url is None and service.process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        is_up = service.process.poll() is None
        if is_up:
            assert service.url, f"{what}: neither ready nor at an end\n" + "".join(service.log)
            check_jails(service)
            service.token = (service.state / "local.token").read_text().strip()
            is_up = answers(service, order)
        struck = order.struck
        order.disarm()
        outcome = outcome_of(service, is_up, struck, what)
        if service.process.poll() is None:
            check_stop(service, what)
        return outcome
    finally:
        order.disarm()
        service.stop()


@pytest.mark.parametrize("kind", some(KINDS))
@pytest.mark.parametrize("program", PROGRAMS)
def test_start(order_of, small, program, kind):
    order = order_of(program)
    run_rounds(f"start {program} {kind}", 47, lambda at: start_once(order, small, kind, at))


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
        """Does `act` with the fault ahead. What came of it."""
        try:
            return self.try_once(kind, at, act)
        except AssertionError:
            self.order.disarm()
            self.service.stop()  # the next round has another one
            raise

    def try_once(self, kind, at, act):
        service = self.ready()
        what = f"{act.__name__}, {self.order.program}, {kind} {at}"
        assert answers(service, self.order), f"{what}: not even before"
        self.order.arm(kind, at)
        act(service)
        is_up = answers(service, self.order)
        struck = self.order.struck
        self.order.disarm()
        return outcome_of(service, is_up, struck, what)

    def stop(self):
        self.order.disarm()
        if self.service:
            if self.service.process.poll() is None:
                check_stop(self.service, f"{self.order.program} after the sweep")
            self.service.stop()


@pytest.fixture
def sweep(order_of, small):
    made = []

    def make(program):
        made.append(Sweep(order_of(program), small))
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
    file.write_text(f"{POLICY}# {time.monotonic()}\n")
    before = len(service.log)
    if service.process.poll() is None:
        service.process.send_signal(signal.SIGHUP)

    def heard():
        said = "".join(service.log[before:])
        return "load" in said or service.process.poll() is not None

    wait_until(heard, 20, what="an outcome of the reload")


@pytest.mark.parametrize("act", [one_call, one_reload], ids=["call", "reload"])
@pytest.mark.parametrize("kind", some(KINDS))
@pytest.mark.parametrize("program", PROGRAMS)
def test_while_it_serves(sweep, program, kind, act):
    one = sweep(program)
    run_rounds(f"{act.__name__} {program} {kind}", 13, lambda at: one.once(kind, at, act))


def test_a_fault_does_strike(order_of, small, sweep):
    """The sweep is not blind: the first of these calls are made, and fail."""
    # Whether the API writes anything before it is ready is a matter of moments; a call's answer it does write.
    one = sweep("cloche-api")
    assert one.once("short", 1, one_call) != "not reached"
    one.stop()  # it would take the faults that are meant for others
    for program, kinds in (("cloched", KINDS), ("cloche-api", set(KINDS) - {"fork", "refused", "short"})):
        order = order_of(program)
        for kind in kinds:
            assert start_once(order, small, kind, 1) != "not reached", f"{program} {kind}"
