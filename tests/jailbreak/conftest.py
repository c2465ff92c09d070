# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from attack import Attack  # noqa: E402


@pytest.fixture
def attack(cloche):
    return Attack(cloche)
