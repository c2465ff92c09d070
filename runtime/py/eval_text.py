# SPDX-License-Identifier: Apache-2.0
"""Texts of values. Widths and precisions are read here first, and paid for."""

from eval_cost import budget, charge, tick, weigh

TEXTS = {-1: str, ord("s"): str, ord("r"): repr, ord("a"): ascii}
CONVERSIONS = frozenset("diouxXeEfFgGcrsa%")


def text_of(value, make=str):
    """str(), repr() or ascii() of a value."""
    if type(value) is str and make is str:
        return value
    charge(weigh(value, is_text=True))
    return make(value)


def numbers_in(text):
    """Each run of digits, of any script, as Python's own format parser reads them."""
    run = ""
    for char in text + " ":
        if char.isdecimal():
            run += char
        elif run:
            digits = run.lstrip("0")
            # A number of more digits than these is refused by the formatter itself.
            if len(digits) < 19:
                yield int(digits or 0)
            run = ""


def format_value(value, conversion, spec):
    """One {} of an f-string."""
    if conversion != -1:
        value = text_of(value, TEXTS[conversion])
    if not spec:
        return text_of(value)
    tick(len(spec) >> 2)
    size = weigh(value, is_text=True)
    bits = value.bit_length() if type(value) is int else 0
    charge(size + 2 * bits + sum(4 * number for number in numbers_in(spec)))
    return format(value, spec)


# ---------------------------------------------------------------------------------- the % of a string

def number_at(text, at):
    """(number, where it ends) of ASCII digits; a star counts as 0, its value stands elsewhere."""
    if text[at:at + 1] == "*":
        return 0, at + 1
    end = at
    while end < len(text) and text[end] in "0123456789":
        end += 1
    digits = text[at:end].lstrip("0")
    # "width too big" is Python's own error
    return int(digits or 0) if len(digits) < 19 else 0, end


def skip_key(text, at):
    """Past a (key); parentheses nest."""
    depth = 0
    while at < len(text):
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
        if depth == 0:
            break
    return at


def read_percents(text):
    """(how many conversions, all widths and precisions together, whether one is a star)."""
    count = total = 0
    has_star = False
    at = text.find("%")
    while at >= 0:
        start = at = at + 1
        if text[at:at + 1] == "(":
            start = at = skip_key(text, at)
        while at < len(text) and text[at] in "-+ #0":
            at += 1
        width, at = number_at(text, at)
        if text[at:at + 1] == ".":
            precision, at = number_at(text, at + 1)
            width += precision
        count += 1
        total += width
        has_star = has_star or "*" in text[start:at]
        tick(1 + (at - start >> 3))
        at = text.find("%", at + (text[at:at + 1] in CONVERSIONS))
    return count, total, has_star


def bits_in(values):
    """Of the whole numbers that %o or %x may print."""
    if type(values) is int:
        return values.bit_length()
    return sum(value.bit_length() for value in values if type(value) is int) if type(values) is tuple else 0


def charge_percent(text, values):
    """Before `text % values`."""
    tick(len(text) >> 6)
    count, total, has_star = read_percents(text)
    # A key, or a value that is no tuple, may be printed by every conversion.
    times = 1 if type(values) is tuple else max(count, 1)
    before = budget.steps
    size = weigh(values, is_text=True) + bits_in(values)
    tick((before - budget.steps) * (times - 1))
    if has_star and type(values) is tuple:
        total += sum(abs(value) for value in values if isinstance(value, int))
    charge(4 * (len(text) + total) + size * times)
