# SPDX-License-Identifier: Apache-2.0
"""Every key below `python:` of a policy, flipped: the jail changes with it."""

import json

import pytest
from service import Service

HEAD = "version: 1\nextends: default\ndescription: Tests only.\n"
# name -> what stands below `python:`; each differs from `default` in one key
FLIPPED = {
    "listed": "modules: [math, json]",
    "grown": "modules: +[shlex]",
    "shrunk": "modules: -[json]\n  preload: -[json]",
    "named": "names: {json: [dumps], uuid: [UUID, uuid4]}",
    "everything": "preload: all",
    "nothing": "preload: none",
    "some": "preload: [decimal]",
    "strictly": "modules: [math, bisect]\n  preload: none\n  transitive: listed",
    "evaluates": "eval: true",
    "open": "builtins: {remove: []}",
    "mute": "builtins: {remove: {add: [print, eval]}}",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "policies").mkdir()
    for name, text in FLIPPED.items():
        (folder / f"policies/{name}.yaml").write_text(f"{HEAD}python:\n  {text}\npool: {{min: 1, max: 2}}\n")
    with Service(config=folder) as service:
        yield service


def denied(envelope):
    assert envelope["verdict"] == "denied", envelope
    return envelope["denied"]["rule"], envelope["denied"]["name"]


def loaded(service, policy, name):
    """Whether a module was there before the call: what is preloaded imports in no time and binds its parts."""
    source = """
import time, math
def main(name):
    start = time.perf_counter()
    __import__(name)
    return time.perf_counter() - start
"""
    return min(service.call(source, policy=policy, args=[name])["result"] for _ in range(3))


def test_modules_replaces_the_list(keys):
    assert keys.call("import math, json\ndef main(): return json.dumps(math.floor(1.5))", policy="listed")["result"] == "1"
    assert denied(keys.call("import re\ndef main(): pass", policy="listed")) == ("modules", "re")
    assert keys.call("import re\ndef main(): return 1")["result"] == 1


def test_modules_adds_and_removes(keys):
    source = "import shlex\ndef main(): return shlex.split('a \"b c\"')"
    assert keys.call(source, policy="grown")["result"] == ["a", "b c"]
    assert denied(keys.call(source)) == ("modules", "shlex")
    assert denied(keys.call("import json\ndef main(): pass", policy="shrunk")) == ("modules", "json")


def test_names_narrow_modules(keys):
    assert keys.call("import json\ndef main(): return json.dumps([1])", policy="named")["result"] == "[1]"
    assert denied(keys.call("import json\ndef main(): return json.loads('1')", policy="named")) == ("names", "loads")
    assert denied(keys.call("from json import loads\ndef main(): pass", policy="named")) == ("names", "loads")
    assert denied(keys.call("import uuid\ndef main(): return uuid.getnode()", policy="named")) == ("names", "getnode")
    assert keys.call("import json\ndef main(): return json.loads('1')")["result"] == 1


def test_preload_says_what_is_loaded_before_a_call(keys):
    """An import from memory takes a hundred times what it takes to find a module that is there."""
    late = loaded(keys, "nothing", "decimal")
    assert loaded(keys, "everything", "decimal") < late / 4
    assert loaded(keys, "some", "decimal") < late / 4
    assert loaded(keys, "some", "statistics") > loaded(keys, "everything", "statistics") * 4


def test_transitive_listed_refuses_a_policy_that_needs_more(tmp_path):
    (tmp_path / "policies").mkdir()
    text = f"{HEAD}python:\n  modules: [fractions]\n  preload: none\n  transitive: {{}}\npool: {{min: 1, max: 2}}\n"
    answers = {}
    for word in ("allow", "listed"):
        (tmp_path / "policies/tight.yaml").write_text(text.replace("{}", word))
        with Service(config=tmp_path) as service:
            answer = service.post({"source": "import fractions\ndef main(): return str(fractions.Fraction(1, 2))",
                                   "policy": "tight"})
            answers[word] = answer.json().get("result"), "needed by a listed one" in "".join(service.log)
    assert answers["allow"] == ("1/2", False)
    assert answers["listed"] == (None, True)


def test_transitive_listed_runs_what_is_complete(keys):
    assert keys.call("import bisect\ndef main(): return bisect.bisect([1, 2], 1)", policy="strictly")["result"] == 1


def test_eval_opens_the_evaluator(keys):
    answer = keys.http.post("/v1/eval", json={"expression": "1 + 1", "policy": "evaluates"})
    assert answer.status_code == 200 and answer.json()["result"] == 2, answer.text
    answer = keys.http.post("/v1/eval", json={"expression": "1 + 1", "policy": "grown"})
    assert answer.status_code == 200 and denied(answer.json())[0] == "eval", answer.text


def test_builtins_remove_takes_away_and_gives_back(keys):
    assert denied(keys.call("def main(): return open('/x')")) == ("builtins", "open")
    assert denied(keys.call("def main(): return open('/x')", policy="open")) == ("files", "/x")
    assert denied(keys.call("def main(): return eval('1')", policy="mute")) == ("builtins", "eval")
    assert keys.call("def main(): return eval('1')")["result"] == 1
    assert denied(keys.call("def main(): print(1)", policy="mute")) == ("builtins", "print")


def test_the_effective_lists_can_be_read(keys):
    answer = keys.http.get("/v1/policies/named")
    assert answer.status_code == 200, answer.text
    assert "dumps" in json.dumps(answer.json())
