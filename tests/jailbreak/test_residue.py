# SPDX-License-Identifier: Apache-2.0
"""What an attack leaves behind for the next worker: of its zygote, of its slot, of another tenant."""

import pathlib

from left import uids_of_zygotes
from service import wait_until

POISON = """
ctypes.memmove(id(123) + 24, (7).to_bytes(4, "little"), 4)
import json
json.loads = json.dumps = None
ctypes.memmove(id(Ellipsis) + 8, id(3).to_bytes(8, "little"), 8)
return eval("100 + 23")
"""
SOUND = 'import json\nreturn [eval("100 + 23"), json.loads("[1]"), type(...).__name__, os.getpid()]'


def test_what_is_poisoned_in_a_worker_is_whole_in_the_next(attack):
    """Objects and pages that all workers of a zygote have in common, until one writes to them."""
    assert attack.result(POISON) == 7
    for _ in range(2):
        assert attack.result(SOUND) == [123, [1], "ellipsis", 1]


def test_code_that_is_mapped_over_is_whole_in_the_next(attack):
    """Its own C library, replaced under its feet."""
    body = "sys(9, ctypes.cast(libc.syscall, ctypes.c_void_p).value & ~4095, 4096, 3, 0x32, -1, 0)"
    assert attack.run(body)["verdict"] == "crashed"
    assert attack.result(SOUND) == [123, [1], "ellipsis", 1]


def test_no_page_of_a_worker_is_shared_with_anybody(cloche):
    """Seen from the host: every mapping is private. A shared one would be memory that one call leaves to another."""
    cloche.call("def main(): return 1", policy="native")
    seen = 0
    for pid in wait_until(cloche.workers, what="a spare"):
        try:
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            continue
        seen += len(maps)
        assert [line for line in maps if line.split()[1][3] != "p"] == []
        assert [line for line in maps if set("wx") <= set(line.split()[1])] == []
    assert seen > 0


def test_a_slot_is_empty_after_a_hoarder_of_another_tenant(left_slot):
    """The one fills its memory until it is killed, the other has the whole of it, and pays for its own alone."""
    hoard = "def main():\n    kept = []\n    while True: kept.append(bytearray(b'x' * (1 << 20)))"
    assert left_slot.call(hoard, policy="native")["limit"]["name"] == "memory"
    modest = left_slot.call("def main(): return len(bytearray(b'x' * (1 << 20)))", policy="native")
    assert modest["usage"]["memory_peak_bytes"] < 24 << 20 and modest["usage"]["cpu_us"] < 1_000_000, modest
    assert left_slot.call(hoard, policy="native")["limit"]["name"] == "memory"
    large = left_slot.call("def main(): return len(b'x' * (90 << 20))", policy="native")
    assert large["verdict"] == "ok" and large["result"] == 90 << 20, large


def test_a_narrowed_limit_is_wide_again_for_the_next_tenant(left_slot):
    take = "def main(): return len(b'x' * (90 << 20))"
    narrow = left_slot.call(take, policy="native", limits={"memory": "32Mi"})
    assert narrow["verdict"] == "limit" and narrow["limit"]["name"] == "memory", narrow
    assert left_slot.call(take, policy="native")["result"] == 90 << 20


def test_workers_of_different_zygotes_never_share_a_user_id(cloche):
    """Seen from the host, of all that are there: user ids do not meet across zygotes."""
    for policy in ("native", "strict", "default"):
        cloche.call("def main(): return 1", policy=policy)
    uids = wait_until(lambda: uids_of_zygotes(cloche), what="spares of three zygotes")
    everyone = [uid for group in uids.values() for uid in group]
    assert len(set(everyone)) == len(everyone)
