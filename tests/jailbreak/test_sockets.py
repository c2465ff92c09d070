# SPDX-License-Identifier: Apache-2.0
"""Talk to anybody: every address family, also those that network namespaces do not hold (AF_VSOCK)."""

import pytest

FAMILIES = {"unix": 1, "inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40, "xdp": 44, "bluetooth": 31,
            "tipc": 30, "can": 29, "smc": 43, "qipcrtr": 42, "kcm": 41}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_no_socket_of_any_family(attack, family, kind):
    attack.answers("EPERM", "socket", family, kind, 0)


def test_no_mptcp(attack):
    attack.answers("EPERM", "socket", 2, 1, 262)


def test_family_with_high_bits_set(attack):
    attack.answers("EPERM", "socket", "(1 << 32) | 2", 1, 0)


def test_no_socketpair(attack):
    attack.answers("EPERM", "socketpair", 1, 1, 0, "buffer()")


def test_no_connect_on_the_own_socket(attack):
    attack.answers("EPERM", "connect", 3, "buffer()", 16)


@pytest.mark.parametrize("name,args", [("bind", [3, "buffer()", 16]), ("listen", [3, 1]), ("accept", [3, 0, 0]), ("accept4", [3, 0, 0, 0]),
                                       ("sendmsg", [3, "buffer()", 0]), ("recvmsg", [3, "buffer()", 0])])
def test_no_other_use_of_sockets(attack, name, args):
    """recvmsg and sendmsg could pass descriptors."""
    attack.kills(name, *args)
