# SPDX-License-Identifier: Apache-2.0
"""Fixtures for everything that needs a running service. One service is shared by the tests of a session;
tests that break it on purpose start their own."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))

from service import BIN, ROOT, Service  # noqa: E402

POLICIES = ROOT / "tests/support/policies"


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: counts on a machine that does nothing else meanwhile")


def pytest_collection_modifyitems(items):
    """A missing privilege or binary is an explicit skip; CLOCHE_REQUIRE=all turns it into a failure."""
    reason = None
    if os.geteuid() != 0:
        reason = "needs root: cloched makes namespaces and cgroups"
    elif not (BIN / "cloched").exists():
        reason = f"no build in {BIN}"
    if not reason:
        return
    if os.environ.get("CLOCHE_REQUIRE") == "all":
        raise pytest.UsageError(reason)
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    """A configuration directory with the shipped policies, the examples and those of the tests."""
    directory = tmp_path_factory.mktemp("config")
    (directory / "policies").mkdir()
    sources = [ROOT / "policies", ROOT / "policies/examples", POLICIES]
    for folder in sources:
        for file in folder.glob("*.yaml"):
            (directory / "policies" / file.name).write_text(file.read_text())
    return directory


@pytest.fixture(scope="session")
def cloche(config):
    service = Service(config=config)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture
def own(config):
    """A service that this test alone may break."""
    service = Service(config=config)
    try:
        service.start()
        yield service
    finally:
        service.stop()
