# SPDX-License-Identifier: Apache-2.0
"""What a module offers, read from its syntax tree: nothing of it is run. Loaded for an INSPECT call
only, whose jail holds whatever a hostile source makes of this.

`describe(tree, source)` is called by inspect.c.
"""

ONLY_AST = 0x400
DEPTH = 12       # of an annotation or a default that is looked into
FUNCTIONS = 2000  # that are described; an honest file has fewer
IMPORTS = 1000
DOC = 4000       # characters of a docstring, of a signature
BODIES = ("body", "orelse", "finalbody", "handlers")
BRANCHES = ("If", "Try", "TryStar", "With")
DEFINED = ("FunctionDef", "AsyncFunctionDef", "ClassDef")

PLAIN = {"str": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"},
         "bool": {"type": "boolean"}, "None": {"type": "null"}}
ARRAYS = ("list", "List", "Sequence", "Iterable", "set", "Set", "frozenset", "FrozenSet", "deque",
          "tuple", "Tuple")
OBJECTS = ("dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict")


def kind(node):
    return type(node).__name__


def clean(text):
    """Without lone surrogates, which no JSON has."""
    return text.encode("utf-8", "replace").decode()


class Text:
    """Pieces of the source by the places of nodes."""

    def __init__(self, source):
        if source.startswith("\ufeff"):
            source = source[1:]
        self.lines = [line.encode("utf-8", "replace") for line in split_lines(source)]

    def of(self, node):
        first, last = node.lineno - 1, node.end_lineno - 1
        if first == last:
            piece = self.lines[first][node.col_offset:node.end_col_offset]
        else:
            rows = [self.lines[first][node.col_offset:], *self.lines[first + 1:last],
                    self.lines[last][:node.end_col_offset]]
            piece = b" ".join(row.strip() for row in rows)
        return piece.decode("utf-8", "replace")


def split_lines(source):
    """As the compiler counts them: other line ends of str.splitlines() are ordinary characters."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


# --- what a value or an annotation says ----------------------------------------------------------

class NotPlain(Exception):
    pass


def literal(node, depth=DEPTH):
    """The JSON value that a literal stands for."""
    name = kind(node)
    if depth == 0:
        raise NotPlain
    if name == "Constant":
        return constant(node.value)
    if name == "UnaryOp" and kind(node.op) == "USub" and kind(node.operand) == "Constant":
        value = constant(node.operand.value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return -value
    if name in ("List", "Tuple"):
        return [literal(item, depth - 1) for item in node.elts]
    if name == "Dict" and all(is_text(key) for key in node.keys):
        keys = [clean(key.value) for key in node.keys]
        return dict(zip(keys, [literal(item, depth - 1) for item in node.values]))
    raise NotPlain


def is_text(node):
    return kind(node) == "Constant" and isinstance(node.value, str)


def constant(value):
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and value - value != 0:
        raise NotPlain  # an infinity
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise NotPlain


def last_name(node):
    """`List` of `typing.List` and of `List`."""
    name = kind(node)
    return node.id if name == "Name" else node.attr if name == "Attribute" else None


def parse_annotation(text):
    """`"list[int]"`: an annotation as text. None when it is no expression."""
    try:
        tree = compile(text.strip(), "<annotation>", "eval", ONLY_AST, True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return tree.body


def schema_of(node, depth=DEPTH):
    """JSON Schema of an annotation; {} permits everything."""
    name = kind(node)
    if depth == 0:
        return {}
    if name == "Constant":
        if isinstance(node.value, str):
            inner = parse_annotation(node.value) if len(node.value) <= DOC else None
            return schema_of(inner, depth - 1) if inner else {}
        return dict(PLAIN["None"]) if node.value is None else {}
    if name == "BinOp" and kind(node.op) == "BitOr":
        return any_of([node.left, node.right], depth)
    if name == "Subscript":
        return schema_of_generic(last_name(node.value), node.slice, depth)
    return schema_of_name(last_name(node))


def schema_of_name(name):
    if name in PLAIN:
        return dict(PLAIN[name])
    if name in ARRAYS:
        return {"type": "array"}
    return {"type": "object"} if name in OBJECTS else {}


def any_of(nodes, depth):
    schemas = []
    for node in nodes:
        schema = schema_of(node, depth - 1)
        if not schema:
            return {}
        for one in schema["anyOf"] if list(schema) == ["anyOf"] else [schema]:
            if one not in schemas:
                schemas.append(one)
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def schema_of_generic(name, inside, depth):
    items = inside.elts if kind(inside) == "Tuple" else [inside]
    if name == "Optional" and len(items) == 1:
        schema = schema_of(items[0], depth - 1)
        if not schema:
            return {}
        known = schema["anyOf"] if list(schema) == ["anyOf"] else [schema]
        return {"anyOf": known + [one for one in [PLAIN["None"]] if one not in known]}
    if name == "Union":
        return any_of(items, depth)
    if name == "Literal":
        try:
            return {"enum": [literal(item) for item in items]}
        except NotPlain:
            return {}
    if name in ("Annotated", "Final", "Required", "NotRequired"):
        return schema_of(items[0], depth - 1) if items else {}
    if name in ("tuple", "Tuple"):
        return schema_of_tuple(items, depth)
    if name in ARRAYS and len(items) == 1:
        inner = schema_of(items[0], depth - 1)
        return {"type": "array", "items": inner} if inner else {"type": "array"}
    if name in OBJECTS and len(items) == 2:
        inner = schema_of(items[1], depth - 1)
        return {"type": "object", "additionalProperties": inner} if inner else {"type": "object"}
    return schema_of_name(name)


def schema_of_tuple(items, depth):
    if len(items) == 2 and kind(items[1]) == "Constant" and items[1].value is ...:
        inner = schema_of(items[0], depth - 1)
        return {"type": "array", "items": inner} if inner else {"type": "array"}
    inner = [schema_of(item, depth - 1) for item in items]
    return {"type": "array", "prefixItems": inner, "minItems": len(inner), "maxItems": len(inner)}


# --- signatures ----------------------------------------------------------------------------------

def parameters(arguments, skip):
    """(mark, node of the name, default or None) in order; mark is "", "*", "**", "/" or "*,"."""
    plain = [*arguments.posonlyargs, *arguments.args]
    first = len(plain) - len(arguments.defaults)
    rows = []
    for i, node in enumerate(plain):
        default = arguments.defaults[i - first] if i >= first else None
        rows.append(("", node, default))
        if i + 1 == len(arguments.posonlyargs):
            rows.append(("/", None, None))
    if skip and rows:
        del rows[0]
        if rows and rows[0][0] == "/":
            del rows[0]
    if arguments.vararg:
        rows.append(("*", arguments.vararg, None))
    elif arguments.kwonlyargs:
        rows.append(("*,", None, None))
    for node, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        rows.append(("", node, default))
    if arguments.kwarg:
        rows.append(("**", arguments.kwarg, None))
    return rows


def signature(rows, returns, text):
    parts = []
    for mark, node, default in rows:
        if node is None:
            parts.append(mark.rstrip(","))
            continue
        hint = getattr(node, "annotation", None)
        part = mark + node.arg + (f": {text.of(hint)}" if hint else "")
        if default is not None:
            part += (" = " if hint else "=") + text.of(default)
        parts.append(part)
    line = f"({', '.join(parts)})" + (f" -> {text.of(returns)}" if returns else "")
    return clean(line if len(line) <= DOC else line[:DOC] + "...")


def hint_schema(node):
    hint = getattr(node, "annotation", None)
    return schema_of(hint) if hint else {}


def schema(rows):
    """Of the keyword arguments. What is given by position only is said in `x-...` keys."""
    properties, required, result = {}, [], {"type": "object"}
    rest = False
    for i, (mark, node, default) in enumerate(rows):
        if mark == "/":
            result["x-positional-only"] = [clean(row[1].arg) for row in rows[:i]]
        elif mark == "*":
            result["x-more-args"] = hint_schema(node)
        elif mark == "**":
            rest = hint_schema(node) or True
        elif node is not None:
            properties[clean(node.arg)] = described = hint_schema(node)
            if default is None:
                required.append(clean(node.arg))
                continue
            try:
                described["default"] = literal(default)
            except NotPlain:
                pass
    result.update(properties=properties, required=required, additionalProperties=rest)
    return result


# --- what a file defines -------------------------------------------------------------------------

def doc_of(body):
    if not body or kind(body[0]) != "Expr" or not is_text(body[0].value):
        return None
    lines = body[0].value.value[:DOC].expandtabs().split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    indent = min(indents, default=0)
    lines = [lines[0].strip(), *(line[indent:].rstrip() for line in lines[1:])]
    return clean("\n".join(lines).strip("\n"))


def entry(name, node, text):
    row = {"name": clean(name), "signature": "N/A", "schema": {}, "doc": None, "is_async": False,
           "line": node.lineno}
    if kind(node) == "ClassDef":
        row["doc"] = doc_of(node.body)
        makers = [item for item in node.body if kind(item) == "FunctionDef" and item.name == "__init__"]
        if makers:
            rows = parameters(makers[-1].args, True)
            row.update(signature=signature(rows, None, text), schema=schema(rows))
        elif not node.bases and not node.decorator_list:
            row.update(signature="()", schema=schema([]))
    elif kind(node) in DEFINED:
        rows = parameters(node.args, False)
        row.update(signature=signature(rows, node.returns, text), schema=schema(rows),
                   doc=doc_of(node.body), is_async=kind(node) == "AsyncFunctionDef")
    elif kind(node) == "Lambda":
        rows = parameters(node.args, False)
        row.update(signature=signature(rows, None, text), schema=schema(rows))
    return row


def statements(tree):
    """Those that run when the module does: also below `if`, `try` and `with`. No recursion."""
    left = [iter(tree.body)]
    while left:
        node = next(left[-1], None)
        if node is None:
            left.pop()
            continue
        yield node
        if kind(node) in BRANCHES or kind(node) == "ExceptHandler":
            left.extend(iter(getattr(node, body)) for body in reversed(BODIES)
                        if getattr(node, body, None))


def names_of_import(node):
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or alias.name.split(".")[0]


def exported_names(node):
    """A literal `__all__`, or None."""
    value = node.value
    if kind(value) not in ("List", "Tuple", "Set") or not all(map(is_text, value.elts)):
        return None
    return [item.value for item in value.elts]


def definitions(tree):
    """name -> node in order of definition; the names that are bound otherwise; `__all__`."""
    defined, bound, listed = {}, {}, []
    for node in statements(tree):
        name = kind(node)
        if name in DEFINED:
            defined[node.name] = node
        elif name in ("Import", "ImportFrom"):
            bound.update((item, node) for item in names_of_import(node))
        elif name in ("Assign", "AnnAssign", "AugAssign"):
            targets = node.targets if name == "Assign" else [node.target]
            for target in targets:
                if kind(target) != "Name":
                    continue
                if target.id == "__all__":
                    listed += (exported_names(node) if node.value else None) or []
                elif kind(node.value) == "Lambda":
                    defined[target.id] = node.value
                elif node.value and kind(node.value) != "Constant":
                    bound[target.id] = node
    return defined, bound, listed


def functions(tree, text):
    defined, bound, listed = definitions(tree)
    for name in listed:
        if name not in defined and name in bound:
            defined[name] = bound[name]
    rows = []
    for name, node in defined.items():
        if name.startswith("_"):
            continue
        if len(rows) == FUNCTIONS:
            raise ValueError(f"more than {FUNCTIONS} functions in one file")
        rows.append(entry(name, node, text))
    return rows


def imported(node):
    name = kind(node)
    if name == "Import":
        return [alias.name for alias in node.names]
    if name == "ImportFrom" and not node.level:
        return [node.module]
    if name == "Call" and last_name(node.func) in ("import_module", "__import__") and node.args:
        return [node.args[0].value] if is_text(node.args[0]) else []
    return []


def imports(tree):
    """Names of modules, also those that functions import when they run. No recursion."""
    names, left = {}, [tree]
    while left:
        node = left.pop()
        for name in imported(node):
            if len(names) < IMPORTS:
                names[clean(name)] = None
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                left.extend(item for item in value if hasattr(item, "_fields"))
            elif hasattr(value, "_fields"):
                left.append(value)
    return sorted(names)


def describe(tree, source):
    return {"functions": functions(tree, Text(source)), "imports": imports(tree),
            "doc": doc_of(tree.body)}
