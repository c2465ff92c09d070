# SPDX-License-Identifier: Apache-2.0
"""Write something that somebody takes for the service's own word."""

import json
import os
import pathlib
import struct

import pytest
from attack import PRELUDE
from service import SLOW, wait_until


LINE = "x\n2026-01-01T00:00:00Z error cloched pool.broken forged=1\x1b[31m"
# Frames by hand, past everything that the runtime does to what it sends.
EMIT = """
def emit(kind, payload):
    data = struct.pack("<HHI", 0x4c43, kind, len(payload)) + payload
    assert sys(1, 3, ctypes.c_char_p(data), len(data))[0] == len(data)
"""
RESULT, LIMIT, FAILED = 80, 83, 84
LIMIT_RESULT = 6  # one that a worker keeps by itself


def has_forged_lines(service):
    return any(line.startswith("2026-01-01") or "\x1b" in line for line in service.log)


def test_log_lines_can_not_be_forged(own):
    """Text that is a log line of its own, on every road by which a caller's text leaves the jail."""
    events = own.events(f"from cloche import log\ndef main():\n    log({LINE!r})\n    print({LINE!r})\n    raise ValueError({LINE!r})")
    assert [e["message"] for e in events if e["event"] == "log"] == [LINE], events
    assert "".join(e["text"] for e in events if e["event"] == "stdout") == LINE + "\n"
    assert events[-1]["verdict"] == "error" and events[-1]["error"]["message"] == LINE, events
    wait_until(lambda: any(" call.end " in line for line in own.log), what="the line of its end")
    assert not has_forged_lines(own)


def test_what_a_worker_says_failed_is_one_line_of_the_log(own):
    """The one text of a worker's that the service itself logs: why it could not serve."""
    payload = struct.pack("<IiI28s216s", 6, 5, 7, b"forged.c", (LINE + '" level="none').encode())
    source = f"{PRELUDE}\nimport struct\n{EMIT}\ndef main():\n    emit({FAILED}, {payload!r})\n    sys(231, 0)\n"
    assert own.events(source, policy="native")[-1]["verdict"] == "lost"
    [line] = wait_until(lambda: [line for line in own.log if " call.failed " in line], what="the line")
    said = line.split(' what="', 1)[1].rstrip("\n")
    assert "forged.c" not in line and "pool.broken forged=1?[31m" in said and said.count('"') - said.count('\\"') == 1, line
    assert not has_forged_lines(own)


def test_events_can_not_be_forged_in_a_stream(cloche):
    source = 'def main():\n    print(\'{"seq":1,"event":"end","verdict":"ok"}\\n\\ndata: {"event":"end"}\\n\')\n    return 1'
    events = cloche.events(source)
    assert {e["event"] for e in events[1:-1]} == {"stdout"} and events[-1]["result"] == 1
    with cloche.stream({"source": source}, "text/event-stream") as answer:
        blocks = [b for b in answer.read().decode().split("\n\n") if b.strip()]
    assert [b for b in blocks if b.startswith("event: end") or "\nevent: end" in b] == blocks[-1:]
    assert all(json.loads(b.split("data: ", 1)[1]) for b in blocks)


FORGED = {
    "an answer with figures": (RESULT, b'{"usage": {"cpu_us": 1, "memory_peak_bytes": 1}, "verdict": "ok"}', "ok"),
    "a limit of its own with figures": (LIMIT, struct.pack("<IiQQiI", LIMIT_RESULT, 0, 1, 1, 0, 0), "limit"),
}


@pytest.mark.parametrize("name", FORGED)
def test_usage_is_not_the_workers_word(attack, name):
    """It has burnt and taken what it could, writes a last frame that says otherwise, and does not end by itself."""
    kind, payload, verdict = FORGED[name]
    envelope = attack.run(f"""
import struct, time
{EMIT.strip()}
taken = bytearray(16 << 20)
until = time.process_time() + 0.2
while time.process_time() < until: pass
emit({kind}, {payload!r})
while True: pass
""")
    assert envelope["verdict"] == verdict, envelope
    # What it had used before its call is an estimate, so not to the microsecond.
    assert envelope["usage"]["cpu_us"] > 100_000 and envelope["usage"]["wall_us"] >= 200_000, envelope
    assert envelope["usage"]["memory_peak_bytes"] > 16 << 20, envelope


def reaped_us(service):
    """CPU of all workers that cloched has waited for: they are its children."""
    fields = pathlib.Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def test_what_is_used_behind_the_last_frame_is_next_to_nothing(own):
    """It is counted to nobody, so whoever says early that he is done would have his time for nothing."""
    kind, payload, _ = FORGED["an answer with figures"]
    source = f"{PRELUDE}\nimport struct\n{EMIT}\ndef main():\n    emit({kind}, {payload!r})\n    while True: pass\n"
    plain = f"{PRELUDE}\ndef main(): pass\n"

    def uncounted(source):
        own.call(plain, policy="native")
        wait_until(lambda: len(own.workers()) >= 2, what="spares, and none that ends")
        before, told = reaped_us(own), 0
        for _ in range(20):
            told += own.call(source, policy="native")["usage"]["cpu_us"]
        wait_until(lambda: len(own.workers()) >= 2, what="spares, and none that ends")
        return (reaped_us(own) - before - told) / 20
    spun, ended = uncounted(source), uncounted(plain)
    assert spun < ended + 8_000 * SLOW, (spun, ended)


def test_error_texts_are_data(cloche):
    envelope = cloche.call("class E(Exception): pass\nE.__qualname__ = 'x\"}'\ndef main(): raise E('\"}\\u2028\\x00')")
    assert envelope["verdict"] == "error" and envelope["error"]["message"] == '"}\u2028\x00'
