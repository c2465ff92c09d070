# SPDX-License-Identifier: Apache-2.0
"""Restricted eval by python/v1's rules, on the walker of eval.py, in a process that evaluates nothing else.
What is different: fifteen functions, lambdas and walrus, names that Python itself would miss are Python's own
NameError, and an attribute that an object lacks its own AttributeError.

A lambda is a node and the scope around it. Its arguments are bound by CPython, through a function that is
made of their names alone and gives them back as a dict: the one code object here, and nothing of the body is
in it."""

import _ast

FUNCTIONS = frozenset("len sum max min abs round sorted list dict set tuple str int float bool".split())
TEXT = "<string>"
CALLS_MAX = 40      # lambdas inside of each other
NAMES_MAX = 200     # parameters of one lambda
CONTEXT_MAX = 256   # characters of one name

walker = None       # eval.py; the parts behind it, as dicts of their names
tree = None
calls = None
cost = None


def install(module):
    """Takes the walker over."""
    global walker, tree, calls, cost
    walker = module
    tree, calls = module.check.__globals__, module.call_function.__globals__
    cost = module.tick.__globals__
    module.takes_function = tree["takes_function"] = lambda *_: False
    module.HANDLERS.update({_ast.Name: name, _ast.Attribute: attribute, _ast.Call: call, _ast.Lambda: make,
                            _ast.NamedExpr: assign})
    tree["FILE"] = TEXT
    tree["NODES"] |= {_ast.Lambda, _ast.NamedExpr, _ast.arguments, _ast.arg}
    tree["Check"] = type("Check", (tree["Check"],), {"comprehension": check_comprehension})
    tree["SPECIAL"].update({
        _ast.Name: check_name, _ast.Attribute: check_attribute, _ast.Call: check_call,
        _ast.Lambda: check_lambda, _ast.NamedExpr: check_walrus})


# ------------------------------------------------------------------------------------ functions as values

class Depth:
    now = 0


class builtin_function_or_method:
    """One of the fifteen."""
    __slots__ = ("word",)

    def __init__(self, word):
        self.word = word

    def __call__(self, *args, **named):
        return walker.call_function(self.word, list(args), named)


class function:
    """A lambda."""
    __slots__ = "node", "scope", "bind"

    def __call__(self, *args, **named):
        return apply(self, args, named)


CALLABLE = (function, builtin_function_or_method)
binders = {}  # of each node: the code that makes its function


def parameters(arguments):
    rest = (arguments.vararg, arguments.kwarg)
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *filter(None, rest)]


def binder(node):
    """Code of a lambda with the same parameters, and nothing but None for defaults and names for a body."""
    if node not in binders:
        old = node.args
        nothing = _ast.Constant(None)
        arguments = _ast.arguments(
            posonlyargs=old.posonlyargs, args=old.args, vararg=old.vararg, kwonlyargs=old.kwonlyargs,
            kwarg=old.kwarg, defaults=[nothing for _ in old.defaults],
            kw_defaults=[one and nothing for one in old.kw_defaults])
        words = [one.arg for one in parameters(old)]
        body = _ast.Dict([_ast.Constant(word) for word in words], [_ast.Name(word, _ast.Load()) for word in words])
        expression = _ast.Expression(_ast.Lambda(arguments, body))
        todo = [expression]
        while todo:
            one = todo.pop()
            if "lineno" in one._attributes:
                one.lineno = one.end_lineno = 1
                one.col_offset = one.end_col_offset = 0
            todo.extend(tree["children"](one))
        walker.tick(50 + 5 * len(words))
        binders[node] = compile(expression, TEXT, "eval", 0, True)
    return eval(binders[node], {"__builtins__": {}})


def make(node, scope):
    found = function()
    found.node, found.scope = node, scope
    defaults = tuple(walker.value_of(one, scope) for one in node.args.defaults)
    named = {one.arg: walker.value_of(default, scope)
             for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults) if default is not None}
    walker.tick(2 + len(defaults) + len(named))
    walker.charge(walker.ITEM_BYTES * (8 + len(defaults) + len(named)))
    found.bind = binder(node)
    found.bind.__defaults__, found.bind.__kwdefaults__ = defaults, named
    return found


class Frame:
    """The names of one call of a lambda; what a walrus in it binds is in `local`."""
    __slots__ = "values", "local", "outer"

    def __init__(self, values, local, outer):
        self.values, self.local, self.outer = values, local, outer


def apply(lambda_, args, named):
    """One call of a lambda with values."""
    walker.tick(3 + len(args) + len(named))
    walker.charge(walker.ITEM_BYTES * (4 + len(args) + len(named)))
    values = lambda_.bind(*args, **named)
    if Depth.now >= CALLS_MAX:
        raise RecursionError("maximum recursion depth exceeded")
    Depth.now += 1
    try:
        return walker.value_of(lambda_.node.body, Frame(values, bound_in(lambda_.node), lambda_.scope))
    finally:
        Depth.now -= 1


assigned = {}  # of each lambda's node: the names that walrus binds in it


def bound_in(node):
    if node not in assigned:
        found, todo = set(), [node.body]
        while todo:
            one = todo.pop()
            if type(one) is _ast.NamedExpr:
                found.add(one.target.id)
            if type(one) is not _ast.Lambda:
                todo.extend(tree["children"](one))
        assigned[node] = found
    return assigned[node]


# ---------------------------------------------------------------------------------------------- handlers

def name(node, scope):
    at = scope
    while at is not None:
        if node.id in at.values or node.id in at.local:
            return walker.name(node, scope)
        at = at.outer
    if node.id in FUNCTIONS:
        return builtin_function_or_method(node.id)
    walker.budget.node = node
    raise NameError(f"name '{node.id}' is not defined")


def attribute(node, scope):
    """An attribute that is not called: Python's own error where there is none of that name."""
    value = walker.value_of(node.value, scope)
    walker.no_method(value, node)


def assign(node, scope):
    """A walrus binds in the lambda around it, or in the expression as a whole; never in a comprehension."""
    value = walker.value_of(node.value, scope)
    at = scope
    while type(at) is not Frame and at.outer is not None:
        at = at.outer
    walker.charge(walker.ITEM_BYTES)
    at.values[node.target.id] = value
    return value


def call(node, scope):
    if type(node.func) is _ast.Attribute:
        return walker.call(node, scope)
    value = walker.value_of(node.func, scope)
    label = "<lambda>()" if type(value) is function else f"{getattr(value, 'word', '')}()"
    if type(value) not in CALLABLE:
        walker.budget.node = node
        raise TypeError(f"'{type(value).__name__}' object is not callable")
    args = walker.elements(node.args, scope, label + " argument after * must be an iterable, not %s")
    named = walker.named_arguments(node, scope, label)
    walker.budget.node = node
    walker.tick(2)
    return value(*args, **named)


# ------------------------------------------------------------------------------------------------ checks

def check_name(check, node, names):
    pass  # at run time, as Python does it


def check_word(check, word, node):
    if word.startswith("_") or word in ("format", "format_map"):
        raise check.deny("eval.attribute", word, node, f"the attribute '{word}'")


def check_attribute(check, node, names):
    check_word(check, node.attr, node)
    check.visit(node.value, names)


def check_call(check, node, names):
    check.visit(node.func, names)
    for one in node.args:
        check.visit(one, names)
    check.keywords(node, names)


def check_binding(check, word, node):
    if word.startswith("__"):
        raise check.deny("eval.name", word, node, f"the name '{word}'")


def check_lambda(check, node, names):
    if len(parameters(node.args)) > NAMES_MAX:
        raise check.deny("eval.node", "Lambda", node, f"a lambda with more than {NAMES_MAX} parameters")
    for one in parameters(node.args):
        check_binding(check, one.arg, node)
    for one in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
        check.visit(one, names)
    check.visit(node.body, frozenset())  # the iteration variables outside are no longer in the way


def check_walrus(check, node, names):
    word = node.target.id
    check_binding(check, word, node)
    if getattr(check, "iterables", 0):
        raise SyntaxError("assignment expression cannot be used in a comprehension iterable expression",
                          check.syntax_place(node))
    if word in names:
        raise SyntaxError(f"assignment expression cannot rebind comprehension iteration variable '{word}'",
                          check.syntax_place(node))
    check.visit(node.value, names)


def check_comprehension(check, node, names):
    """`names` are the iteration variables around a node, up to the lambda that it is in."""
    inner = names.union(*map(check.targets, node.generators))
    for part in node.generators:
        if part.is_async:
            raise check.deny("eval.node", "async", node, "an asynchronous comprehension")
        check.iterables = getattr(check, "iterables", 0) + 1
        check.visit(part.iter, inner)
        check.iterables -= 1
        for condition in part.ifs:
            check.visit(condition, inner)
    for field in ("elt", "key", "value"):
        if hasattr(node, field):
            check.visit(getattr(node, field), inner)


# --------------------------------------------------------------------------------------------------- run

LIMITS = {"memory": "MemoryError", "depth": "RecursionError", "cpu": "TimeoutError"}


def evaluate(text, context, bytes_max):
    walker.source = None
    walker.budget.begin(bytes_max)
    root, blanks = tree["parse"](text)
    source = tree["Source"](text)
    if blanks:
        tree["shift"](root, len(blanks))
    walker.source = source
    tree["check_depth"](root)
    tree["Check"](source).visit(root.body, frozenset())
    value = walker.value_of(root.body, walker.Scope(dict(context), (), None))
    return walker.gather(value) if type(value) is walker.GENERATOR else value


def failed(message, error_type):
    return "failed", {"error": message, "error_type": error_type}


def refused(error):
    line, column, *_ = walker.place()
    word = error.name if error.rule == "eval.node" else type(walker.budget.node).__name__
    kind = {"eval.attribute": "AttributeError", "eval.name": "NameError"}.get(error.rule, "ValueError")
    return failed(f"{error.message} ({word}, line {line}, column {column})", kind)


def run(text, context, module, bytes_max):
    """("result", value) or ("failed", {error, error_type})."""
    install(module)
    try:
        return "result", evaluate(text, context, bytes_max)
    except cost["Denied"] as error:
        return refused(error)
    except cost["Limit"] as error:
        return failed(error.message, LIMITS.get(error.name, "ValueError"))
    except Exception as error:
        return failed(str(error), type(error).__name__)
