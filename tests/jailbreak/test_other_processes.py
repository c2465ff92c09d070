# SPDX-License-Identifier: Apache-2.0
"""See, trace, read or signal another process."""

import pytest


@pytest.mark.parametrize("name,args", [
    ("ptrace", [16, 1, 0, 0]), ("process_vm_readv", [1, "buffer()", 1, "buffer()", 1, 0]),
    ("process_vm_writev", [1, "buffer()", 1, "buffer()", 1, 0]), ("pidfd_open", [1, 0]), ("pidfd_getfd", [3, 0, 0]),
    ("pidfd_send_signal", [3, 9, 0, 0]), ("kcmp", [1, 1, 0, 0, 0]), ("process_madvise", [3, "buffer()", 1, 4, 0]),
    ("migrate_pages", [1, 0, 0, 0]), ("move_pages", [1, 0, 0, 0, 0, 0]), ("rt_sigqueueinfo", [1, 9, "buffer()"]),
])
def test_reaching_into_processes_kills(attack, name, args):
    attack.kills(name, *args)


@pytest.mark.parametrize("pid", [-1, 0, 1, 2, 4096])
def test_no_signals(attack, pid):
    attack.answers("EPERM", "kill", pid, 9)
    attack.answers("EPERM", "tkill", pid, 9)
    attack.answers("EPERM", "tgkill", pid, pid, 9)


def test_it_is_alone_as_pid_1(attack):
    assert attack.result("return os.getpid()") == 1
