# SPDX-License-Identifier: Apache-2.0
"""The operators of restricted eval. What an operation makes is paid for before it is made; then Python's
own operator does it, so that values and errors are Python's."""

import _operator as op

import _ast

from eval_cost import (CONTAINERS, INT_BITS_MAX, ITERATORS, SCALARS, VALUES, budget, charge, charge_int,
                       crowd, gather, length, meter, product, tick, weigh)
from eval_text import charge_percent

WHOLE = frozenset({int, bool})
SEQUENCES = frozenset({str, list, tuple})
ELEMENT_BYTES = {str: 4, list: 8, tuple: 8}
NARROW = 1 << 60


def is_wide(first, second):
    """Whether these are whole numbers and one of them is large."""
    return type(first) in WHOLE and type(second) in WHOLE and \
        not (-NARROW < first < NARROW and -NARROW < second < NARROW)


def bits_of(value):
    return value.bit_length()


def pay_sum(first, second):
    if is_wide(first, second):
        charge_int(max(bits_of(first), bits_of(second)) + 1)
    elif type(first) is type(second) and type(first) in SEQUENCES:
        charge((len(first) + len(second)) * ELEMENT_BYTES[type(first)] + 64)


def pay_difference(first, second):
    if is_wide(first, second):
        charge_int(max(bits_of(first), bits_of(second)) + 1)
    else:
        pay_sets(first, second)


def pay_product(first, second):
    for sequence, times in ((first, second), (second, first)):
        if type(sequence) in SEQUENCES and type(times) in WHOLE:
            charge(len(sequence) * max(times, 0) * ELEMENT_BYTES[type(sequence)] + 64)
            return
    if is_wide(first, second):
        charge_int(bits_of(first) + bits_of(second))
        tick((bits_of(first) >> 5) * (bits_of(second) >> 5) >> 12)


def pay_quotient(first, second):
    if is_wide(first, second):
        words = bits_of(second) >> 5
        charge_int(max(bits_of(first), bits_of(second)))
        tick(product(max((bits_of(first) >> 5) - words, 0) + 1, words))


def pay_remainder(first, second):
    if type(first) is str:
        charge_percent(first, second)
    else:
        pay_quotient(first, second)


def pay_power(base, exponent):
    if type(base) not in WHOLE or type(exponent) not in WHOLE or exponent <= 1 or -1 <= base <= 1:
        return
    bits = bits_of(base) * exponent
    charge_int(bits if bits <= INT_BITS_MAX else (bits_of(base) - 1) * exponent + 1)
    tick((bits >> 5) * (bits >> 5) >> 12)


def pay_power_modulo(base, exponent, modulus):
    if type(base) in WHOLE and type(exponent) in WHOLE and type(modulus) in WHOLE:
        words = (bits_of(modulus) >> 5) + 1
        start = (bits_of(base) >> 5) + 1
        charge_int(bits_of(modulus))
        tick(product(start, words) + (bits_of(exponent) + 64) * (1 + product(words, 2 * words)))


def pay_shift_right(first, places):
    if type(first) in WHOLE and type(places) in WHOLE:
        charge_int(max(bits_of(first) - max(places, 0), 0))


def pay_range(*numbers):
    """Before a range of these is made or asked: it divides them."""
    bits = max((bits_of(number) for number in numbers if type(number) in WHOLE), default=0)
    tick(product(bits >> 5, bits >> 5))


def pay_shift(first, places):
    if type(first) in WHOLE and type(places) in WHOLE and first and places > 0:
        charge_int(bits_of(first) + places)


def pay_sets(first, second):
    """Operators between sets, dicts and views: a new one of both sizes."""
    for one in (first, second):
        if type(one) in CONTAINERS:
            weigh(one)
    if type(first) in CONTAINERS and type(second) in CONTAINERS:
        crowd([*first, *second])


def pay_bits(first, second):
    if is_wide(first, second):
        charge_int(max(bits_of(first), bits_of(second)) + 1)
    else:
        pay_sets(first, second)


BINARY = {
    _ast.Add: (pay_sum, op.add), _ast.Sub: (pay_difference, op.sub), _ast.Mult: (pay_product, op.mul),
    _ast.Div: (pay_quotient, op.truediv), _ast.FloorDiv: (pay_quotient, op.floordiv),
    _ast.Mod: (pay_remainder, op.mod), _ast.Pow: (pay_power, op.pow), _ast.LShift: (pay_shift, op.lshift),
    _ast.RShift: (pay_shift_right, op.rshift), _ast.BitOr: (pay_bits, op.or_),
    _ast.BitXor: (pay_bits, op.xor), _ast.BitAnd: (pay_bits, op.and_),
}

UNARY = {_ast.UAdd: op.pos, _ast.USub: op.neg, _ast.Invert: op.inv, _ast.Not: op.not_}


def unary(kind, value):
    if type(value) is int and not -NARROW < value < NARROW:
        charge_int(bits_of(value) + 1)
    return UNARY[kind](value)


# ---------------------------------------------------------------------------------------- comparisons

def pay_comparison(first, second):
    if type(first) in CONTAINERS and type(second) in CONTAINERS:
        weigh(first)
        weigh(second)
    elif type(first) is str and type(second) is str:
        tick(min(len(first), len(second)) >> 6)


def pay_scan(items, needle=None):
    """Before each element is compared with `needle`."""
    count = len(items)
    tick(count >> 3)
    if type(needle) in SCALARS:
        each = len(needle) >> 6 if type(needle) is str else 0
        tick(count * each)
        return
    before = budget.steps
    weigh(needle)
    tick(count * (1 + before - budget.steps))


def pay_find(text, part):
    """Before `part` is looked for from the left: quadratic only where texts are short."""
    if type(part) is str:
        tick((len(text) + len(part) >> 6) + product(min(len(text), 30_000), min(len(part), 100)))


def pay_find_last(text, part):
    if type(part) is str:
        tick(product(len(text), len(part)) if len(part) <= len(text) else 0)


def contains(container, needle):
    kind = type(container)
    if kind is str:
        pay_find(container, needle)
    elif kind is range:
        pay_range(container.start, container.stop, container.step)
        if type(needle) not in WHOLE:
            return any(item == needle for item in meter(container))
    elif kind in (list, tuple) or kind is VALUES:
        pay_scan(container, needle)
    elif kind in CONTAINERS:
        weigh(needle)
    elif kind in ITERATORS:
        return found(container, needle)
    return op.contains(container, needle)


def found(iterator, needle):
    for item in iterator:
        tick(2)
        pay_comparison(item, needle)
        if item is needle or item == needle:
            return True
    return False


COMPARE = {
    _ast.Eq: op.eq, _ast.NotEq: op.ne, _ast.Lt: op.lt, _ast.LtE: op.le, _ast.Gt: op.gt, _ast.GtE: op.ge,
    _ast.Is: op.is_, _ast.IsNot: op.is_not,
}


def compare(kind, first, second):
    if kind is _ast.In:
        return contains(second, first)
    if kind is _ast.NotIn:
        return not contains(second, first)
    if kind is not _ast.Is and kind is not _ast.IsNot:
        pay_comparison(first, second)
    return COMPARE[kind](first, second)


# ------------------------------------------------------------------------------------------ subscripts

def subscript(value, index):
    kind = type(value)
    if kind is dict:
        weigh(index)
    elif kind is range:
        pay_range(value.start, value.stop, value.step)
    elif type(index) is slice and kind in SEQUENCES:
        part = range(*index.indices(len(value)))
        charge(length(part) * ELEMENT_BYTES[kind] + 64)
        tick(length(part) >> 6)
    return op.getitem(value, index)


def unpack(value, before, after, has_star):
    """The values for a target list: `before` and `after` of them, and what is between for the star."""
    least = before + after
    try:
        iterator = iter(value)
    except TypeError:
        raise TypeError(f"cannot unpack non-iterable {type(value).__name__} object") from None
    if has_star:
        items = gather(iterator)
        if len(items) < least:
            raise ValueError(f"not enough values to unpack (expected at least {least}, got {len(items)})")
        return [*items[:before], items[before:len(items) - after], *items[len(items) - after:]]
    items = []
    for item in iterator:
        if len(items) == least:
            raise ValueError(f"too many values to unpack (expected {least})")
        items.append(item)
    if len(items) < least:
        raise ValueError(f"not enough values to unpack (expected {least}, got {len(items)})")
    return items
