# SPDX-License-Identifier: Apache-2.0
"""`cloche run --async` and `cloche calls`: what people and scripts see, and the exit codes."""

import json
import os
import re
import subprocess

import pytest
from service import BIN, SLOW


def command(cloche, *words, text=None):
    environment = {**os.environ, "CLOCHE_URL": cloche.url, "CLOCHE_TOKEN": cloche.token}
    return subprocess.run([str(BIN / "cloche"), *words], env=environment, input=text, text=True,
                          capture_output=True, timeout=60 * SLOW)


def start(cloche, source, *words):
    done = command(cloche, "run", "-", "--async", *words, text=source)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("source, code, shown", [
    ("def main():\n    print('out')\n    return [1, 2]", 0, "[1, 2]"), ("def main(): 1/0", 1, ""),
    ("import socket\ndef main(): pass", 3, ""), ("def main():\n    while True: pass", 4, ""),
    ("import ctypes, os\ndef main(): os.abort()", 3, "")])
def test_wait_shows_it_and_ends_as_run_does(cloche, source, code, shown):
    call = start(cloche, source, "--limit", "cpu=200ms")
    waited = command(cloche, "calls", "wait", call)
    now = command(cloche, "run", "-", "--limit", "cpu=200ms", text=source)
    assert waited.returncode == now.returncode == code
    assert waited.stdout == now.stdout and shown in waited.stdout
    machine = command(cloche, "calls", "wait", call, "-o", "json")
    assert machine.returncode == code and json.loads(machine.stdout)["id"] == call


def test_wait_gives_up_in_time(cloche):
    call = start(cloche, "import time\ndef main(): time.sleep(4)", "--limit", "wall=5s")
    given_up = command(cloche, "calls", "wait", call, "--timeout", "200ms")
    assert given_up.returncode == 6 and "not done after 200ms" in given_up.stderr
    assert command(cloche, "calls", "wait", call, "--timeout", "soon").returncode == 2
    cancelled = command(cloche, "calls", "cancel", call)
    assert cancelled.returncode == 0 and re.search(r"^verdict +cancelled$", cancelled.stdout, re.M)
    assert command(cloche, "calls", "wait", call).returncode == 5


def test_show_has_a_line_a_fact(cloche):
    call = start(cloche, "def main(): return {'a': 1}")
    command(cloche, "calls", "wait", call)
    shown = command(cloche, "calls", "show", call)
    facts = dict(line.split(None, 1) for line in shown.stdout.splitlines() if line[:1].strip())
    assert facts["id"] == call and facts["status"] == "done" and facts["verdict"] == "ok"
    assert "result" in facts and shown.returncode == 0
    assert json.loads(command(cloche, "calls", "show", call, "-o", "json").stdout)["result"] == {"a": 1}


def test_events_replay_and_end_with_the_verdict(cloche):
    call = start(cloche, "def main():\n    print('one')\n    yield 'two'\n    raise ValueError('three')")
    shown = command(cloche, "calls", "events", call)
    assert shown.returncode == 1 and shown.stdout == "one\ntwo\n" and "three" in shown.stderr
    machine = command(cloche, "calls", "events", call, "-o", "json", "--after", "1")
    found = [json.loads(line) for line in machine.stdout.splitlines()]
    assert found[0]["seq"] == 2 and found[-1]["event"] == "end" and machine.returncode == 1


def test_lists_are_aligned_tables_or_json(cloche):
    ids = [start(cloche, "def main(): pass", "--priority", "low") for _ in range(3)]
    for call in ids:
        command(cloche, "calls", "wait", call)
    listed = command(cloche, "calls", "list", "-n", "2").stdout.splitlines()
    assert listed[0].split() == ["ID", "STATUS", "VERDICT", "CREATED", "PRIORITY", "POLICY", "FUNCTION"]
    assert listed[1].startswith(ids[2]) and listed[2].startswith(ids[1])
    column = listed[0].index("PRIORITY")
    assert all(line[column:].startswith("low") for line in listed[1:3])
    cursor = re.match(r"more: --cursor (\S+)$", listed[4]).group(1)
    rest = command(cloche, "calls", "list", "-n", "1", "--cursor", cursor, "-o", "json")
    assert [call["id"] for call in json.loads(rest.stdout)["calls"]] == [ids[0]]
    assert command(cloche, "calls", "list", "--function", "no.such").stdout == "no calls\n"


def test_a_key_makes_run_repeatable(cloche):
    source = "import random\ndef main(): return random.random()"
    first, second = (command(cloche, "run", "-", "--idempotency-key", "cli-1", text=source) for _ in range(2))
    assert first.returncode == 0 and first.stdout == second.stdout
    other = command(cloche, "run", "-", "--idempotency-key", "cli-1", text="def main(): pass")
    assert other.returncode == 2 and "422" in other.stderr


@pytest.mark.parametrize("words, code", [
    (["calls"], 2), (["calls", "nosuch"], 2), (["calls", "show"], 2), (["calls", "show", "x"], 2),
    (["calls", "show", "../../metrics"], 2), (["calls", "cancel", "0" * 26], 2), (["calls", "events", "0" * 26], 2),
    (["calls", "list", "--limit", "0"], 2), (["calls", "list", "--status", "dead"], 2), (["calls", "--help"], 0),
    (["run", "-", "--async", "--stream"], 2), (["run", "-", "--async", "--priority", "urgent"], 2)])
def test_wrong_words_are_told(cloche, words, code):
    done = command(cloche, *words, text="def main(): pass")
    assert done.returncode == code and (done.stdout if code == 0 else done.stderr).strip()
