# SPDX-License-Identifier: Apache-2.0
"""Awaiting for a caller: with asyncio's loop where it is loaded, by hand where it is not."""

import sys


async def wait(awaitable):
    return await awaitable


async def drain(items, put):
    async for item in items:
        put(item)


def run(coroutine):
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        return asyncio.run(coroutine)
    try:
        while True:
            # Without a loop there is nothing to wait for but "let others run" (None).
            if coroutine.send(None) is not None:
                raise RuntimeError("awaited something that only an event loop can finish")
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()


class Strict:
    """What the C scanner wants to know; numbers keep every digit."""
    strict = True
    object_hook = object_pairs_hook = parse_constant = None
    parse_float = float
    parse_int = int


def make_scanner():
    import _json
    return _json.make_scanner(Strict)
