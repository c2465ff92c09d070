# SPDX-License-Identifier: Apache-2.0
"""Documents over HTTP: content types, :validate, all problems at once, and texts that mean harm."""

import json

import pytest
from workflows import Workflows, code

ORDERS = """
name: "Order totals"
tasks:
  - {id: load, protocol: python/v1, method: execute, params: {function: orders.load, args: [may]}}
  - {id: total, protocol: python/v1, method: execute, dependencies: [load],
     params: {function: sum, args: ["${load.result.amounts}"]}}
"""


@pytest.fixture
def flows(cloche):
    return Workflows(cloche)


def validate(flows, text, kind="application/yaml"):
    return flows.service.http.post("/v1/workflows:validate", content=text, headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "application/x-yaml",
                                  "application/yaml; charset=utf-8"])
def test_yaml_is_taken(flows, kind):
    answer = validate(flows, ORDERS, kind)
    assert answer.status_code == 200
    document = answer.json()
    assert document["name"] == "Order totals" and document["max_parallel_tasks"] == 10
    assert document["on_failure"] == "continue_on_error" and document["id"].startswith("workflow-")
    assert document["tasks"][1]["params"]["args"] == ["${load.result.amounts}"]
    again = flows.service.http.post("/v1/workflows:validate", json=document)
    assert again.json() == document


EVERY_KEY = {
    "id": "every-key", "name": "Every key", "description": "of a document", "version": "1.0", "tags": ["a"],
    "metadata": {"owner": "b"}, "providers": ["c"], "max_parallel_tasks": 2, "timeout": 60, "priority": "low",
    "on_failure": "retry_failed",
    "tasks": [
        {"id": "one", "name": "The first", "description": "of two", "protocol": "python/v1", "method": "execute",
         "params": {"function": "len", "args": ["abc"]}, "priority": "high", "timeout": 30, "isolated": True,
         "retry": {"max_attempts": 2, "backoff": "fixed", "base_delay": 0.1, "max_delay": 1, "jitter": False,
                   "on": ["KeyError"]}, "metadata": {"k": 1}, "tags": ["t"]},
        {"id": "two", "method": "execute", "parameters": {"function": "sum", "args": [["${The first.result.result}", 1]]},
         "depends_on": ["The first"], "retry_config": {"max_attempts": 1}, "priority": 3}]}


def test_row_every_key(flows):
    document = flows.post("/v1/workflows:validate", EVERY_KEY).json()
    for key, value in EVERY_KEY.items():
        assert key in ("tasks", "priority") or document[key] == value, key
    one, two = document["tasks"]
    assert {key: one[key] for key in EVERY_KEY["tasks"][0]} == EVERY_KEY["tasks"][0]
    assert (two["name"], two["protocol"], two["dependencies"], two["priority"]) == ("two", "python/v1", ["one"], "low")
    assert two["retry"]["max_attempts"] == 1 and two["params"] == EVERY_KEY["tasks"][1]["parameters"]
    record = flows.post("/v1/workflows?wait=true", EVERY_KEY).json()
    assert record["status"] == "completed" and record["tasks"]["two"]["result"]["result"] == 4


def test_other_types_are_415(flows):
    assert validate(flows, ORDERS, "text/plain").status_code == 415


def test_validate_runs_nothing_and_warns(flows):
    answer = flows.post("/v1/workflows:validate", {"id": "dry", "tasks": [code("a", "x = ${a}",
                                                                               priority="soon")]})
    assert answer.json()["warnings"] == ["Task a: unknown priority 'soon', taken as normal",
                                         "Task a: 'code' is a program: no reference in it is replaced"]
    assert flows.service.http.get("/v1/workflows/dry").status_code == 404
    assert flows.post("/v1/workflows:validate", answer.json()).status_code == 200


EVERY = [
    ({"tasks": []}, ["Workflow must contain at least one task"], -28001),
    ({}, ["Workflow must contain at least one task"], -28001),
    ({"tasks": [{"id": "a", "method": "list"}, {"id": "a", "method": "list"}]}, ["Duplicate task ID: a"],
     -28001),
    ({"tasks": [{"id": "a", "method": "list", "dependencies": ["zz", "a"]}]},
     ["Task a: unknown dependency 'zz'", "Task a: cannot depend on itself"], -28001),
    ({"tasks": [{"id": "a", "method": "list", "params": {"x": "${zz.result}"}}]},
     ["Task a: reference ${zz.result} names no task"], -28001),
    ({"tasks": [{"id": "a", "method": "list", "params": {"x": ["${b.result}"]}}, {"id": "b",
                                                                                  "method": "list"}]},
     ["Task a: reference ${b.result} needs dependency 'b'"], -28001),
    ({"tasks": [{"id": "a", "method": "list", "dependencies": ["b"]}, {"id": "b", "method": "list",
                                                                       "dependencies": ["a"]}]},
     ["Circular dependencies detected: a -> b -> a"], -28006),
    ({"type": "batch", "batch": {}, "template": {"method": "list"}},
     ["Batch workflow requires 'batch.directory' to be specified"], -28001),
]


@pytest.mark.parametrize("path", ["/v1/workflows", "/v1/workflows:validate"])
@pytest.mark.parametrize("document,errors,number", EVERY)
def test_every_problem_is_said(flows, path, document, errors, number):
    assert flows.errors(document, path, number) == errors


def test_unknown_key_has_line_and_column(flows):
    text = "name: x\ntasks:\n  - id: a\n    method_: execute\n"
    errors = validate(flows, text).json()["error"]["data"]["errors"]
    assert errors == ["Task a: unknown key 'method_', did you mean 'method'? (line 4 column 5)",
                      "Task a: missing 'method'"]


def test_duplicate_key_has_line_and_column(flows):
    answer = validate(flows, "name: x\nname: y\n")
    assert answer.status_code == 422
    assert answer.json()["error"]["data"]["errors"] == ["line 2 column 1: duplicate key 'name'"]
    answer = validate(flows, '{"name": 1,\n "name": 2}', "application/json")
    assert answer.status_code == 422 and "line 2" in answer.json()["error"]["message"]


def test_task_has_no_others_to_wait_for(flows):
    assert flows.errors({"id": "t", "method": "list", "dependencies": ["x"]},
                        "/v1/tasks") == ["Task t: unknown dependency 'x'"]


def test_batch_makes_a_task_a_file(flows, cloche):
    for name in ("batch_one", "batch_two"):
        answer = cloche.http.put(f"/v1/modules/{name}", content="def f():\n    return 1\n",
                                 headers={"Content-Type": "text/x-python"})
        assert answer.status_code in (200, 201)
    document = flows.post("/v1/workflows:validate", {
        "type": "batch", "batch": {"directory": ".", "pattern": "batch_*.py"},
        "template": {"method": "python/execute", "params": {"code": "result = context['file_path']",
                                                            "context": {"k": 1}}}}).json()
    assert [task["id"] for task in document["tasks"]] == ["process-batch_one-py-0", "process-batch_two-py-1"]
    assert document["tasks"][1]["params"]["context"] == {"k": 1, "file_path": "batch_two.py"}
    record = flows.post("/v1/workflows?wait=true", document).json()
    assert record["tasks"]["process-batch_two-py-1"]["result"]["result"] == "batch_two.py"
    errors = flows.errors({"type": "batch", "batch": {"directory": "/etc"}, "template": {"method": "list"}})
    assert "Batch directory '/etc' is no folder of the file set" in errors


# ------------------------------------------------------------------------------------------------ hostile

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))

HOSTILE = [
    (LAUGHS, "application/yaml", "anchors are not taken"),
    ("a: " + "[" * 100000, "application/yaml", "nested too deeply"),
    ("[" * 100000, "application/json", "line 1"),
    ("{" + ",".join(f'"k{i}":1' for i in range(10**6)) + "}", "application/json", ""),
    ("\n".join(f"k{i}: 1" for i in range(10**6)), "application/yaml", ""),
    ("tasks: !!python/object/apply:os.system [id]", "application/yaml", "tags are not taken"),
    ("a: 1\n--- \nb: 2", "application/yaml", "a second document"),
    ("a: .inf", "application/yaml", "JSON has no infinities"),
    ("a: \x00", "application/yaml", "NUL"),
    ("? " * 5000, "application/yaml", ""),
    ("- " * 5000, "application/yaml", "nested too deeply"),
    ("a: '" + "x" * 100, "application/yaml", "not YAML"),
    ("%TAG ! tag:x,2000:\n---\na: 1", "application/yaml", "tags"),
]


@pytest.mark.parametrize("text,kind,words", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused(flows, text, kind, words):
    answer = validate(flows, text.encode(), kind)
    assert answer.status_code in (413, 422), answer.text
    if answer.status_code == 422:
        assert words in answer.json()["error"]["message"]
    assert flows.service.http.get("/healthz").status_code == 200


def test_bomb_of_references_is_stopped(flows):
    """10 tasks, each ten times as long as the one before."""
    tasks = [code("t0", "result = 'x' * 1000")]
    for i in range(1, 10):
        tasks.append(code(f"t{i}", "result = context['v']", f"t{i - 1}",
                          params={"context": {"v": f"${{t{i - 1}.result}}" * 20}}))
    record = flows.run(*tasks)
    failed = [task for task in record["tasks"].values() if task["status"] == "failed"]
    assert record["status"] == "failed" and len(failed) == 1
    assert failed[0]["code"] in (-29006, -29007, -32602, -31004, -29002)
    assert flows.service.http.get("/healthz").status_code == 200


def test_hundred_problems_are_told_and_the_rest_counted(flows):
    errors = flows.errors({"tasks": [{"id": f"t{i}", "method": "nope"} for i in range(300)]})
    assert len(errors) == 101 and errors[-1] == "... and 200 more"


def test_numbers_keep_their_digits(flows):
    text = '{"metadata":{"a":12345678901234567890123,"b":1.10,"c":1e400},"tasks":[{"id":"a","method":"list"}]}'
    assert '{"a":12345678901234567890123,"b":1.10,"c":1e400}' in validate(flows, text,
                                                                          "application/json").text
    yaml = "metadata: {a: '12', b: 007, c: yes, d: 0x10}\ntasks: [{id: a, method: list}]"
    assert json.loads(validate(flows, yaml).text)["metadata"] == {"a": "12", "b": 7, "c": "yes", "d": 16}
