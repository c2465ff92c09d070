# SPDX-License-Identifier: Apache-2.0
"""Workflows against a real service: order, states, failures, retries, limits, cancelling, events."""

import json
import random
import threading

import pytest
from service import times
from workflows import Workflows, call, code, put_module, states, value


@pytest.fixture
def flows(cloche):
    return Workflows(cloche)


def order(events, word):
    return [event["task_id"] for event in events if event["event"] == f"task:{word}"]


# ------------------------------------------------------------------------------------------------ numbers

def test_pipeline_has_the_right_numbers(flows, cloche):
    put_module(cloche, "pipeline", "def load(month):\n    return {'amounts': [10, 20.5, 12]}\n"
                                   "def net(amounts, rate):\n    return [a / rate for a in amounts]\n")
    record = flows.run(
        call("load", "pipeline.load", "may"),
        {"id": "net", "method": "execute", "dependencies": ["load"],
         "params": {"function": "pipeline.net", "kwargs": {"amounts": "${load.result.amounts}", "rate": 2}}},
        call("total", "sum", "${net.result}", needs=["net"]),
        call("text", "str.upper", "total ${total.result}: ${net.result.result}", needs=["total"]),
        name="Pipeline")
    assert (record["status"], record["name"]) == ("completed", "Pipeline")
    assert value(record, "total") == 21.25
    assert value(record, "text") == "TOTAL 21.25: [5.0, 10.25, 6.0]"
    assert record["started_at"] <= record["ended_at"]


def test_diamond_runs_its_end_once(flows):
    record = flows.run(
        code("top", "result = 1"), call("left", "sum", ["${top.result}", 1], needs=["top"]),
        call("right", "sum", ["${top.result}", 10], needs=["top"]),
        call("end", "sum", ["${left.result}", "${right.result}"], needs=["left", "right"]))
    assert record["status"] == "completed"
    assert value(record, "end") == 13
    assert record["tasks"]["end"]["attempts"] == 1


def test_digits_pass_from_task_to_task(flows):
    big = 10**40
    record = flows.run(code("a", f"result = {{'n': {big}, 'f': 0.1, 'none': None}}"),
                       code("b", "result = [context['n'], context['f'], context['none']]", "a",
                            params={"context": {"n": "${a.result.n}", "f": "${a.result.f}",
                                                "none": "${a.result.none}"}}))
    assert value(record, "b") == [big, 0.1, None]


def test_row_references(flows):
    """Of a whole task, of its value, of a path in it; in lists, objects and texts; with the type it had."""
    made = code("made", "result = {'a': [1, {'b': None}], 's': 'x\"y', 't': True}", name="the first")
    rows = [("${made.result.result}", {"a": [1, {"b": None}], "s": 'x"y', "t": True}), ("${made.result.a[0]}", 1),
            (["${made.result.a}", "${the first.result.t}"], [[1, {"b": None}], True]),
            ({"k${made.result.s}": "${made.result.s}"}, {"k${made.result.s}": 'x"y'}), ("${made.result.a[1].b}", None),
            ("<${made.result.a}> ${made.result.s}", '<[1, {"b": null}]> x"y'), ("${made.success}", True),
            ("$made ${} $ $${made.result}", "$made ${} $ ${made.result}"), ("${made.result.zz:-0}", 0)]
    tasks = [code(f"t{at}", "result = context", "made", params={"context": {"v": given}})
             for at, (given, _) in enumerate(rows)]
    record = flows.run(made, *tasks)
    for at, (given, want) in enumerate(rows):
        assert value(record, f"t{at}") == {"v": want}, given
    assert set(flows.run(made, code("all", "result = sorted(context)", "made", params={"context": "${made}"}))
               ["tasks"]["all"]["result"]["result"]) >= {"result", "success"}


def test_value_is_never_looked_at_again(flows):
    record = flows.run(code("a", "result = '${b.result} $${x}'"),
                       code("b", "result = context['t']", "a", params={"context": {"t": "<${a.result}>"}}))
    assert value(record, "b") == "<${b.result} $${x}>"


def test_program_is_never_pasted_into(flows):
    record = flows.run(code("a", "result = '1); import os; (1'"),
                       code("b", "result = '${a.result}'", "a"))
    assert value(record, "b") == "${a.result}"


def test_row_register_lambda_in_a_dependent_task(flows):
    record = flows.run(
        {"id": "reg", "method": "register", "params": {"name": "twice", "lambda": "lambda x: x * 2"}},
        call("use", "twice", 21, needs=["reg"]))
    assert states(record) == {"reg": "completed", "use": "completed"}
    assert value(record, "use") == 42
    alone = flows.run(call("use", "twice", 21))
    assert alone["tasks"]["use"]["code"] == -32602


def test_row_register_module_function(flows):
    record = flows.run(
        {"id": "reg", "method": "register",
         "params": {"name": "split", "type": "module", "module": "urllib.parse", "function": "urlparse"}},
        call("use", "split", "http://a.b/c?d=e", needs=["reg"]))
    assert value(record, "use") == ["http", "a.b", "/c", "", "d=e", ""]


# ------------------------------------------------------------------------------------------------ failing

def test_function_that_raises_fails_and_skips(flows):
    record = flows.run(
        code("a", "result = 1"), code("b", "def f():\n    raise ValueError('no')\nf()", "a"),
        code("c", "result = 1", "b"), code("d", "result = 1", "c"), code("e", "result = 2", "a"))
    assert record["status"] == "failed"
    assert states(record) == {"a": "completed", "b": "failed", "c": "skipped", "d": "skipped",
                              "e": "completed"}
    failed = record["tasks"]["b"]
    assert failed["code"] == -29002 and failed["error_code"] == "TASK_EXECUTION_FAILED"
    assert "ValueError: no" in failed["error"]
    assert failed["result"]["success"] is False
    skipped = record["tasks"]["c"]
    assert (skipped["code"], skipped["error_code"]) == (-29005, "TASK_DEPENDENCY_FAILED")
    assert skipped["result"] is None and skipped["attempts"] == 0


def test_execute_that_raises_fails_with_its_envelope(flows):
    record = flows.run(call("a", "math.sqrt", -1))
    task = record["tasks"]["a"]
    assert (task["status"], task["error"]) == ("failed", "math domain error")
    assert task["result"]["error_type"] == "ValueError"


def test_returned_success_false_is_the_users_own(flows):
    record = flows.run(code("a", "result = {'error': 'mine', 'success': False}"),
                       call("b", "len", "${a.result}", needs=["a"]))
    assert record["status"] == "completed"
    assert value(record, "b") == 2


def test_unresolved_reference_fails_the_task(flows):
    record = flows.run(code("a", "result = {'x': 1}"), call("b", "len", "${a.result.y}", needs=["a"]),
                       call("c", "sum", ["${a.result.y:-5}"], needs=["a"]))
    task = record["tasks"]["b"]
    assert (task["status"], task["code"], task["error_code"]) == ("failed", -29006, "TASK_PARAMETER_ERROR")
    assert "${a.result.y}" in task["error"]
    assert value(record, "c") == 5


def test_fail_fast_skips_what_has_not_started(flows):
    record = flows.run(
        code("slow", "import time\ntime.sleep(30)\nresult = 1"), code("bad", "raise KeyError('k')"),
        *[code(f"later{i}", "result = 1", priority="low") for i in range(5)],
        on_failure="fail_fast", max_parallel_tasks=2)
    found = states(record)
    assert record["status"] == "failed" and found["bad"] == "failed"
    assert found["slow"] == "cancelled" and record["tasks"]["slow"]["code"] == -29004
    assert {found[f"later{i}"] for i in range(5)} == {"skipped"}


def test_task_timeout(flows):
    record = flows.run(code("a", "import time\ntime.sleep(30)", timeout=1))
    task = record["tasks"]["a"]
    assert (task["status"], task["code"], task["error_code"]) == ("failed", -29003, "TASK_TIMEOUT")
    assert task["error"] == "Execution timed out after 1 seconds"


def test_workflow_timeout(flows):
    record = flows.run(code("a", "import time\ntime.sleep(30)"), code("b", "result = 1", "a"), timeout=1)
    assert record["status"] == "timeout"
    assert states(record) == {"a": "cancelled", "b": "cancelled"}
    assert record["tasks"]["a"]["code"] == -28004


# ------------------------------------------------------------------------------------------------ retries

FAST = {"base_delay": 0.1, "backoff": "fixed", "jitter": False}


def test_retry_counts_attempts_and_tells(flows):
    workflow = flows.submit(code("a", "raise ValueError('x')", retry={"max_attempts": 3,
                                                                      "on": ["ValueError"], **FAST}))
    events = flows.events(workflow)
    assert [e["event"] for e in events if e["event"].startswith("task:")] == [
        "task:queued", "task:started", "task:retry_scheduled", "task:queued", "task:started",
        "task:retry_scheduled", "task:queued", "task:started", "task:failed"]
    task = flows.record(workflow)["tasks"]["a"]
    assert (task["attempts"], task["status"]) == (3, "failed")


@pytest.mark.parametrize("retry,attempts", [
    ({"max_attempts": 3, **FAST}, 1), ({"max_attempts": 3, "on": ["KeyError"], **FAST}, 1),
    ({"max_attempts": 1, "on": ["ValueError"], **FAST}, 1), ({"max_attempts": 2, "on": ["ValueError"],
                                                              **FAST}, 2)])
def test_what_is_not_named_is_not_retried(flows, retry, attempts):
    record = flows.run(code("a", "raise ValueError('x')", retry=retry))
    assert record["tasks"]["a"]["attempts"] == attempts


def test_retryable_code_is_retried(flows):
    record = flows.run(code("a", "import time\ntime.sleep(30)", timeout=1, retry={"max_attempts": 2, **FAST}))
    assert record["tasks"]["a"]["attempts"] == 2
    assert record["tasks"]["a"]["code"] == -29003


def test_retry_failed_retries_all_that_fail(flows):
    record = flows.run(code("a", "raise ValueError('x')", retry={"max_attempts": 2, **FAST}),
                       on_failure="retry_failed")
    assert record["tasks"]["a"]["attempts"] == 2


# ------------------------------------------------------------------------------------------------ order

def test_fan_out_does_not_wait_for_a_slow_sibling(flows):
    """The slow one ends after all others: with levels or a share of the slots held back it could not."""
    slow = code("slow", "import time\ntime.sleep(20)\nresult = 1", priority="urgent")
    workflow = flows.submit(slow, *[code(f"t{i}", "result = 1") for i in range(100)], max_parallel_tasks=4)
    seen, running, most, ended = [], 0, 0, 0
    headers = {**flows.headers, "Accept": "application/x-ndjson"}
    with flows.service.http.stream("GET", f"/v1/workflows/{workflow}/events", headers=headers) as stream:
        for line in stream.iter_lines():
            event = json.loads(line)
            running += (event["event"] == "task:started") - (event["event"] == "task:completed")
            most = max(most, running)
            if event["event"] == "task:completed":
                ended += 1
                seen.append(event["task_id"])
            if ended == 100:
                break
    assert "slow" not in seen and most == 4
    flows.post(f"/v1/workflows/{workflow}:cancel", {})


def test_hundred_may_run_at_once(flows):
    workflow = flows.submit(*[code(f"t{i}", "result = 1") for i in range(100)], max_parallel_tasks=100)
    events = flows.events(workflow)
    first_end = next(i for i, event in enumerate(events) if event["event"] == "task:completed")
    assert sum(event["event"] == "task:started" for event in events[:first_end]) == 100


def test_priorities_first_come_first_served(flows):
    tasks = [code("first", "result = 1", priority="urgent")]
    for name, priority in [("l1", "low"), ("n1", "normal"), ("h1", 1), ("u1", "urgent"), ("n2", 2), ("l2",
                                                                                                     3),
                           ("h2", "high")]:
        tasks.append(code(name, "result = 1", priority=priority))
    workflow = flows.submit(*tasks, max_parallel_tasks=1)
    assert order(flows.events(workflow), "started") == ["first", "u1", "h1", "h2", "n1", "n2", "l1", "l2"]


def test_task_starts_when_its_own_needs_are_done(flows):
    """No barrier: the end of the short branch is over before the first of the long one is."""
    workflow = flows.submit(code("long", "import time\ntime.sleep(20)\nresult = 1"), code("a", "result = 1"),
                            code("b", "result = 1", "a"), code("c", "result = 1", "b"), code("after",
                                                                                             "result = 1",
                                                                                             "long"))
    done = []
    with flows.service.http.stream("GET", f"/v1/workflows/{workflow}/events") as stream:
        for line in stream.iter_lines():
            event = json.loads(line)
            if event["event"] == "task:completed":
                done.append(event["task_id"])
            if len(done) == 3:
                break
    assert done == ["a", "b", "c"]
    flows.post(f"/v1/workflows/{workflow}:cancel", {})


# ------------------------------------------------------------------------------------------------ cancel

def test_cancel_ends_everything_and_answers_with_the_record(flows):
    workflow = flows.submit(code("a", "import time\ntime.sleep(30)"), code("b", "result = 1", "a"),
                            code("c", "import time\ntime.sleep(30)", timeout=60), max_parallel_tasks=1)
    answer = flows.post(f"/v1/workflows/{workflow}:cancel", {})
    assert answer.status_code == 200
    record = answer.json()
    assert record["status"] == "cancelled" and set(states(record).values()) == {"cancelled"}
    assert {task["code"] for task in record["tasks"].values()} == {-29004}
    assert flows.events(workflow)[-1]["event"] == "workflow:cancelled"
    again = flows.post(f"/v1/workflows/{workflow}:cancel", {})
    assert again.json() == record


def test_cancel_of_nothing_is_404(flows):
    assert flows.post("/v1/workflows/nobody:cancel", {}).status_code == 404
    assert flows.service.http.get("/v1/workflows/nobody").status_code == 404
    assert flows.service.http.get("/v1/workflows/nobody/events").status_code == 404
    assert flows.service.http.get("/v1/tasks/nobody").status_code == 404


# ------------------------------------------------------------------------------------------------ events

def test_events_resume_behind_the_last_one(flows):
    workflow = flows.submit(code("a", "result = 1"), code("b", "result = 1", "a"))
    events = flows.events(workflow)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "workflow:submitted" and events[-1]["event"] == "workflow:completed"
    for after in range(len(events) + 1):
        assert flows.events(workflow, after) == events[after:]


def test_events_as_sse(flows):
    workflow = flows.submit(code("a", "result = 1"))
    events = flows.events(workflow)
    answer = flows.service.http.get(f"/v1/workflows/{workflow}/events?after=2",
                                    headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    blocks = answer.text.strip().split("\n\n")
    assert len(blocks) == len(events) - 2
    assert blocks[0].splitlines()[0] == "id: 3"
    assert json.loads(blocks[-1].splitlines()[-1].removeprefix("data: ")) == events[-1]


def test_two_followers_see_the_same(flows):
    workflow = flows.submit(code("a", "import time\ntime.sleep(0.3)"), code("b", "result = 1", "a"))
    found = []
    threads = [threading.Thread(target=lambda: found.append(flows.events(workflow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(events == found[0] for events in found)


# ------------------------------------------------------------------------------------------- tasks, lists

def test_task_is_a_workflow_of_one(flows):
    answer = flows.post("/v1/tasks", {"method": "execute", "params": {"function": "len", "args": ["abc"]}})
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["task_id"] == accepted["workflow_id"] and accepted["task_count"] == 1
    flows.events(accepted["workflow_id"])
    task = flows.service.http.get(f"/v1/tasks/{accepted['task_id']}").json()
    assert (task["status"], task["result"]["result"]) == ("completed", 3)
    waited = flows.post("/v1/tasks?wait=true", {"id": "mine-1", "method": "execute",
                                                "params": {"function": "len", "args": [[]]}})
    assert waited.status_code == 200 and waited.json()["task_id"] == "mine-1"


def test_list_pages_newest_first(own):
    flows = Workflows(own)
    ids = [flows.run(code("a", "result = 1"))["workflow_id"] for _ in range(5)]
    flows.post("/v1/tasks?wait=true", {"method": "list"})
    first = own.http.get("/v1/workflows?limit=2").json()
    assert [row["workflow_id"] for row in first["workflows"]] == ids[:2:-1]
    rest = own.http.get(f"/v1/workflows?cursor={first['next']}").json()
    assert [row["workflow_id"] for row in rest["workflows"]] == ids[2::-1] and rest["next"] is None
    assert own.http.get("/v1/workflows?status=active").json()["workflows"] == []
    assert len(own.http.get("/v1/workflows?status=completed").json()["workflows"]) == 5
    assert own.http.get("/v1/workflows?status=odd").status_code == 400


def test_wait_for_completion_in_the_document(flows):
    answer = flows.post("/v1/workflows", {"wait_for_completion": True, "tasks": [code("a", "result = 1")]})
    assert answer.status_code == 200 and answer.json()["status"] == "completed"


def test_id_is_taken_once(flows):
    flows.run(code("a", "result = 1"), id="only once")
    errors = flows.errors({"id": "only once", "tasks": [code("a", "result = 1")]})
    assert errors == ["Duplicate workflow ID: only once"]
    assert flows.record("only%20once")["status"] == "completed"


def test_policy_that_is_not_there(cloche):
    answer = Workflows(cloche, "nope").post("/v1/workflows", {"tasks": [code("a", "result = 1")]})
    assert answer.status_code == 403


def test_thousand_tasks_of_a_random_graph(flows):
    dice = random.Random(5)
    tasks = []
    for i in range(times(1000)):
        needs = dice.sample(range(i), min(i, dice.randrange(4)))
        tasks.append(call(f"t{i}", "len", "x" * (i % 7), needs=[f"t{k}" for k in needs]))
    workflow = flows.submit(*tasks, max_parallel_tasks=20)
    needs = {task["id"]: set(task["dependencies"]) for task in tasks}
    done, running = set(), set()
    for event in flows.events(workflow):
        if event["event"] == "task:started":
            running.add(event["task_id"])
            assert needs[event["task_id"]] <= done and len(running) <= 20, event
        elif event["event"] == "task:completed":
            running.remove(event["task_id"])
            done.add(event["task_id"])
    record = flows.record(workflow)
    assert record["status"] == "completed" and len(done) == len(tasks)
    assert all(value(record, f"t{i}") == i % 7 for i in range(len(tasks)))
