# SPDX-License-Identifier: Apache-2.0
"""Two readers of the same bytes must agree: requests, whole and damaged, go to this server and to Node's parser.
What this server accepts, Node has to read as the same requests, in the same order, with nothing between or behind
them. (What this server refuses, Node may take: being stricter is the point.)

CLOCHE_HTTP_CASES and CLOCHE_HTTP_SEED ask for more, and for others; a failure prints the seed and the bytes."""

import concurrent.futures
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import urllib.parse

import pytest
from service import BIN, ROOT, SLOW

CASES = int(os.environ.get("CLOCHE_HTTP_CASES", "6000"))
SEED = int(os.environ.get("CLOCHE_HTTP_SEED", "7230"))
NODE = shutil.which("node")

pytestmark = [pytest.mark.skipif(not NODE, reason="no node to compare with"),
              pytest.mark.skipif(not (BIN / "http-echo").exists(), reason=f"no http-echo in {BIN}")]

# HEAD is left out: its answer has no body that could tell what was read.
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"]
TARGETS = [b"/", b"/v1/calls", b"/a%20b?x=1&y=%2F", b"/v1/calls/01J?wait=30s", b"/a;b=c/d", b"/a?b?c"]
FIELDS = [b"Accept: */*", b"X-A: b", b"X-A:  spaced out \t", b"X-Empty:", b"Cookie: a=b; c=d", b"Connection: close",
          b"Connection: keep-alive", b"Expect: 100-continue", b"Content-Type: application/json", b"TE: trailers",
          b"X-Quote: \"a, b\"", b"Upgrade: h2c", b"User-Agent: t/1 (x; y)"]
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b"\t", b" ", b":", b",", b";", b"\x0b", b"\x7f", b"\x80", b"\xff", b"0", b"5", b"+5", b"0x5",
          b"chunked", b"identity", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n",
          b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
          b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 05\r\n", b"Content-Length: 5, 5\r\n",
          b"Content-Length: 4\r\nContent-Length: 5\r\n", b"Content-Length : 5\r\n", b" folded\r\n", b"Host: two\r\n", b"HTTP/1.1",
          b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"0\r\n\r\n", b"5;a=b\r\nhello\r\n", b"5 \r\nhello\r\n", b"5\nhello\r\n", b"\r\n\r\n",
          b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"http://other/", b"*", b"//", b"/../", b"%00", b"%2e", b"#",
          # extensions, trailers, ends of chunks, folding, and requests half inside of one another
          b"5;a=\"b\r\n\"\r\nhello\r\n", b"5;\r\nhello\r\n", b"05\r\nhello\r\n", b"5\t\r\nhello\r\n", b"0;x\r\n\r\n",
          b"00\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\n\r", b"0\n\n", b"Trailer: X\r\n",
          b"\r\n\t", b"\r\n ", b"X:\r\n y\r\n", b"Host : x\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n",
          b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          b"Content-Length: 5\r\nContent-Length: 5\r\n", b"0\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"]


# --------------------------------------------------------------------------------------------- both readers

class Here:
    """This server, whose handler answers with what it was given."""

    def __init__(self):
        self.process = subprocess.Popen([BIN / "http-echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def read(self, text):
        """(requests, why no more were read: the status that refused, "close", or None)"""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20 * SLOW) as peer:
            answer = b""
            try:
                peer.sendall(text)
                while piece := peer.recv(65536):
                    answer += piece
            except ConnectionError:
                pass  # closed on what it did not like
        requests = [json.loads(line) for line in answer.split(b"\n") if line.startswith(b"{\"method\"")]
        statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
        refused = next((status for status in statuses if status >= 400), None)
        return requests, refused or ("close" if b"\r\nConnection: close\r\n" in answer else None)


class Node:
    """Node's parser, a line of hex for a line of JSON."""

    def __init__(self):
        self.process = subprocess.Popen([NODE, "--no-deprecation", ROOT / "tests/support/http_echo.js"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()

    def read(self, text):
        with self.lock:
            self.process.stdin.write(text.hex() + "\n")
            self.process.stdin.flush()
            said = json.loads(self.process.stdout.readline())
        return said["requests"], said["error"]


@pytest.fixture(scope="module")
def readers():
    pair = Here(), Node()
    yield pair
    for reader in pair:
        reader.process.stdin.close()
        reader.process.wait(10 * SLOW)


def as_seen(request):
    """One shape for both: text of the target decoded once, fields without what only frames the message."""
    method = bytes.fromhex(request["method"])
    if "target" in request:
        path, _, query = bytes.fromhex(request["target"]).partition(b"?")
        path = urllib.parse.unquote_to_bytes(path)
    else:
        path, query = bytes.fromhex(request["path"]), bytes.fromhex(request["query"])
    fields = [(name, bytes.fromhex(value)) for name, value in request["fields"]]
    return method, path, query, fields, bytes.fromhex(request["body"])


# ------------------------------------------------------------------------------------------------- requests

def chunked(chance, body):
    out = b""
    while body:
        size = chance.randint(1, len(body))
        out += b"%x\r\n%s\r\n" % (size, body[:size])
        body = body[size:]
    return out + b"0\r\n\r\n"


def whole(chance):
    """A request as it should be."""
    method = chance.choice(METHODS)
    fields = [b"Host: example.com", *chance.sample(FIELDS, chance.randint(0, 4))]
    body = b""
    if chance.random() < 0.6 and method != b"GET":
        content = bytes(chance.choice(b"abc\r\n0:5 ") for _ in range(chance.randint(0, 40)))
        if chance.random() < 0.5:
            fields.append(b"Content-Length: %d" % len(content))
            body = content
        else:
            fields.append(b"Transfer-Encoding: chunked")
            body = chunked(chance, content)
    chance.shuffle(fields)
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, chance.choice(TARGETS), b"\r\n".join(fields), body)


def damage(chance, request):
    at, to = sorted((chance.randint(0, len(request)), chance.randint(0, len(request))))
    kind = chance.randint(0, 5)
    if kind == 0:
        return request[:at] + chance.choice(PIECES) + request[at:]
    if kind == 1:
        return request[:at] + bytes([chance.randint(0, 255)]) + request[at + 1:]
    if kind == 2:
        return request[:at] + request[at + chance.randint(1, 4):]
    if kind == 3:
        return request[:to] + request[at:]  # a piece twice
    if kind == 4:  # at a line, where it hurts more
        lines = request.split(b"\r\n")
        lines.insert(chance.randint(0, len(lines)), chance.choice(PIECES).rstrip(b"\r\n"))
        return b"\r\n".join(lines)
    return request.replace(*chance.choice([(b"\r\n", b"\n"), (b": ", b":"), (b": ", b" : "), (b"chunked", b"Chunked"),
                                           (b"Content-Length", b"content-length"), (b"HTTP/1.1", b"HTTP/1.0")]))


def case(number):
    chance = random.Random(SEED * 1_000_003 + number)
    requests = [whole(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    text = b"".join(requests)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        text = damage(chance, text)
    return text


# -------------------------------------------------------------------------------------------------- compare

def difference(readers, number):
    """(how many requests were accepted, whether something was refused, None or what differs)"""
    text = case(number)
    ours, end = readers[0].read(text)
    theirs, _ = readers[1].read(text)
    if end is None and len(theirs) > len(ours):
        return len(ours), False, f"{number}: Node reads {len(theirs)} requests, this server {len(ours)}: {text!r}"
    for at, mine in enumerate(map(as_seen, ours)):
        other = as_seen(theirs[at]) if at < len(theirs) else None
        if mine != other:
            return len(ours), isinstance(end, int), f"{number}: {text!r}\n  here {mine}\n  Node {other}"
    return len(ours), isinstance(end, int), None


def test_node_reads_what_this_server_accepts_the_same_way(readers):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        outcomes = list(pool.map(lambda number: difference(readers, number), range(CASES)))
    found = [what for _, _, what in outcomes if what]
    assert not found, f"seed {SEED}, {len(found)} of {CASES} differ:\n" + "\n".join(found[:10])
    # Neither reader was asleep: plenty was accepted, and plenty refused.
    assert sum(count for count, _, _ in outcomes) > CASES // 4
    assert sum(refused for _, refused, _ in outcomes) > CASES // 4


def test_a_difference_would_be_seen(readers):
    """What Node reads otherwise than it was sent is told apart: the comparison itself is not blind."""
    here = as_seen(readers[0].read(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")[0][0])
    assert as_seen(readers[1].read(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")[0][0]) == here
    for other in (b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT /a HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"GET /a HTTP/1.1\r\nHost: y\r\n\r\n",
                  b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz"):
        assert as_seen(readers[1].read(other)[0][0]) != here
