# SPDX-License-Identifier: Apache-2.0
"""Values beyond JSON for those who ask for them with "typed": true, in both directions. A datetime, Decimal or
UUID can only come back if something has loaded its module, so none is loaded for the way out."""

import binascii
import sys


def to_bytes(text):
    return binascii.a2b_base64(text, strict_mode=True)


def to_datetime(text):
    from datetime import datetime
    return datetime.fromisoformat(text)


def to_decimal(text):
    from decimal import Decimal
    return Decimal(text)


def to_uuid(text):
    from uuid import UUID
    return UUID(text)


READERS = {"$bytes": (str, to_bytes), "$datetime": (str, to_datetime), "$set": (list, set),
           "$decimal": (str, to_decimal), "$uuid": (str, to_uuid)}


def read_one(tag, value, Refusal):
    kind, make = READERS[tag]
    if type(value) is not kind:
        raise Refusal(f"Invalid typed value {tag}: expected {'an array' if kind is list else 'a string'}", "TypeError")
    try:
        return make(value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Refusal(f"Invalid typed value {tag}: {error}", type(error).__name__) from None


def read(value, Refusal):
    """JSON that came in, with the objects that stand for values as these. Its depth is capped already."""
    if type(value) is list:
        return [read(one, Refusal) for one in value]
    if type(value) is not dict:
        return value
    if len(value) == 1:
        (tag, inside), = value.items()
        if tag in READERS:
            return read_one(tag, read(inside, Refusal), Refusal)
    return {key: read(one, Refusal) for key, one in value.items()}


def loaded(module, name):
    found = sys.modules.get(module)
    return getattr(found, name, ()) if found else ()


def wrap(value):
    """What stands for a value in JSON; None: nothing does."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": binascii.b2a_base64(value, newline=False).decode()}
    if isinstance(value, (set, frozenset)):
        return {"$set": list(value)}
    if isinstance(value, loaded("datetime", "datetime")):
        return {"$datetime": value.isoformat()}
    if isinstance(value, loaded("decimal", "Decimal")):
        return {"$decimal": str(value)}
    if isinstance(value, loaded("uuid", "UUID")):
        return {"$uuid": str(value)}
    return None
