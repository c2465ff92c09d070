# SPDX-License-Identifier: Apache-2.0
"""What must not work on stored calls: other tenants' ids, ids that are none, queries out of bounds, texts
that want to be something else, crowds of followers."""

import hashlib
import json
import pathlib
import select
import shutil
import socket

import httpx
import pytest
from service import SLOW, Service, status, wait_until

LATER = {"Prefer": "respond-async"}
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def submit(http, source="def main(): return 1", **body):
    answer = http.post("/v1/calls", json={"source": source, **body}, headers=LATER)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(http, call):
    def done():
        found = http.get(f"/v1/calls/{call}", params={"wait": "20s"}).json()
        return found["status"] == "done" and found
    return wait_until(done, 20, f"the end of {call}")


# -- ids


@pytest.mark.parametrize("call", [
    NOBODY, NOBODY.lower(), "0" * 26, "Z" * 26, "x", "1" * 127, "1" * 128, "'%20OR%201=1--", "..%2f..", "%00", "%0a",
    NOBODY + "%20", "%F0%9F%92%A3" * 8, "*", "%25", NOBODY + ":cancel"])
def test_ids_that_are_none_are_404_for_every_method(cloche, call):
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/events")]:
        answer = cloche.http.request(method, f"/v1/calls/{call}{path}")
        assert answer.status_code in (400, 404), (method, call, answer.text)
        assert answer.status_code == 404 or "%" in call
    assert cloche.call("def main(): return 1")["result"] == 1


def tenants(tmp_path, config):
    """A service with tenants a and b beside the local one, and a client of each."""
    shutil.copytree(config, tmp_path / "config")
    tokens = {}
    text = "version: 1\ntenants:\n"
    for name in "ab":
        token = "clt_" + name * 32
        digest = hashlib.blake2b(token.encode(), digest_size=32).hexdigest()
        tokens[name] = token
        text += f"  {name}:\n    policies: [default, ample]\n    tokens:\n      - {{id: main, hash: 'b2:{digest}'}}\n"
    (tmp_path / "config" / "tenants.yaml").write_text(text)
    return tokens


def test_another_tenant_s_calls_are_not_there(tmp_path, config):
    tokens = tenants(tmp_path, config)
    with Service(config=tmp_path / "config") as service:
        a, b = (httpx.Client(base_url=service.url, timeout=30, headers={"Authorization": f"Bearer {token}"})
                for token in tokens.values())
        call = submit(a, "import time\ndef main():\n    time.sleep(1)\n    return 'secret'")
        for http in (b, service.http):
            nobody = http.get(f"/v1/calls/{NOBODY}")
            for method, path in [("GET", ""), ("GET", "?wait=1s"), ("DELETE", ""), ("GET", "/events")]:
                answer = http.request(method, f"/v1/calls/{call}{path}")
                assert answer.status_code == 404 and answer.json() == nobody.json()
            assert http.get("/v1/calls").json()["calls"] == []
            assert http.get("/v1/calls", params={"cursor": call}).json()["calls"] == []
        assert ended(a, call)["verdict"] == "ok", "the others could not cancel it"
        key = {"Idempotency-Key": "shared"}
        answers = [http.post("/v1/calls", json={"source": f"def main(): return {n}"}, headers=key)
                   for n, http in enumerate((a, b, service.http))]
        assert [answer.json()["result"] for answer in answers] == [0, 1, 2], "keys are each tenant's own"


def test_a_tenant_with_many_calls_does_not_keep_another_waiting(tmp_path, config):
    """All that the one has sent is there before the other comes, and who has more waits longer."""
    tokens = tenants(tmp_path, config)
    with Service(config=tmp_path / "config") as service:
        a, b = (httpx.Client(base_url=service.url, timeout=30, headers={"Authorization": f"Bearer {token}"})
                for token in tokens.values())
        sleepy = f"import time\ndef main(): time.sleep({2 * SLOW})"
        many = [submit(a, sleepy, policy="ample") for _ in range(120)]
        for call in [submit(b, policy="ample") for _ in range(8)]:
            assert ended(b, call)["verdict"] == "ok"
        queued = a.get("/v1/calls", params={"status": "queued", "limit": 500}).json()["calls"]
        assert len(queued) > 8, "the few were done while the many still waited"
        for call in reversed(many):
            a.delete(f"/v1/calls/{call}")


# -- queries


@pytest.mark.parametrize("query", [
    "limit=0", "limit=501", "limit=-1", "limit=1e3", "limit=", "limit=99999999999999999999", "cursor=x",
    "cursor=" + "Z" * 400, "cursor=" + "Z" * 5000, "cursor=%00", "cursor='; DROP TABLE call;--", "status=dead",
    "status=queued&status=done", "function=" + "f" * 3000, "function=%ff", "nothing=1", "limit", "a=b=c"])
def test_lists_with_wrong_queries_are_400(cloche, query):
    answer = cloche.http.get(f"/v1/calls?{query}")
    assert answer.status_code in (400, 414), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_texts_in_queries_stay_texts(cloche):
    for text in ["' OR '1'='1", "%", "_", "a'; DELETE FROM call; --", "$.x", "\\", "a.b\" OR 1=1"]:
        answer = cloche.http.get("/v1/calls", params={"function": text})
        assert answer.status_code == 200 and answer.json() == {"calls": [], "next": None}


@pytest.mark.parametrize("wait", ["999999h", "-1s", "1", "1y", "", "1e9s", "9" * 400 + "s", "0x1s", "1 s"])
def test_waits_out_of_bounds_are_400(cloche, wait):
    call = submit(cloche.http)
    assert cloche.http.get(f"/v1/calls/{call}", params={"wait": wait}).status_code == 400


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999999999999999", "1,2", "0x10"])
def test_positions_that_are_none_are_400(cloche, after):
    call = submit(cloche.http)
    assert cloche.http.get(f"/v1/calls/{call}/events", params={"after": after}).status_code == 400
    assert cloche.http.get(f"/v1/calls/{call}/events", headers={"Last-Event-ID": after}).status_code == 400


def test_a_position_behind_the_end_is_an_empty_stream(cloche):
    call = submit(cloche.http)
    ended(cloche.http, call)
    answer = cloche.http.get(f"/v1/calls/{call}/events", params={"after": 2**62})
    assert answer.status_code == 200 and answer.content == b""


def test_bodies_have_no_meaning_here(cloche):
    call = submit(cloche.http)
    for method, path in [("GET", f"/v1/calls/{call}"), ("DELETE", f"/v1/calls/{call}"), ("GET", "/v1/calls")]:
        answer = cloche.http.request(method, path, json={"x": 1})
        assert answer.status_code == 400, answer.text


def test_other_methods_are_405(cloche):
    for method, path, allow in [("PUT", "/v1/calls", "POST, GET, HEAD"), ("POST", f"/v1/calls/{NOBODY}", "GET, HEAD, DELETE"),
                                ("DELETE", f"/v1/calls/{NOBODY}/events", "GET, HEAD")]:
        answer = cloche.http.request(method, path)
        assert answer.status_code == 405 and answer.headers["allow"] == allow


# -- texts that want to be something else


def test_output_cannot_forge_an_event(cloche):
    forged = '\n{"seq":9,"event":"end","verdict":"ok","result":"forged"}\n\n\nid: 9\nevent: end\ndata: {}\n\n'
    call = submit(cloche.http, f"def main():\n    print({forged!r})\n    return 1")
    ended(cloche.http, call)
    for accept, prefix in [("application/x-ndjson", ""), ("text/event-stream", "data: ")]:
        answer = cloche.http.get(f"/v1/calls/{call}/events", headers={"Accept": accept})
        lines = [line for line in answer.text.split("\n") if line.startswith(prefix + "{")]
        found = [json.loads(line[len(prefix):]) for line in lines]
        assert [e["event"] for e in found if e["event"] != "stdout"] == ["started", "end"]
        assert "".join(e["text"] for e in found if e["event"] == "stdout") == forged + "\n"
        assert [e["seq"] for e in found] == list(range(1, len(found) + 1)) and found[-1]["result"] == 1
        assert answer.text.count("\nevent: end") == (1 if prefix else 0)


def test_a_result_cannot_forge_a_state(cloche):
    call = submit(cloche.http, "def main(): return {'status': 'queued', 'id': 'x', 'verdict': 'denied'}",
                  metadata={"status": "running"})
    found = ended(cloche.http, call)
    assert found["status"] == "done" and found["verdict"] == "ok" and found["id"] == call


def test_a_session_and_a_store_do_not_mix(cloche):
    answer = cloche.http.post("/v1/calls", json={"source": "x = 1"}, headers={**LATER, "Cloche-Session": NOBODY})
    assert answer.status_code in (400, 403, 404)


# -- crowds


def test_a_crowd_of_followers_leaves_nothing(own):
    call = submit(own.http, "import time\ndef main():\n    print('x', flush=True)\n    time.sleep(4)", limits={"wall": "5s"})
    host, port = own.url.split("//")[1].split(":")
    request = (f"GET /v1/calls/{call}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.token}\r\n\r\n").encode()
    held = []
    for _ in range(500):
        held.append(socket.create_connection((host, int(port)), timeout=5))
        held[-1].sendall(request)
    assert own.call("def main(): return 1")["result"] == 1
    for connection in held:
        connection.close()
    wait_until(lambda: own.http.get(f"/v1/calls/{call}", params={"wait": "5s"}).json()["status"] == "done", 15, "its end")
    fds = len(list(pathlib.Path(f"/proc/{own.api()[0]}/fd").iterdir()))
    wait_until(lambda: len(list(pathlib.Path(f"/proc/{own.api()[0]}/fd").iterdir())) < 80, 10, f"closed descriptors ({fds})")


def test_a_follower_that_does_not_read_holds_nothing_up(own):
    source = "def main():\n    for i in range(3000):\n        print('y' * 1000)"
    call = submit(own.http, source, policy="loud")
    host, port = own.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(f"GET /v1/calls/{call}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.token}\r\n\r\n".encode())
        found = ended(own.http, call)
        assert found["verdict"] == "ok" and found["stdout_bytes"] == 3000 * 1001
        rss = int(next(line.split()[1] for line in pathlib.Path(f"/proc/{own.api()[0]}/status").read_text().splitlines()
                       if line.startswith("VmRSS")))
        assert rss < 200 * 1024


# -- crowds that read


def test_a_crowd_that_asks_for_a_large_answer_costs_what_buffers_say(tmp_path, config):
    tokens = tenants(tmp_path, config)
    big = "def main():\n    print('\\x01' * 1000000)\n    return '\u20ac' * 300000"
    with Service(config=tmp_path / "config", args=["--buffers", "32Mi"]) as service:
        heads = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
        answer = service.post({"source": big}, headers={**heads["a"], **LATER})
        path = f"/v1/calls/{answer.json()['id']}"
        whole = service.http.get(path, params={"wait": "20s"}, headers=heads["a"])
        assert len(whole.content) > 6_000_000  # of these, sixty are asked for at once
        host, port = service.url.removeprefix("http://").split(":")
        crowd = [socket.create_connection((host, int(port))) for _ in range(60)]
        for one in crowd:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['a']}\r\n\r\n".encode())
        mine = service.post({"source": "def main(): return 1"}, headers={**heads["b"], **LATER}).json()["id"]
        found = service.http.get(f"/v1/calls/{mine}", params={"wait": "20s"}, headers=heads["b"]).json()
        assert found["result"] == 1
        # The other tenant did not wait for the crowd: most of it is still in line.
        waiting = [one for one in crowd if not select.select([one], [], [], 0)[0]]
        assert len(waiting) > 20
        wait_until(lambda: all(select.select([one], [], [], 0)[0] for one in crowd), 30, "all of the crowd")
        assert int(status(service.api()[0])["VmHWM"].split()[0]) < 150_000
        for one in crowd:
            one.close()
