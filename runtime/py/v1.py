# SPDX-License-Identifier: Apache-2.0
"""One operation of python/v1 in its jail. `plan` is [kind, name, ...] and was made by the service; `params` are the
caller's, `text` is the caller's lambda, source or expression. Kinds of functions:

    builtin NAME · lambda · module MODULE FUNCTION · source FUNCTION · file MODULE FUNCTION
"""

import builtins

BUILTINS = {
    "math.sqrt": ("math", "sqrt"), "math.sin": ("math", "sin"), "math.cos": ("math", "cos"),
    "math.factorial": ("math", "factorial"), "str.upper": ("str", "upper"), "str.lower": ("str", "lower"),
    "str.strip": ("str", "strip"), "len": (None, "len"), "sum": (None, "sum"), "max": (None, "max"),
    "min": (None, "min"), "sorted": (None, "sorted"), "json.dumps": ("json", "dumps"),
    "json.loads": ("json", "loads"),
}


class Refusal(Exception):
    """Becomes an error object instead of a result."""

    def __init__(self, message, exception_type="ValueError", reason=""):
        self.message, self.exception_type, self.reason = message, exception_type, reason


def builtin(name):
    home, word = BUILTINS[name]
    if home is None:
        return getattr(builtins, word)
    return getattr(str if home == "str" else __import__(home), word)


def from_source(plan, text, host):
    found = host["load"](text, {}).__dict__.get(plan[1])
    if not callable(found):
        raise Refusal(f"Function {plan[1]} not found")
    return found


def from_file(plan, text, host):
    """What the file defines itself, or names in its `__all__`; nothing else is exported."""
    module = host["file"](plan[1])
    name = plan[2]
    found = module.__dict__.get(name)
    listed = module.__dict__.get("__all__", ())
    is_own = getattr(found, "__module__", None) == plan[1]
    is_listed = type(listed) in (list, tuple) and name in listed
    if name.startswith("_") or not callable(found) or not (is_own or is_listed):
        raise Refusal(f"Function {plan[1]}.{name} not found")
    return found


FINDERS = {
    "builtin": lambda plan, text, host: builtin(plan[1]),
    "lambda": lambda plan, text, host: host["part"]("v1_register").make_lambda(text, Refusal),
    "module": lambda plan, text, host: host["part"]("v1_register").public(plan, host, Refusal),
    "source": from_source,
    "file": from_file,
}


def find(plan, text, host):
    return FINDERS[plan[0]](plan, text, host)


# ------------------------------------------------------------------------------------------ operations

def execute(plan, params, text, host):
    args, kwargs, wrap = params.get("args") or [], params.get("kwargs") or {}, None
    if params.get("typed") is True:
        typed = host["part"]("v1_typed")
        args, kwargs = typed.read(args, Refusal), typed.read(kwargs, Refusal)
        wrap = typed.wrap
    function = find(plan, text, host)
    return "result", function(*args, **kwargs), wrap, plan[0] == "module"


def info(plan, params, text, host):
    return "result", host["part"]("v1_describe").describe(find(plan, text, host)), None, False


def register(plan, params, text, host):
    host["part"]("v1_register").check(plan, text, host, Refusal)
    return "result", True, None, False


def evaluate(plan, params, text, host):
    context = params.get("context") or {}
    kind, value = host["part"]("v1_eval").run(text, context, host["walker"], host["eval_bytes"])
    return kind, value, None, False


def source_of(plan, text, host):
    return host["source"](plan[1] + ".py") if plan[0] == "file" else text


def code(plan, params, text, host):
    names, wrap = {key: params[key] for key in ("context", "args") if params.get(key) is not None}, None
    names.setdefault("context", names.get("args", {}))
    if params.get("typed") is True:
        typed = host["part"]("v1_typed")
        names, wrap = typed.read(names, Refusal), typed.wrap
    module = host["load"](source_of(plan, text, host), names)
    return "result", module.__dict__.get("result"), wrap, False


def validate(plan, params, text, host):
    name = plan[1] + ".py" if plan[0] == "file" else "<string>"
    try:
        compile(source_of(plan, text, host).removeprefix("\ufeff"), name, "exec", 0, True)
    except SyntaxError as error:
        return "result", {"valid": False, "error": str(error), "line": error.lineno,
                          "offset": error.offset}, None, False
    except (ValueError, MemoryError, RecursionError) as error:
        message = str(error) or "the source is nested too deeply"
        return "result", {"valid": False, "error": message, "line": None, "offset": None}, None, False
    return "result", {"valid": True, "message": "Syntax is valid"}, None, False


OPERATIONS = {"execute": execute, "info": info, "register": register, "eval": evaluate, "code": code,
              "validate": validate}


def run(operation, plan, params, text, host):
    """(kind of outcome, value, what wraps typed values or None, whether iterators are drained)."""
    try:
        return OPERATIONS[operation](plan, params, text, host)
    except Refusal as refusal:
        return "refusal", {"message": refusal.message, "exception_type": refusal.exception_type,
                           "reason": refusal.reason}, None, False
