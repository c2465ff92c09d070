# SPDX-License-Identifier: Apache-2.0
"""Take more than one's share: memory, processes, disk, output, time."""

import statistics
import threading
import time


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
    assert time.monotonic() - start < 4


def test_stopping_oneself_does_not_stop_the_clock(attack):
    envelope = attack.run("sys(35, buffer(16, (3600).to_bytes(8, 'little')), 0)\nwhile True:\n    sys(230, 1, 0, buffer(16, (3600).to_bytes(8, 'little')), 0)",
                          limits={"wall": "300ms"})
    assert envelope["verdict"] in ("limit", "denied"), envelope


def test_a_neighbour_keeps_its_share(cloche):
    """While one call burns its CPU, others answer."""
    def seconds():
        start = time.monotonic()
        with cloche.client() as client:
            assert client.post("/v1/calls", json={"source": "def main(): return 1"}).json()["verdict"] == "ok"
        return time.monotonic() - start

    quiet = statistics.median(seconds() for _ in range(5))
    thread = threading.Thread(target=cloche.call, args=("def main():\n    while True: pass",))
    thread.start()
    times = []
    while thread.is_alive():
        times.append(seconds())
    thread.join()
    assert statistics.median(times) < max(0.5, 5 * quiet)
