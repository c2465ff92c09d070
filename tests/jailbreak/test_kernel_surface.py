# SPDX-License-Identifier: Apache-2.0
"""Parts of the kernel that no namespace holds, where local privilege escalations come from."""

import pytest


@pytest.mark.parametrize("name,args", [
    ("bpf", [0, "buffer()", 128]), ("perf_event_open", ["buffer()", 0, -1, -1, 0]), ("userfaultfd", [1]), ("keyctl", [0, 0, 0, 0, 0]),
    ("add_key", ["b'user'", "b'a'", "b'b'", 1, -3]), ("request_key", ["b'user'", "b'a'", 0, -3]), ("init_module", ["buffer()", 4096, "b''"]),
    ("finit_module", [3, "b''", 0]), ("delete_module", ["b'x'", 0]), ("kexec_load", [0, 0, 0, 0]), ("reboot", [0xfee1dead, 672274793, 0]),
    ("iopl", [3]), ("ioperm", [0, 1, 1]), ("modify_ldt", [0, "buffer()", 16]), ("vmsplice", [3, "buffer()", 1, 0]), ("splice", [3, 0, 0, 0, 1, 0]),
    ("tee", [3, 0, 1, 0]), ("add_key", ["b'keyring'", "b'a'", 0, 0, -3]), ("mq_open", ["b'/x'", 0]), ("shmget", [1, 4096, 0o1666]),
    ("msgget", [1, 0o1666]), ("semget", [1, 1, 0o1666]), ("inotify_init1", [0]), ("fanotify_init", [0, 0]),     ("timerfd_create", [1, 0]), ("signalfd4", [-1, "buffer()", 8, 0]), ("lookup_dcookie", [0, "buffer()", 1]),
    ("syslog", [3, "buffer()", 100]), ("settimeofday", ["buffer()", 0]), ("clock_settime", [0, "buffer()"]), ("adjtimex", ["buffer()"]),
    ("memfd_secret", [0]), ("remap_file_pages", [0, 0, 0, 0, 0]), ("mbind", [0, 0, 0, 0, 0, 0]), ("set_mempolicy", [0, 0, 0]), ("uselib", ["b'x'"]),
])
def test_is_not_reachable(attack, name, args):
    attack.kills(name, *args)


@pytest.mark.parametrize("name,args", [("io_uring_setup", [1, "buffer()"]), ("io_uring_enter", [3, 0, 0, 0, 0]), ("io_uring_register", [3, 0, 0, 0])])
def test_io_uring_does_not_exist(attack, name, args):
    attack.answers("ENOSYS", name, *args)


@pytest.mark.parametrize("code", [0x5412, 0x5413, 0x541B, 0x8933, 0x5401, "(1 << 32) | 0x5412"])
def test_no_ioctl(attack, code):
    """TIOCSTI among them, also with bits that the kernel ignores (CVE-2019-10063)."""
    attack.answers("EPERM", "ioctl", 0, code, "buffer()")


@pytest.mark.parametrize("name,args", [("pipe2", ["buffer()", 0]), ("memfd_create", ["b'x'", 0]), ("getdents64", [0, "buffer()", 4096]),
                                       ("setitimer", [0, "buffer()", 0]), ("eventfd2", [0, 0]), ("epoll_create1", [0]), ("chdir", ["b'/'"]), ("umask", [0])])
def test_polite_calls_are_told_no(attack, name, args):
    attack.answers("EPERM", name, *args)
