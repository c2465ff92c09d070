# SPDX-License-Identifier: Apache-2.0
"""What may be registered: lambdas by their syntax tree, functions of modules by a table of public names."""

import sys

import _ast

ONLY_AST = 0x400
TEXT = "<string>"  # where CPython's own messages say that an expression is
FILE = "main.py"

# ------------------------------------------------------------------------------------------- lambdas

# Attributes without an underscore that lead to frames, code and what is behind them, or that read
# attributes by names in a text.
LEADS_OUT = ("gi_", "cr_", "ag_", "tb_", "f_", "co_", "func_")
READS_NAMES = frozenset({"format", "format_map", "mro"})
FORBIDDEN = (_ast.Await, _ast.Yield, _ast.YieldFrom)


def children(node):
    for field in node._fields:
        value = getattr(node, field, None)
        for one in value if type(value) is list else (value,):
            if isinstance(one, _ast.AST):
                yield one


def check_node(node, Refusal):
    if type(node) is _ast.Attribute:
        word = node.attr
        if word.startswith("_") or word.startswith(LEADS_OUT) or word in READS_NAMES:
            raise Refusal(f"Attribute {word} not allowed in a lambda")
    elif isinstance(node, FORBIDDEN):
        raise Refusal(f"{type(node).__name__} not allowed in a lambda")


def parse_lambda(text, Refusal):
    bare = text.strip()
    try:
        tree = compile(bare, TEXT, "eval", ONLY_AST, True)
        if type(tree.body) is not _ast.Lambda:
            raise Refusal("Must be a lambda expression")
        todo = [tree.body]
        while todo:
            node = todo.pop()
            check_node(node, Refusal)
            todo.extend(children(node))
        return bare, compile(bare, FILE, "eval", 0, True)
    except SyntaxError as error:
        raise Refusal(str(error), type(error).__name__) from None
    except (MemoryError, RecursionError):
        raise Refusal("The lambda is nested too deeply", "RecursionError") from None
    except ValueError as error:
        raise Refusal(str(error)) from None


def make_lambda(text, Refusal):
    _, code = parse_lambda(text, Refusal)
    return eval(code, {"__builtins__": {}})


# ------------------------------------------------------------------------------------ module functions

def words(text):
    return frozenset(text.split())


def all_public(module):
    """`__all__` where there is one, else what has no underscore."""
    names = module.__dict__.get("__all__")
    return names if type(names) in (list, tuple) else list(module.__dict__)


def lower_case(module):
    return [name for name in all_public(module) if name == name.lower()]


def hash_names(module):
    return ["new", *sorted(module.algorithms_guaranteed)]


def operators(module):
    """All but what builds functions that read attributes by name."""
    return set(all_public(module)) - words("attrgetter itemgetter methodcaller call")


# What `register` accepts: section 5 of the protocol.
PUBLIC = {
    "math": all_public, "statistics": all_public, "itertools": all_public, "base64": all_public,
    "json": words("dumps loads"), "collections": words("Counter OrderedDict"),
    "datetime": words("date time datetime timedelta timezone"),
    "functools": words(""), "operator": operators, "urllib.parse": lower_case,
    "re": words("escape findall split sub subn"), "hashlib": hash_names,
    "uuid": words("UUID uuid3 uuid4 uuid5"),
}
# A policy lists these so that files can import them; a policy that means them for `register`, too, says
# so under python.names.
FOR_FILES = words("abc asyncio bisect concurrent.futures concurrent.futures.thread contextlib contextvars copy "
                  "dataclasses decimal enum fractions heapq inspect io logging numbers os os.path pathlib queue "
                  "random string sys tempfile textwrap threading time traceback types typing zoneinfo")


def public_names(name, module, host):
    """The names that the policy's own row leaves of those of the table."""
    rule = PUBLIC.get(name, all_public)
    names = set(rule if isinstance(rule, frozenset) else rule(module))
    narrowed = host["names"].get(name)
    if narrowed is None:
        return names
    return set(narrowed) & names if name in PUBLIC else set(narrowed)


def not_listed(name, host):
    if not host["allows"](name):
        return f"python.modules of the policy does not list {name}"
    return f"{name} serves files only, unless python.names of the policy says which of its names may be registered"


def public(plan, host, Refusal):
    name, word = plan[1], plan[2]
    if not host["allows"](name) or name == "cloche" or (name in FOR_FILES and name not in host["names"]):
        raise Refusal(f"Module {name} not allowed", reason=not_listed(name, host))
    try:
        __import__(name)
    except ImportError:
        raise Refusal(f"Module {name} not allowed") from None
    module = sys.modules[name]
    try:
        value = None if word.startswith("_") else getattr(module, word)
    except AttributeError:
        raise Refusal(f"module '{name}' has no attribute '{word}'", "AttributeError") from None
    if word.startswith("_") or word not in public_names(name, module, host) or \
            not callable(value) or type(value) is type(sys):
        raise Refusal(f"Function {word} of module {name} not allowed",
                      reason="it is not among the public names of the module")
    return value


# --------------------------------------------------------------------------------------------- source

def check_source(text, name, Refusal):
    try:
        tree = compile(text.removeprefix("\ufeff"), TEXT, "exec", ONLY_AST, True)
        compile(text.removeprefix("\ufeff"), FILE, "exec", 0, True)
    except SyntaxError as error:
        raise Refusal(str(error), type(error).__name__) from None
    except (MemoryError, RecursionError):
        raise Refusal("The source is nested too deeply", "RecursionError") from None
    except ValueError as error:
        raise Refusal(str(error)) from None
    if not any(type(node) in (_ast.FunctionDef, _ast.AsyncFunctionDef) and node.name == name
               for node in tree.body):
        raise Refusal(f"The source defines no function {name}")


def check(plan, text, host, Refusal):
    if plan[0] == "lambda":
        parse_lambda(text, Refusal)
    elif plan[0] == "module":
        public(plan, host, Refusal)
    else:
        check_source(text, plan[1], Refusal)
