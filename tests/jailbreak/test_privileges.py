# SPDX-License-Identifier: Apache-2.0
"""Become somebody else, or get a right back."""

import pytest


@pytest.mark.parametrize("name,args", [
    ("setuid", [0]), ("setgid", [0]), ("setreuid", [0, 0]), ("setresuid", [0, 0, 0]), ("setresgid", [0, 0, 0]), ("setgroups", [0, 0]),
    ("setfsuid", [0]), ("capset", ["buffer()", "buffer()"]), ("personality", [0x0400000]), ("seccomp", [1, 0, "buffer()"]),
    ("sched_setscheduler", [0, 1, "buffer()"]), ("ioprio_set", [1, 0, 0]), ("sethostname", [b"'x'".decode(), 1]),
    ("acct", [0]), ("quotactl", [0, 0, 0, 0]), ("landlock_create_ruleset", [0, 0, 1]),
])
def test_changing_privileges_kills(attack, name, args):
    attack.kills(name, *args)


@pytest.mark.parametrize("option", [8, 22, 24, 28, 38, 47, 4, 15, 35, 59, 65])
def test_no_prctl(attack, option):
    attack.answers("EPERM", "prctl", option, 1, 0, 0, 0)


def test_limits_can_not_be_raised(attack):
    attack.answers("EPERM", "prlimit64", 0, 7, "buffer()", 0)


def test_nothing_can_be_executed(attack):
    attack.answers("EPERM", "execve", "b'/bin/sh'", 0, 0)
    attack.answers("EPERM", "execveat", 3, "b''", 0, 0, 0x1000)


def test_priority_can_not_be_raised(attack):
    attack.answers("EPERM", "setpriority", 0, 0, -20)
