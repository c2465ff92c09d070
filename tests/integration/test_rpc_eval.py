# SPDX-License-Identifier: Apache-2.0
"""python/v1: eval. Section 3.4."""

import pytest
from rpc import FULL, Rpc
from service import SLOW

PARAMS, FORBIDDEN = -32602, -25006
DISABLED = "eval method is disabled for security. Set allow_eval=true to enable."


@pytest.fixture
def rpc(cloche):
    return Rpc(cloche, FULL)


def evaluate(rpc, expression, context=None):
    return rpc.result("eval", {"expression": expression, "context": context or {}, "allow_eval": True})


@pytest.mark.parametrize("flag", [None, False, "true", 1, "1", [], {"a": 1}, 1.0])
def test_flag_must_be_true(rpc, flag):
    assert rpc.refusal("eval", {"expression": "1", "allow_eval": flag}) == (PARAMS, DISABLED)
    assert rpc.refusal("eval", {"expression": "1"}) == (PARAMS, DISABLED)


def test_policy_must_permit_it(cloche):
    assert Rpc(cloche).refusal("eval", {"expression": "1", "allow_eval": True}) == (
        FORBIDDEN, "eval is not permitted by policy")


def test_shape_of_a_value(rpc):
    assert evaluate(rpc, "x + 1", {"x": 41}) == {"expression": "x + 1", "result": 42, "success": True}


VALUES = [
    ("sum(xs) / len(xs)", 2.0), ("[x * 2 for x in xs]", [2, 4, 6]), ("max(xs) if xs else 0", 3), ("d['a']['b']", 5),
    ("sorted(xs, key=lambda x: -x)", [3, 2, 1]), ("(lambda a, b=2: a * b)(21)", 42), ("[y := 3, y ** 2]", [3, 9]),
    ("f'{s!r}-{xs[0]:03d}'", "'ab'-001"), ("s.upper()", "AB"), ("round(2.567, 1)", 2.6), ("tuple(xs)", [1, 2, 3]),
    ("{k: v for k, v in d.items()}", {"a": {"b": 5}}), ("str(1) + 'a'", "1a"), ("10 ** 30", 10 ** 30),
    ("(f := lambda n: 1 if n < 2 else n * f(n - 1))(20)", 2432902008176640000), ("sorted([s, 'zzz'], key=len)", ["ab", "zzz"]),
    ("dict(a=1)", {"a": 1}), ("bool([])", False), ("d.get('x')", None), ("sum", 7), ("sum + len(xs)", 10),
    ("1 < 2 < 3 and not False", True), ("min(map_, key=lambda r: r[1])", ["b", 1]),
]
CONTEXT = {"xs": [1, 2, 3], "s": "ab", "d": {"a": {"b": 5}}, "sum": 7, "map_": [["a", 2], ["b", 1]]}


@pytest.mark.parametrize("expression,value", VALUES, ids=range(len(VALUES)))
def test_values(rpc, expression, value):
    context = {key: one for key, one in CONTEXT.items() if key != "sum" or not expression.startswith("sum(")}
    assert evaluate(rpc, expression, context).get("result") == value


FAILURES = [
    ("1 / 0", "division by zero", "ZeroDivisionError"), ("nope", "name 'nope' is not defined", "NameError"),
    ("open('/etc/passwd')", "name 'open' is not defined", "NameError"), ("type(1)", "name 'type' is not defined", "NameError"),
    ("range(3)", "name 'range' is not defined", "NameError"), ("getattr(1, 'x')", "name 'getattr' is not defined", "NameError"),
    ("__import__('os')", "name '__import__' is not defined", "NameError"),
    ("user.name", "'dict' object has no attribute 'name'", "AttributeError"),
    ("user.nope()", "'dict' object has no attribute 'nope'", "AttributeError"),
    ("1 +", "invalid syntax (<string>, line 1)", "SyntaxError"), ("x = 1", None, "SyntaxError"),
    ("(lambda x: x)()", "<lambda>() missing 1 required positional argument: 'x'", "TypeError"),
    ("(lambda: 1)", "Object of type function is not JSON serializable", "TypeError"),
    ("{1, 2}", "Object of type set is not JSON serializable", "TypeError"), ("user[5]", "5", "KeyError"),
    ("1j", "Object of type complex is not JSON serializable", "TypeError"),
    ("(f := lambda: f())()", "maximum recursion depth exceeded", "RecursionError"),
]


@pytest.mark.parametrize("expression,message,kind", FAILURES, ids=range(len(FAILURES)))
def test_problems_are_results(rpc, expression, message, kind):
    found = evaluate(rpc, expression, {"user": {"name": "x"}})
    assert set(found) == {"expression", "error", "success", "error_type"} and found["success"] is False
    assert found["error_type"] == kind and found["expression"] == expression
    assert message is None or found["error"] == message


REFUSED = [("().__class__", "Attribute"), ("'{0.real}'.format(1)", "Attribute"), ("'a'.format_map({})", "Attribute"),
           ("(lambda: (yield))()", "Yield"), ("[x async for x in []]", "async"), ("a @ a", "MatMult"),
           ("(lambda: 1).__globals__", "Attribute"), ("(lambda __x: 1)(1)", "Lambda"), ("xs.append", "Attribute"),
           ("xs.append(1)", "Attribute")]


@pytest.mark.parametrize("expression,node", REFUSED)
def test_refused_nodes_are_named_with_their_column(rpc, expression, node):
    found = evaluate(rpc, expression, {"a": 1, "xs": []})
    assert found["success"] is False and node in found["error"] and "column " in found["error"], found


@pytest.mark.parametrize("name", ["_x", "__builtins__", "a b", "1a", "", "a-b", "a.b"])
def test_context_names_are_identifiers(rpc, name):
    code, message = rpc.refusal("eval", {"expression": "1", "context": {name: 1}, "allow_eval": True})
    assert (code, message) == (PARAMS, f"Invalid context name: {name}")


def test_parameters_are_checked(rpc):
    assert rpc.refusal("eval", {"allow_eval": True}) == (PARAMS, "Missing 'expression' parameter")
    assert rpc.refusal("eval", {"expression": "1", "context": [], "allow_eval": True}) == (
        PARAMS, "Parameter 'context' must be an object")


def test_nothing_persists(rpc):
    assert evaluate(rpc, "(y := 5)")["result"] == 5
    assert evaluate(rpc, "y")["error"] == "name 'y' is not defined"


BOMBS = [
    "9 ** 9 ** 9", "[0] * 10 ** 9", "'a' * 10 ** 10", "(f := lambda n: [f(n - 1), f(n - 1)] if n else 1)(60)",
    "[[x for x in 'a' * 1000] for y in 'a' * 100000]", "sorted('ab' * 10000, key=lambda c: sum([1] * 1000))",
    "(f := lambda x: f(x + x))('ab')", "[f(f) for f in [lambda f: f(f)]]", "(" * 95 + "2" + ")" * 95 + "** 10 ** 8",
    "(f := lambda *a: f(*a, *a))(1)",
    "len([(lambda " + ",".join(f"a{n}" for n in range(199)) + ": 1)(*[1] * 199) for x in 'a' * 10000])",
    "(lambda " + ",".join(f"a{n}" for n in range(300)) + ": 1)", "[lambda: y for y in 'a' * 100000]",
    "(f := lambda k: {**k, f'{len(k)}': k})(f({})) if False else (g := lambda d, n: g([d, d], n - 1) if n else str(d))(1, 30)",
    "max([1] * 100000, key=lambda x: [1] * 10000)", "(lambda d: [d := d + d for _ in 'a' * 100][-1])('a')",
]


@pytest.mark.parametrize("expression", BOMBS, ids=range(len(BOMBS)))
def test_bombs_end_soon_and_as_results(rpc, expression):
    import time
    before = time.monotonic()
    found = evaluate(rpc, expression)
    assert found["success"] is False, found
    assert found["error_type"] in ("MemoryError", "TimeoutError", "RecursionError", "OverflowError", "ValueError")
    assert time.monotonic() - before < 20 * SLOW
    assert evaluate(rpc, "1 + 1")["result"] == 2
