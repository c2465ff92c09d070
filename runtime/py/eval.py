# SPDX-License-Identifier: Apache-2.0
"""Restricted eval: walks the tree of an expression. No code object is ever made from it. eval_tree.py decided
what may be in the tree, eval_ops.py and eval_calls.py pay for what is done."""

import _ast

from eval_calls import METHODS, call_function, call_method
from eval_cost import GENERATOR, ITEM_BYTES, Crowd, Denied, budget, charge, gather, tick
from eval_ops import BINARY, compare, subscript, unary, unpack
from eval_text import format_value
from eval_tree import check, read, takes_function

MAPPINGS = (dict,)


class Scope:
    """The names of one comprehension, or of the context where `outer` is None."""
    __slots__ = "values", "local", "outer"

    def __init__(self, values, local, outer):
        self.values, self.local, self.outer = values, local, outer

    def __contains__(self, name):
        scope = self
        while scope is not None:
            if name in scope.values or name in scope.local:
                return True
            scope = scope.outer
        return False


def value_of(node, scope):
    tick(1)
    return HANDLERS[type(node)](node, scope)


# ---------------------------------------------------------------------------------------------- leaves

def constant(node, scope):
    return node.value


def name(node, scope):
    word = node.id
    at = scope
    while at is not None:
        if word in at.values:
            return at.values[word]
        if word in at.local:
            budget.node = node
            if at is scope:
                raise UnboundLocalError(
                    f"cannot access local variable '{word}' where it is not associated with a value")
            raise NameError(f"cannot access free variable '{word}' where it is not associated with a value "
                            "in enclosing scope")
        at = at.outer
    raise Denied("eval.name", word, f"the name '{word}' has no value", node)


def joined(node, scope):
    texts = [value_of(part, scope) for part in node.values]
    charge(4 * sum(map(len, texts)))
    return "".join(texts)


def formatted(node, scope):
    value = value_of(node.value, scope)
    spec = value_of(node.format_spec, scope) if node.format_spec else ""
    budget.node = node.value
    return format_value(value, node.conversion, spec)


# ------------------------------------------------------------------------------------------- operators

def binary(node, scope):
    row = []
    while type(node) is _ast.BinOp:
        row.append(node)
        node = node.left
    left = value_of(node, scope)
    for one in reversed(row):
        right = value_of(one.right, scope)
        budget.node = one
        pay, do = BINARY[type(one.op)]
        tick(1)
        pay(left, right)
        left = do(left, right)
    return left


def unary_operator(node, scope):
    value = value_of(node.operand, scope)
    budget.node = node
    return unary(type(node.op), value)


def boolean(node, scope):
    is_or = type(node.op) is _ast.Or
    value = None
    for part in node.values:
        value = value_of(part, scope)
        if bool(value) is is_or:
            break
    return value


def comparison(node, scope):
    left = value_of(node.left, scope)
    result = True
    for operator, part in zip(node.ops, node.comparators):
        right = value_of(part, scope)
        budget.node = node
        result = compare(type(operator), left, right)
        if not result:
            break
        left = right
    return result


def conditional(node, scope):
    return value_of(node.body if value_of(node.test, scope) else node.orelse, scope)


def item(node, scope):
    value = value_of(node.value, scope)
    index = value_of(node.slice, scope)
    budget.node = node
    return subscript(value, index)


def a_slice(node, scope):
    parts = node.lower, node.upper, node.step
    return slice(*(None if part is None else value_of(part, scope) for part in parts))


# -------------------------------------------------------------------------------------------- displays

def elements(nodes, scope, complain):
    """The values of a list of nodes, of which some are starred."""
    found = []
    for node in nodes:
        if type(node) is not _ast.Starred:
            found.append(value_of(node, scope))
            continue
        value = value_of(node.value, scope)
        budget.node = node
        try:
            iterator = iter(value)
        except TypeError:
            raise TypeError(complain % type(value).__name__) from None
        found += gather(iterator)
    charge(8 * len(found) + 56)
    return found


def a_list(node, scope):
    return elements(node.elts, scope, "Value after * must be an iterable, not %s")


def a_tuple(node, scope):
    return tuple(a_list(node, scope))


def a_set(node, scope):
    return fill_set(elements(node.elts, scope, "'%s' object is not iterable"), node)


def fill_set(values, node):
    found, keys = set(), Crowd()
    for value in values:
        budget.node = node
        charge(ITEM_BYTES)
        keys.add(value)
        found.add(value)
    return found


def a_dict(node, scope):
    found, keys = {}, Crowd()
    for key_node, value_node in zip(node.keys, node.values):
        if key_node is None:
            more = value_of(value_node, scope)
            budget.node = value_node
            if type(more) not in MAPPINGS:
                raise TypeError(f"'{type(more).__name__}' object is not a mapping")
            pairs = more.items()
            tick(len(more))
        else:
            key = value_of(key_node, scope)
            pairs = ((key, value_of(value_node, scope)),)
        budget.node = key_node or value_node
        for key, value in pairs:
            charge(2 * ITEM_BYTES)
            keys.add(key)
            found[key] = value
    return found


# -------------------------------------------------------------------------------------- comprehensions

def bind(target, value, scope):
    if type(target) is _ast.Name:
        scope.values[target.id] = value
        return
    budget.node = target
    stars = [at for at, part in enumerate(target.elts) if type(part) is _ast.Starred]
    before = stars[0] if stars else len(target.elts)
    after = len(target.elts) - before - 1 if stars else 0
    for part, one in zip(target.elts, unpack(value, before, after, bool(stars))):
        bind(part.value if type(part) is _ast.Starred else part, one, scope)


def target_names(target, found):
    if type(target) is _ast.Name:
        found.add(target.id)
    elif type(target) is _ast.Starred:
        target_names(target.value, found)
    else:
        for part in target.elts:
            target_names(part, found)


def start(node, scope):
    """The scope inside, and the rows to walk. The first iterable belongs to the scope outside."""
    local = set()
    for part in node.generators:
        target_names(part.target, local)
    value = value_of(node.generators[0].iter, scope)
    budget.node = node.generators[0].iter
    inner = Scope({}, local, scope)
    return inner, rows(node.generators, 0, iter(value), inner)


def rows(parts, at, iterator, scope):
    """Yields whenever all names are bound and all conditions hold."""
    part = parts[at]
    for value in iterator:
        tick(1)
        bind(part.target, value, scope)
        for condition in part.ifs:
            if not value_of(condition, scope):
                break
        else:
            if at + 1 == len(parts):
                yield
                continue
            value = value_of(parts[at + 1].iter, scope)
            budget.node = parts[at + 1].iter
            yield from rows(parts, at + 1, iter(value), scope)


def list_comprehension(node, scope):
    inner, each = start(node, scope)
    found = []
    for _ in each:
        charge(ITEM_BYTES)
        found.append(value_of(node.elt, inner))
    return found


def set_comprehension(node, scope):
    inner, each = start(node, scope)
    return fill_set((value_of(node.elt, inner) for _ in each), node.elt)


def dict_comprehension(node, scope):
    inner, each = start(node, scope)
    found, keys = {}, Crowd()
    for _ in each:
        key = value_of(node.key, inner)
        value = value_of(node.value, inner)
        budget.node = node.key
        charge(2 * ITEM_BYTES)
        keys.add(key)
        found[key] = value
    return found


def generator(node, scope):
    inner, each = start(node, scope)
    return (value_of(node.elt, inner) for _ in each)


# ----------------------------------------------------------------------------------------------- calls

def qualified(function, value):
    """As Python's own messages name what is called."""
    if type(function) is _ast.Attribute:
        return f"{type(value).__name__}.{function.attr}()"
    return f"{function.id}()"


def named_arguments(node, scope, label):
    named = {}
    for keyword in node.keywords:
        if keyword.arg is not None:
            more = {keyword.arg: argument(node, keyword, scope)}
        else:
            more = value_of(keyword.value, scope)
            budget.node = keyword
            if type(more) not in MAPPINGS:
                raise TypeError(f"{label} argument after ** must be a mapping, not {type(more).__name__}")
            if not all(type(key) is str for key in more):
                raise TypeError("keywords must be strings")
        tick(len(more))
        for key, value in more.items():
            if key in named:
                raise TypeError(f"{label} got multiple values for keyword argument '{key}'")
            charge(ITEM_BYTES)
            named[key] = value
    return named


def argument(node, keyword, scope):
    if takes_function(node, keyword, scope):
        return lambda value: call_function(keyword.value.id, (value,), {})
    return value_of(keyword.value, scope)


def call(node, scope):
    function = node.func
    is_method = type(function) is _ast.Attribute
    value = value_of(function.value, scope) if is_method else None
    if is_method and function.attr not in METHODS.get(type(value), ()):
        no_method(value, function)
    label = qualified(function, value)
    args = elements(node.args, scope, label + " argument after * must be an iterable, not %s")
    named = named_arguments(node, scope, label)
    budget.node = node
    tick(2)
    if is_method:
        return call_method(value, function.attr, args, named)
    return call_function(function.id, args, named)


def no_method(value, function):
    """Python looks for the method before it looks at the arguments."""
    kind = type(value).__name__
    budget.node = function
    if hasattr(type(value), function.attr):
        raise Denied("eval.attribute", function.attr,
                     f"the method '{function.attr}' of a {kind} is not part of restricted eval", function)
    raise AttributeError(f"'{kind}' object has no attribute '{function.attr}'")


HANDLERS = {
    _ast.Constant: constant, _ast.Name: name, _ast.JoinedStr: joined, _ast.FormattedValue: formatted,
    _ast.BinOp: binary, _ast.UnaryOp: unary_operator, _ast.BoolOp: boolean, _ast.Compare: comparison,
    _ast.IfExp: conditional, _ast.Subscript: item, _ast.Slice: a_slice, _ast.List: a_list,
    _ast.Tuple: a_tuple, _ast.Set: a_set, _ast.Dict: a_dict, _ast.ListComp: list_comprehension,
    _ast.SetComp: set_comprehension,
    _ast.DictComp: dict_comprehension, _ast.GeneratorExp: generator, _ast.Call: call,
}

source = None  # of the expression that is evaluated


def place():
    """Where the walker is: (line, column, last line, column behind the end); zeros when nowhere."""
    return source.place(budget.node) if source is not None else (0, 0, 0, 0)


def run(text, context, bytes_max):
    """The value of an expression. Raises what Python would raise, or Denied, or Limit."""
    global source
    source = None
    budget.begin(bytes_max)
    tree, source = read(text, context)
    check(tree, source, context)
    value = value_of(tree.body, Scope(context, (), None))
    return gather(value) if type(value) is GENERATOR else value
