# SPDX-License-Identifier: Apache-2.0
"""What is done to a service during a soak: kills, calls that fail in the API, reloads of all kinds."""

import os
import signal
import time

# Kinds of faults of the API, and how often one strikes: rare enough that it gets something done in between.
FAULTS = {"memory": 4000, "full": 7, "descriptors": 9, "interrupted": 11, "short": 13, "broken": 400}
# These do not end an API that is in order: what grows is seen only in one that stays.
MILD = ("full", "interrupted", "short")
FAULT_SECONDS = 1.0


def pids_of(service, name):
    if name == "sweeper":
        return [pid for pid in service.named("cloched") if pid != service.pid]
    return {"api": service.api, "zygote": service.zygotes, "worker": service.workers,
            "loader": lambda: service.named("cloche-loader")}[name]()


class Harm:
    def __init__(self, soak):
        self.soak, self.chance = soak, soak.chance
        self.last = 0.0  # when something was done that may cost answers
        self.acts = [(self.kill_worker, 4), (self.kill_zygote, 2), (self.kill_other, 1), (self.fault_api, 6), (self.kill_api, 2)]
        self.is_gentle = False  # leaves the API alive

    def once(self):
        acts = [act for act in self.acts if not (self.is_gentle and act[0] == self.kill_api)]
        act = self.chance.choices([one for one, _ in acts], [weight for _, weight in acts])[0]
        self.last = time.monotonic()
        act()
        self.last = time.monotonic()

    def kill(self, name):
        pids = pids_of(self.soak.service, name)
        if pids:
            try:
                os.kill(self.chance.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.soak.ledger.count(f"harm: killed {name}")

    def kill_worker(self):
        self.kill("worker")

    def kill_zygote(self):
        self.kill("zygote")

    def kill_api(self):
        self.kill("api")

    def kill_other(self):
        self.kill(self.chance.choice(("sweeper", "loader")))

    def fault_api(self):
        kind = self.chance.choice(MILD if self.is_gentle else list(FAULTS))
        self.soak.order.arm(kind, self.chance.randrange(1, FAULTS[kind]), every=FAULTS[kind])
        self.soak.stopping.wait(FAULT_SECONDS)
        with self.soak.ledger.lock:
            self.soak.ledger.counts[f"harm: {kind} in the API"] += self.soak.order.struck
        self.soak.order.disarm()

    # ------------------------------------------------------------------------------------------- reloads

    def reload(self):
        """Policies and tenants by turns; every third time a file that is refused."""
        soak = self.soak
        number = soak.reloads = soak.reloads + 1
        extra = "nonsense: 1\n" if number % 3 == 2 else ""
        (soak.config / "policies/spare.yaml").write_text(
            f"version: 1\nextends: default\nlimits: {{wall: {1 + number % 5}s}}\n{extra}")
        tenants = soak.tenants + f"  guest{number % 4}:\n    policies: [strict]\n"
        fresh = soak.config / "tenants.new"
        fresh.write_text(tenants)
        fresh.rename(soak.config / "tenants.yaml")
        soak.service.process.send_signal(signal.SIGHUP)
        soak.ledger.count("reloads, refused" if extra else "reloads")

    def settle(self):
        """The last file is one that is accepted."""
        (self.soak.config / "policies/spare.yaml").write_text("version: 1\nextends: default\n")
        self.soak.order.disarm()
        self.soak.service.process.send_signal(signal.SIGHUP)
