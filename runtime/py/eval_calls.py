# SPDX-License-Identifier: Apache-2.0
"""The functions and methods that restricted eval can call: Python's own, each behind a guard that pays for
the call and gives back the arguments, in which iterators have become lists."""

from eval_cost import (CONTAINERS, ITERABLE, ITEM_BYTES, SIZED, charge, charge_int, crowd, length,
                       meter, product, settle, tick, weigh)
from eval_ops import (WHOLE, pay_find, pay_find_last, pay_power, pay_power_modulo, pay_quotient, pay_range,
                      pay_scan, pay_sum)
from eval_text import text_of

NUMBERS = frozenset({int, bool, float, complex})


def replace_first(args, new):
    return (new(args[0]), *args[1:]) if args else args


def plain(args, named):
    return args, named


def absolute(args, named):
    for value in args:
        if type(value) in WHOLE:
            charge_int(value.bit_length())
    return args, named


def to_range(args, named):
    pay_range(*args)
    return args, named


def lazy(args, named):
    """Takes elements one by one, and may stop."""
    return tuple(map(meter, args)), {name: meter(value) for name, value in named.items()}


def lazy_first(args, named):
    named = {name: meter(value) if name == "iterable" else value for name, value in named.items()}
    return replace_first(args, meter), named


def whole(args, named):
    """Takes all elements of its first argument, and looks at them no closer."""
    args = replace_first(args, settle)
    if args and type(args[0]) in SIZED:
        charge(8 * len(args[0]) if type(args[0]) is not str else ITEM_BYTES * len(args[0]))
    return args, named


def ordered(args, named):
    """Compares elements of one argument, or several arguments: sorted, min, max."""
    if len(args) == 1:
        args = replace_first(args, settle)
    for value in args:
        if type(value) in SIZED:
            count = len(value)
            charge(16 * count)
            tick(count * count.bit_length() >> 5)
            weigh(value)
    return args, named


def to_set(args, named):
    args = replace_first(args, settle)
    if args and type(args[0]) in SIZED:
        crowd(list(args[0]))
    return args, named


def to_dict(args, named):
    args = replace_first(args, settle)
    if args and type(args[0]) is dict:
        charge(ITEM_BYTES * len(args[0]))
    elif args and type(args[0]) in SIZED:
        pairs = [settle(pair) for pair in args[0]]
        crowd([pair[0] for pair in pairs if type(pair) in (list, tuple, str) and pair])
        args = (pairs, *args[1:])
    return args, named


def to_int(args, named):
    if args and type(args[0]) is str:
        digits = len(args[0])
        base = args[1] if len(args) > 1 else named.get("base", 10)
        if base in (2, 4, 8, 16, 32, 0) and type(base) in WHOLE:
            charge_int(4 * digits if base in (16, 0) else 5 * digits if base == 32 else 3 * digits)
        tick((min(digits, 1 << 17) ** 2 >> 16) + (digits >> 6))
    return args, named


def to_float(args, named):
    for value in args:
        if type(value) is str:
            tick(len(value) >> 4)
    return args, named


def to_text(args, named):
    if "object" in named and not args and len(named) == 1:
        return (text_of(named["object"]),), {}
    return replace_first(args, text_of) if len(args) == 1 else args, named


def quotient(args, named):
    if len(args) == 2:
        pay_quotient(*args)
    return args, named


def power(args, named):
    names = ("base", "exp", "mod")
    values = [*args, *(named[name] for name in names[len(args):] if name in named)]
    if len(values) == 2 or len(values) == 3 and values[2] is None:
        pay_power(values[0], values[1])
    elif len(values) == 3:
        pay_power_modulo(*values)
    return args, named


def rounded(args, named):
    """A whole number rounded at a place far left of it is 0; Python would make that power of ten."""
    number = args[0] if args else named.get("number")
    places = args[1] if len(args) > 1 else named.get("ndigits")
    if type(number) in WHOLE and type(places) in WHOLE and places < 0:
        digits = number.bit_length() * 1234 // 4096 + 2
        if -places > digits:
            return (0,), {}
        tick(product(number.bit_length() >> 5, number.bit_length() >> 5))
    return args, named


def add_all(iterable, /, start=0):
    """sum(): element by element where that can be large."""
    items = settle(iterable)
    kinds = set(map(type, items)) | {type(start)} if type(items) in ITERABLE else set()
    if type(start) is str or not kinds or kinds <= NUMBERS and not any(
            type(item) is int and item.bit_length() > 60 for item in items):
        return sum(items, start)
    total = start
    for item in items:
        tick(1)
        pay_sum(total, item)
        total = total + item
    return total


FUNCTIONS = {
    "abs": (absolute, abs), "all": (lazy, all), "any": (lazy, any), "bool": (plain, bool),
    "chr": (plain, chr), "dict": (to_dict, dict), "divmod": (quotient, divmod),
    "enumerate": (lazy_first, enumerate),
    "float": (to_float, float), "int": (to_int, int), "len": (plain, len), "list": (whole, list),
    "max": (ordered, max), "min": (ordered, min), "ord": (plain, ord), "pow": (power, pow),
    "range": (to_range, range), "reversed": (plain, reversed), "round": (rounded, round),
    "set": (to_set, set), "sorted": (ordered, sorted), "str": (to_text, str), "sum": (plain, sum),
    "tuple": (whole, tuple), "zip": (lazy, zip),
}


def call_function(name, args, named):
    guard, function = FUNCTIONS[name]
    args, named = guard(args, named)
    if function is sum and len(args) + len(named) in (1, 2) and args and named.keys() <= {"start"}:
        return add_all(*args, **named)
    return function(*args, **named)


# -------------------------------------------------------------------------------------------- methods

def free(value, args, named):
    return args, named


def walks(value, args, named):
    tick(len(value) >> 6)
    charge(4 * len(value))
    return args, named


def grows(value, args, named):
    """Changes of case: one character becomes three at most."""
    tick(len(value) >> 5)
    charge(12 * len(value))
    return args, named


def pads(value, args, named):
    if args and type(args[0]) in WHOLE:
        charge(4 * max(args[0], len(value)))
    return args, named


def expands(value, args, named):
    width = args[0] if args else named.get("tabsize", 8)
    if type(width) in WHOLE:
        charge(4 * (len(value) + value.count("\t") * max(width, 0)))
    return args, named


def finds(value, args, named):
    for part in args[:1]:
        for one in part if type(part) is tuple else (part,):
            tick(1)
            pay_find(value, one)
    return args, named


def finds_last(value, args, named):
    for part in args[:1]:
        pay_find_last(value, part)
    return args, named


def splits(value, args, named):
    part = args[0] if args else named.get("sep")
    pay_find(value, part)
    count = value.count(part) if type(part) is str and part else len(value) >> 1
    charge(ITEM_BYTES * (count + 1) + 4 * len(value))
    tick(count >> 2)
    return args, named


def splits_last(value, args, named):
    finds_last(value, args or (named.get("sep"),), named)
    return splits(value, args, named)


def splits_lines(value, args, named):
    charge(ITEM_BYTES * len(value))
    tick(len(value) >> 2)
    return args, named


def strips(value, args, named):
    if args and type(args[0]) is str:
        tick(product(len(value), len(args[0])))
    return walks(value, args, named)


def replaces(value, args, named):
    if len(args) >= 2 and type(args[0]) is str and type(args[1]) is str:
        pay_find(value, args[0])
        count = value.count(args[0])
        if len(args) > 2 and type(args[2]) in WHOLE and args[2] >= 0:
            count = min(count, args[2])
        charge(4 * (len(value) + count * max(len(args[1]) - len(args[0]), 0)))
    return args, named


def joins(value, args, named):
    args = replace_first(args, settle)
    if args and type(args[0]) is str:
        charge(4 * (1 + len(value)) * len(args[0]))
    elif args and type(args[0]) in ITERABLE:
        items = args[0] if type(args[0]) in (list, tuple) else list(args[0])
        texts = [item for item in items if type(item) is str]
        charge(4 * (sum(map(len, texts)) + len(value) * len(texts)) + 8 * len(items))
        args = (items, *args[1:])
    return args, named


def scans(value, args, named):
    if type(value) is not range:
        pay_scan(value, *args[:1])
        return args, named
    pay_range(value.start, value.stop, value.step)
    if args and type(args[0]) not in WHOLE:
        tick(length(value))
    return args, named


def copies(value, args, named):
    charge(ITEM_BYTES * len(value))
    return args, named


def looks_up(value, args, named):
    for key in args[:1]:
        weigh(key)
    return args, named


def joins_sets(value, args, named):
    args = tuple(map(settle, args))
    for one in (value, *args):
        if type(one) in CONTAINERS:
            weigh(one)
    crowd([item for one in (value, *args) if type(one) in SIZED for item in one])
    return args, named


def table(guard, names):
    return dict.fromkeys(names.split(), guard)


METHODS = {
    str: {
        **table(grows, "capitalize casefold lower swapcase title upper"),
        **table(walks, "isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable "
                       "isspace istitle isupper removeprefix removesuffix"),
        **table(pads, "center ljust rjust zfill"), **table(expands, "expandtabs"),
        **table(finds, "count endswith find index startswith"), **table(finds_last, "rfind rindex"),
        **table(splits, "partition split"), **table(splits_last, "rpartition rsplit"),
        **table(splits_lines, "splitlines"), **table(strips, "lstrip rstrip strip"),
        **table(replaces, "replace"), **table(joins, "join"),
    },
    list: {**table(copies, "copy"), **table(scans, "count index")},
    tuple: table(scans, "count index"),
    range: table(scans, "count index"),
    dict: {**table(copies, "copy"), **table(looks_up, "get"), **table(free, "items keys values")},
    set: {**table(copies, "copy"),
          **table(joins_sets, "difference intersection isdisjoint issubset issuperset symmetric_difference "
                              "union")},
    int: table(free, "as_integer_ratio bit_count bit_length conjugate"),
    float: table(free, "as_integer_ratio conjugate hex is_integer"),
    complex: table(free, "conjugate"),
}
METHODS[bool] = METHODS[int]
METHOD_NAMES = frozenset(name for methods in METHODS.values() for name in methods)


def call_method(value, name, args, named):
    """The table has this method for the type, and the table alone decides."""
    guard = METHODS[type(value)][name]
    args, named = guard(value, args, named)
    return getattr(type(value), name)(value, *args, **named)
