# SPDX-License-Identifier: Apache-2.0
"""Survive a killing system call by taking over its signal."""


def test_replacing_the_handler_kills(attack):
    envelope = attack.run("return sys(13, 31, buffer(), 0, 8)")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", envelope


def test_replacing_it_with_high_bits_kills(attack):
    envelope = attack.run("return sys(13, (1 << 32) | 31, buffer(), 0, 8)")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", envelope


def test_blocking_it_does_not_help(attack):
    envelope = attack.run("mask = buffer(8, (1 << 30).to_bytes(8, 'little'))\nsys(14, 0, mask, 0, 8)\nreturn sys(101, 0, 0, 0, 0)")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", envelope


def test_a_broken_stack_does_not_help(attack):
    """No stack for the handler to run on: the kernel ends the process."""
    body = "stack = buffer(24, (1).to_bytes(8, 'little') + (0).to_bytes(8, 'little') + (8192).to_bytes(8, 'little'))\n" \
           "sys(131, stack, 0)\nreturn sys(101, 0, 0, 0, 0)"
    assert attack.run(body)["verdict"] in ("denied", "crashed")
