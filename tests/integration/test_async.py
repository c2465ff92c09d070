# SPDX-License-Identifier: Apache-2.0
"""Calls that are answered later: state, events, cancelling, lists, keys, priority."""

import json
import shutil
import threading
import time

import pytest
from service import SLOW, Service, wait_until

LATER = {"Prefer": "respond-async"}
SLEEPY = "import time\ndef main(s=30):\n    print('up', flush=True)\n    time.sleep(s)\n    return s"


def submit(cloche, source, headers=None, **body):
    """An accepted call's id."""
    answer = cloche.post({"source": source, **body}, headers={**LATER, **(headers or {})})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def state(cloche, call, wait=None):
    answer = cloche.http.get(f"/v1/calls/{call}", params={"wait": wait} if wait else None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(cloche, call):
    def done():
        found = state(cloche, call, "30s")
        return found["status"] == "done" and found
    return wait_until(done, 30, f"the end of {call}")


def block(cloche, count, seconds, **body):
    """So many calls that sleep so long, and longer where it takes longer to send all of them."""
    return [submit(cloche, SLEEPY, kwargs={"s": seconds * SLOW}, policy="ample", **body) for _ in range(count)]


def events(cloche, call, after=None, headers=None):
    answer = cloche.http.get(f"/v1/calls/{call}/events", params={"after": after} if after is not None else None,
                             headers=headers)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def runs(cloche, call):
    return wait_until(lambda: state(cloche, call)["status"] == "running", 10, "a running call")


# -- acceptance and state


def test_accepted_with_a_location_then_done_with_the_envelope(cloche):
    answer = cloche.post({"source": "def main(x):\n    print('hi')\n    return x * 2", "args": [21],
                          "metadata": {"order": "17"}}, headers=LATER)
    assert answer.status_code == 202
    accepted = answer.json()
    assert set(accepted) == {"id", "status"} and accepted["status"] == "queued"
    assert answer.headers["location"] == f"/v1/calls/{accepted['id']}"
    assert answer.headers["preference-applied"] == "respond-async"
    found = ended(cloche, accepted["id"])
    assert found["verdict"] == "ok" and found["result"] == 42 and found["stdout"] == "hi\n"
    assert found["metadata"] == {"order": "17"} and found["policy"]["name"] == "default"
    assert found["created"] <= found["started"] <= found["ended"] and found["attempts"] == 1


def test_the_answer_is_that_of_a_synchronous_call(cloche):
    source = "def main():\n    print('a')\n    raise ValueError('b')"
    later = ended(cloche, submit(cloche, source))
    now = cloche.call(source)
    for member in now:
        if member not in ("id", "usage"):
            assert later[member] == now[member], member


def test_every_verdict_is_kept(cloche):
    rows = [("def main(): 1/0", "error", {}), ("import socket\ndef main(): pass", "denied", {}),
            ("def main():\n    while True: pass", "limit", {"limits": {"cpu": "100ms"}})]
    ids = [(submit(cloche, source, **body), verdict) for source, verdict, body in rows]
    for call, verdict in ids:
        assert ended(cloche, call)["verdict"] == verdict


@pytest.mark.alone
def test_wait_returns_when_it_ends_or_when_time_is_up(cloche):
    [call] = block(cloche, 1, 1)
    started = time.monotonic()
    assert state(cloche, call, "100ms")["status"] != "done"
    assert 0.1 <= time.monotonic() - started < 0.9 * SLOW
    assert state(cloche, call, "30s")["result"] == SLOW
    assert time.monotonic() - started < 10 * SLOW


def test_what_cannot_run_is_refused_before_it_is_accepted(cloche):
    rows = [({"source": "x", "args": 1}, 400, "malformed"), ({"source": "x", "policy": "nope"}, 403, "policy-not-allowed"),
            ({"source": "x", "limits": {"wall": "999h"}}, 403, "limit-widened"),
            ({"source": "x", "priority": "urgent"}, 400, "malformed"),
            ({"function": "nobody.here"}, 404, "function-not-found")]
    before = cloche.http.get("/v1/calls").json()["calls"]
    for body, status, slug in rows:
        answer = cloche.post(body, headers=LATER)
        assert answer.status_code == status and answer.json()["type"].endswith(slug), answer.text
    assert cloche.http.get("/v1/calls").json()["calls"] == before
    assert cloche.post({"source": "x", "priority": "urgent"}).json()["pointer"] == "/priority"


def test_an_expression_can_come_later_too(cloche):
    body = {"expression": "a + 1", "context": {"a": 1}, "policy": "calc"}
    answer = cloche.http.post("/v1/eval", json=body, headers=LATER)
    assert answer.status_code == 202, answer.text
    assert ended(cloche, answer.json()["id"])["result"] == 2


# -- events


def test_events_are_those_of_a_stream(cloche):
    source = "def main():\n    print('one')\n    yield 1\n    yield 2"
    call = submit(cloche, source)
    ended(cloche, call)
    replayed, live = events(cloche, call), cloche.events(source)
    assert [e["event"] for e in replayed] == [e["event"] for e in live]
    assert [e["seq"] for e in replayed] == list(range(1, len(replayed) + 1))
    assert replayed[0]["id"] == replayed[-1]["id"] == call
    assert "stdout" not in replayed[-1] and replayed[-1]["verdict"] == "ok"


def test_events_are_followed_while_it_runs(cloche):
    call = submit(cloche, "import time\ndef main():\n    for i in range(3):\n        print(i, flush=True)\n"
                          "        time.sleep(0.4)")
    seen = []
    with cloche.http.stream("GET", f"/v1/calls/{call}/events") as answer:
        for line in answer.iter_lines():
            if line:
                seen.append((time.monotonic(), json.loads(line)["event"]))
    assert [event for _, event in seen] == ["started", "stdout", "stdout", "stdout", "end"]
    assert seen[3][0] - seen[1][0] > 0.4


def test_events_resume_from_anywhere_without_gap_or_double(cloche):
    call = submit(cloche, "import time\ndef main():\n    for i in range(40):\n        print(i, flush=True)\n"
                          "        time.sleep(0.02)")
    got, after = [], 0
    while not got or got[-1]["event"] != "end":
        with cloche.http.stream("GET", f"/v1/calls/{call}/events", headers={"Last-Event-ID": str(after)}) as answer:
            for count, line in enumerate(answer.iter_lines()):
                if line:
                    got.append(json.loads(line))
                if count == 6:
                    break  # breaks off; comes back with the last one it has
        after = got[-1]["seq"]
    assert [e["seq"] for e in got] == list(range(1, len(got) + 1))
    assert "".join(e["text"] for e in got if e["event"] == "stdout") == "".join(f"{i}\n" for i in range(40))


def test_events_as_sse_carry_their_ids(cloche):
    call = submit(cloche, "def main(): print('x')")
    ended(cloche, call)
    answer = cloche.http.get(f"/v1/calls/{call}/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "1"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in answer.text.split("\n\n") if block]
    assert [(block["id"], block["event"]) for block in blocks] == [("2", "stdout"), ("3", "end")]
    assert json.loads(blocks[-1]["data"])["verdict"] == "ok"


def test_much_output_is_kept_within_the_limit(cloche):
    source = "def main():\n    for i in range(2000):\n        print('x' * 20)"
    call = submit(cloche, source)
    found = ended(cloche, call)
    text = "".join(e["text"] for e in events(cloche, call) if e["event"] == "stdout")
    assert found["verdict"] == "ok" and text == found["stdout"] == ("x" * 20 + "\n") * 2000


# -- cancelling


def test_a_running_call_is_cancelled(cloche):
    call = submit(cloche, SLEEPY)
    wait_until(lambda: any(e["event"] == "stdout" for e in partial(cloche, call)), 10, "output")
    answer = cloche.http.delete(f"/v1/calls/{call}")
    assert answer.status_code == 200 and answer.json()["verdict"] == "cancelled"
    assert answer.json()["stdout"] == "up\n"
    assert events(cloche, call)[-1]["verdict"] == "cancelled"
    again = cloche.http.delete(f"/v1/calls/{call}")
    assert again.status_code == 200 and again.json() == answer.json()


def partial(cloche, call):
    """The events until now."""
    found = []
    with cloche.http.stream("GET", f"/v1/calls/{call}/events") as answer:
        for line in answer.iter_lines():
            if line:
                found.append(json.loads(line))
            if len(found) == 2:
                break
    return found


def test_a_call_that_is_done_stays_as_it_is(cloche):
    call = submit(cloche, "def main(): return 1")
    before = ended(cloche, call)
    assert cloche.http.delete(f"/v1/calls/{call}").json() == before


def test_a_waiting_call_is_cancelled_and_never_runs(own):
    ids = block(own, 40, 3)
    waiting = [call for call in ids if state(own, call)["status"] == "queued"]
    assert waiting
    found = own.http.delete(f"/v1/calls/{waiting[-1]}").json()
    assert found["verdict"] == "cancelled" and found["started"] is None and found["attempts"] == 0
    assert [e["event"] for e in events(own, waiting[-1])] == ["end"]
    for call in ids:
        own.http.delete(f"/v1/calls/{call}")


# -- lists


def test_lists_go_page_by_page_newest_first(own):
    ids = [submit(own, "def main(): pass") for _ in range(7)]
    for call in ids:
        ended(own, call)
    got, cursor = [], None
    while True:
        page = own.http.get("/v1/calls", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["calls"]) <= 3
        got += [call["id"] for call in page["calls"]]
        cursor = page["next"]
        if not cursor:
            break
    assert sorted(got) == sorted(ids) and got == sorted(got, reverse=True)
    assert own.http.get("/v1/calls", params={"status": "done"}).json()["calls"][0]["verdict"] == "ok"
    assert own.http.get("/v1/calls", params={"status": "queued"}).json() == {"calls": [], "next": None}
    assert own.http.get("/v1/calls", params={"function": "a.b"}).json()["calls"] == []


# -- Idempotency-Key


def test_same_key_and_body_get_the_first_answer(cloche):
    body, key = {"source": "import random\ndef main(): return random.random()"}, {"Idempotency-Key": "same-1"}
    first, second = cloche.post(body, headers=key), cloche.post(body, headers=key)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert cloche.http.get(f"/v1/calls/{first.json()['id']}").json()["result"] == first.json()["result"]


def test_same_key_and_other_body_are_422(cloche):
    key = {"Idempotency-Key": "other-1"}
    assert cloche.post({"source": "def main(): return 1"}, headers=key).status_code == 200
    answer = cloche.post({"source": "def main(): return 2"}, headers=key)
    assert answer.status_code == 422 and answer.json()["type"].endswith("idempotency-key-reused")


def test_a_key_works_for_calls_that_come_later(cloche):
    body, headers = {"source": "def main(): return 5"}, {**LATER, "Idempotency-Key": "later-1"}
    first = cloche.post(body, headers=headers)
    ended(cloche, first.json()["id"])
    second = cloche.post(body, headers=headers)
    assert second.status_code == 202 and second.json() == {"id": first.json()["id"], "status": "done"}
    now = cloche.post(body, headers={"Idempotency-Key": "later-1"})
    assert now.status_code == 200 and now.json()["id"] == first.json()["id"] and now.json()["result"] == 5


def test_many_at_once_with_one_key_are_one_call(cloche):
    body = {"source": "import time, random\ndef main():\n    time.sleep(0.5)\n    return random.random()"}
    answers, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: answers.append(
            cloche.http.post("/v1/calls", json=body, headers={"Idempotency-Key": "race-1"}))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_client_that_leaves_does_not_end_a_call_with_a_key(cloche):
    body, key = {"source": SLEEPY, "kwargs": {"s": 1}}, {"Idempotency-Key": "leave-1"}
    with cloche.http.stream("POST", "/v1/calls", json=body, headers={**key, "Accept": "application/x-ndjson"}) as answer:
        first = json.loads(next(line for line in answer.iter_lines() if line))
    again = cloche.post(body, headers=key)
    assert again.json()["id"] == first["id"] and again.json()["verdict"] == "ok"


def test_a_key_with_a_stream_gives_the_events(cloche):
    body, headers = {"source": "def main():\n    yield 1"}, {"Idempotency-Key": "stream-1", "Accept": "application/x-ndjson"}
    first, second = (cloche.post(body, headers=headers) for _ in range(2))
    assert first.content == second.content
    assert [json.loads(line)["event"] for line in first.text.splitlines()] == ["started", "item", "end"]


def test_keys_that_cannot_be(cloche):
    for key in ["", "x" * 300, "a\tb"]:
        answer = cloche.http.post("/v1/calls", json={"source": "def main(): pass"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 400, (key, answer.text)


# -- order and company


def test_high_goes_before_low(own):
    """While all places are taken, eight of each are queued; places get free one by one, most of them for high ones."""
    blockers = [call for i in range(30) for call in block(own, 1, 1.5 + i / 20)]
    low = [submit(own, "def main(): pass", policy="ample", priority="low") for _ in range(8)]
    high = [submit(own, "def main(): pass", policy="ample", priority="high") for _ in range(8)]
    starts = {call: ended(own, call)["started"] for call in low + high}
    first = sorted(starts, key=starts.get)[:8]
    assert sum(call in high for call in first) >= 6
    for call in blockers:
        own.http.delete(f"/v1/calls/{call}")


def test_stored_calls_never_starve_the_others(own):
    ids = [submit(own, SLEEPY, kwargs={"s": 2}, limits={"wall": "5s"}) for _ in range(60)]
    slowest = 0
    for _ in range(10):
        started = time.monotonic()
        assert own.call("def main(): return 1")["result"] == 1
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1.5 * SLOW
    for call in ids:
        own.http.delete(f"/v1/calls/{call}")


def test_functions_run_later_too(cloche):
    put = cloche.http.put("/v1/modules/later", content="def double(x):\n    return 2 * x\n",
                          headers={"Content-Type": "text/x-python"})
    assert put.status_code in (200, 201), put.text
    answer = cloche.post({"function": "later.double", "args": [4]}, headers=LATER)
    assert answer.status_code == 202, answer.text
    found = ended(cloche, answer.json()["id"])
    assert found["result"] == 8 and found["function"] == "later.double"
    listed = cloche.http.get("/v1/calls", params={"function": "later.double"}).json()["calls"]
    assert found["id"] in [call["id"] for call in listed]


def test_a_call_whose_policy_is_gone_ends_with_a_verdict(tmp_path, config):
    """Its place in the queue is taken by ten that block; meanwhile a reload takes its policy away."""
    shutil.copytree(config, tmp_path / "config")
    policy = tmp_path / "config" / "policies" / "passing.yaml"
    policy.write_text("version: 1\nextends: default\ndescription: Tests only. Goes away.\n")
    with Service(config=tmp_path / "config") as service:
        blockers = block(service, 40, 4, priority="high")
        call = submit(service, "def main(): return 1", policy="passing", priority="low", metadata={"n": 1})
        assert state(service, call)["status"] == "queued"
        policy.unlink()
        wait_until(lambda: "passing" not in service.http.get("/v1/policies").text, 10, "the reload")
        for blocker in blockers:
            service.http.delete(f"/v1/calls/{blocker}")
        found = ended(service, call)
        assert found["verdict"] == "denied" and found["denied"]["rule"] == "policy-not-allowed"
        assert found["denied"]["name"] == "passing" and found["attempts"] == 1
        assert [e["event"] for e in events(service, call)] == ["end"]


def test_going_down_answers_who_waits_and_keeps_what_waits(tmp_path, config):
    with Service(config=config, state=tmp_path) as service:
        ids = [submit(service, SLEEPY, kwargs={"s": 1}, limits={"wall": "5s"}) for _ in range(40)]
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(state(service, ids[-1], "60s")))
        follower = threading.Thread(target=lambda: answers.append(events(service, ids[-1])))
        waiter.start(), follower.start()
        time.sleep(0.5)
        service.process.terminate()
        waiter.join(20)
        follower.join(20)
        assert len(answers) == 2 and not waiter.is_alive() and not follower.is_alive()
        assert service.process.wait(20) == 0
        service.start()
        verdicts = [ended(service, call)["verdict"] for call in ids]
        assert verdicts == ["ok"] * 40, "a drain lets end what runs, and keeps the rest"


def test_an_end_without_room_is_told_as_such(config):
    """The last answers do not fit; the calls end all the same, and the others keep theirs."""
    with Service(config=config, args=["--store", "8Mi,1Mi"]) as service:
        source = "import random, time\ndef main():\n    time.sleep(1.5)\n    return random.randbytes(150000).hex()"
        sleepy = submit(service, SLEEPY)
        ids = [submit(service, source) for _ in range(8)]
        wait_until(lambda: sum(state(service, call)["status"] == "done" for call in ids) >= 2, 20, "a full quota")
        service.http.delete(f"/v1/calls/{sleepy}")
        assert ended(service, sleepy)["verdict"] == "cancelled", "a short end always has room"
        found = [wait_until(lambda: (got := state(service, call, "10s"))["status"] == "done" and got, 60, "an end")
                 for call in ids]
        verdicts = [call["verdict"] for call in found]
        assert set(verdicts) == {"ok", "lost"}, verdicts
        assert all(len(call["result"]) == 300000 for call in found if call["verdict"] == "ok")
        for call in found:
            assert call["verdict"] == "ok" or "no room" in call["message"]
            assert events(service, call["id"])[-1]["verdict"] == call["verdict"]
        assert service.call("def main(): return 1")["result"] == 1
        full = service.post({"source": "def main(): pass #" + "x" * 900000}, headers=LATER)
        assert full.status_code == 507 and full.json()["type"].endswith("store-full")
