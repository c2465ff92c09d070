# SPDX-License-Identifier: Apache-2.0
"""Sessions as callers see them: what lasts, what is each call's own, how many run at a time, how they end."""

import textwrap

import pytest
from kept import COUNT, Kept, end_all, serving, wait_until
from service import SLOW, times


@pytest.fixture(scope="module")
def service():
    with serving() as service:
        yield service


@pytest.fixture
def kept(service):
    yield service
    end_all(service)


def text(source):
    return textwrap.dedent(source)


# ------------------------------------------------------------------------------------ what lasts

def test_globals_last_from_call_to_call(kept):
    session = Kept(kept)
    assert [session.result(COUNT, args=[k]) for k in (1, 2, 3)] == [1, 3, 6]
    assert session.result("def main(): return n * 100") == 600, "another source sees them"
    assert session.result(COUNT) == 7, "a source that ran before is not run again"
    assert session.result("def twice(x): return x * n", entry="twice", args=[2]) == 14
    assert session.result(COUNT, entry="main") == 8, "its functions are back in place"


def test_a_plain_call_and_another_session_see_nothing_of_it(kept):
    first, second = Kept(kept), Kept(kept)
    assert first.result(COUNT, args=[5]) == 5
    assert second.result(COUNT) == 1
    assert kept.call(COUNT, policy="kept")["result"] == 1
    assert "session" not in kept.call(COUNT, policy="kept")


def test_none_asks_for_a_jail_of_its_own(kept):
    answer = kept.post({"source": COUNT}, headers={"Cloche-Session": "none"})
    assert answer.status_code == 200 and "session" not in answer.json()


def test_imported_modules_and_classes_last(kept):
    session = Kept(kept)
    session.result("import json\nclass Box: pass\nbox = Box()\ndef main(): json.mark = 7")
    assert session.result("import json\ndef main(): return [json.mark, type(box) is Box]") == [7, True]


def test_files_last_and_may_be_sent_again(kept):
    session = Kept(kept, "filed")
    source = "def main():\n    with open('/tmp/a.txt') as f: return f.read()"
    assert session.result(source, files=[{"path": "a.txt", "text": "one"}]) == "one"
    assert session.result(source) == "one"
    assert session.result(source, files=[{"path": "a.txt", "text": "two"}]) == "two"


def test_an_error_and_a_denial_end_their_call_alone(kept):
    session = Kept(kept)
    assert session.result(COUNT) == 1
    assert session.call("def main(): return 1/0")["error"]["type"] == "ZeroDivisionError"
    assert session.call("import socket")["denied"]["rule"] == "modules"
    assert session.call("def main(:")["error"]["type"] == "SyntaxError"
    assert session.call("def main(): return object()")["verdict"] == "error"
    assert session.call("def main(): raise SystemExit(0)")["verdict"] == "ok"
    assert session.result(COUNT) == 2
    assert session.show()["restarts"] == 0


def test_tracebacks_show_the_lines_of_their_own_source(kept):
    session = Kept(kept)
    session.result("def main(): return 1\ndef broken():\n    return 1 / 0  # the first source\n")
    envelope = session.call("def main():\n    return broken()\n")
    assert "1 / 0  # the first source" in envelope["error"]["traceback"]
    assert "main-2.py" in envelope["error"]["traceback"]
    with_syntax = session.call("x = 1\ndef main(:\n")
    assert with_syntax["error"]["line"] == 2 and "main-3.py" in with_syntax["error"]["traceback"]


# --------------------------------------------------------------------------- each call's own

def test_output_input_arguments_and_limits_are_each_calls_own(kept):
    session = Kept(kept, "filed")
    first = session.call("def main(a):\n    print('first', a, end='')\n    return input()", args=[1], stdin="in\n")
    assert (first["stdout"], first["result"]) == ("first 1", "in")
    second = session.call("def main():\n    print('second')")
    assert second["stdout"] == "second\n", "what the first one left unflushed is not here"
    assert session.call("def main(): return input()")["error"]["type"] == "EOFError"
    small = session.call("def main(): return 'x' * 100", limits={"result": "50"})
    assert small["limit"]["name"] == "result"


def test_context_variables_of_a_call_end_with_it(kept):
    session = Kept(kept, "busy")
    source = "from contextvars import ContextVar\nv = ContextVar('v', default=0)\ndef main():\n    old = v.get()\n" \
             "    v.set(5)\n    return old"
    envelope = session.call(source)
    if envelope["verdict"] == "denied":
        pytest.fail("the policy has to allow contextvars for this test")
    assert [envelope["result"], session.result(source)] == [0, 0]


def test_usage_is_each_calls_own(kept):
    session = Kept(kept)
    busy = session.call("def main():\n    for i in range(3000000): pass")
    idle = session.call("def main(): pass")
    assert busy["usage"]["cpu_us"] > 20_000 and idle["usage"]["cpu_us"] < 20_000 * SLOW
    assert busy["usage"]["cpu_us"] > 3 * idle["usage"]["cpu_us"]
    assert idle["usage"]["wall_us"] < busy["usage"]["wall_us"]


def test_a_streamed_call_and_its_items(kept):
    session = Kept(kept)
    session.result(COUNT)
    with kept.http.stream("POST", "/v1/calls", headers={**session.head, "Accept": "application/x-ndjson"},
                          json={"source": "def main():\n    for i in range(3):\n        print(i)\n        yield i + n"}
                          ) as answer:
        lines = [line for line in answer.iter_lines() if line.strip()]
    assert [line.split('"event":"')[1].split('"')[0] for line in lines] == [
        "started", "stdout", "item", "stdout", "item", "stdout", "item", "end"]
    assert '"result":[1,2,3]' in lines[-1] and f'"id":"{session.id}"' in lines[-1]


# ------------------------------------------------------------------------------ at the same time

MEET = """
import threading
barrier = threading.Barrier(3)
def main(k):
    print("call", k)
    barrier.wait(4)
    print("met", k)
    return k
"""


def test_plain_functions_run_in_threads_at_the_same_time(kept):
    session = Kept(kept, "busy")
    for _ in range(2):
        found = session.together(MEET, [[0], [1], [2]])
        assert [e.get("result") for e in found] == [0, 1, 2], found
        assert [e["stdout"] for e in found] == [f"call {k}\nmet {k}\n" for k in range(3)]
    assert session.show()["restarts"] == 0


def test_coroutines_run_on_one_loop_at_the_same_time(kept):
    source = text("""
        import asyncio
        waiting, loops = {}, set()
        async def main(k):
            loops.add(id(asyncio.get_running_loop()))
            waiting[k] = asyncio.Event()
            print("in", k)
            while len(waiting) < 3:
                await asyncio.sleep(0)
            waiting[(k + 1) % 3].set()
            await asyncio.wait_for(waiting[k].wait(), 4)
            print("out", k)
            return len(loops)
        """)
    session = Kept(kept, "busy")
    found = session.together(source, [[0], [1], [2]])
    assert [e.get("result") for e in found] == [1, 1, 1], found
    assert [e["stdout"] for e in found] == [f"in {k}\nout {k}\n" for k in range(3)]
    again = "import asyncio\nasync def main():\n    loops.add(id(asyncio.get_running_loop()))\n    return len(loops)"
    assert session.result(again) == 1, "the loop lasts"


def test_no_more_run_than_the_policy_says(kept):
    session = Kept(kept, "pair")
    source = text("""
        import threading
        lock, now, most = threading.Lock(), 0, 0
        both = threading.Barrier(2)
        def main(k):
            global now, most
            with lock:
                now += 1
                most = max(most, now)
            both.wait(4)
            with lock:
                now -= 1
            return most
        """)
    found = session.together(source, [[k] for k in range(6)])
    assert {e.get("result") for e in found} == {2}, found


def test_where_the_policy_has_no_threads_calls_take_turns(kept):
    session = Kept(kept)
    found = session.together("seen = []\ndef main(k):\n    seen.append(k)\n    return len(seen)",
                             [[k] for k in range(5)])
    assert sorted(e["result"] for e in found) == [1, 2, 3, 4, 5]


def test_what_a_thread_prints_belongs_to_the_call_that_started_it(kept):
    session = Kept(kept, "busy")
    started = session.call(text("""
        import threading
        go, done = threading.Event(), threading.Event()
        def late():
            go.wait(4)
            print("late")
            done.set()
        def main():
            threading.Thread(target=late).start()
            print("main")
        """))
    assert started["stdout"] == "main\n"
    after = session.call("def main():\n    go.set()\n    assert done.wait(4)\n    print('after')")
    assert after["verdict"] == "ok" and after["stdout"] == "after\n"


def test_a_call_ends_while_another_runs(kept):
    session = Kept(kept, "busy")
    end = session.begin("import threading\ngo = threading.Event()\ndef main():\n    print('here')\n"
                        "    assert go.wait(4)\n    return 'first'")
    assert session.result("def main(): return 'second'") == "second"
    assert session.show()["state"] == "running" and session.show()["running"] == 1
    assert session.result("def main():\n    go.set()\n    return 'third'") == "third"
    assert end()["result"] == "first"


# ------------------------------------------------------------------------------ the resource

def test_a_session_can_be_shown_and_listed(kept):
    session = Kept(kept)
    fresh = session.show()
    assert (fresh["state"], fresh["calls"], fresh["policy"]) == ("empty", 0, "kept")
    session.result(COUNT)
    shown = session.show()
    assert (shown["state"], shown["calls"], shown["running"], shown["restarts"]) == ("idle", 1, 0, 0)
    assert 0 < shown["memory_bytes"] <= shown["memory_peak_bytes"] and shown["cpu_us"] > 0
    assert shown["created"] < shown["idle_ends"] < shown["ends"]
    listed = kept.http.get("/v1/sessions").json()["sessions"]
    assert [s for s in listed if s["session"] == session.id] == [session.show()]


def test_delete_ends_it_for_good(kept):
    session = Kept(kept)
    session.result(COUNT)
    assert session.end().status_code == 200
    assert session.show() == 404 and session.end().status_code == 404
    answer = session.post(COUNT)
    assert answer.status_code == 404 and answer.json()["type"].endswith(":session-not-found")


def test_delete_ends_its_calls_as_cancelled(kept):
    session = Kept(kept, "busy")
    end = session.begin("import time\ndef main():\n    print('here')\n    time.sleep(4)")
    assert session.end().status_code == 200
    assert end()["verdict"] == "cancelled"


@pytest.mark.parametrize("policy, slug, status", [
    ("default", "session-not-allowed", 403), ("single", "session-not-allowed", 403),
    ("no-such", "policy-not-allowed", 403),
])
def test_policies_that_permit_none(kept, policy, slug, status):
    answer = kept.http.post("/v1/sessions", json={"policy": policy})
    assert (answer.status_code, answer.json()["type"].rsplit(":", 1)[1]) == (status, slug)


def test_sessions_are_allowed(kept):
    """The shipped policy and the one that extends it by this key alone."""
    assert kept.http.post("/v1/sessions", json={"policy": "default"}).status_code == 403
    session = Kept(kept)
    assert [session.result(COUNT) for _ in range(2)] == [1, 2]


def test_a_token_has_a_session_of_its_own(kept):
    """`sessions.default: token` gives python/v1 callers one, and always the same."""
    def rpc(policy):
        answer = kept.http.post("/v1/rpc", headers={"Cloche-Policy": policy}, json={
            "jsonrpc": "2.0", "id": 1, "method": "python/execute", "params": {"code": "result = 1"}})
        assert answer.status_code == 200, answer.text
        return [s for s in kept.http.get("/v1/sessions").json()["sessions"] if s["default"]]
    assert rpc("kept") == []
    first = rpc("busy")
    assert [s["policy"] for s in first] == ["busy"]
    assert [s["session"] for s in rpc("busy")] == [s["session"] for s in first]


@pytest.mark.parametrize("body, status, pointer", [
    ({"policy": "kept", "limits": {"memory": "1Ti"}}, 403, None),
    ({"policy": "kept", "limits": {"wall": "1s"}}, 400, "/limits/wall"),
    ({"policy": "kept", "max": 5}, 400, "/max"),
    ([], 400, None),
])
def test_bodies_that_ask_for_what_there_is_not(kept, body, status, pointer):
    answer = kept.http.post("/v1/sessions", json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or answer.json()["pointer"] == pointer


def test_its_memory_is_the_sessions_and_no_calls(kept):
    session = Kept(kept, limits={"memory": "32Mi"})
    envelope = session.call("def main(): return len(bytearray(64 << 20))")
    assert envelope["limit"]["name"] == "memory" and envelope["limit"]["value"] == 32 << 20
    answer = session.post(COUNT, limits={"memory": "16Mi"})
    assert answer.status_code == 400 and answer.json()["pointer"] == "/limits/memory"
    assert session.post(COUNT, policy="busy").status_code == 400


def test_an_expression_runs_in_no_session(kept):
    session = Kept(kept)
    answer = kept.http.post("/v1/eval", json={"expression": "1"}, headers=session.head)
    assert answer.status_code == 400


def test_sessions_leave_half_of_a_pool_to_plain_calls(kept):
    first, second = Kept(kept, "narrow"), Kept(kept, "narrow")
    assert first.result(COUNT) == 1
    answer = second.post(COUNT)
    assert answer.status_code == 503 and answer.json()["type"].endswith(":sessions-full")
    assert int(answer.headers["retry-after"]) >= 1
    assert kept.call(COUNT, policy="narrow")["result"] == 1
    first.end()
    wait_until(lambda: second.post(COUNT).status_code == 200, what="room for the second session")


def test_a_thousand_calls_leave_no_memory_behind(kept):
    def held():
        def rss(pid):
            with open(f"/proc/{pid}/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return rss(kept.api()[0]) + rss(kept.pid)
    session = Kept(kept)
    for _ in range(times(200)):
        session.result(COUNT)
    before, worker = held(), session.show()["memory_bytes"]
    for i in range(times(1000)):
        session.call("def main(x):\n    print('x' * 1000)\n    return x", args=["y" * 1000])
    assert session.result(COUNT) == times(200) + 1
    assert held() - before < 2048, "KiB of API and cloched"
    assert session.show()["memory_bytes"] - worker < 2 << 20
