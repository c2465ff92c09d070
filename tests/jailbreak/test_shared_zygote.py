# SPDX-License-Identifier: Apache-2.0
"""Two tenants whose policy says `isolation: policy`: their workers come from one zygote. What one leaves, draws or has
ready must be nothing to the other."""

import os
import pathlib
import sys

import pytest
from service import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from test_broods import FACTS, Tenants, result  # noqa: E402

LEAVE = """
import json
left = json.left = "residue"
def main(): return getattr(json, "left")
"""
SEEK = """
import json
def main(): return [getattr(json, "left", None), globals().get("left")]
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """(service, client of the first tenant, client of the second)."""
    tenants = Tenants(tmp_path_factory.mktemp("shared"), 2, ["together"], {
        "together": "version: 1\nextends: default\nisolation: policy\n"})
    made = [tenants.client(0), tenants.client(1)]
    with tenants.service as service, made[0]() as first, made[1]() as second:
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


def test_spares_of_one_tenant_are_never_given_to_another(two):
    """Each pool has its own: many calls of one leave the other's waiting ones alone."""
    service, first, second = two
    result(second, FACTS, "together")
    wait_until(lambda: len(service.workers()) >= 3, what="a spare of the second")
    draws = [result(client, FACTS, "together")["random"] for client in [first] * 20 + [second] * 2]
    assert len(set(draws)) == len(draws)
