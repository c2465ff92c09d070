# SPDX-License-Identifier: Apache-2.0
"""Both ends of a call to somebody's API, without the wire between them."""

import json
from decimal import Decimal
from urllib.parse import urlencode


def build_request(url: str, query: dict, token: str) -> dict:
    return {"method": "GET", "url": f"{url}?{urlencode(sorted(query.items()))}",
            "headers": {"Authorization": f"Bearer {token}", "Accept": "application/json"}}


def read_answer(status: int, body: str) -> dict:
    if status != 200:
        raise RuntimeError(f"the API answered {status}")
    answer = json.loads(body)
    total = sum(Decimal(item["price"]) for item in answer["items"])
    return {"ids": [item["id"] for item in answer["items"]], "total": str(total),
            "has_more": answer["next"] is not None}
