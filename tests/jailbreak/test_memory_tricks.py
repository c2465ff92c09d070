# SPDX-License-Identifier: Apache-2.0
"""Calls about memory that are open, or nearly: what they must not lead to."""

import pytest


@pytest.mark.parametrize("name,args", [("pkey_mprotect", ["buffer(8192)", 4096, 7, -1]), ("pkey_alloc", [0, 0]), ("mlock", [0, 4096]),
                                       ("mlock2", [0, 4096, 1]), ("shmat", [0, 0, 0]), ("mincore", [0, 4096, "buffer()"]), ("msync", [0, 0, 4]),
                                       ("arch_prctl", [0x1002, 0]), ("set_tid_address", ["buffer()"]), ("get_robust_list", [0, "buffer()", "buffer()"]),
                                       ("futex_waitv", ["buffer()", 1, 0, 0, 0]), ("timer_create", [0, 0, "buffer()"]), ("rt_tgsigqueueinfo", [1, 1, 9, "buffer()"]),
                                       ("sched_setattr", [0, "buffer()", 0]), ("setrlimit", [6, "buffer()"]), ("setsid", []), ("capget", ["buffer()", "buffer()"])])
def test_kills(attack, name, args):
    attack.kills(name, *args)


def test_the_kernel_touches_no_memory_later(attack):
    """What it would write to when a thread ends or is moved: robust lists, restartable sequences, barriers."""
    assert attack.result("return [sys(n, buffer(), 32, 0, 0) for n in (273, 334, 324)]") == [[-1, 38]] * 3


def test_merging_pages_with_others_is_refused(attack):
    """MADV_MERGEABLE: how long a write takes would tell what others have in memory. Huge pages: the same, and the limit."""
    body = "a = sys(9, 0, 65536, 3, 0x22, -1, 0)[0]\nreturn [sys(28, a, 65536, n) for n in (12, 13, 14, 15, (1 << 32) | 12)]"
    assert attack.result(body) == [[-1, 22]] * 5


@pytest.mark.parametrize("advice", [9, 10, 18, 20, 21, 22, 23, 25, 100, 101, 102])
def test_other_advice_kills(attack, advice):
    """Holes, poison, page-out, populate, collapse, guards."""
    attack.kills("madvise", 0, 4096, advice)


def test_no_lock_that_lends_priority(attack):
    body = "return [sys(202, buffer(), op, 0, 0, 0, 0) for op in (6, 7, 8, 11, 12, 13, 128 | 6, (1 << 32) | 6)]"
    assert attack.result(body) == [[-1, 38]] * 8


def test_no_page_at_zero_and_none_that_is_locked(attack):
    assert attack.result("return [sys(9, 0, 4096, 3, 0x32, -1, 0), sys(9, 0, 4096, 3, 0x2022, -1, 0)]") == [[-1, 1]] * 2


def test_growing_down_or_up_makes_no_code(attack):
    body = "return [sys(10, buffer(8192), 4096, flag | 4) for flag in (0x01000000, 0x02000000)]"
    assert attack.result(body) == [[-1, 13]] * 2
