# SPDX-License-Identifier: Apache-2.0
"""Functions that wait without holding others up."""

import asyncio


async def slow_square(number: int) -> int:
    await asyncio.sleep(0.01)
    return number * number


async def squares(numbers: list) -> list:
    return list(await asyncio.gather(*[slow_square(number) for number in numbers]))


async def fetch_all(urls: list) -> list:
    """Status and length of each page."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async def fetch(url):
            async with session.get(url) as answer:
                return {"url": url, "status": answer.status, "length": len(await answer.text())}

        return list(await asyncio.gather(*[fetch(url) for url in urls]))
