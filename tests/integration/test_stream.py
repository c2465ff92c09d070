# SPDX-License-Identifier: Apache-2.0
"""Answers that arrive piece by piece."""

import json
import pathlib
import socket
import textwrap
import time

from service import SLOW, status, wait_until


def test_ndjson_events_in_order(cloche):
    source = textwrap.dedent("""
        import time
        from cloche import log, progress
        def main():
            print("one")
            log("careful", level="warning")
            progress(1, total=2, message="half")
            yield {"n": 1}
            yield {"n": 2}
        """)
    events = cloche.events(source)
    assert [e["seq"] for e in events] == list(range(events[0]["seq"], events[0]["seq"] + len(events)))
    assert [e["event"] for e in events] == ["started", "stdout", "log", "progress", "item", "item", "end"]
    assert events[1]["text"] == "one\n"
    assert events[2]["message"] == "careful" and events[2]["level"].startswith("warn")
    assert events[3]["value"] == 1 and events[3]["total"] == 2 and events[3]["message"] == "half"
    assert [e["value"] for e in events if e["event"] == "item"] == [{"n": 1}, {"n": 2}]
    end = events[-1]
    assert end["verdict"] == "ok" and end["id"] == events[0]["id"]
    assert "stdout" not in end and "stderr" not in end


def test_events_arrive_while_the_call_runs(cloche):
    source = "import time\ndef main():\n    print('first')\n    time.sleep(1)\n    print('second')"
    seen = {}
    with cloche.stream({"source": source}) as answer:
        for line in answer.iter_lines():
            if line.strip():
                event = json.loads(line)
                if event["event"] == "stdout":
                    seen[event["text"]] = time.monotonic()
    assert seen["second\n"] - seen["first\n"] > 0.5


def test_sse_has_one_data_line_per_event(cloche):
    with cloche.stream({"source": "def main():\n    print('a\\nb\\u2028c')\n    return 1"}, "text/event-stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    events = [block for block in text.split("\n\n") if block.strip()]
    for block in events:
        fields = [line.split(":", 1)[0] for line in block.split("\n")]
        assert fields.count("data") == 1 and fields.count("event") == 1
    last = dict(line.split(": ", 1) for line in events[-1].split("\n"))
    assert last["event"] == "end" and json.loads(last["data"])["verdict"] == "ok"


def test_a_failing_call_still_ends_with_end(cloche):
    for source, verdict in [("def main(): 1/0", "error"), ("import socket", "denied"),
                            ("def main():\n    while True: pass", "limit")]:
        events = cloche.events(source, limits={"cpu": "100ms"})
        assert events[-1]["event"] == "end" and events[-1]["verdict"] == verdict
        assert [e["event"] for e in events].count("end") == 1


def test_client_that_goes_away_cancels_its_call(own):
    before = set(own.workers())
    body = json.dumps({"source": "import time\ndef main():\n    print('x')\n    time.sleep(4)"}).encode()
    address = own.url.split("//")[1].split(":")
    connection = socket.create_connection((address[0], int(address[1])))
    connection.sendall(b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                       b"Content-Type: application/json\r\nAccept: application/x-ndjson\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (own.token.encode(), len(body), body))
    while b"stdout" not in connection.recv(65536):
        pass
    started = time.monotonic()
    connection.close()
    wait_until(lambda: any("verdict=cancelled" in line for line in own.log), 3, "the cancelled call in the log")
    assert time.monotonic() - started < 3 * SLOW
    wait_until(lambda: not (before & set(own.workers())) or len(own.workers()) >= 2)


def test_a_gibibyte_read_slowly_grows_nobody(own):
    """1 GiB through a reader that pauses: the worker waits, no process of the service keeps what is unread."""
    size = 1 << 30
    source = "def main():\n    line = 'x' * 65535\n    for _ in range(16384): print(line)\n    return 'done'"

    def resident():
        pids = [own.pid, *own.api(), *own.zygotes(), *own.workers()]
        return {pid: int(status(pid).get("VmRSS", "0 kB").split()[0]) for pid in pids}

    own.call("def main(): return 1", policy="loud")
    before = resident()
    peak = {}
    received = 0
    pause = 0
    end = None
    with own.stream({"source": source, "policy": "loud"}) as answer:
        tail = b""
        for chunk in answer.iter_raw(1 << 20):
            received += len(chunk)
            tail = (tail + chunk)[-4096:]
            if received >> 26 > pause:
                pause = received >> 26
                time.sleep(0.2)
                for pid, rss in resident().items():
                    peak[pid] = max(peak.get(pid, 0), rss)
        end = json.loads(tail.decode().strip().split("\n")[-1])
    assert end["verdict"] == "ok" and end["result"] == "done", end
    assert received >= size
    fresh = max(before.values())
    for pid, rss in peak.items():
        assert rss - before.get(pid, fresh) < 16 << 10, (pid, rss, before.get(pid))
