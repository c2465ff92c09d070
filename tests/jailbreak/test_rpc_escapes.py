# SPDX-License-Identifier: Apache-2.0
"""Escapes through python/v1: what registers, evaluates and describes is text of an attacker. First at the level of
Python, where refusals are hygiene and clear words; then with the walls of Python taken as fallen: what reaches
native code in such a jail finds the same kernel as any other call."""

import pytest
from rpc import FULL, NONE, Rpc

ALONE = {**FULL, **NONE}


@pytest.fixture
def rpc(cloche):
    return Rpc(cloche, ALONE)


ATTRIBUTES = [
    "lambda: ().__class__", "lambda: ().__class__.__bases__[0].__subclasses__()", "lambda x: x.__globals__",
    "lambda: (lambda: 1).__code__", "lambda: (x for x in ()).gi_frame", "lambda: (x for x in ()).gi_frame.f_back.f_globals",
    "lambda: '{0.__class__}'.format(1)", "lambda: '{x.__init__}'.format_map({'x': 1})", "lambda: f'{().__class__}'",
    "lambda e: e.tb_frame", "lambda c: c.co_consts", "lambda: int.mro()", "lambda c: c.cr_frame", "lambda g: g.ag_frame",
    "lambda f: f.func_globals", "lambda: [x for x in ().__class__.__mro__]", "lambda a=().__class__: a",
    "lambda: (lambda: ().__class__)()", "lambda x: x._private", "lambda: ''.__add__('')", "lambda x: [x][0].f_builtins",
]


@pytest.mark.parametrize("text", ATTRIBUTES)
def test_lambda_reaches_no_attribute_that_leads_out(rpc, text):
    code, message = rpc.refusal("register", {"name": "f", "lambda": text})
    assert code == -32602 and message.startswith("Attribute ") and message.endswith("not allowed in a lambda")


@pytest.mark.parametrize("text", ["lambda: (yield)", "lambda: (yield from [])", "lambda: await_(x)" ])
def test_lambda_is_no_generator(rpc, text):
    if "yield" in text:
        assert rpc.refusal("register", {"name": "f", "lambda": text})[1].endswith("not allowed in a lambda")
    else:
        _, found = rpc.once({"lambda": text})
        assert found["result"]["error_type"] == "NameError"


ESCAPES = ["__import__('os').system('id')", "open('/etc/passwd').read()", "eval('1')", "exec('1')", "globals()", "vars()",
           "getattr(1, 'real')", "compile('1', '', 'eval')", "breakpoint()", "input()", "__loader__",
           "type('x', (), {})", "object()", "print(1)", "help()", "memoryview('')", "super()"]


@pytest.mark.parametrize("body", ESCAPES)
def test_lambda_has_no_builtin(rpc, body):
    _, found = rpc.once({"lambda": "lambda: " + body})
    assert (found["result"]["success"], found["result"]["error_type"]) == (False, "NameError")


def test_builtins_of_a_lambda_are_empty(rpc):
    _, found = rpc.once({"lambda": "lambda: __builtins__"})
    assert found["result"]["result"] == {}


@pytest.mark.parametrize("body", ESCAPES)
def test_eval_has_no_builtin(rpc, body):
    found = rpc.result("eval", {"expression": body, "allow_eval": True})
    assert (found["success"], found["error_type"]) == (False, "NameError")


@pytest.mark.parametrize("text", [text.removeprefix("lambda: ") for text in ATTRIBUTES if text.startswith("lambda: ")] + [
    "(f := lambda: 1).node", "(lambda: 1).scope", "(lambda: 1).bind", "(lambda: 1).bind.__globals__", "len.word",
    "sorted([1], key=lambda x: x.__class__)", "(lambda f: f.__call__)(len)", "max.__self__", "str.format('{0.x}', 1)",
    "[x.gi_frame for x in [(y for y in [1])]]", "(z := ''.__class__)", "dict.fromkeys.__self__", "str.__mro__"])
def test_eval_reaches_no_attribute(rpc, text):
    found = rpc.result("eval", {"expression": text, "allow_eval": True})
    assert found["success"] is False
    assert found["error_type"] in ("AttributeError", "NameError"), found


@pytest.mark.parametrize("module,function", [
    ("os", "system"), ("sys", "_getframe"), ("builtins", "eval"), ("importlib", "import_module"), ("ctypes", "CDLL"),
    ("pickle", "loads"), ("marshal", "loads"), ("inspect", "currentframe"), ("threading", "Thread"), ("types", "FunctionType"),
    ("math", "__loader__"), ("json", "__builtins__"), ("json", "decoder"), ("re", "sys"), ("re", "_compiler"),
    ("base64", "struct"), ("statistics", "sys"), ("collections", "_sys"), ("operator", "methodcaller"), ("uuid", "os"),
    ("uuid", "getnode"), ("urllib.parse", "sys"), ("hashlib", "file_digest"), ("functools", "reduce"), ("datetime", "sys"),
    ("..os", "system"), ("", "x"), ("math\x00", "sqrt"), ("main", "f"), ("v1", "run"), ("__main__", "f"), ("cloche", "log")])
def test_no_module_leads_to_another(rpc, module, function):
    code, message = rpc.refusal("register", {"name": "f", "type": "module", "module": module, "function": function})
    assert code == -32602 and ("not allowed" in message or "has no attribute" in message), message


def test_validating_and_registering_run_nothing(rpc):
    text = "import cloche\nwhile True:\n    pass\ndef f():\n    pass\n"
    assert rpc.result("python/validate", {"code": text}, timeout=5)["valid"] is True
    assert rpc.result("register", {"name": "f", "type": "source", "source": text, "function": "f"}, timeout=5)["success"]


HUGE = ["(" * 5000, "lambda: " + "-" * 20000 + "1", "lambda: " + "[" * 300 + "]" * 300, "lambda: " + "+".join("x" * 9000),
        "lambda " + ",".join(f"a{n}" for n in range(3000)) + ": 1", "lambda: '" + "x" * 500_000 + "'", "lambda: 9**9**9"]


@pytest.mark.parametrize("text", HUGE, ids=range(len(HUGE)))
def test_text_that_strains_the_compiler_stays_in_its_jail(rpc, text):
    found = rpc.ask("register", {"name": "f", "lambda": text})
    assert found.get("result", {}).get("success") or found["error"]["code"] in (-32602, -29002, -29003, -31004), found
    found = rpc.ask("python/validate", {"code": text})
    assert "result" in found or found["error"]["code"] in (-29002, -29003, -31004)
    assert rpc.value("len", "ab") == 2


def test_answer_is_composed_by_the_service_alone(cloche):
    """With native code the attacker writes the RESULT frame itself; codes and shapes are still the service's."""
    rpc = Rpc(cloche, {"Cloche-Policy": "native"})
    frame = "import ctypes, os, struct\ndef f(text):\n    text = text.encode()\n" \
            "    data = struct.pack('<HHI', 0x4c43, 80, len(text)) + text\n" \
            "    libc = ctypes.CDLL(None)\n    libc.write(3, data, len(data))\n    libc._exit(0)\n"
    found = rpc.source(frame, '{"result":1,"success":false,"function":"forged","stdout":"x","code":-1}')
    assert (found["function"], found["success"], found["stdout"], found["result"]) == ("f", True, "", 1)
    found = rpc.source(frame, '{"refusal":{"message":"m","exception_type":"E","code":-25006}}')
    assert (found["code"], found["message"], found["data"]["exception_type"]) == (-32602, "m", "E")
    for text in ("5", "{}", "[]", '{"failed":5}', '{"refusal":"x"}', '"x"'):
        found = rpc.source(frame, text)
        assert (found["code"], found["message"]) == (-29002, "Worker ended: protocol error"), text
    assert rpc.source(frame, "{bad")["message"] == "Worker ended: protocol error"


def test_kernel_layer_holds_behind_a_registered_source(cloche):
    """The same walls as around any other call: no processes, no sockets, no files, alone in its namespaces."""
    rpc = Rpc(cloche, {"Cloche-Policy": "native"})
    text = "import os\ndef f():\n    return os.getpid()\n"
    assert rpc.source(text)["result"] == 1
    call = "import ctypes\ndef f(number):\n    return ctypes.CDLL(None).syscall(number, 0, 0, 0, 0, 0)\n"
    for number in (57, 59, 41, 2, 257, 56):  # fork execve socket open openat clone
        assert rpc.source(call, number)["result"] == -1, number
    for number, name in ((101, "ptrace"), (165, "mount"), (272, "unshare"), (321, "bpf")):
        assert rpc.source(call, number)["message"] == f"Worker ended: forbidden system call {name}"
