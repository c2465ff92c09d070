# SPDX-License-Identifier: Apache-2.0
"""Find a descriptor that leads out."""


def test_only_four_are_open(attack):
    body = "found = []\nfor fd in range(4096):\n    if sys(5, fd, buffer())[0] == 0: found.append(fd)\nreturn found"
    assert attack.result(body) == [0, 1, 2, 3]


def test_no_seeking_in_the_standard_ones(attack):
    assert attack.result("return sys(0, 0, buffer(), 100)") == [0, 0]


def test_pipe_size_can_not_be_raised(attack):
    value, _ = attack.result("return sys(72, 3, 1031, 1 << 30)")
    assert value == -1
