# SPDX-License-Identifier: Apache-2.0
"""Traces (W3C Trace Context) through calls, stored calls, sessions and workflows, and what the log says of them."""

import json
import os
import re
import signal

import pytest
from service import ROOT, Service, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OURS = re.compile(rf"00-{TRACE}-(?!{SPAN})[0-9a-f]{{16}}-01")
ASK = "import cloche\ndef main(*_): return cloche.trace()"
HOSTILE = 'x" tenant=root verdict=ok \\ {"event":"call.end"} \x1b[2J'


@pytest.fixture(scope="module", params=["text", "json"])
def service(request, tmp_path_factory):
    config = tmp_path_factory.mktemp("config")
    (config / "policies").mkdir()
    (config / "policies/default.yaml").write_text((ROOT / "policies/default.yaml").read_text())
    (config / "policies/stays.yaml").write_text(
        "version: 1\nextends: default\npython: {modules: {add: [os]}}\nsessions: {allow: true}\n"
        "reason: {python.modules.os: the environment}\n")
    with Service(config=config, args=["--log", f"debug,{request.param}"]) as running:
        running.is_json = request.param == "json"
        yield running


def lines(service, event):
    """Lines of the log about an event as dicts, whatever their form."""
    if service.is_json:
        return [line for line in map(json.loads, list(service.log)) if line["event"] == event]
    found = [line for line in list(service.log) if f" {event} " in line]
    return [{key: value.strip('"') for key, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)}
            for line in found]


def call(service, source=ASK, **kw):
    headers = {"traceparent": PARENT, "tracestate": "a=1,b@v=x y", **kw.pop("headers", {})}
    return service.http.post("/v1/calls", json={"source": source, **kw}, headers=headers)


def test_a_call_goes_on_with_the_trace(service):
    answer = call(service)
    told, body = answer.json()["result"], answer.json()
    assert OURS.fullmatch(told["traceparent"]) and told["tracestate"] == "a=1,b@v=x y"
    assert answer.headers["server-timing"] == f'traceparent;desc="{told["traceparent"]}"'
    assert call(service).json()["result"]["traceparent"] != told["traceparent"]
    [line] = wait_until(lambda: [x for x in lines(service, "call.end") if x["id"] == body["id"]])
    assert line["trace"] == TRACE and line["tenant"] == "local"


def test_the_environment_has_it_where_os_may_be_seen(service):
    source = "import os\ndef main(): return [os.environ.get(n) for n in ('TRACEPARENT', 'TRACESTATE')]"
    parent, state = call(service, source, policy="stays").json()["result"]
    assert OURS.fullmatch(parent) and state == "a=1,b@v=x y"
    assert service.post({"source": source, "policy": "stays"}).json()["result"] == [None, None]


@pytest.mark.parametrize("headers", [
    {}, [("traceparent", PARENT)] * 2, {"traceparent": PARENT.upper()},
    {"traceparent": PARENT + "-x"}, {"traceparent": "ff" + PARENT[2:]},
    {"traceparent": PARENT.replace(TRACE, "0" * 32)}, {"tracestate": "a=1"}, {"traceparent": HOSTILE[:-5]}])
def test_what_is_no_trace_is_none(service, headers):
    answer = service.http.post("/v1/calls", json={"source": ASK}, headers=headers)
    assert answer.json()["result"] == {} and "server-timing" not in answer.headers
    [line] = wait_until(lambda: [x for x in lines(service, "call.end") if x["id"] == answer.json()["id"]])
    assert "trace" not in line


def test_a_state_that_is_none_is_left_out(service):
    told = call(service, headers={"tracestate": "A=1"}).json()["result"]
    assert OURS.fullmatch(told["traceparent"]) and "tracestate" not in told


def test_a_refused_request_says_its_span_too(service):
    answer = service.http.get("/v1/calls/none", headers={"traceparent": PARENT})
    assert answer.status_code == 404 and OURS.search(answer.headers["server-timing"])


def test_calls_of_a_session_have_their_own(service):
    name = service.http.post("/v1/sessions", json={"policy": "stays"}).json()["session"]
    source = ASK + "\nimport os\ndef main(*_): return [cloche.trace(), os.environ.get('TRACEPARENT')]"
    inside = {"Cloche-Session": name}
    (first, seen), (second, _) = [call(service, source, headers=inside).json()["result"] for _ in range(2)]
    assert first["traceparent"] != second["traceparent"] and seen is None  # one environment for all
    bare = service.http.post("/v1/calls", json={"source": source}, headers=inside).json()["result"]
    assert bare == [{}, None]
    service.http.delete(f"/v1/sessions/{name}")


def test_python_v1_has_it(service):
    body = {"jsonrpc": "2.0", "id": 1, "method": "python/execute",
            "params": {"code": "import cloche\nresult = cloche.trace()"}}
    told = service.http.post("/v1/rpc", json=body, headers={"traceparent": PARENT}).json()["result"]["result"]
    assert OURS.fullmatch(told["traceparent"])


def test_what_is_stored_keeps_it_over_a_restart(service):
    code = "import time, cloche\ntime.sleep(0.5)\nresult = cloche.trace()['traceparent']"
    tasks = [{"id": name, "method": "python/execute", "params": {"code": code}, "dependencies": needs,
              "retry": {"max_attempts": 3}} for name, needs in (("a", []), ("b", ["a"]))]
    flow = service.http.post("/v1/workflows", json={"name": "w", "tasks": tasks}, headers={"traceparent": PARENT})
    late = call(service, "import time\n" + ASK, headers={"Prefer": "respond-async"}).json()["id"]
    wait_until(lambda: service.http.get(f"/v1/calls/{late}").json()["status"] == "done")
    before = service.api()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: service.api() not in ([], before), what="another API")

    def record():
        try:
            answer = service.http.get("/v1/workflows/" + flow.json()["workflow_id"]).json()
        except Exception:  # the new one does not listen yet
            return None
        return answer if answer["status"] != "running" else None

    spans = [task["result"]["result"] for task in wait_until(record)["tasks"].values()]
    assert len(set(spans)) == 2 and all(OURS.fullmatch(span) for span in spans)
    assert OURS.fullmatch(service.http.get(f"/v1/calls/{late}").json()["result"]["traceparent"])
    assert [x["trace"] for x in lines(service, "async.accepted") if x["id"] == late] == [TRACE]


def test_no_text_of_a_caller_bends_a_line(service):
    """A function's broken file, its worker's words, names and headers: all that reaches the log from outside."""
    secret = "s3cret-payload"
    headers = {"User-Agent": HOSTILE[:-5], "X-Request-Id": "1 tenant=root", "Authorization": "Bearer " + secret}
    service.http.post("/v1/calls", json={"source": "#" + secret}, headers=headers)
    service.http.post("/v1/calls", json={"source": f"# {secret}\nraise ValueError({HOSTILE!r})", "stdin": secret,
                                         "metadata": {HOSTILE: secret}, "policy": HOSTILE})
    flow = {"name": HOSTILE, "tasks": [{"id": HOSTILE, "method": "python/execute", "params": {"code": "1/0"}}]}
    service.http.post("/v1/workflows?wait=true", json=flow)
    ended = service.call(f"# {secret}\nraise ValueError({HOSTILE!r})")["id"]
    wait_until(lambda: [x for x in lines(service, "call.end") if x["id"] == ended])
    text = "".join(service.log)
    assert secret not in text and service.token not in text and "\x1b" not in text
    assert "tenant=root" not in re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert not [x for x in lines(service, "call.end") if x["tenant"] != "local"]


def test_each_line_has_its_place_in_the_form(service):
    for line in list(service.log):
        if service.is_json:
            assert list(json.loads(line))[:4] == ["time", "level", "process", "event"], line
        elif not line.startswith("cloched: "):
            assert re.match(r"\S+Z (error|warn|info|debug) [a-z-]+ [a-z_.]+( [a-z_]+=(\"(?:[^\"\\]|\\.)*\"|\S+))*$",
                            line), line
