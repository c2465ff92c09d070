# SPDX-License-Identifier: Apache-2.0
"""HTML that is at hand: links and text, with nothing but regular expressions."""

import re
from urllib.parse import urljoin

ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "nbsp": " "}


def links(html: str, base: str = "") -> list:
    found = re.findall(r'<a\s[^>]*href="([^"]*)"[^>]*>(.*?)</a>', html, re.S | re.I)
    return [{"url": urljoin(base, href), "text": text(inner)} for href, inner in found]


def text(html: str) -> str:
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S | re.I)
    html = re.sub(r"<[^>]+>", " ", html)
    html = re.sub(r"&(\w+);", lambda match: ENTITIES.get(match[1], match[0]), html)
    return " ".join(html.split())
