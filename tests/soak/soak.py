#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed load for so many minutes while things are killed and calls of the API fail: what was acknowledged is done exactly once,
every answer is right, and nothing is left or grows. A line a minute, a table at the end; 1 when a promise was broken."""

import argparse
import collections
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/integration")]

from actors import ADD, CAST, STEP, Actor, look  # noqa: E402
from faults import Order, check_gone  # noqa: E402
from harm import Harm  # noqa: E402
from service import BIN, SLOW, wait_until  # noqa: E402
from watch import Ledger, Watch, check_audit  # noqa: E402

WARM_SECONDS = 20        # before memory is compared
HARM_SECONDS = (1, 4)    # between two harms
RELOAD_SECONDS = 4
SILENCE_SECONDS = 15     # after a harm, in which no answer is no fault
GENTLE_PART = 2 / 3      # of the time: from here on the API is left alive, so that its growth would show


class Soak:
    def __init__(self, folder, seed, minutes, is_calm):
        self.seed, self.chance = seed, random.Random(seed)
        self.seconds, self.is_calm = minutes * 60, is_calm
        self.ledger = Ledger()
        self.stopping, self.running = threading.Event(), threading.Event()
        self.reloads = 0
        self.config = folder / "config"
        self.write_config()
        self.order = Order("cloche-api")
        self.service = self.order.service(config=self.config, state=folder / "state")
        self.harm = Harm(self)
        self.silences = collections.Counter()

    def write_config(self):
        policies = self.config / "policies"
        policies.mkdir(parents=True)
        for file in (*ROOT.glob("policies/*.yaml"), ROOT / "policies/examples/native.yaml"):
            shutil.copy(file, policies)
        (policies / "kept.yaml").write_text("version: 1\nextends: default\nsessions: {allow: true}\npool: {min: 1, max: 8}\n")
        (policies / "calc.yaml").write_text("version: 1\nextends: default\npython: {eval: true}\n")
        (policies / "spare.yaml").write_text("version: 1\nextends: default\n")
        file = self.config / "tenants.yaml"
        file.write_text("version: 1\ntenants:\n  other:\n    policies: [strict]\n")
        self.other_token = subprocess.run([BIN / "cloche", "token", "create", "--tenant", "other", "--file", file, "--scopes", "call"],
                                          capture_output=True, text=True, check=True).stdout.strip()
        self.tenants = file.read_text()

    def connect(self):
        host, port = self.service.url.split("//")[1].split(":")
        return socket.create_connection((host, int(port)), timeout=20)

    def note_silence(self, what, fault):
        """A client that got no answer: right only after something was done to the service."""
        if self.is_calm or time.monotonic() - self.harm.last > SILENCE_SECONDS * SLOW:
            self.ledger.blame(f"{what}: no answer although nothing was done: {fault!r}")
        self.silences[what] += 1

    # ---------------------------------------------------------------------------------------------- the run

    def run(self):
        self.service.start()
        watch = Watch(self.service)
        for name, source, retry in (("once", STEP, False), ("again", STEP, True), ("add", ADD, True)):
            answer = self.service.http.put(f"/v1/modules/{name}", json={"source": source, "retry": retry})
            assert answer.status_code == 201, answer.text
        actors = [(Actor(self, number), act, pause) for number, (act, pause) in
                  enumerate((act, pause) for act, pause, many in CAST for _ in range(many))]
        threads = [threading.Thread(target=actor.repeat, args=(act, pause), daemon=True) for actor, act, pause in actors]
        for thread in threads:
            thread.start()
        self.running.set()
        self.drive(watch)
        self.running.clear()
        self.harm.settle()
        self.stopping.set()
        for thread, (_, act, _) in zip(threads, actors):
            thread.join(60 * SLOW)
            self.ledger.expect(not thread.is_alive(), f"a client hangs: {act.__name__}")
        self.finish(watch)
        return watch

    def drive(self, watch):
        """Harm and reloads in their turns; a sample a second, a line a minute."""
        begin = time.monotonic()
        due = {"harm": begin + WARM_SECONDS, "reload": begin + 2, "line": begin + 60}
        while (now := time.monotonic()) < begin + self.seconds and self.service.process.poll() is None:
            self.harm.is_gentle = now > begin + self.seconds * GENTLE_PART
            if now >= due["harm"] and not self.is_calm:
                self.harm.once()
                due["harm"] = time.monotonic() + self.chance.uniform(*HARM_SECONDS)
            if now >= due["reload"]:
                self.harm.reload()
                due["reload"] = now + RELOAD_SECONDS
            if now >= begin + WARM_SECONDS:
                watch.sample()
            if now >= due["line"]:
                print(f"{(now - begin) / 60:4.0f} min  acknowledged {self.ledger.counts['acknowledged']}  open "
                      f"{len(self.ledger.open_ones())}  ok {self.ledger.counts['ok']}  broken {len(self.ledger.wrong)}  {watch.line()}",
                      flush=True)
                due["line"] = now + 60
            time.sleep(0.5)
        self.ledger.expect(self.service.process.poll() is None, "cloched ended:\n" + "".join(self.service.log[-20:]))

    # ---------------------------------------------------------------------------------------------- the end

    def finish(self, watch):
        """Everything that was acknowledged ends; what is there is what may stay; then nothing."""
        ledger = self.ledger
        self.await_ready()
        actor = Actor(self, 10_000)
        actor.client = self.service.client(20)

        def all_ended():
            for name in ledger.open_ones():
                if name in ledger.calls:
                    look(actor, f"/v1/calls/{name}", name, lambda record: record["status"] == "done")
                else:
                    look(actor, f"/v1/workflows/{name}", name,
                         lambda record: record["status"] in ("completed", "failed", "cancelled", "timeout"))
            return not ledger.open_ones()

        try:
            wait_until(all_ended, 90, "the end of all that was acknowledged")
        except AssertionError:
            ledger.blame(f"acknowledged and never ended: {ledger.open_ones()[:20]} of {len(ledger.open_ones())}")
        actor.client.close()
        time.sleep(3)  # pools fall back to what they keep
        watch.sample()
        watch.check_quiet(ledger)
        check_audit(self.service, ledger, self.is_calm)
        self.stop()

    def await_ready(self):
        def is_ready():
            answer = self.service.http.get("/readyz")
            return answer.status_code == 200 and answer.json()["status"] == "ready"
        try:
            wait_until(is_ready, 30, "/readyz")
        except (AssertionError, OSError) as fault:
            self.ledger.blame(f"not ready after it: {fault}")

    def stop(self):
        self.service.end()
        self.ledger.expect(self.service.process.returncode == 0, f"it stopped with {self.service.process.returncode}")
        self.service.drained.join(20 * SLOW)
        self.ledger.expect(not self.service.drained.is_alive(), "a process outlives cloched")
        try:
            check_gone(self.service, "the soak")
        except AssertionError as fault:
            self.ledger.blame(str(fault))


def show(soak, watch):
    ledger = soak.ledger
    print()
    for name, count in sorted(ledger.counts.items()):
        print(f"{name:40} {count:10}")
    for name in watch.memory:
        print(f"{name + ', growth KiB':40} {watch.growth_kib(name):10.0f}   most {watch.most[name]} KiB")
    print(f"{'descriptors of cloched, most':40} {watch.most['fds']:10}")
    print(f"{'clients without an answer':40} {sum(soak.silences.values()):10}   {dict(soak.silences)}")
    print(f"{'broken promises':40} {len(ledger.wrong):10}")
    for text in ledger.wrong[:20]:
        print("  " + text[:600])


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("minutes", type=float)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--calm", action="store_true", help="load and reloads only, nothing is broken")
    told = ask.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-soak-"))
    soak = Soak(folder, told.seed, told.minutes, told.calm)
    try:
        watch = soak.run()
    finally:
        soak.service.stop()
        if soak.ledger.wrong:
            (ROOT / "build/soak.log").write_text("".join(soak.service.log))
        shutil.rmtree(folder, ignore_errors=True)
    show(soak, watch)
    return 1 if soak.ledger.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
