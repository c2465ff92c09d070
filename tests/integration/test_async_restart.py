# SPDX-License-Identifier: Apache-2.0
"""Stored calls when parts of the service die: nothing acknowledged is lost, nothing runs twice in silence.
CLOCHE_KILL_ROUNDS=50 takes the long way."""

import json
import os
import random
import signal
import tempfile
import threading
import time

import httpx
import pytest
from service import SLOW, Service, wait_until

LATER = {"Prefer": "respond-async"}
ROUNDS = int(os.environ.get("CLOCHE_KILL_ROUNDS", "2"))
CALLS = 200 if "CLOCHE_KILL_ROUNDS" in os.environ else 40  # a round


@pytest.fixture
def kept(config):
    """A service whose state outlives it."""
    with tempfile.TemporaryDirectory(prefix="cloche-kept-") as state:
        service = Service(config=config, state=state)
        try:
            service.start()
            yield service
        finally:
            service.stop()


def ask(service, method, path, seconds=60, **kw):
    """Asks until somebody answers: the API may be between two lives."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        try:
            with service.client(20) as http:
                answer = http.request(method, path, **kw)
            if answer.status_code not in (502, 503):
                return answer
        except (httpx.TransportError, TypeError):  # it has no address yet
            pass
        assert time.monotonic() < deadline, f"{method} {path}: no answer"
        time.sleep(0.05)


def submit(service, source, **body):
    answer = ask(service, "POST", "/v1/calls", json={"source": source, **body}, headers=LATER)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def state(service, call, wait=None):
    answer = ask(service, "GET", f"/v1/calls/{call}", params={"wait": wait} if wait else None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(service, call):
    return wait_until(lambda: (found := state(service, call, "10s"))["status"] == "done" and found, 60, "an end")


def events(service, call):
    answer = ask(service, "GET", f"/v1/calls/{call}/events")
    return [json.loads(line) for line in answer.text.splitlines() if line]


def restart(service):
    service.http.close()
    service.process.kill()
    service.process.wait()
    service.start()


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


SLEEPY = "import time\ndef main(s=60):\n    print('up', flush=True)\n    time.sleep(s)"


def test_what_is_done_stays_and_what_had_started_is_lost(kept):
    done = submit(kept, "def main(): return 7", metadata={"n": 1})
    before = ended(kept, done)
    started = submit(kept, SLEEPY, metadata={"n": 2}, limits={"wall": "5s"})
    wait_until(lambda: state(kept, started)["status"] == "running", 10, "a running call")
    time.sleep(0.3)  # its first events are on the disk by then
    restart(kept)
    assert state(kept, done) == before
    found = ended(kept, started)
    assert found["verdict"] == "lost" and "interrupted" in found["message"]
    assert found["metadata"] == {"n": 2} and found["attempts"] == 1
    seen = events(kept, started)
    assert [e["event"] for e in seen] == ["started", "stdout", "end"]
    assert [e["seq"] for e in seen] == [1, 2, 3] and seen[-1]["verdict"] == "lost"


def test_what_waited_runs_after_a_restart(kept):
    ids = [submit(kept, "import time\ndef main(i):\n    time.sleep(0.2)\n    return i", args=[i]) for i in range(80)]
    restart(kept)
    found = [ended(kept, call) for call in ids]
    ran = [i for i, call in enumerate(found) if call["verdict"] == "ok"]
    assert all(found[i]["result"] == i and found[i]["attempts"] == 1 for i in ran)
    assert {call["verdict"] for call in found} <= {"ok", "lost"}
    assert len(ran) >= 20  # no more than the caps let start can be lost


def test_cancelled_before_a_restart_stays_cancelled(kept):
    blockers = [submit(kept, SLEEPY, limits={"wall": "5s"}) for _ in range(30)]
    call = submit(kept, "def main(): return 1")
    answer = ask(kept, "DELETE", f"/v1/calls/{call}").json()
    restart(kept)
    assert state(kept, call) == answer and answer["verdict"] in ("cancelled", "ok")
    for blocker in blockers:
        ask(kept, "DELETE", f"/v1/calls/{blocker}")


def test_a_key_is_remembered_over_a_restart(kept):
    body, key = {"source": "import random\ndef main(): return random.random()"}, {"Idempotency-Key": "k"}
    first = ask(kept, "POST", "/v1/calls", json=body, headers=key)
    restart(kept)
    assert ask(kept, "POST", "/v1/calls", json=body, headers=key).content == first.content


def test_marked_functions_run_again_and_say_so(kept):
    put = ask(kept, "PUT", "/v1/modules/again", json={
        "source": "import time\ndef nap(s):\n    print('up', flush=True)\n    time.sleep(s)\n    return s\n", "retry": True})
    assert put.status_code in (200, 201), put.text
    answer = ask(kept, "POST", "/v1/calls", json={"function": "again.nap", "args": [1]}, headers=LATER)
    call = answer.json()["id"]
    wait_until(lambda: state(kept, call)["status"] == "running", 10, "a running call")
    time.sleep(0.4)
    restart(kept)
    found = ended(kept, call)
    assert found["verdict"] == "ok" and found["result"] == 1 and found["attempts"] == 2
    seen = events(kept, call)
    assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
    assert [e["event"] for e in seen].count("started") == 2 and [e["event"] for e in seen].count("end") == 1


def test_followers_go_on_where_they_were(kept):
    call = submit(kept, "import time\ndef main():\n    for i in range(100):\n        print(i, flush=True)\n"
                        "        time.sleep(0.02)", limits={"wall": "5s"})
    seen = []
    with pytest.raises(httpx.TransportError):
        with kept.http.stream("GET", f"/v1/calls/{call}/events") as answer:
            for line in answer.iter_lines():
                if line:
                    seen.append(json.loads(line))
                if len(seen) == 5:
                    kill(kept.api())
    rest = ask(kept, "GET", f"/v1/calls/{call}/events", headers={"Last-Event-ID": str(seen[-1]["seq"])})
    seen += [json.loads(line) for line in rest.text.splitlines() if line]
    assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["event"] == "end" and seen[-1]["verdict"] == "lost"


PARTS = ["api", "zygote", "cloched"]


def strike(service, part):
    if part == "cloched":
        restart(service)
    elif part == "api":
        kill(service.api())
    else:
        kill(service.zygotes()[:1])


@pytest.mark.parametrize("part", PARTS)
def test_nothing_acknowledged_is_lost_when_parts_are_killed(kept, part):
    """Each call's result is its own number; each is asked for by a client that keeps the ids."""
    ids, lock = {}, threading.Lock()

    def client(numbers):
        for number in numbers:
            call = submit(kept, "import time\ndef main(i):\n    time.sleep(0.05)\n    return i", args=[number])
            with lock:
                ids[call] = number

    for _ in range(ROUNDS):
        threads = [threading.Thread(target=client, args=(range(k, CALLS, 4),)) for k in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.05, 1.0) * SLOW)
        strike(kept, part)
        for thread in threads:
            thread.join()
    verdicts = {}
    for call, number in ids.items():
        found = ended(kept, call)
        verdicts[found["verdict"]] = verdicts.get(found["verdict"], 0) + 1
        assert found["verdict"] in ("ok", "lost"), found
        assert found["verdict"] == "lost" or found["result"] == number
        assert found["attempts"] == 1, found
        seen = [e["event"] for e in events(kept, call)]
        assert seen.count("end") == 1 and seen[-1] == "end" and seen.count("started") <= 1, seen
    assert verdicts.get("ok", 0) > verdicts.get("lost", 0), verdicts
