# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from attack import Attack  # noqa: E402
from escapes import PYTHON, SEEN  # noqa: E402
from left import LeftSlot  # noqa: E402


@pytest.fixture(scope="session")
def left_slot(tmp_path_factory):
    with LeftSlot(tmp_path_factory.mktemp("left")) as left:
        yield left


@pytest.fixture(params=["own", "left"])
def attack(request):
    """Each attack twice: in a slot of the tenant's own, and in one that another tenant's attack has just left."""
    return Attack(request.getfixturevalue("cloche" if request.param == "own" else "left_slot"))


def pytest_terminal_summary(terminalreporter):
    """How many of the ways out of Python the guard stopped by itself; -v lists what each met."""
    if not SEEN:
        return
    through = [name for name, (_, stopped, _) in SEEN.items() if not stopped]
    alone = sum(by == PYTHON and stopped for by, stopped, _ in SEEN.values())
    terminalreporter.write_line(
        f"python escapes: {len(SEEN)} tried, {len(SEEN) - len(through) - alone} stopped by the guard alone, {alone} by "
        f"CPython itself, {len(through)} by the jail behind them" + (f" ({', '.join(through)})" if 0 < len(through) < 10 else ""))
    if terminalreporter.config.getoption("verbose") > 0:
        for name, (by, stopped, said) in SEEN.items():
            terminalreporter.write_line(f"  {by if stopped else 'jail':6} {name}: {said[:160]}")
