# SPDX-License-Identifier: Apache-2.0
"""Reads an expression and decides, before anything of it runs, whether restricted eval knows all of it."""

import _ast

from eval_calls import FUNCTIONS, METHOD_NAMES
from eval_cost import Denied, Limit, budget
from eval_ops import BINARY, COMPARE, UNARY

FILE = "main.py"  # as the service calls a caller's source
SOURCE_MAX = 64 << 10
NESTING_MAX = 100
NAME_MAX = 256
TEXT_MAX = 80  # of the expression, in a message
ONLY_AST = 0x400

CONSTANTS = frozenset({str, int, float, complex, bool, type(None)})
NODES = frozenset({
    _ast.Expression, _ast.Constant, _ast.Name, _ast.Load, _ast.Store, _ast.BinOp, _ast.UnaryOp, _ast.BoolOp,
    _ast.And, _ast.Or, _ast.Compare, _ast.In, _ast.NotIn, _ast.IfExp, _ast.JoinedStr, _ast.FormattedValue,
    _ast.List, _ast.Tuple, _ast.Set, _ast.Dict, _ast.Starred, _ast.Subscript, _ast.Slice, _ast.Call,
    _ast.keyword, _ast.Attribute, _ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp,
    _ast.comprehension,
    *BINARY, *UNARY, *COMPARE})
COMPREHENSIONS = frozenset({_ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp})
# Nodes that only belong to the one around them do not count as a level.
PARTS = frozenset({_ast.Constant, _ast.Name, _ast.Attribute, _ast.keyword, _ast.comprehension,
                   _ast.FormattedValue, _ast.Starred, _ast.Slice, _ast.Expression})
TAKE_KEY = frozenset({"sorted", "min", "max"})
PHRASES = {
    "Lambda": "a lambda", "NamedExpr": "an assignment expression", "Await": "await", "Yield": "yield",
    "YieldFrom": "yield from", "MatMult": "the operator @",
}


class Source:
    """The text, for places and for what a message shows of it."""

    def __init__(self, text):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.lines = [line.encode() for line in text.split("\n")]

    def line(self, number):
        """Empty where there is none: the parser counts lines inside of an f-string in its own way."""
        return self.lines[number - 1] if number <= len(self.lines) else b""

    def column(self, number, at):
        return len(self.line(number)[:at].decode("utf-8", "replace")) + 1

    def place(self, node):
        """(line, column, last line, column behind the end), from 1, in characters."""
        if not hasattr(node, "lineno"):
            return 0, 0, 0, 0
        return (node.lineno, self.column(node.lineno, node.col_offset),
                node.end_lineno, self.column(node.end_lineno, node.end_col_offset))

    def text(self, node):
        if not hasattr(node, "lineno"):
            return ""
        line = self.line(node.lineno)
        end = node.end_col_offset if node.end_lineno == node.lineno else len(line)
        text = line[node.col_offset:end].decode("utf-8", "replace")
        return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "..."


def children(node):
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, _ast.AST):
            yield value
        elif type(value) is list:
            for one in value:
                if isinstance(one, _ast.AST):
                    yield one


def too_deep():
    return Limit("depth", NESTING_MAX, 0, f"an expression may be nested {NESTING_MAX} levels deep")


def parse(text):
    """The tree. Leading blanks are skipped, as Python's eval() does, and places count them."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > SOURCE_MAX:
        raise Limit("memory", SOURCE_MAX, size, f"an expression may have {SOURCE_MAX:,} bytes")
    bare = text.lstrip(" \t")
    try:
        tree = compile(bare, FILE, "eval", ONLY_AST, True)
    except (MemoryError, RecursionError):
        # The parser keeps caps on its own depth, and this is how it says so.
        raise too_deep() from None
    except SyntaxError as error:
        if error.lineno == 1 and error.offset:
            error.offset += len(text) - len(bare)
            if error.end_offset and error.end_lineno == 1:
                error.end_offset += len(text) - len(bare)
        raise
    return tree, " " * (len(text) - len(bare))


def shift(tree, by):
    """Counts the skipped blanks."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if getattr(node, "lineno", 0) == 1:
            node.col_offset += by
        if getattr(node, "end_lineno", 0) == 1:
            node.end_col_offset += by
        todo.extend(children(node))


def check_depth(tree):
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        depth += type(node) not in PARTS
        if depth > NESTING_MAX:
            budget.node = node
            raise too_deep()
        for child in children(node):
            # a + b + c + ... is a row for the walker, not a tower.
            is_row = type(node) is _ast.BinOp and child is node.left and type(child) is _ast.BinOp
            todo.append((child, depth - is_row))


# ------------------------------------------------------------------------------------------- the check

class Check:
    """One walk over the tree. `names` are those that hold a value where the node stands."""

    def __init__(self, source):
        self.source = source

    def deny(self, rule, name, node, what):
        return Denied(rule, name, f"{what} is not part of restricted eval: {self.source.text(node)}", node)

    def visit(self, node, names):
        kind = type(node)
        if kind not in NODES:
            word = kind.__name__
            raise self.deny("eval.node", word, node if hasattr(node, "lineno") else budget.node,
                            PHRASES.get(word, f"a node {word}"))
        if hasattr(node, "lineno"):
            budget.node = node
        if kind in COMPREHENSIONS:
            self.comprehension(node, names)
            return
        special = SPECIAL.get(kind)
        if special:
            special(self, node, names)
        else:
            self.inside(node, names)

    def inside(self, node, names):
        for child in children(node):
            self.visit(child, names)

    def row(self, node, names):
        """a + b + c + ... without going deeper for each."""
        parts = []
        while type(node) is _ast.BinOp:
            parts += (node.right, node.op)
            node = node.left
        self.visit(node, names)
        for part in reversed(parts):
            self.visit(part, names)

    def constant(self, node, names):
        if type(node.value) not in CONSTANTS:
            kind = type(node.value).__name__
            raise self.deny("eval.node", kind, node, f"a value of type {kind}")

    def name(self, node, names):
        if node.id in names:
            return
        what = f"the function '{node.id}' as a value" if node.id in FUNCTIONS else f"the name '{node.id}'"
        raise self.deny("eval.name", node.id, node, what)

    def attribute(self, node, names):
        raise self.deny("eval.attribute", node.attr, node, f"the attribute '{node.attr}'")

    def call(self, node, names):
        function = node.func
        kind = type(function)
        if kind is _ast.Attribute:
            if function.attr not in METHOD_NAMES:
                raise self.deny("eval.attribute", function.attr, function, f"the method '{function.attr}'")
            self.visit(function.value, names)
        elif kind is not _ast.Name:
            self.visit(function, names)
            name = self.source.text(function)
            raise self.deny("eval.call", name, node, "calling what is no name or method")
        elif function.id in names:
            raise self.deny("eval.call", function.id, node, f"calling the value '{function.id}'")
        elif function.id not in FUNCTIONS:
            raise self.deny("eval.name", function.id, function, f"the function '{function.id}'")
        for argument in node.args:
            self.visit(argument, names)
        self.keywords(node, names)

    def keywords(self, node, names):
        seen = set()
        for keyword in node.keywords:
            if keyword.arg in seen:
                raise SyntaxError(f"keyword argument repeated: {keyword.arg}", self.syntax_place(keyword))
            if keyword.arg:
                seen.add(keyword.arg)
            if not takes_function(node, keyword, names):
                self.visit(keyword.value, names)

    def syntax_place(self, node):
        line, column, end_line, end_column = self.source.place(node)
        text = self.source.line(line).decode("utf-8", "replace")
        return FILE, line, column, text, end_line, end_column

    def comprehension(self, node, names):
        first = node.generators[0]
        inner = names.union(*map(self.targets, node.generators))
        for part in node.generators:
            if part.is_async:
                raise self.deny("eval.node", "async", node, "an asynchronous comprehension")
            self.visit(part.iter, names if part is first else inner)
            for condition in part.ifs:
                self.visit(condition, inner)
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                self.visit(getattr(node, field), inner)

    def targets(self, part):
        """The names that a `for` binds; it may bind nothing else."""
        found = set()
        todo = [part.target]
        while todo:
            target = todo.pop()
            kind = type(target)
            if kind is _ast.Name:
                if target.id.startswith("__"):
                    raise self.deny("eval.name", target.id, target, f"the name '{target.id}'")
                found.add(target.id)
            elif kind in (_ast.Tuple, _ast.List):
                todo.extend(target.elts)
            elif kind is _ast.Starred:
                todo.append(target.value)
            elif kind is _ast.Attribute:
                self.attribute(target, found)
            else:
                raise self.deny("eval.node", kind.__name__, target, "this target of a for")
        return found


SPECIAL = {_ast.Constant: Check.constant, _ast.Name: Check.name, _ast.Attribute: Check.attribute,
           _ast.Call: Check.call, _ast.BinOp: Check.row}


def takes_function(call, keyword, names):
    """Whether this is the `key=` of a call that compares, and is a function of ours by its name."""
    value = keyword.value
    return keyword.arg == "key" and type(call.func) is _ast.Name and call.func.id in TAKE_KEY and \
        type(value) is _ast.Name and value.id in FUNCTIONS and value.id not in names


def is_name(text):
    """Whether Python reads this text as a name spelled like that: no keyword, no look-alike."""
    if not text.isidentifier() or len(text) > NAME_MAX:
        return False
    try:
        tree = compile(text, FILE, "eval", ONLY_AST, True)
    except SyntaxError:
        return False
    return type(tree.body) is _ast.Name and tree.body.id == text


def check_context(context):
    for name in context:
        if name.startswith("_") or name in FUNCTIONS or not is_name(name):
            raise Denied("eval.name", name, "a name of the context is an identifier without a leading "
                                            "underscore that restricted eval does not use itself: "
                                            f"{name[:TEXT_MAX]!a}")


def read(text, context):
    """(tree of the expression, its source), checked."""
    tree, blanks = parse(text)
    source = Source(text)
    if blanks:
        shift(tree, len(blanks))
    check_context(context)
    return tree, source


def check(tree, source, context):
    check_depth(tree)
    Check(source).visit(tree.body, frozenset(context))
