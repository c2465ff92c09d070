# SPDX-License-Identifier: Apache-2.0
"""System calls through another door: x32 and i386 numbers, the vsyscall page, numbers that nobody knows."""

import errno
import os
import pathlib

import pytest


def is_denied(envelope, name=None):
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "syscall", envelope
    assert name is None or envelope["denied"]["name"] == name, envelope


def test_x32_numbers_kill(attack):
    is_denied(attack.run("return sys(0x40000000 | 41, 2, 1, 0)"))


def test_unknown_numbers_kill(attack):
    for number in (-1, 600, 1 << 20):
        is_denied(attack.run(f"return sys({number})"))


def test_i386_calls_kill(attack):
    """int 0x80, jumped to in the middle of the C library's code, with eax 1: exit, which would end the call as crashed."""
    is_denied(attack.run("""
code = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
at = ctypes.string_at(code, 1 << 19).index(bytes([0xcd, 0x80]))
ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_double)(code + at)(1.0)
"""))


def test_the_vsyscall_page_is_filtered(attack):
    """time() by the page that is at the same place in every process."""
    if "[vsyscall]" not in pathlib.Path("/proc/self/maps").read_text():
        pytest.skip("this kernel has no vsyscall page")
    is_denied(attack.run("ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(0xffffffffff600400)(0)"), "time")


def test_a_number_with_high_bits_is_the_same_number(attack):
    assert attack.result("return sys((1 << 32) | 41, 2, 1, 0)") == [-1, 1]


@pytest.mark.parametrize("number", range(450, 475))
def test_calls_younger_than_the_filter_kill(attack, number):
    """cachestat, map_shadow_stack, futex_wake, statmount, lsm_get_self_attr, mseal, setxattrat... and those to come."""
    is_denied(attack.run(f"return sys({number}, 3, 0, 0, 0)"))


@pytest.mark.parametrize("number", [335, 336])
def test_probes_of_other_processes_are_not_made_by_calling_their_trampolines(attack, number):
    """uretprobe and uprobe are for the kernel's own trampolines: called by hand they do nothing. Where the kernel has
    them it asks no filter, and ends the caller or tells it ENXIO; where it has not, they are numbers like others."""
    envelope = attack.run(f"return sys({number})")
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release < ((6, 11) if number == 335 else (6, 18)):
        is_denied(envelope)
    elif number == 335:
        assert envelope["verdict"] == "crashed", envelope
    else:
        assert (envelope["verdict"], envelope["result"]) == ("ok", [-1, errno.ENXIO]), envelope
