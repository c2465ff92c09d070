# SPDX-License-Identifier: Apache-2.0
"""The one thing that leads out of a jail is the socket of its own call: pass descriptors over it, read what is not
one's own, keep its other end busy, or let go of it and live on."""

import time

import pytest
from service import SLOW


@pytest.mark.parametrize("name", ["sendto", "recvfrom", "sendmmsg", "recvmmsg", "shutdown", "getsockopt", "setsockopt",
                                  "getsockname", "getpeername", "dup2", "dup3", "readv", "preadv2", "process_vm_readv"])
def test_nothing_but_read_and_write(attack, name):
    """No descriptor can be sent, no out-of-band byte, no peeking, no look at who is there."""
    attack.kills(name, 3, "buffer()", 1, 1, 0, 0)


def test_it_is_no_memory(attack):
    body = "return [sys(9, 0, 4096, 1, flags, fd, 0) for fd in (0, 3) for flags in (1, 2)]"
    assert attack.result(body) == [[-1, 19]] * 4


def test_letting_go_of_it_does_not_stop_the_clock(attack):
    """Nobody hears from this worker any more; it ends all the same, and says no more than cloched knows."""
    start = time.monotonic()
    envelope = attack.run("sys(3, 3)\nwhile True: pass", limits={"wall": "300ms"})
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "wall", envelope
    assert time.monotonic() - start < 4 * SLOW


def test_what_is_written_behind_the_last_answer_reaches_nobody(attack):
    """The answer to the next call, forged ahead of time."""
    forged = "frame = (0x4c43).to_bytes(2, 'little') + (80).to_bytes(2, 'little') + (8).to_bytes(4, 'little') + b'\"forged\"'"
    body = f"{forged}\nsys(1, 3, ctypes.c_char_p(frame * 2), 2 * len(frame))\nsys(231, 0)"
    envelope = attack.run(body)
    assert envelope["verdict"] == "error" and envelope["error"]["type"] == "ProtocolError", envelope
    assert attack.result("return 'real'") == "real"
