# SPDX-License-Identifier: Apache-2.0
"""Two tenants whose policy says `isolation: policy`: their workers come from one zygote. What one leaves, draws or has
ready must be nothing to the other."""

import concurrent.futures
import math
import os
import pathlib
import sys

import pytest
from service import SLOW, times, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from test_broods import FACTS, Tenants, result  # noqa: E402
from test_tenants import call  # noqa: E402

LEAVE = """
import json
left = json.left = "residue"
def main(): return getattr(json, "left")
"""
SEEK = """
import json
def main(): return [getattr(json, "left", None), globals().get("left")]
"""


def serving(folder):
    """Two tenants of one policy, and their clients, none of whom has called yet."""
    text = f"version: 1\nextends: default\nisolation: policy\nlimits: {{wall: {math.ceil(5 * SLOW)}s}}\n"
    tenants = Tenants(folder, 2, ["together"], {"together": text})
    return tenants.service, tenants.client(0), tenants.client(1)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """(service, client of the first tenant, client of the second)."""
    service, *made = serving(tmp_path_factory.mktemp("shared"))
    with service, made[0]() as first, made[1]() as second:
        yield service, first, second


def uids_of(service):
    """Of at least four workers that are there at the same time."""
    try:
        uids = [os.stat(f"/proc/{pid}").st_uid for pid in service.workers()]
    except FileNotFoundError:
        return None  # one has just ended
    return uids if len(uids) >= 4 else None


def test_tenants_that_share_a_zygote_share_no_jail_and_nothing_that_is_left(two):
    service, first, second = two
    assert result(first, LEAVE, "together") == "residue"
    for client in (second, first):
        for _ in range(3):
            assert result(client, SEEK, "together") == [None, None]
    uids = wait_until(lambda: uids_of(service), what="spares of both")
    assert len(set(uids)) == len(uids)


def parked_of(service, others):
    """{pid: when it began} of spares that wait for a call, but for those in `others`."""
    found = {}
    for pid in set(service.workers()) - set(others):
        try:
            blocked = pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[0]
            if blocked in ("0", "45"):
                found[pid] = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        except (OSError, IndexError):
            pass  # it has just ended
    return found


def seen_asleep(service, client, count):
    """Pids of the workers of `count` calls at a time, as the host sees them."""
    nap = "import time\ndef main(s): time.sleep(s)"

    def asleep():
        pids = [pid for pid in service.workers() if is_asleep(pid)]
        return pids if len(pids) == count else None
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        naps = [pool.submit(call, client, nap, policy="together", args=[1 * SLOW]) for _ in range(count)]
        seen = wait_until(asleep, what="the calls")
        assert all(one.result().json()["verdict"] == "ok" for one in naps)
    return set(seen)


def is_asleep(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[0] in ("230", "35")
    except (OSError, IndexError):
        return False


def test_spares_of_one_tenant_are_never_given_to_another(tmp_path):
    """Each pool has its own: many calls of one leave the other's waiting ones alone, though their zygote is one."""
    service, *made = serving(tmp_path)
    with service, made[0]() as first, made[1]() as second:
        others = service.workers()
        result(second, FACTS, "together")
        theirs = wait_until(lambda: len(found := parked_of(service, others)) == 2 and found, what="spares of the second")
        draws = [result(first, FACTS, "together")["random"] for _ in range(times(20))]
        assert not seen_asleep(service, first, 4) & set(theirs)
        still = parked_of(service, others)
        assert {pid: still.get(pid) for pid in theirs} == theirs  # none has run anything
        draws.append(result(second, FACTS, "together")["random"])
        assert seen_asleep(service, second, 1) <= set(theirs)  # whose they were
        assert len(set(draws)) == len(draws)
        assert len(service.zygotes()) == 2  # of `local`, and theirs
