# SPDX-License-Identifier: Apache-2.0
"""Find a descriptor that leads out."""

import os
import threading


def test_only_four_are_open(attack):
    body = "found = []\nfor fd in range(4096):\n    if sys(5, fd, buffer())[0] == 0: found.append(fd)\nreturn found"
    assert attack.result(body) == [0, 1, 2, 3]


def test_no_seeking_in_the_standard_ones(attack):
    assert attack.result("return sys(0, 0, buffer(), 100)") == [0, 0]


def test_pipe_size_can_not_be_raised(attack):
    value, _ = attack.result("return sys(72, 3, 1031, 1 << 30)")
    assert value == -1


LOCKER = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
def main(wait):
    seen = [(os.fstat(fd).st_dev, os.fstat(fd).st_ino) for fd in (0, 1, 2)]
    done = [libc.flock(fd, 2 | 4) for fd in (0, 1, 2)]
    time.sleep(wait)
    return [seen, done]
"""


def test_a_lock_on_the_standard_ones_is_seen_by_nobody(cloche):
    """Under a policy whose filter lets files be locked: two workers at a time, both hold theirs."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(cloche.call(LOCKER, args=[1], policy="roomy")["result"]))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (one, first), (two, second) = results
    assert first == second == [0, 0, 0]
    assert one[0] != two[0] and one[0] != [os.stat("/dev/null").st_dev, os.stat("/dev/null").st_ino]


def test_nothing_can_be_written_to_the_standard_ones(attack):
    assert attack.result("return [sys(1, fd, buffer(8), 8) for fd in (0, 1, 2)]") == [[-1, 9]] * 3
    assert attack.result("return sys(0, 0, buffer(), 4096)") == [0, 0]
