# SPDX-License-Identifier: Apache-2.0
"""A worker in the slot that another tenant's attack has just left: two tenants in turn, never two workers at a time,
under a policy that lets them share a zygote. Only so do they ever share a slot, which is a user id and a cgroup."""

import contextlib
import pathlib
import sys

import httpx
from service import ROOT, SLOW, Service, children, status, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from test_jail import cgroup_dirs  # noqa: E402
from test_tenants import call, token  # noqa: E402

NATIVE = ROOT / "policies/examples/native.yaml"


class LeftSlot:
    """Looks like a service to an Attack."""

    def __init__(self, folder):
        (folder / "policies").mkdir()
        for file, old, new in [(NATIVE, "pool: {min: 1, max: 16}", "isolation: policy\npool: {min: 0, max: 1}"),
                               (ROOT / "policies/default.yaml", "min: 2", "min: 0")]:
            text = file.read_text()
            assert text.count(old) == 1, file
            (folder / "policies" / file.name).write_text(text.replace(old, new))
        file = folder / "tenants.yaml"
        file.write_text("version: 1\ntenants:\n" + "".join(f"  t{i}:\n    policies: [native]\n" for i in range(2)))
        self.secrets = [token(file, "create", f"t{i}") for i in range(2)]
        self.service = Service(config=folder)
        self.zygote, self.last = None, 0

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(self.service)
        self.clients = [self.stack.enter_context(httpx.Client(
            base_url=self.service.url, timeout=60 * SLOW, headers={"Authorization": f"Bearer {secret}"}))
            for secret in self.secrets]
        self.others = self.service.zygotes()
        return self

    def __exit__(self, *what):
        return self.stack.__exit__(*what)

    def slots(self):
        """{zygote: names of the cgroups of its slots}, as the host has them; not for what the service starts by itself."""
        found = {}
        for zygote in set(self.service.zygotes()).difference(self.others):
            groups = cgroup_dirs(zygote)
            group = groups.get("pids", groups.get("v2")).parent
            if names := sorted(path.name for path in group.glob("s[0-9]*")):
                found[zygote] = names
        return found

    def is_free(self):
        """No worker, nor one that is being born."""
        return not any(status(child).get("Name", "").strip() == "cloche-worker" or
                       len(status(child).get("NSpid", "").split()) > 1 for child in children(self.service.pid))

    def as_(self, tenant, source, **body):
        """One call, when nobody is in the slot; the envelope."""
        wait_until(self.is_free, what="an empty slot")
        answer = call(self.clients[tenant], source, **body)
        assert answer.status_code == 200, answer.text
        self.last = tenant
        return answer.json()

    def call(self, source, **body):
        """By the tenant that was not in the slot last. Seen from the host: there is one slot, and it was used before."""
        if self.zygote not in self.service.zygotes():
            self.as_(self.last, source, **body)
        envelope = self.as_(1 - self.last, source, **body)
        [(zygote, names)] = self.slots().items()
        assert self.zygote in (None, zygote) and names == ["s0"], (self.zygote, zygote, names)
        self.zygote = zygote
        return envelope


def uids_of_zygotes(service, least=3):
    """{zygote: user ids of its workers on the host}, once there are `least` zygotes with workers at the same time."""
    found = {}
    for worker in service.workers():
        try:
            [zygote] = service.zygote_of(worker)
            found.setdefault(zygote, []).append(status(worker)["Uid"].split()[0])
        except (OSError, ValueError, KeyError):
            return None  # one has just ended
    return found if len(found) >= least else None
