# SPDX-License-Identifier: Apache-2.0
"""Take more than one's share: memory, processes, disk, output, time."""

import concurrent.futures
import os
import pathlib
import statistics
import sys
import threading
import time

import pytest
from attack import Attack
from service import SLOW, Service, status, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from test_tenants import token  # noqa: E402


def test_memory_by_raw_maps(attack):
    body = "while True:\n    a = sys(9, 0, 1 << 24, 3, 0x8022, -1, 0)[0]"
    envelope = attack.run(body)
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "memory", envelope


def test_locked_memory_is_refused(attack):
    attack.kills("mlockall", 3)


def test_disk_by_many_files(cloche):
    source = "def main():\n    for i in range(10**6): open(f'/tmp/{i}', 'w').close()"
    envelope = cloche.call(source, policy="roomy")
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "files", envelope


def test_disk_by_one_file(cloche):
    source = "import os\ndef main():\n    fd = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\n    while True: os.write(fd, b'x' * 65536)"
    envelope = cloche.call(source, policy="roomy")
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "files", envelope


def test_deadline_with_signals_ignored(attack):
    body = "for n in range(1, 65):\n    if n not in (9, 19, 31):\n        try: signal.signal(n, signal.SIG_IGN)\n        except (OSError, ValueError): pass\nwhile True: pass"
    start = time.monotonic()
    envelope = attack.run(body, limits={"wall": "500ms"})
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "wall", envelope
    assert time.monotonic() - start < 4 * SLOW


def test_sleeping_does_not_stop_the_clock(attack):
    body = "while True: sys(230, 1, 0, buffer(16, (3600).to_bytes(8, 'little')), 0)"
    envelope = attack.run(body, limits={"wall": "300ms"})
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "wall", envelope


def test_it_can_not_stop_itself(attack):
    """SIGSTOP and SIGTSTP to itself, by every call that sends signals politely."""
    body = "return [sys(n, *args, sig) for n, args in ((62, [1]), (200, [1]), (234, [1, 1])) for sig in (19, 20)]"
    assert attack.result(body) == [[-1, 1]] * 6


# Memory of the kernel's, or that nobody wrote to, is memory.
UNWRITTEN = {
    "page tables of a terabyte that is only read":
        "m = sys(9, 0, 1 << 40, 1, 0x4022, -1, 0)[0]\nfor i in range(1 << 19): ctypes.c_char.from_address(m + (i << 21)).value",
    "heap by brk":
        "b = sys(12, 0)[0]\nwhile sys(12, b + (1 << 22))[0] == b + (1 << 22):\n    ctypes.memset(b, 1, 1 << 22)\n    b += 1 << 22",
    "growing by mremap":
        "m, size = sys(9, 0, 4096, 3, 0x22, -1, 0)[0], 4096\nwhile True:\n    m = sys(25, m, size, size * 2, 1)[0]\n"
        "    ctypes.memset(m + size, 1, size)\n    size *= 2",
    "shared pages without a file": "while True: sys(9, 0, 1 << 22, 3, 0x8021, -1, 0)",
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_memory_is_counted_however_it_is_taken(attack, name):
    envelope = attack.run(UNWRITTEN[name], limits={"memory": "32Mi"})
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "memory", envelope
    assert envelope["usage"]["memory_peak_bytes"] < 36 << 20


def test_mappings_are_charged(attack):
    """What the kernel keeps for each of them counts as memory of the call."""
    body = "m = sys(9, 0, 1 << 30, 0, 0x4022, -1, 0)[0]\nreturn sum(sys(10, m + n * 8192, 4096, 1)[0] for n in range(12000))"
    envelope = attack.run(body)
    assert envelope["verdict"] == "ok" and envelope["result"] == 0, envelope
    assert 4 << 20 < envelope["usage"]["memory_peak_bytes"] < 128 << 20, envelope


def test_a_thread_bomb_ends_alone(cloche):
    source = "import threading, time\ndef main():\n    while True:\n        threading.Thread(target=time.sleep, args=[60], daemon=True).start()"
    envelope = cloche.call(source, policy="roomy")
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "processes", envelope
    assert cloche.call("def main(): return 1")["result"] == 1


def test_a_fork_bomb_ends_alone_and_leaves_no_process(cloche):
    """Under a policy that permits fork: no more of them than its limit, and all end with the call."""
    def born():
        """Those that a worker made: cloched is not their parent."""
        return [pid for pid in cloche.workers() if status(pid).get("PPid", str(cloche.pid)).strip() != str(cloche.pid)]

    envelopes = []
    bomb = threading.Thread(target=lambda: envelopes.append(
        Attack(cloche, "forking").run("while True: sys(57)", limits={"wall": "2s"})))
    bomb.start()
    wait_until(lambda: len(born()) == 7, what="the bomb")
    bomb.join()
    [envelope] = envelopes
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "wall", envelope
    wait_until(lambda: not born(), what="their ends")
    assert cloche.call("def main(): return 1")["result"] == 1


BURN = "import time\ndef main(seconds):\n    until = time.monotonic() + seconds\n    while time.monotonic() < until: pass"


def is_burning(pid):
    """It runs, or waits for its turn."""
    return status(pid).get("State", "Z").strip()[0] == "R"


def rate_of(answer):
    """The part of a processor that a call had."""
    envelope = answer.json()
    assert envelope["verdict"] == "ok", envelope
    return envelope["usage"]["cpu_us"] / envelope["usage"]["wall_us"]


def test_a_neighbour_keeps_its_share(tmp_path):
    """One tenant burns all it may, with six calls for each of two processors. Another's one call has the part of a
    tenant, not that of a thirteenth call. Both are measured at once, so what else the machine does is no matter."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/long.yaml").write_text("version: 1\nextends: default\nlimits: {wall: 10m, cpu: 5m}\n")
    file = tmp_path / "tenants.yaml"
    file.write_text("version: 1\ntenants:\n  loud:\n    policies: [long]\n  quiet:\n    policies: [long]\n")
    heads = [{"Authorization": f"Bearer {token(file, 'create', name)}"} for name in ("loud", "quiet")]
    cores = sorted(os.sched_getaffinity(0))[:2]
    wrap = ["taskset", "-c", ",".join(map(str, cores))]
    with Service(config=tmp_path, wrap=wrap) as service, concurrent.futures.ThreadPoolExecutor(16) as pool:
        def burn(head, seconds):
            return rate_of(service.post({"source": BURN, "args": [seconds]}, headers=head))
        burn(heads[1], 0)  # its zygote is there
        crowd = [pool.submit(burn, heads[0], 3 * SLOW) for _ in range(6 * len(cores))]
        wait_until(lambda: sum(is_burning(pid) for pid in service.workers()) == len(crowd), 20, "the crowd")
        alone = [burn(heads[1], 0.4 * SLOW) for _ in range(3)]
        assert not any(one.done() for one in crowd)
        crowd = [one.result() for one in crowd]
    assert statistics.median(alone) > 3 * statistics.median(crowd), (alone, crowd)
