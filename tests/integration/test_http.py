# SPDX-License-Identifier: Apache-2.0
"""The request side: tokens, problems, shapes that are refused, and that refused requests run nothing."""

import json
import socket

import pytest

OK = {"source": "def main(): return 1"}


def problem(answer, status, pointer=None):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["type"].startswith("urn:cloche:problem:") and body["status"] == status and body["title"]
    if pointer is not None:
        assert body["pointer"] == pointer, body
    return body


@pytest.mark.parametrize("method,path", [
    ("POST", "/v1/sessions"), ("GET", "/v1/sessions"), ("GET", "/v1/sessions/x"), ("DELETE", "/v1/sessions/x"),
    ("POST", "/v1/rpc"), ("POST", "/v1/modules:push"), ("PUT", "/v1/modules/x"), ("DELETE", "/v1/modules/x"),
    ("GET", "/v1/modules/x/versions"), ("DELETE", "/v1/calls/x"), ("GET", "/v1/policies"), ("GET", "/v1/policies/default"),
    ("POST", "/v1/workflows:validate"), ("GET", "/v1/workflows/x"), ("POST", "/v1/workflows/x:cancel"), ("GET", "/v1/tasks/x"),
    ("POST", "/v1/calls"), ("GET", "/v1/calls"), ("GET", "/v1/modules"), ("GET", "/v1/functions"), ("GET", "/v1/workflows"),
    ("POST", "/v1/eval"), ("POST", "/v1/functions/x.f/calls")])
def test_a_query_that_means_nothing_is_400_and_not_passed_over(cloche, method, path):
    answer = cloche.http.request(method, path + "?surprise=1", json=None if method in ("GET", "DELETE") else {})
    assert answer.headers["content-type"] == "application/problem+json" and "allow" not in answer.headers
    assert (answer.status_code, answer.json()["type"]) in [
        (400, "urn:cloche:problem:malformed"), (404, "urn:cloche:problem:call-not-found")], answer.text


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic abc", "bearer\tx",
                                    "Bearer clt_" + "0" * 64])
def test_wrong_tokens_all_look_the_same(cloche, header):
    headers = {"Authorization": header} if header is not None else {}
    client = cloche.client()
    client.headers.pop("Authorization")
    with client:
        answer = client.post("/v1/calls", json=OK, headers=headers)
        body = problem(answer, 401)
        reference = problem(client.post("/v1/calls", json=OK, headers={"Authorization": "Bearer x"}), 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (body["title"], body.get("detail")) == (reference["title"], reference.get("detail"))


def test_health_needs_no_token(cloche):
    client = cloche.client()
    client.headers.pop("Authorization")
    with client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("body,pointer", [
    ({**OK, "sorce": 1}, "/sorce"), ({}, "/source"), ({"source": 1}, "/source"),
    ({**OK, "function": "a.b"}, "/function"), ({**OK, "entry": "a b"}, "/entry"), ({**OK, "args": {}}, "/args"),
    ({**OK, "kwargs": []}, "/kwargs"), ({**OK, "stdin": 1}, "/stdin"), ({**OK, "limits": {"wal": "1s"}}, "/limits/wal"),
    ({**OK, "limits": {"wall": "1 parsec"}}, "/limits/wall"), ({**OK, "limits": {"memory": "64MB"}}, "/limits/memory"),
    ({**OK, "limits": {"processes": "1"}}, "/limits/processes"), ({**OK, "metadata": []}, "/metadata"),
    ({**OK, "files": [{"path": "../x", "text": ""}], "policy": "roomy"}, "/files/0/path"),
    ({**OK, "files": [{"path": "/etc/x", "text": ""}], "policy": "roomy"}, "/files/0/path"),
    ({**OK, "files": [{"path": "x", "base64": "?"}], "policy": "roomy"}, "/files/0/base64"),
    ({**OK, "files": [{"path": "x"}], "policy": "roomy"}, "/files/0"), ({**OK, "policy": 5}, "/policy"),
])
def test_malformed_bodies_name_the_field(cloche, body, pointer):
    problem(cloche.post(body), 400, pointer)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"source": "a", "source": "b"}', b'{"source": "\xff"}',
                                  b'{"source": "\\ud800"}', b'{"source": "a"} x', b'{"source": NaN}',
                                  b"[" * 100 + b"]" * 100, b'\xef\xbb\xbf{"source": "a"}'])
def test_bodies_that_are_not_one_json_object_are_400(cloche, text):
    problem(cloche.raw(text), 400)


@pytest.mark.parametrize("limits", [{"wall": "10m"}, {"memory": "1Gi"}, {"cpu": "1h"}, {"processes": 2},
                                    {"output": "1Gi"}, {"result": "1Gi"}, {"files": "1Mi"}])
def test_limits_may_not_be_widened(cloche, limits):
    problem(cloche.post({**OK, "limits": limits}), 403)


def test_unknown_policy_is_403(cloche):
    problem(cloche.post({**OK, "policy": "nosuch"}), 403)


def test_files_without_a_grant_are_403(cloche):
    problem(cloche.post({**OK, "files": [{"path": "a", "text": "b"}]}), 403)


def test_unknown_path_is_404_and_wrong_method_405(cloche):
    problem(cloche.http.get("/nosuch"), 404)
    answer = cloche.http.put("/v1/calls", json=OK)
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]


def test_content_type_must_be_json(cloche):
    answer = cloche.http.post("/v1/calls", content=json.dumps(OK), headers={"Content-Type": "text/plain"})
    problem(answer, 415)


def test_too_large_a_body_is_413_and_says_the_limit(cloche):
    body = problem(cloche.post({"source": "#" * (9 << 20)}, timeout=20), 413)
    assert body["limit"]


def test_policies_are_shown(cloche):
    names = {p["name"] for p in cloche.http.get("/v1/policies").json()["policies"]}
    assert {"default", "strict"} <= names
    policy = cloche.http.get("/v1/policies/default").json()
    assert "json" in policy["python"]["modules"] and "socket" not in policy["python"]["modules"]
    problem(cloche.http.get("/v1/policies/nosuch"), 404)


def exchange(cloche, raw):
    host, port = cloche.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw.replace(b"TOKEN", cloche.token.encode()))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return answer
            answer += piece


HEAD = b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
BODY = b'{"source":"def main(): return 1"}'


@pytest.mark.parametrize("raw,status", [
    (HEAD + b"Content-Length: 33\r\nContent-Length: 34\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Content-Length: +33\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Content-Length : 33\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Content-Length: 33\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY, b"501"),
    (HEAD + b"Transfer-Encoding: chunked\x0b\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + BODY, b"400"),
    (HEAD + b"X: a\x00b\r\nContent-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD + b" folded: x\r\nContent-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Authorization: Bearer TOKEN\r\nContent-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"Host: x", b"Host: x\r\nHost: y") + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"Host: x\r\n", b"") + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"POST ", b"POST  ") + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"/v1/calls", b"/v1/%2e%2e/calls") + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"/v1/calls", b"http://other/v1/calls") + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD.replace(b"HTTP/1.1", b"HTTP/2.0") + b"Content-Length: 33\r\n\r\n" + BODY, b"505"),
    (HEAD.replace(b"\r\n", b"\n", 1) + b"Content-Length: 33\r\n\r\n" + BODY, b"400"),
    (HEAD + b"Expect: something\r\nContent-Length: 33\r\n\r\n" + BODY, b"417"),
    (HEAD + b"A: " + b"x" * 20000 + b"\r\nContent-Length: 33\r\n\r\n" + BODY, b"431"),
])
def test_hostile_requests_are_refused_and_run_nothing(cloche, raw, status):
    answer = exchange(cloche, raw)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert b'"verdict"' not in answer and answer.count(b"HTTP/1.1 ") == 1


def test_keep_alive_answers_many_requests_on_one_connection(cloche):
    one = HEAD + b"Content-Length: 33\r\n\r\n" + BODY
    host, port = cloche.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(20):
            connection.sendall(one.replace(b"TOKEN", cloche.token.encode()))
            answer = b""
            while b'"metadata"' not in answer or not answer.rstrip().endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")


def test_chunked_body_is_read(cloche):
    raw = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n21\r\n" + BODY + b"\r\n0\r\n\r\n"
    host, port = cloche.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw.replace(b"TOKEN", cloche.token.encode()))
        answer = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    assert b'"result":1' in answer.replace(b" ", b"")
