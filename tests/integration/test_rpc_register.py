# SPDX-License-Identifier: Apache-2.0
"""python/v1: what may be registered, in which words the rest is refused, and how long it lasts. Section 3.2."""

import os
import signal

import httpx
import pytest
from rpc import FULL, NONE, Rpc
from service import wait_until

PARAMS = -32602


@pytest.fixture
def rpc(cloche):
    """A caller whose names are its session's; each test uses its own."""
    return Rpc(cloche)


@pytest.fixture
def kept(own):
    """A caller in the default session of its key."""
    return Rpc(own, FULL)


REFUSALS = [
    ({}, "Missing 'name' parameter"), ({"name": ""}, "Missing 'name' parameter"),
    ({"name": 5, "lambda": "lambda: 1"}, "Missing 'name' parameter"),
    ({"name": "f"}, "Missing 'lambda' parameter"), ({"name": "f", "lambda": None}, "Missing 'lambda' parameter"),
    ({"name": "f", "lambda": 5}, "Missing 'lambda' parameter"),
    ({"name": "f", "lambda": ""}, "invalid syntax (<string>, line 0)"),
    ({"name": "f", "lambda": "x + 1"}, "Must be a lambda expression"),
    ({"name": "f", "lambda": "(lambda: 1)()"}, "Must be a lambda expression"),
    ({"name": "f", "lambda": "lambda: 1, 2"}, "Must be a lambda expression"),
    ({"name": "f", "lambda": "[lambda: 1]"}, "Must be a lambda expression"),
    ({"name": "f", "lambda": "__import__('os').system('id')"}, "Must be a lambda expression"),
    ({"name": "f", "lambda": "lambda x:"}, "invalid syntax (<string>, line 1)"),
    ({"name": "f", "lambda": "lambda x: x; 1"}, "invalid syntax (<string>, line 1)"),
    ({"name": "f", "type": "module"}, "Missing 'module' parameter"),
    ({"name": "f", "type": "module", "module": "math"}, "Missing 'function' parameter"),
    ({"name": "f", "type": "module", "module": "os", "function": "system"}, "Module os not allowed"),
    ({"name": "f", "type": "module", "module": "subprocess", "function": "run"}, "Module subprocess not allowed"),
    ({"name": "f", "type": "module", "module": "urllib", "function": "parse"}, "Module urllib not allowed"),
    ({"name": "f", "type": "module", "module": "math.sqrt", "function": "x"}, "Module math.sqrt not allowed"),
    ({"name": "f", "type": "module", "module": "cloche", "function": "log"}, "Module cloche not allowed"),
    ({"name": "f", "type": "module", "module": "typing", "function": "cast"}, "Module typing not allowed"),
    ({"name": "f", "type": "module", "module": "math", "function": "nope"}, "module 'math' has no attribute 'nope'"),
    ({"name": "f", "type": "module", "module": "math", "function": "__loader__"},
     "Function __loader__ of module math not allowed"),
    ({"name": "f", "type": "module", "module": "math", "function": "_nope"},
     "Function _nope of module math not allowed"),
    ({"name": "f", "type": "module", "module": "math", "function": "pi"}, "Function pi of module math not allowed"),
    ({"name": "f", "type": "module", "module": "json", "function": "load"},
     "Function load of module json not allowed"),
    ({"name": "f", "type": "module", "module": "json", "function": "codecs"},
     "Function codecs of module json not allowed"),
    ({"name": "f", "type": "module", "module": "functools", "function": "partial"},
     "Function partial of module functools not allowed"),
    ({"name": "f", "type": "module", "module": "operator", "function": "attrgetter"},
     "Function attrgetter of module operator not allowed"),
    ({"name": "f", "type": "module", "module": "operator", "function": "call"},
     "Function call of module operator not allowed"),
    ({"name": "f", "type": "module", "module": "urllib.parse", "function": "ParseResult"},
     "Function ParseResult of module urllib.parse not allowed"),
    ({"name": "f", "type": "module", "module": "re", "function": "compile"},
     "Function compile of module re not allowed"),
    ({"name": "f", "type": "module", "module": "base64", "function": "binascii"},
     "Function binascii of module base64 not allowed"),
    ({"name": "f", "type": "source", "function": "f"}, "Missing 'source' parameter"),
    ({"name": "f", "type": "source", "source": "def f(): pass"}, "Missing 'function' parameter"),
    ({"name": "f", "type": "source", "source": "x = 1", "function": "f"}, "The source defines no function f"),
    ({"name": "f", "type": "source", "source": "f = lambda: 1", "function": "f"}, "The source defines no function f"),
    ({"name": "f", "type": "nope"}, "Unknown function type: nope"),
    ({"name": "f", "type": "serialized"}, "Pickle deserialization disabled for security"),
    ({"name": "f", "type": "serialized", "data": "gASV", "allow_pickle": True},
     "Pickle deserialization disabled for security"),
    ({"name": "len", "lambda": "lambda x: 1"}, "Function len already exists"),
    ({"name": "math.sqrt", "lambda": "lambda x: 1", "overwrite": "true"}, "Function math.sqrt already exists"),
]


@pytest.mark.parametrize("params,message", REFUSALS, ids=range(len(REFUSALS)))
def test_refusal_in_the_words_of_the_protocol(rpc, params, message):
    assert rpc.refusal("register", params) == (PARAMS, message)


@pytest.mark.parametrize("name", ["1f", "a-b", "a b", "ü", ".f", "f()", "x" * 129, "a\n"])
def test_names_are_plain(rpc, name):
    code, message = rpc.refusal("register", {"name": name, "lambda": "lambda: 1"})
    assert code == PARAMS and message.startswith("Invalid function name")


def test_exception_type_is_that_of_python(rpc):
    def kind(**params):
        return rpc.error("register", {"name": "f", **params})["data"]["exception_type"]
    assert kind(type="module", module="math", function="nope") == "AttributeError"
    assert kind(**{"lambda": "lambda x:"}) == "SyntaxError"
    assert kind(**{"lambda": "x"}) == "ValueError"


LAMBDAS = [
    ("lambda x: x * 2", [21], 42), ("  lambda x: x + 1  ", [1], 2), ("(lambda: 'p')", [], "p"),
    ("lambda *a, **k: [a[0], a[1:]]", [1, 2, 3], [1, [2, 3]]), ("lambda x, y=5: x + y", [1], 6),
    ("lambda xs: [x for x in xs if x % 2]", [[1, 2, 3]], [1, 3]), ("lambda s: f'{s!r:>5}'", ["a"], "  'a'"),
    ("lambda s: s.upper().split(',')", ["a,b"], ["A", "B"]), ("lambda n: (lambda k: k * n)(3)", [2], 6),
    ("lambda d: {k: v for k, v in d.items()}", [{"a": 1}], {"a": 1}), ("lambda x: x if x > 0 else -x", [-3], 3),
    ("lambda x, acc=[]: acc.append(x) or acc", [1], [1]), ("lambda x: (y := x + 1) * y", [2], 9),
]


@pytest.mark.parametrize("text,args,value", LAMBDAS, ids=range(len(LAMBDAS)))
def test_lambdas_compute(rpc, text, args, value):
    first, second = rpc.once({"lambda": text}, call={"args": args}, **NONE)
    assert first["result"] == {"registered": "f", "type": "lambda", "success": True}
    assert second["result"].get("result") == value, second


@pytest.mark.parametrize("text,name", [("lambda x: len(x)", "len"), ("lambda: open('/etc/passwd')", "open"),
                                       ("lambda: __import__('os')", "__import__"), ("lambda: print(1)", "print")])
def test_lambdas_see_no_builtins(rpc, text, name):
    _, second = rpc.once({"lambda": text}, call={"args": [[]] if name == "len" else []}, **NONE)
    found = second["result"]
    assert (found["success"], found["error"], found["error_type"]) == (
        False, f"name '{name}' is not defined", "NameError")


def test_default_object_is_fresh_for_each_call(rpc):
    found = rpc.batch(("register", {"name": "f", "lambda": "lambda x, acc=[]: acc.append(x) or acc"}),
                      ("execute", {"function": "f", "args": [1]}), ("execute", {"function": "f", "args": [2]}))
    assert [one["result"].get("result") for one in found[1:]] == [[1], [2]]


MODULES = [
    ("urllib.parse", "urlparse", ["https://a.example/b?c=1#d"], {},
     ["https", "a.example", "/b", "", "c=1", "d"]),
    ("math", "comb", [5, 2], {}, 10), ("math", "isnan", [1], {}, False), ("statistics", "mean", [[1, 2, 3]], {}, 2),
    ("itertools", "permutations", [[1, 2]], {}, [[1, 2], [2, 1]]), ("itertools", "islice", ["abcdef", 2], {}, ["a", "b"]),
    ("json", "dumps", [{"b": 1}], {"sort_keys": True}, '{"b": 1}'), ("collections", "Counter", ["aab"], {}, {"a": 2, "b": 1}),
    ("operator", "add", [2, 3], {}, 5), ("re", "findall", [r"\d+", "a1b22"], {}, ["1", "22"]),
    ("urllib.parse", "quote", ["a b"], {}, "a%20b"), ("urllib.parse", "parse_qs", ["a=1&a=2"], {}, {"a": ["1", "2"]}),
]


@pytest.mark.parametrize("module,function,args,kwargs,value", MODULES, ids=range(len(MODULES)))
def test_functions_of_modules(rpc, module, function, args, kwargs, value):
    first, second = rpc.once({"type": "module", "module": module, "function": function},
                             call={"args": args, "kwargs": kwargs}, **NONE)
    assert first["result"]["type"] == "module"
    assert second["result"].get("result") == value, second


def test_source_with_helpers_imports_and_classes(rpc):
    text = "import statistics\nfrom dataclasses import dataclass, asdict\n@dataclass\nclass P:\n    x: float\n" \
           "def f(xs):\n    return asdict(P(statistics.mean(xs)))\n"
    assert rpc.source(text, [1, 3])["result"] == {"x": 2}


# ------------------------------------------------------------------------------------------- how long

def test_registration_lasts_with_the_session_of_the_key(kept):
    kept.result("register", {"name": "twice", "lambda": "lambda x: x * 2"})
    assert kept.value("twice", 4) == 8
    assert kept.result("list")["functions"][-1] == "twice"
    kept.result("register", {"name": "thrice", "lambda": "lambda x: x * 3"})
    kept.result("register", {"name": "twice", "lambda": "lambda x: x + x"})
    assert kept.result("list", {"source": "registered"})["functions"] == ["twice", "thrice"]
    assert kept.value("twice", [1]) == [1, 1]
    assert kept.result("unregister", {"name": "twice"}) == {"unregistered": "twice", "success": True}
    assert kept.refusal("execute", {"function": "twice"}) == (PARAMS, "Function twice not found")
    assert kept.refusal("unregister", {"name": "twice"}) == (PARAMS, "Function twice not found")


def test_session_none_sees_nothing_of_the_others(kept):
    kept.result("register", {"name": "f", "lambda": "lambda: 1"})
    alone = Rpc(kept.cloche, {**FULL, **NONE})
    assert alone.refusal("execute", {"function": "f"}) == (PARAMS, "Function f not found")
    assert alone.result("register", {"name": "f", "lambda": "lambda: 2"})["success"] is True
    assert alone.refusal("execute", {"function": "f"}) == (PARAMS, "Function f not found")
    assert kept.value("f") == 1


def test_sessions_do_not_see_each_other(kept):
    one, two = (Rpc(kept.cloche, {"Cloche-Session": kept.cloche.http.post(
        "/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]}) for _ in range(2))
    one.result("register", {"name": "f", "lambda": "lambda: 'one'"})
    two.result("register", {"name": "f", "lambda": "lambda: 'two'"})
    assert (one.value("f"), two.value("f")) == ("one", "two")
    assert kept.refusal("execute", {"function": "f"})[0] == PARAMS


def test_policy_may_forbid_it(cloche):
    closed = Rpc(cloche, {"Cloche-Policy": "closed"})
    for params in ({"name": "f", "lambda": "lambda: 1"}, {"name": "f", "type": "module", "module": "math",
                                                          "function": "gcd"}):
        assert closed.refusal("register", params) == (-25006, "register is not permitted by policy")
        assert closed.refusal("python/register", params) == (-25006, "register is not permitted by policy")
    assert closed.error("register", params)["data"]["exception_type"] == "PermissionError"
    assert closed.refusal("register", {"lambda": "lambda: 1"}) == (PARAMS, "Missing 'name' parameter")
    assert closed.value("len", "ab") == 2


def test_overwritten_name_is_listed_once_in_its_old_place(kept):
    before = kept.result("list")["functions"]
    kept.result("register", {"name": "own", "lambda": "lambda: 1"})
    kept.result("register", {"name": "len", "lambda": "lambda x: 'mine'", "overwrite": True})
    found = kept.result("list")
    assert found["functions"] == [*before, "own"] and found["count"] == len(before) + 1
    assert kept.result("list", {"source": "registered"}) == {"functions": ["own", "len"], "count": 2}


def test_overwriting_a_builtin_counts_here_and_is_undone(kept):
    kept.result("register", {"name": "len", "lambda": "lambda x: 'mine'", "overwrite": True})
    assert kept.value("len", "abc") == "mine"
    assert Rpc(kept.cloche, {**FULL, **NONE}).value("len", "abc") == 3
    kept.result("unregister", {"name": "len"})
    assert kept.value("len", "abc") == 3


def test_unregister_does_not_touch_builtins(kept):
    assert kept.refusal("unregister", {"name": "len"}) == (PARAMS, "Function len not found")
    assert kept.refusal("unregister", {}) == (PARAMS, "Missing 'name' parameter")


def test_registrations_are_bounded(kept):
    for start in range(0, 500, 100):
        kept.batch(*[("register", {"name": f"f{at}", "lambda": "lambda: 1"}) for at in range(start, start + 100)])
    code, message = kept.refusal("register", {"name": "one_more", "lambda": "lambda: 1"})
    assert code == -31004 and "at most 500" in message
    assert kept.result("register", {"name": "f0", "lambda": "lambda: 2"})["success"] is True


def test_a_memory_limit_takes_the_globals_and_leaves_the_registrations(kept):
    http = kept.cloche.http
    session = http.post("/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]
    rpc = Rpc(kept.cloche, {"Cloche-Session": session})
    rpc.result("register", {"name": "twice", "lambda": "lambda x: 2 * x"})

    def call(source):
        return http.post("/v1/calls", json={"source": source}, headers={"Cloche-Session": session}).json()
    count = "n = 0\ndef main():\n    global n\n    n += 1\n    return n\n"
    assert [call(count)["result"] for _ in range(2)] == [1, 2] and rpc.value("twice", 3) == 6
    found = call("def main(): return len(bytearray(1 << 30))")
    assert (found["verdict"], found["limit"]["name"]) == ("limit", "memory")
    assert http.get(f"/v1/sessions/{session}").json()["restarts"] == 1
    found = call(count)
    assert found["result"] == 1 and found["session"] == {"id": session, "restarts": 1, "restarted": True}
    assert rpc.result("list", {"source": "registered"})["functions"] == ["twice"] and rpc.value("twice", 4) == 8


def test_registrations_go_with_their_session(kept):
    session = kept.cloche.http.post("/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]
    rpc = Rpc(kept.cloche, {"Cloche-Session": session})
    rpc.result("register", {"name": "f", "lambda": "lambda: 1"})
    assert rpc.value("f") == 1
    kept.cloche.http.delete(f"/v1/sessions/{session}")
    assert rpc.post({"jsonrpc": "2.0", "id": 1, "method": "list"}).status_code == 404


def test_what_a_killed_service_left_is_cleared(kept):
    kept.result("register", {"name": "f", "lambda": "lambda: 1"})
    os.kill(kept.cloche.api()[0], signal.SIGKILL)

    def answers():
        try:
            return kept.post({"jsonrpc": "2.0", "id": 1, "method": "list"}).status_code == 200
        except httpx.HTTPError:
            return False
    wait_until(answers, 20, "another API")
    assert kept.refusal("execute", {"function": "f"}) == (PARAMS, "Function f not found")
    assert kept.result("register", {"name": "f", "lambda": "lambda: 2"})["success"] is True
    assert kept.value("f") == 2


def test_policy_without_modules_has_it_too(cloche):
    """What registering itself needs of Python is there, whether the policy's modules bring it along or not."""
    strict = Rpc(cloche, {"Cloche-Policy": "strict"})
    assert strict.result("register", {"name": "f", "lambda": "lambda: 1"}) == {
        "registered": "f", "type": "lambda", "success": True}
    assert strict.result("register", {"name": "g", "type": "module", "module": "math", "function": "gcd"})["success"]
    assert strict.refusal("register", {"name": "h", "lambda": "lambda: ().__class__"})[0] == PARAMS
