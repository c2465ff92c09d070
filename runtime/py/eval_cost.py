# SPDX-License-Identifier: Apache-2.0
"""What one restricted evaluation may spend, counted before it is spent.

Steps stand for time: one is about what the walker takes for one node. Bytes are what values may take
together, those that are gone again included."""

STEPS_MAX = 200_000
INT_BITS_MAX = 1 << 18  # enough for the longest number that JSON may carry, 65,536 digits
ITEM_BYTES = 64         # one element of a container with what it refers to, roughly

KEYS, VALUES, ITEMS = type({}.keys()), type({}.values()), type({}.items())
GENERATOR = type(_ for _ in ())
SCALARS = frozenset({str, int, bool, float, complex, type(None), type(...)})
CONTAINERS = frozenset({list, tuple, set, dict, KEYS, VALUES, ITEMS})
SIZED = CONTAINERS | {str, range}
ITERATORS = frozenset({
    GENERATOR, zip, enumerate, reversed, type(reversed([])), type(reversed({})), type(reversed({}.values())),
    type(reversed({}.items())), type(iter(range(0))), type(iter(range(1 << 70)))})
ITERABLE = SIZED | ITERATORS


class Refused(BaseException):
    """Ends the evaluation. Nothing that an expression can reach catches it."""


class Denied(Refused):
    def __init__(self, rule, name, message, node=None):
        self.rule, self.name, self.message = rule, name, message
        if node is not None:
            budget.node = node


class Limit(Refused):
    def __init__(self, name, value, used, message):
        self.name, self.value, self.used, self.message = name, value, used, message


class Budget:
    __slots__ = "steps", "bytes", "bytes_max", "node"

    def begin(self, bytes_max):
        self.steps, self.bytes, self.bytes_max, self.node = STEPS_MAX, bytes_max, bytes_max, None


budget = Budget()
budget.begin(32 << 20)


def tick(steps):
    budget.steps -= steps
    if budget.steps < 0:
        raise Limit("cpu", 0, 0, f"this takes more than {STEPS_MAX:,} steps")


def charge(size):
    """Before a value of `size` bytes is made."""
    if size > budget.bytes:
        used = min(budget.bytes_max - budget.bytes + size, 1 << 63)
        raise Limit("memory", budget.bytes_max, used,
                    f"the values of an expression may take {budget.bytes_max:,} bytes together")
    budget.bytes -= size


def charge_int(bits):
    """Before a whole number of that many bits is made."""
    if bits > INT_BITS_MAX:
        raise Limit("memory", INT_BITS_MAX >> 3, min(bits >> 3, 1 << 63),
                    f"a whole number may have {INT_BITS_MAX:,} bits")
    if bits > 512:
        charge(bits >> 3)
        tick(bits >> 12)


def length(value):
    """len(), also of a range that is longer than len() can say."""
    try:
        return len(value)
    except OverflowError:
        return 1 << 63


def product(first, second):
    """Steps of something that looks at each part of one for each part of the other."""
    return first * second >> 8


# ------------------------------------------------------------------------------------ size of a value

def weigh(value, is_text=False):
    """Takes the steps to walk the whole value once, and returns how many characters its text has at most. A
    value that holds another many times counts it as often: comparing, hashing and printing do the same.
    `is_text` adds what decimal digits cost, and refuses what has an address for a text."""
    size = 0
    todo = [value]
    while todo:
        one = todo.pop()
        if type(one) in CONTAINERS:
            size += 2 + 4 * len(one) + weigh_items(one, todo, is_text)
        else:
            size += weigh_scalar(one, is_text)
    return size


def weigh_scalar(value, is_text):
    kind = type(value)
    if kind is str:
        tick(len(value) >> 6)
        return len(value) * (4 if value.isascii() else 10) + 2
    if kind is int:
        bits = value.bit_length()
        tick(bits * bits >> 19 if is_text else bits >> 12)
        return (bits >> 1) + 2
    if kind is range:
        return sum(weigh_scalar(number, is_text) for number in (value.start, value.stop, value.step)) + 16
    if is_text and kind not in SCALARS:
        raise Denied("eval.call", kind.__name__, f"the text of a {kind.__name__} object is not shown")
    return 64


def weigh_items(value, todo, is_text):
    """The elements of one container; those that need a look of their own go to `todo`."""
    count = len(value)
    if type(value) is dict:
        todo += (value.keys(), value.values())
        return 0
    tick(1 + (count >> 3))
    kinds = set(map(type, value))
    if kinds == {str}:
        total = sum(map(len, value))
        tick(total >> 6)
        return 10 * total
    if kinds == {int}:
        total = sum(map(int.bit_length, value))
        tick(total * max(map(int.bit_length, value)) >> 19 if is_text else total >> 12)
        return total >> 1
    if kinds <= {float, bool, type(None)}:
        return 28 * count
    tick(count)
    todo.extend(value)
    return 0


# ---------------------------------------------------------------------------------- walking iterables

def meter(value):
    """For what may stop early: the same elements, each counted when it is taken."""
    return counted(value) if type(value) in ITERABLE else value


def counted(value):
    for item in value:
        tick(1)
        yield item


def gather(iterator):
    items = []
    for item in iterator:
        tick(1)
        charge(ITEM_BYTES)
        items.append(item)
    return items


def settle(value):
    """For what takes all at once: something whose length is known and paid for."""
    kind = type(value)
    if kind in ITERATORS:
        return gather(value)
    if kind in SIZED:
        count = length(value)
        tick(count >> 3)
        if kind is range:
            charge(count * ITEM_BYTES)
    return value


# ------------------------------------------------------------------------------------- keys and hashes

def is_odd(kinds, items):
    """Whether some of these could have been chosen to share a hash."""
    if kinds <= {str, float, bool, type(None)}:
        return False
    if not kinds <= {str, float, bool, type(None), int}:
        return True
    return any(type(item) is int and item.bit_length() > 60 for item in items)


class Crowd:
    """Counts the keys of one set or dict that share a hash: each costs the next one a comparison."""

    def __init__(self):
        self.first, self.counts = {}, {}

    def add(self, key):
        kind = type(key)
        if kind is str or kind is int and -1 << 60 < key < 1 << 60:
            return
        weigh(key)
        try:
            code = hash(key)
        except TypeError:
            return  # the container says it in its own words
        if code not in self.first:
            self.first[code] = key
        elif self.first[code] is not key and self.first[code] != key:
            self.counts[code] = self.counts.get(code, 0) + 1
            tick(self.counts[code])


def crowd(items):
    """Before all of these become keys at once."""
    charge(ITEM_BYTES * len(items))
    tick(len(items) >> 2)
    if is_odd(set(map(type, items)), items):
        keys = Crowd()
        for item in items:
            keys.add(item)
