# SPDX-License-Identifier: Apache-2.0
"""Read or write a file of the host."""

import pytest


@pytest.mark.parametrize("name,args", [
    ("open", ["b'/etc/passwd'", 0]), ("openat", [-100, "b'/etc/shadow'", 0]), ("openat", [-100, "b'/'", 0o200000]),
    ("openat", [-100, "b'/proc/self/mem'", 2]), ("openat", [-100, "b'/tmp/x'", 0o102, 0o600]),
    ("stat", ["b'/etc/passwd'", "buffer()"]), ("access", ["b'/'", 0]), ("readlink", ["b'/proc/self/exe'", "buffer()", 4096]),
    ("newfstatat", [-100, "b'/etc/passwd'", "buffer()", 0]),
])
def test_paths_are_refused(attack, name, args):
    attack.answers("EACCES", name, *args)


@pytest.mark.parametrize("name,args", [("openat2", [-100, "b'/'", "buffer()", 24]), ("statx", [-100, "b'/'", 0, 0, "buffer()"]),
                                       ("faccessat2", [-100, "b'/'", 0, 0])])
def test_newer_forms_do_not_exist(attack, name, args):
    attack.answers("ENOSYS", name, *args)
