# SPDX-License-Identifier: Apache-2.0
"""Requests that mean harm, byte by byte: each gets its class of answer, runs nobody's code, ends the connection
where the framing cannot be believed any more, and leaves a service that answers the next good request."""

import json
import re
import socket
import threading
import time

import pytest
from service import SLOW, wait_until

BODY = b'{"source":"def main(): return 1"}'
SIZE = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
AUTH = b"Authorization: Bearer TOKEN\r\n"
TYPE = b"Content-Type: application/json\r\n"
HOST = b"Host: x\r\n"
START = b"POST /v1/calls HTTP/1.1\r\n"
GOOD = START + HOST + AUTH + TYPE + SIZE + b"\r\n" + BODY


def post(extra=b"", *, start=START, host=HOST, auth=AUTH, kind=TYPE, size=SIZE, body=BODY):
    """A request that would run, but for the parts given; behind it one that must not be seen as a request."""
    return start + host + auth + kind + size + extra + b"\r\n" + body + GOOD


def line(text):
    return post(start=text)


def target(text):
    return line(b"POST " + text + b" HTTP/1.1\r\n")


def length(value):
    return post(size=b"Content-Length:" + value + b"\r\n")


def coding(field):
    return post(size=field + b"\r\n", body=CHUNKS)


def chunks(text):
    return post(size=CHUNKED, body=text)


def field(text):
    return post(text + b"\r\n")


def host(text):
    return post(host=text)


# (what, bytes, statuses): the connection closes behind the one answer.
CLOSING = [
    # ---- the request line
    ("two spaces before the target", line(b"POST  /v1/calls HTTP/1.1\r\n"), "400"),
    ("two spaces before the version", line(b"POST /v1/calls  HTTP/1.1\r\n"), "400"),
    ("a space behind the version", line(b"POST /v1/calls HTTP/1.1 \r\n"), "400"),
    ("a space before the method", line(b" POST /v1/calls HTTP/1.1\r\n"), "400"),
    ("an empty line first", line(b"\r\nPOST /v1/calls HTTP/1.1\r\n"), "400"),
    ("a line feed first", line(b"\nPOST /v1/calls HTTP/1.1\r\n"), "400"),
    ("a tab for a space", line(b"POST\t/v1/calls HTTP/1.1\r\n"), "400"),
    ("a tab before the version", line(b"POST /v1/calls\tHTTP/1.1\r\n"), "400"),
    ("no version", line(b"POST /v1/calls\r\n"), "400"),
    ("no target", line(b"POST HTTP/1.1\r\n"), "400"),
    ("no method", line(b"/v1/calls HTTP/1.1\r\n"), "400"),
    ("an empty target", line(b"POST  HTTP/1.1\r\n"), "400"),
    ("version in lower case", line(b"POST /v1/calls http/1.1\r\n"), "400"),
    ("version with a leading zero", line(b"POST /v1/calls HTTP/01.1\r\n"), "400"),
    ("version without a dot", line(b"POST /v1/calls HTTP/11\r\n"), "400"),
    ("version with letters", line(b"POST /v1/calls HTTP/1.x\r\n"), "400"),
    ("version 1.10", line(b"POST /v1/calls HTTP/1.10\r\n"), "400"),
    ("version 1.2", line(b"POST /v1/calls HTTP/1.2\r\n"), "505"),
    ("version 2.0", line(b"POST /v1/calls HTTP/2.0\r\n"), "505"),
    ("version 0.9", line(b"POST /v1/calls HTTP/0.9\r\n"), "505"),
    ("another protocol", line(b"POST /v1/calls RTSP/1.0\r\n"), "400"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    ("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, "400"),
    ("a NUL first", b"\x00" + GOOD, "400"),
    ("a NUL in the method", line(b"PO\x00ST /v1/calls HTTP/1.1\r\n"), "400"),
    ("DEL in the method", line(b"POST\x7f /v1/calls HTTP/1.1\r\n"), "400"),
    ("a bracket in the method", line(b"POST( /v1/calls HTTP/1.1\r\n"), "400"),
    ("method in lower case", line(b"post /v1/calls HTTP/1.1\r\n"), "501"),
    ("an unknown method", line(b"BREW /v1/calls HTTP/1.1\r\n"), "501"),
    ("TRACE", line(b"TRACE /v1/calls HTTP/1.1\r\n"), "501"),
    ("CONNECT", b"CONNECT db:5432 HTTP/1.1\r\n" + HOST + b"\r\n", "501"),
    ("CONNECT with a path", line(b"CONNECT /v1/calls HTTP/1.1\r\n"), "501"),
    ("a method of 20 KB", line(b"P" * 20000 + b" /v1/calls HTTP/1.1\r\n"), "414"),
    ("bare LF behind the line", line(b"POST /v1/calls HTTP/1.1\n"), "400"),
    ("CR CR LF behind the line", line(b"POST /v1/calls HTTP/1.1\r\r\n"), "400"),
    ("bare CR in the line", line(b"POST /v1/calls\rX HTTP/1.1\r\n"), "400"),
    # ---- the target
    ("absolute form", target(b"http://x/v1/calls"), "400"),
    ("absolute form to another host", target(b"https://metadata.internal/v1/calls"), "400"),
    ("authority form", target(b"x:80"), "400"),
    ("asterisk form", target(b"*"), "400"),
    ("a relative target", target(b"v1/calls"), "400"),
    ("two slashes", target(b"//v1/calls"), "400"),
    ("two slashes within", target(b"/v1//calls"), "400"),
    ("a dot segment", target(b"/v1/./calls"), "400"),
    ("a double dot segment", target(b"/v1/../v1/calls"), "400"),
    ("an encoded dot segment", target(b"/v1/%2e%2e/v1/calls"), "400"),
    ("half encoded dots", target(b"/v1/.%2E/calls"), "400"),
    ("an encoded slash", target(b"/v1%2fcalls"), "400"),
    ("an encoded backslash", target(b"/v1%5ccalls"), "400"),
    ("a backslash", target(b"/v1\\calls"), "400"),
    ("an encoded NUL", target(b"/v1/calls%00"), "400"),
    ("an encoded line break", target(b"/v1/calls%0d%0aX:y"), "400"),
    ("half an escape", target(b"/v1/calls%2"), "400"),
    ("an escape of no digits", target(b"/v1/calls%zz"), "400"),
    ("raw bytes", target(b"/v1/calls\xc3\xa9"), "400"),
    ("encoded bytes over ASCII", target(b"/v1/calls%c3%a9"), "400"),
    ("a fragment", target(b"/v1/calls#top"), "400"),
    ("a raw quote in the query", target(b'/v1/calls?a="b"'), "400"),
    ("a broken escape in the query", target(b"/v1/calls?a=%g0"), "400"),
    ("a target of 9 KB", target(b"/v1/calls?" + b"a" * 9000), "414"),
    # ---- Host
    ("no Host", host(b""), "400"),
    ("two Hosts", host(b"Host: x\r\nHost: x\r\n"), "400"),
    ("an empty Host", host(b"Host:\r\n"), "400"),
    ("a Host with a path", host(b"Host: x/y\r\n"), "400"),
    ("a Host with a user", host(b"Host: a@x\r\n"), "400"),
    ("a Host with a space", host(b"Host: x y\r\n"), "400"),
    ("two names in one Host", host(b"Host: x, y\r\n"), "400"),
    ("a Host with a port of letters", host(b"Host: x:http\r\n"), "400"),
    ("a Host with a port too high", host(b"Host: x:65536\r\n"), "400"),
    ("half an IPv6 Host", host(b"Host: [::1\r\n"), "400"),
    ("a Host of 300 letters", host(b"Host: " + b"x" * 300 + b"\r\n"), "400"),
    # ---- field grammar
    ("a space before the colon", post(size=b"Content-Length : 33\r\n"), "400"),
    ("a tab before the colon", post(size=b"Content-Length\t: 33\r\n"), "400"),
    ("a folded field", field(b"X: a\r\n b"), "400"),
    ("a field folded with a tab", field(b"X: a\r\n\tb"), "400"),
    ("a folded first field", host(b" Host: x\r\nHost: x\r\n"), "400"),
    ("a folded Content-Length", length(b"\r\n 33"), "400"),
    ("no colon", field(b"X"), "400"),
    ("an empty name", field(b": x"), "400"),
    ("a name with a space", field(b"X Y: z"), "400"),
    ("a name with a NUL", field(b"X\x00: z"), "400"),
    ("a name with raw bytes", field(b"X\xff: z"), "400"),
    ("a name with a bracket", field(b"X[]: z"), "400"),
    ("a NUL in a value", field(b"X: a\x00b"), "400"),
    ("an escape character in a value", field(b"X: \x1b[2J"), "400"),
    ("DEL in a value", field(b"X: \x7f"), "400"),
    ("raw bytes in a value", field(b"X: \xe9"), "400"),
    ("bare CR in a value", field(b"X: a\rContent-Length: 5"), "400"),
    ("bare LF behind a field", field(b"X: a\nY: b"), "400"),
    ("bare LF for the empty line", START + HOST + AUTH + TYPE + SIZE + b"\n" + BODY + GOOD, "400"),
    ("65 fields", field(b"\r\n".join(b"X%d: y" % n for n in range(65))), "431"),
    ("a field of 17 KB", field(b"X: " + b"y" * 17000), "431"),
    ("a head of 40 KB", field(b"\r\n".join(b"X%d: " % n + b"y" * 2000 for n in range(20))), "431"),
    # ---- fields that may come once
    ("two tokens", field(b"Authorization: Bearer TOKEN"), "400"),
    ("a token and a wrong one", field(b"Authorization: Bearer x"), "400"),
    ("a NUL behind the token", post(auth=b"Authorization: Bearer TOKEN\x00x\r\n"), "400"),
    ("two Content-Types", field(b"Content-Type: text/plain"), "400"),
    ("two Accepts", field(b"Accept: a/b\r\nAccept: c/d"), "400"),
    ("two Expects", field(b"Expect: 100-continue\r\nExpect: 100-continue"), "400"),
    # ---- Content-Length
    ("two lengths that differ", field(b"Content-Length: 5"), "400"),
    ("two lengths that agree", field(SIZE[:-2]), "400"),
    ("a list of lengths", length(b" 33, 33"), "400"),
    ("a signed length", length(b" +33"), "400"),
    ("a negative length", length(b" -33"), "400"),
    ("a length in hexadecimal", length(b" 0x21"), "400"),
    ("a length with a fraction", length(b" 33.0"), "400"),
    ("a length with an exponent", length(b" 3e1"), "400"),
    ("a length with a space", length(b" 3 3"), "400"),
    ("a tab behind a length", length(b" 33\t"), "400"),
    ("a length with an underscore", length(b" 3_3"), "400"),
    ("an empty length", length(b""), "400"),
    ("a length in quotes", length(b' "33"'), "400"),
    ("a length of other digits", length(" ３３".encode()), "400"),
    ("a length of 2^63", length(b" 9223372036854775808"), "413"),
    ("a length of 2^64 + 33", length(b" 18446744073709551649"), "413"),
    ("a length of 40 digits", length(b" " + b"9" * 40), "413"),
    ("a length over the cap", length(b" 999999999"), "413"),
    # ---- Transfer-Encoding
    ("length and chunks", field(b"Transfer-Encoding: chunked"), "400"),
    ("chunks and length", post(size=CHUNKED + SIZE, body=CHUNKS), "400"),
    ("chunks and a length of 0", post(size=CHUNKED + b"Content-Length: 0\r\n", body=CHUNKS), "400"),
    ("xchunked", coding(b"Transfer-Encoding: xchunked"), "501"),
    ("chunked with a vertical tab", coding(b"Transfer-Encoding: chunked\x0b"), "400"),
    ("a NUL before chunked", coding(b"Transfer-Encoding: \x00chunked"), "400"),
    ("chunked with a parameter", coding(b"Transfer-Encoding: chunked;q=1"), "501"),
    ("gzip, chunked", coding(b"Transfer-Encoding: gzip, chunked"), "501"),
    ("chunked, identity", coding(b"Transfer-Encoding: chunked, identity"), "501"),
    ("chunked twice in one field", coding(b"Transfer-Encoding: chunked, chunked"), "501"),
    ("chunked in two fields", coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "400"),
    ("identity", coding(b"Transfer-Encoding: identity"), "501"),
    ("an empty coding", coding(b"Transfer-Encoding:"), "501"),
    ("chunked in quotes", coding(b'Transfer-Encoding: "chunked"'), "501"),
    ("a space before the coding's colon", coding(b"Transfer-Encoding : chunked"), "400"),
    ("a folded coding", coding(b"Transfer-Encoding:\r\n chunked"), "400"),
    ("a coding that goes on in a fold", coding(b"Transfer-Encoding: x\r\n\tchunked"), "400"),
    ("chunks in HTTP/1.0", post(start=b"POST /v1/calls HTTP/1.0\r\n", size=CHUNKED, body=CHUNKS), "400"),
    # ---- chunks
    ("a chunk extension", chunks(b"21;a=b\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("an extension of the last chunk", chunks(b"21\r\n" + BODY + b"\r\n0;x\r\n\r\n"), "400"),
    ("a chunk size with 0x", chunks(b"0x21\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("a signed chunk size", chunks(b"+21\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("a negative chunk size", chunks(b"-1\r\n" + BODY), "400"),
    ("a space before the size", chunks(b" 21\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("a space behind the size", chunks(b"21 \r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("an empty size", chunks(b"\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("bare LF behind the size", chunks(b"21\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("bare CR behind the size", chunks(b"21\r" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("bare LF behind a chunk", chunks(b"21\r\n" + BODY + b"\n0\r\n\r\n"), "400"),
    ("a chunk longer than its size", chunks(b"20\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("a size of nine digits", chunks(b"000000021\r\n" + BODY + b"\r\n0\r\n\r\n"), "400"),
    ("a size that overflows", chunks(b"ffffffffffffffff\r\n" + BODY), "400"),
    ("a size over the cap", chunks(b"ffffffff\r\n" + BODY), "413"),
    ("a trailer", chunks(b"21\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n"), "400"),
    ("a framing trailer", chunks(b"21\r\n" + BODY + b"\r\n0\r\nContent-Length: 5\r\n\r\n"), "400"),
    ("bare LF at the end", chunks(b"21\r\n" + BODY + b"\r\n0\r\n\n"), "400"),
    # ---- what is not spoken here
    ("an upgrade to h2c", field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"), "501"),
    ("an upgrade to websocket", field(b"Connection: Upgrade\r\nUpgrade: websocket"), "501"),
    ("an unknown expectation", field(b"Expect: 200-ok"), "417"),
    ("an expectation with a parameter", field(b"Expect: 100-continue;x"), "417"),
    ("two policies", field(b"Cloche-Policy: strict\r\nCloche-Policy: strict"), "400"),
    ("two policies in two spellings", field(b"Cloche-Policy: strict\r\ncloche-policy: default"), "400"),
    ("a compressed body", field(b"Content-Encoding: gzip"), "415"),
    ("an identity body", field(b"Content-Encoding: identity"), "415"),
    # ---- refused at the head: the body is not read, so nothing behind it can be
    ("no token", post(auth=b""), "401"),
    ("an empty token", post(auth=b"Authorization: Bearer \r\n"), "401"),
    ("a token in another scheme", post(auth=b"Authorization: Basic TOKEN\r\n"), "401"),
    ("no type", post(kind=b""), "415"),
    ("a form", post(kind=b"Content-Type: application/x-www-form-urlencoded\r\n"), "415"),
    ("plain text", post(kind=b"Content-Type: text/plain\r\n"), "415"),
    ("a type that only begins like JSON", post(kind=b"Content-Type: application/jsonp\r\n"), "415"),
    ("a type with something behind it", post(kind=b"Content-Type: application/json x\r\n"), "415"),
    ("a type whose parameters are none", post(kind=b"Content-Type: application/json;;;=\r\n"), "415"),
    ("another charset", post(kind=b"Content-Type: application/json; charset=utf-16\r\n"), "415"),
    ("two charsets", post(kind=b"Content-Type: application/json;charset=utf-8;charset=utf-16\r\n"), "415"),
    ("no length", post(size=b""), "411"),
    ("a body for GET", line(b"GET /healthz HTTP/1.1\r\n"), "400"),
    ("another method", line(b"PUT /v1/calls HTTP/1.1\r\n"), "405"),
    ("another path", line(b"POST /v1/call HTTP/1.1\r\n"), "404"),
    ("a slash more", line(b"POST /v1/calls/ HTTP/1.1\r\n"), "404"),
]

# Refused in a way that leaves no doubt about what follows: the connection may go on.
GOING_ON = [
    ("an unknown path", b"GET /nosuch HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", 404),
    ("a path that differs in case", b"GET /HEALTHZ HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", 404),
    ("no token", b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n", 401),
    ("OPTIONS", b"OPTIONS /v1/calls HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", 405),
    ("DELETE", b"DELETE /v1/calls HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", 405),
    ("a query nobody knows", START[:14] + b"?x=1 HTTP/1.1\r\n" + HOST + AUTH + TYPE + SIZE + b"\r\n" + BODY, 400),
    ("a body that is no JSON", START + HOST + AUTH + TYPE + b"Content-Length: 1\r\n\r\n{", 400),
    ("an empty body", START + HOST + AUTH + TYPE + b"Content-Length: 0\r\n\r\n", 400),
]


def connect(cloche):
    address, port = cloche.url.split("//")[1].rsplit(":", 1)
    return socket.create_connection((address, int(port)), timeout=10 * SLOW)


def say(connection, cloche, raw):
    connection.sendall(raw.replace(b"TOKEN", cloche.token.encode()))


def read_all(connection):
    """Until the server closes; it has 10 s for that, and our side stays open."""
    answer = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return answer
        if not piece:
            return answer
        answer += piece


def calls_so_far(cloche):
    text = cloche.http.get("/metrics").text
    return sum(int(n) for n in re.findall(r"^cloche_calls_total\{.*\} (\d+)$", text, re.MULTILINE))


def check_service(cloche, before):
    """Nothing ran since `before`, and the next good call does."""
    assert calls_so_far(cloche) == before
    assert cloche.call("def main(): return 7")["result"] == 7


@pytest.mark.parametrize("what,raw,status", CLOSING, ids=[row[0] for row in CLOSING])
def test_malformed_requests_are_refused_once_and_end_the_connection(cloche, what, raw, status):
    before = calls_so_far(cloche)
    with connect(cloche) as connection:
        say(connection, cloche, raw)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 " + status.encode()), answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1 and b'"verdict"' not in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert b"\r\nContent-Type: application/problem+json\r\n" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == int(status)
    check_service(cloche, before)


@pytest.mark.parametrize("raw,status", [
    (b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"414"),
    (b"HEAD / HTTP/2.0\r\n" + HOST + b"\r\n", b"505"),
    (b"HEAD / HTTP/1.x\r\n" + HOST + b"\r\n", b"400"),
    (b"HEAD  / HTTP/1.1\r\n" + HOST + b"\r\n", b"400"),
    (b"HEAD /healthz HTTP/1.1\n" + HOST + b"\r\n", b"400"),
    (b"HEAD /healthz HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 20000 + b"\r\n\r\n", b"431"),
    (b"HEAD /healthz HTTP/1.1\r\n\r\n", b"400"),
    (b"HEAD /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", b"400"),
], ids=lambda value: value[:24].decode() if len(value) > 3 else None)
def test_the_answer_to_head_has_no_content_however_it_was_refused(cloche, raw, status):
    """RFC 9110 9.3.2; a reader that expects none would take it for the next answer."""
    with connect(cloche) as connection:
        say(connection, cloche, raw)
        answer = read_all(connection)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status) and b"\r\nConnection: close" in head
    assert content == b""


def test_a_chunk_beyond_the_cap_is_told_what_the_cap_is(cloche):
    with connect(cloche) as connection:
        say(connection, cloche, START + HOST + AUTH + TYPE + CHUNKED + b"\r\n7fffffff\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["limit"] > 1 << 20


@pytest.mark.parametrize("accept,kind", [
    ("application/x-ndjson", "application/x-ndjson"), ("text/event-stream, */*", "text/event-stream"),
    ("application/x-ndjson;q=0", "application/json"), ("application/json, application/x-ndjson;q=0.1", "application/json"),
    ("application/json;q=1, text/event-stream;q=0", "application/json"), ("*/*", "application/json"),
    ("text/event-stream;q=0.6, application/x-ndjson;q=0.4", "text/event-stream"),
    ("text/plain;note=\"a, application/x-ndjson\"", "application/json"),
    ("application/json;q=0.5, application/x-ndjson", "application/x-ndjson")])
def test_the_form_of_an_answer_is_what_the_client_likes_best(cloche, accept, kind):
    answer = cloche.http.post("/v1/calls", json={"source": "def main(): return 1"}, headers={"Accept": accept})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("prefer,status", [("respond-async", 202), ("wait=5, respond-async", 202),
                                           ("foo=\"a, respond-async, b\"", 200), ("respond-asyncs", 200)])
def test_a_preference_in_quotes_is_none(cloche, prefer, status):
    answer = cloche.http.post("/v1/calls", json={"source": "def main(): return 1"}, headers={"Prefer": prefer})
    assert answer.status_code == status


@pytest.mark.parametrize("path,body", [("/v1/calls", {"source": "def main(): return 1"}), ("/v1/sessions", {}),
                                       ("/v1/eval", {"expression": "1"})])
def test_an_empty_name_is_no_policy(cloche, path, body):
    """It would be the default one, which may permit more than the one that was meant."""
    answer = cloche.http.post(path, json={**body, "policy": ""})
    assert answer.status_code == 400 and answer.json()["pointer"] == "/policy", answer.text


@pytest.mark.parametrize("path,body", [
    ("/v1/rpc", {"jsonrpc": "2.0", "id": 1, "method": "execute", "params": {"function": "len", "args": ["ab"]}}),
    ("/v1/workflows", {"name": "w", "tasks": [{"id": "a", "method": "execute", "params": {"code": "result = 1"}}]})])
def test_a_field_without_a_policy_in_it_names_none(cloche, path, body):
    answer = cloche.http.post(path, json=body, headers={"Cloche-Policy": ""})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("what,raw,status", CLOSING[::4], ids=[row[0] for row in CLOSING[::4]])
def test_they_are_the_same_behind_a_good_request(cloche, what, raw, status):
    """What came before on the connection makes nothing more believable."""
    before = calls_so_far(cloche)
    with connect(cloche) as connection:
        say(connection, cloche, b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n" + raw)
        answer = read_all(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", status.encode()], answer[:600]
    check_service(cloche, before)


@pytest.mark.parametrize("what,raw,status", CLOSING[1::9], ids=[row[0] for row in CLOSING[1::9]])
def test_they_are_the_same_byte_by_byte(cloche, what, raw, status):
    before = calls_so_far(cloche)
    with connect(cloche) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = raw.replace(b"TOKEN", cloche.token.encode())
        try:
            for at in range(min(len(text), 2000)):
                connection.send(text[at:at + 1])
            connection.sendall(text[2000:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered and closed already
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 " + status.encode()) or not answer, answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1 and b'"verdict"' not in answer
    check_service(cloche, before)


@pytest.mark.parametrize("what,raw,status", GOING_ON, ids=[row[0] for row in GOING_ON])
def test_refusals_within_the_grammar_keep_the_connection(cloche, what, raw, status):
    before = calls_so_far(cloche)
    with connect(cloche) as connection:
        say(connection, cloche, raw + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        answer = read_all(connection)
    if status == 400 and b"?x=1" in raw:  # refused at its head, so its body was never read
        assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400"]
    else:
        assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"%d" % status, b"200"], answer
    if status == 405:
        assert b"\r\nAllow: POST, GET, HEAD\r\n" in answer
    check_service(cloche, before)


def test_a_client_that_expects_a_continue_hears_the_refusal_instead(cloche):
    before = calls_so_far(cloche)
    with connect(cloche) as connection:
        say(connection, cloche, START + HOST + TYPE + SIZE + b"Expect: 100-continue\r\n\r\n")
        answer = read_all(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"401"], answer
    check_service(cloche, before)


def test_requests_one_after_the_other_stay_in_order(cloche):
    """A second request waits until the first is answered: never two calls of one connection at a time."""
    one = b'{"source":"import time\\ndef main(): time.sleep(0.3); return 1"}'
    two = b'{"source":"def main(): return 2"}'
    with connect(cloche) as connection:
        for body in (one, two):
            say(connection, cloche, START + HOST + AUTH + TYPE + b"Content-Length: %d\r\n" % len(body) + b"\r\n" + body)
        say(connection, cloche, b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        answer = read_all(connection)
    assert re.findall(rb'"result": ?(\d)', answer) == [b"1", b"2"], answer
    assert answer.count(b"HTTP/1.1 200") == 3


def test_slow_heads_and_bodies_fall_to_their_total_deadlines(cloche):
    """One byte a second is progress, and no way to stay: heads have 10 s in all, bodies a least pace after 5 s."""
    slow = {"head": b"POST /v1/calls HTTP/1.1\r\nX: ", "body": START + HOST + AUTH + TYPE + b"Content-Length: 60000\r\n\r\n{"}
    ends, threads = {}, []

    def trickle(name, first):
        begin = time.monotonic()
        with connect(cloche) as connection:
            say(connection, cloche, first)
            connection.settimeout(1)
            answer = b""
            while time.monotonic() - begin < 20 * SLOW:
                try:
                    connection.sendall(b"a")
                    piece = connection.recv(4096)
                    answer += piece
                    if not piece:
                        break
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    break
            ends[name] = time.monotonic() - begin, answer

    for name, first in slow.items():
        threads.append(threading.Thread(target=trickle, args=(name, first)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for name, (seconds, answer) in ends.items():
        assert answer.startswith(b"HTTP/1.1 408"), (name, answer)
        assert seconds < 15 * SLOW, (name, seconds)
    check_service(cloche, calls_so_far(cloche))


def test_slowloris_with_300_connections_hinders_nobody(own):
    """300 clients at one byte a second, for longer than the deadline of a head; a normal client's calls go on."""
    stop = threading.Event()
    slow = [connect(own) for _ in range(300)]
    start = time.monotonic()

    def trickle():
        text = b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100
        for at in range(len(text)):
            for connection in slow:
                try:
                    connection.send(text[at:at + 1])
                except OSError:
                    pass
            if stop.wait(1.0):
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    times = []
    try:
        while time.monotonic() - start < 12 * SLOW:
            begin = time.monotonic()
            assert own.call("def main(): return 1")["result"] == 1
            times.append(time.monotonic() - begin)
            if len(times) == 20:
                assert own.http.get("/metrics").text.count("cloche_connections 301\n") == 1
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
    times.sort()
    assert len(times) > 100 and times[len(times) // 2] < 0.1 * SLOW and times[-1] < 2 * SLOW, times[-5:]

    def all_ended():
        return own.http.get("/metrics").text.count("cloche_connections 1\n") == 1

    wait_until(all_ended, 10, "the slow connections to be gone")
    statuses = {connection.recv(4096)[9:12] for connection in slow}
    assert statuses == {b"408"}, statuses
    for connection in slow:
        connection.close()
