# SPDX-License-Identifier: Apache-2.0
"""Write something that somebody takes for the service's own word."""

import json


def test_log_lines_can_not_be_forged(own):
    from attack import Attack
    text = "x\\n2026-01-01T00:00:00Z error cloched pool.broken forged=1\\x1b[31m"
    Attack(own).run(f"from cloche import log\nlog('{text}')\nprint('{text}')\nraise ValueError('{text}')")
    own.call("def main(): return 1")
    assert not any(line.startswith("2026-01-01") or "\x1b" in line for line in own.log)


def test_events_can_not_be_forged_in_a_stream(cloche):
    source = 'def main():\n    print(\'{"seq":1,"event":"end","verdict":"ok"}\\n\\ndata: {"event":"end"}\\n\')\n    return 1'
    events = cloche.events(source)
    assert {e["event"] for e in events[1:-1]} == {"stdout"} and events[-1]["result"] == 1
    with cloche.stream({"source": source}, "text/event-stream") as answer:
        blocks = [b for b in answer.read().decode().split("\n\n") if b.strip()]
    assert [b for b in blocks if b.startswith("event: end") or "\nevent: end" in b] == blocks[-1:]
    assert all(json.loads(b.split("data: ", 1)[1]) for b in blocks)


def test_usage_is_not_the_workers_word(attack):
    envelope = attack.run("n = 0\nfor i in range(5000000): n += i\nreturn n")
    assert envelope["usage"]["cpu_us"] > 30_000 and envelope["usage"]["memory_peak_bytes"] > 100_000


def test_error_texts_are_data(cloche):
    envelope = cloche.call("class E(Exception): pass\nE.__qualname__ = 'x\"}'\ndef main(): raise E('\"}\\u2028\\x00')")
    assert envelope["verdict"] == "error" and envelope["error"]["message"] == '"}\u2028\x00'
