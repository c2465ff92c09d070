# SPDX-License-Identifier: Apache-2.0
"""Get a user namespace of one's own, and with it every capability inside it."""

import pytest


@pytest.mark.parametrize("flags", ["0x10000000 | 17", "0x00020000 | 17", "0x20000000 | 17", "0x40000000 | 17", "17", "0x3d0f00"])
def test_clone(attack, flags):
    attack.answers("EPERM", "clone", flags, 0, 0, 0, 0)


def test_clone3_does_not_exist(attack):
    attack.answers("ENOSYS", "clone3", "buffer(88)", 88)


@pytest.mark.parametrize("name", ["fork", "vfork"])
def test_fork(attack, name):
    attack.answers("EPERM", name)


@pytest.mark.parametrize("name,args", [("unshare", [0x10000000]), ("setns", [3, 0])])
def test_moving_between_namespaces_kills(attack, name, args):
    attack.kills(name, *args)
