# SPDX-License-Identifier: Apache-2.0
"""Make memory that is both written and run."""

import pytest


@pytest.mark.parametrize("protection", [4, 5, 6, 7])
@pytest.mark.parametrize("flags", [0x22, 0x21, 0x62])
def test_no_executable_mapping(attack, protection, flags):
    value, _ = attack.result(f"return sys(9, 0, 4096, {protection}, {flags}, -1, 0)")
    assert value == -1


def test_no_protection_change_to_executable(attack):
    value, _ = attack.result("a = sys(9, 0, 4096, 3, 0x22, -1, 0)[0]\nreturn sys(10, a, 4096, 5)")
    assert value == -1


def test_no_high_bits_trick(attack):
    value, _ = attack.result("return sys(9, 0, 4096, (1 << 32) | 7, 0x22, -1, 0)")
    assert value == -1


def test_code_can_not_be_rewritten(attack):
    body = "code = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095\nreturn sys(10, code, 4096, 7)"
    assert attack.result(body)[0] == -1
