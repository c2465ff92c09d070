# SPDX-License-Identifier: Apache-2.0
"""Change what is mounted, or where the root is."""

import pytest


@pytest.mark.parametrize("name,args", [
    ("mount", ["b'none'", "b'/'", "b'tmpfs'", 0, 0]), ("umount2", ["b'/'", 2]), ("pivot_root", ["b'.'", "b'.'"]),
    ("chroot", ["b'/'"]), ("open_tree", [-100, "b'/'", 1]), ("move_mount", [-1, "b''", -100, "b'/'", 4]),
    ("fsopen", ["b'tmpfs'", 0]), ("fsmount", [-1, 0, 0]), ("mount_setattr", [-100, "b'/'", 0, "buffer()", 32]),
    ("swapon", ["b'/x'", 0]), ("fspick", [-100, "b'/'", 0]),
])
def test_mounting_kills(attack, name, args):
    attack.kills(name, *args)
