# SPDX-License-Identifier: Apache-2.0
"""System calls through another door: x32 numbers."""


def test_x32_numbers_kill(attack):
    envelope = attack.run("return sys(0x40000000 | 41, 2, 1, 0)")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", envelope


def test_unknown_numbers_kill(attack):
    for number in (-1, 600, 1 << 20):
        envelope = attack.run(f"return sys({number})")
        assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", (number, envelope)
