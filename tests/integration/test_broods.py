# SPDX-License-Identifier: Apache-2.0
"""Who makes the workers of whom: a zygote for each tenant and policy, or one for all tenants of a policy; none
before a call wants one, none long after, and never more than there are ranges of ids for."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import time

import httpx
import pytest
from service import SLOW, STRETCH, Service, status, wait_until
from test_tenants import call, token

FACTS = """
def main():
    import random
    return {"hash": hash("cloche"), "random": random.random()}
"""
STRICT = "version: 1\nextends: strict\n"


class Tenants:
    """A service with `count` tenants t0, t1..., all with the same policies, and a client for some of them."""

    def __init__(self, folder, count, policies, files):
        (folder / "policies").mkdir()
        for name, text in files.items():
            (folder / "policies" / f"{name}.yaml").write_text(text)
        self.file = folder / "tenants.yaml"
        self.file.write_text("version: 1\ntenants:\n" + "".join(
            f"  t{i}:\n    policies: [{', '.join(policies)}]\n" for i in range(count)))
        self.service = Service(config=folder)
        self.clients = {}

    def client(self, number):
        """Its token is made before the service starts."""
        if number not in self.clients:
            secret = token(self.file, "create", f"t{number}")
            self.clients[number] = lambda: httpx.Client(
                base_url=self.service.url, timeout=60 * SLOW, headers={"Authorization": f"Bearer {secret}"})
        return self.clients[number]


def result(client, source, policy):
    answer = call(client, source, policy=policy)
    assert answer.status_code == 200 and answer.json()["verdict"] == "ok", answer.text
    return answer.json()["result"]


@pytest.fixture
def two(tmp_path):
    """Two tenants, policies `apart` and `together`; (service, client, client)."""
    tenants = Tenants(tmp_path, 2, ["apart", "together"], {
        "apart": "version: 1\nextends: default\n", "together": "version: 1\nextends: default\nisolation: policy\n"})
    made = [tenants.client(0), tenants.client(1)]
    with tenants.service as service, made[0]() as first, made[1]() as second:
        yield service, first, second


def zygotes_of(service, before):
    return set(service.zygotes()) - before


@pytest.mark.parametrize("policy, count", [("apart", 2), ("together", 1)])
def test_isolation_says_who_shares_a_zygote(two, policy, count):
    service, first, second = two
    before = set(service.zygotes())
    seen = [result(client, FACTS, policy) for client in (first, second)]
    assert len(zygotes_of(service, before)) == count
    assert (seen[0]["hash"] == seen[1]["hash"]) == (count == 1)  # the seed is the zygote's
    assert seen[0]["random"] != seen[1]["random"]


def ticks_of(pid):
    """Hundredths of a second that a process has used; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    return 0


def parked_of(service):
    """{worker: (its zygote, its ticks)} of those that wait for a call, once each zygote has some."""
    found = {}
    for worker in service.workers():
        with contextlib.suppress(OSError, ValueError):  # one that has just ended
            if pathlib.Path(f"/proc/{worker}/syscall").read_text().split()[0] in ("0", "45"):  # read, recvfrom
                [zygote] = service.zygote_of(worker)
                found[worker] = zygote, ticks_of(worker)
    return found if {zygote for zygote, _ in found.values()} == set(service.zygotes()) else None


def zygotes_that_work_for(service, ask, *words):
    """Zygotes of the workers that were parked, and use processor time while somebody has asked for something."""
    parked = wait_until(lambda: parked_of(service), what="spares of each zygote")
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, *words)
        while not answer.done():
            seen |= {zygote for pid, (zygote, ticks) in parked.items() if ticks_of(pid) >= ticks + 8}
            time.sleep(0.005)
        answer.result()
    return seen


# Much to read, and nothing to run; to compile it takes some tenths of a second.
SAME = "x = 1\n" * (20000 // STRETCH) + "def f(): return 'the same'\n"
WORK = "import time\ndef main():\n    until = time.process_time() + 0.3\n    while time.process_time() < until: pass\n"


def test_same_source_is_compiled_for_each_tenant_by_a_worker_of_its_own(two):
    """Bytecode goes by tenant, not by content: what one tenant's worker made of a source is nothing to another's."""
    service, *clients = two
    own = []
    for client in clients:
        result(client, FACTS, "apart")
        [zygote] = zygotes_that_work_for(service, result, client, WORK, "apart")
        own.append(zygote)

    def push(client):
        answer = client.put("/v1/modules/same", json={"source": SAME})
        assert answer.status_code == 201, answer.text
    assert len(set(own)) == 2
    assert [zygotes_that_work_for(service, push, client) for client in clients] == [{own[0]}, {own[1]}]
    for client in clients:
        assert client.post("/v1/calls", json={"function": "same.f"}).json()["result"] == "the same"
    lines = map(json.loads, (service.state / "audit.log").read_text().splitlines())
    read = [line for line in lines if line.get("kind") == "inspect"]
    assert [line["tenant"] for line in read] == ["t0", "t1"] and len({line["source"] for line in read}) == 1


def test_reload_that_takes_a_tenant_away_leaves_the_others_their_zygote(two, tmp_path):
    service, first, second = two
    result(first, FACTS, "together")
    result(second, FACTS, "together")
    before = set(service.zygotes())
    text = (tmp_path / "tenants.yaml").read_text()
    (tmp_path / "tenants.yaml").write_text(text[:text.index("  t1:")])
    wait_until(lambda: call(second, FACTS, policy="together").status_code == 401, what="its end")
    assert result(first, FACTS, "together") and set(service.zygotes()) <= before


def test_zygote_starts_with_the_first_call_and_ends_when_nobody_calls(tmp_path):
    tenants = Tenants(tmp_path, 1, ["brief"], {"brief": STRICT + "pool: {recycle_after: 2s}\n"})
    made = tenants.client(0)
    with tenants.service as service, made() as client:
        kept = service.zygotes()
        assert len(kept) == 1  # of `local`
        first = call(client, "def main(): return 1").json()
        assert first["verdict"] == "ok" and first["usage"]["queue_us"] > 10000, first
        assert len(service.zygotes()) == 2
        wait_until(lambda: service.zygotes() == kept, 20, "its end")
        assert call(client, "def main(): return 1").json()["verdict"] == "ok"
        assert service.call("def main(): return 1")["verdict"] == "ok"


def test_a_thousand_tenants_cost_nothing_until_they_call(tmp_path):
    tenants = Tenants(tmp_path, 1000, ["default", "strict"], {})
    made = tenants.client(999)
    with tenants.service as service, made() as client:
        assert len(service.zygotes()) == 1
        assert call(client, "def main(): return 1").json()["verdict"] == "ok"
        assert len(service.zygotes()) == 2


def test_more_tenants_than_ranges_of_ids_take_turns(tmp_path):
    """63 zygotes at a time; whoever was idle longest gives its place up, and nobody is refused."""
    count = 66
    tenants = Tenants(tmp_path, count, ["strict"], {"strict": STRICT.replace("strict", "default") + "python: {modules: []}\n"})
    made = [tenants.client(i) for i in range(count)]
    with tenants.service as service, concurrent.futures.ThreadPoolExecutor(4) as pool:
        def one(start):
            with start() as client:
                answer = call(client, "def main(): return 1")
                return answer.status_code, answer.json().get("verdict")
        assert set(pool.map(one, made)) == {(200, "ok")}
        told = ["".join(service.log).count(event) for event in ("zygote.up", "brood.evict")]
        assert told[0] == count + 1 and told[1] >= count + 1 - 63  # nobody's was started twice
        assert told[1] <= count - 50  # no more had to go than was needed
        assert one(made[0]) == (200, "ok")


def test_killed_loader_is_back_and_hears_of_edits(two, tmp_path):
    """It has no capability, and could get none."""
    service, first, _ = two
    [loader] = service.named("cloche-loader")
    facts = status(loader)
    assert {facts[f"Cap{kind}"].strip().strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert facts["NoNewPrivs"].strip() == "1"
    os.kill(loader, signal.SIGKILL)
    wait_until(lambda: service.named("cloche-loader") not in ([], [loader]), what="another one")
    assert call(first, FACTS, policy="apart").status_code == 200
    (tmp_path / "policies/apart.yaml").write_text("version: 1\nextends: default\nlimits: {output: 2Ki}\n")

    def is_edited():
        return first.get("/v1/policies/apart").json().get("limits", {}).get("output_bytes") == 2048
    wait_until(is_edited, what="the edit")


def test_token_of_local_that_was_replaced_is_in_force_after_a_reload(two):
    service, _, _ = two
    file = service.state / "local.token"
    new = "clt_" + "5a" * 32
    file.write_text(new + "\n")
    os.kill(service.pid, signal.SIGHUP)

    def opens(secret):
        answer = httpx.get(f"{service.url}/v1/policies", headers={"Authorization": f"Bearer {secret}"})
        return answer.status_code == 200
    wait_until(lambda: opens(new), what="the new token")
    assert not opens(service.token)
