# SPDX-License-Identifier: Apache-2.0
"""python/v1 over HTTP: the envelope, batches, notifications and their errors. Section 1 of the protocol."""

import datetime
import json
import re

import pytest
from rpc import FULL, Rpc
from service import wait_until

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602


@pytest.fixture
def rpc(cloche):
    return Rpc(cloche)


def test_json_rpc_request_is_answered_with_its_id(rpc):
    answer = rpc.post({"jsonrpc": "2.0", "id": "a", "method": "execute",
                       "params": {"function": "len", "args": [[1, 2]]}}).json()
    assert set(answer) == {"jsonrpc", "id", "result"}
    assert answer["id"] == "a" and answer["result"]["result"] == 2


def test_protocol_form_is_answered_with_the_result_alone(rpc):
    answer = rpc.post({"protocol": "python/v1", "method": "execute", "params": {"function": "len", "args": ["ab"]}})
    assert answer.status_code == 200 and set(answer.json()) == {"result"}
    assert rpc.post({"protocol": "python/v1", "method": "nope"}).json() == {
        "error": {"code": METHOD, "message": "Unknown method: nope", "data": {"exception_type": "MethodNotFound"}}}


def test_protocol_may_be_added_to_the_json_rpc_form(rpc):
    assert rpc.value("len", [1]) == 1
    assert rpc.result("list", {}, protocol="python/v1")["count"] >= 14


@pytest.mark.parametrize("identity", [1, -5, 1.5, "x", "", "ü\u2028", None, 10 ** 40])
def test_ids_come_back_as_they_were(rpc, identity):
    answer = rpc.post({"jsonrpc": "2.0", "id": identity, "method": "list"}).json()
    assert answer["id"] == identity and "result" in answer


def test_id_keeps_its_digits(rpc):
    text = rpc.post('{"jsonrpc":"2.0","id":1.00000000000000000000000001e5,"method":"list"}').text
    assert '"id":1.00000000000000000000000001e5' in text


@pytest.mark.parametrize("params", [None, {}])
def test_params_may_be_absent_null_or_empty(rpc, params):
    assert rpc.post({"jsonrpc": "2.0", "id": 1, "method": "list", "params": params}).json()["result"]["count"] >= 14
    assert rpc.result("list")["count"] >= 14


def test_params_that_are_an_array_are_refused(rpc):
    assert rpc.refusal("list", [1]) == (PARAMS, "Parameter 'params' must be an object")


BAD = {
    "no method": ({"jsonrpc": "2.0", "id": 1}, "'method' is missing"),
    "method is a number": ({"jsonrpc": "2.0", "id": 1, "method": 5}, "'method' must be a string"),
    "reserved": ({"jsonrpc": "2.0", "id": 1, "method": "rpc.list"}, "reserved"),
    "wrong version": ({"jsonrpc": "1.0", "id": 1, "method": "list"}, "'jsonrpc' must be"),
    "neither form": ({"id": 1, "method": "list"}, "send \"jsonrpc\""),
    "extra key": ({"jsonrpc": "2.0", "id": 1, "method": "list", "extra": 1}, "unknown key 'extra'"),
    "id is a list": ({"jsonrpc": "2.0", "id": [1], "method": "list"}, "'id' must be"),
    "id is true": ({"jsonrpc": "2.0", "id": True, "method": "list"}, "'id' must be"),
    "protocol is a number": ({"jsonrpc": "2.0", "id": 1, "method": "list", "protocol": 1}, "'protocol' must be"),
    "timeout too long": ({"jsonrpc": "2.0", "id": 1, "method": "list", "timeout": 3601}, "'timeout' must be"),
    "timeout zero": ({"jsonrpc": "2.0", "id": 1, "method": "list", "timeout": 0}, "'timeout' must be"),
    "timeout is text": ({"jsonrpc": "2.0", "id": 1, "method": "list", "timeout": "5"}, "'timeout' must be"),
    "task_id is a number": ({"jsonrpc": "2.0", "id": 1, "method": "list", "task_id": 5}, "'task_id' must be"),
    "task_id too long": ({"jsonrpc": "2.0", "id": 1, "method": "list", "task_id": "x" * 201}, "'task_id' must be"),
    "a number": (5, "a request is an object"),
    "a string": ("x", "a request is an object"),
    "null": (None, "a request is an object"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_request_is_minus_32600(rpc, name):
    body, text = BAD[name]
    answer = rpc.post(json.dumps(body))
    assert answer.status_code == 200
    found = answer.json()
    assert found["error"]["code"] == REQUEST and text in found["error"]["message"], found
    assert found["jsonrpc"] == "2.0"
    expected = body.get("id") if isinstance(body, dict) else None
    assert found["id"] == (expected if isinstance(expected, int) and expected is not True else None)


@pytest.mark.parametrize("body", ["", "{", "[1,]", "{\"a\":1}x", "nul", b"\xff", '{"jsonrpc":"2.0","jsonrpc":"2.0"}',
                                  '{"jsonrpc":"2.0","id":NaN,"method":"list"}', "[" * 5000])
def test_body_that_is_not_json_is_400_and_minus_32700(rpc, body):
    answer = rpc.post(body)
    assert answer.status_code == 400
    found = answer.json()
    assert (found["jsonrpc"], found["id"], found["error"]["code"], found["error"]["message"]) == (
        "2.0", None, PARSE, "Parse error")


def test_unknown_protocol_names_protocol_and_method(rpc):
    assert rpc.refusal("execute", {}, protocol="llm/v1") == (-30003, "No providers available for llm/v1::execute")


@pytest.mark.parametrize("method", ["nope", "Execute", "python/nope", "execute ", "", "x" * 500, "exe\x00cute"])
def test_unknown_method_is_minus_32601(rpc, method):
    code, message = rpc.refusal(method)
    assert code == METHOD and message.startswith("Unknown method: " + method[:3].rstrip("\x00"))


@pytest.mark.parametrize("alias", ["python/list", "python/info", "python/eval", "python/register"])
def test_aliases_are_methods(cloche, alias):
    found = Rpc(cloche, FULL).ask(alias, {})
    assert found.get("error", {}).get("code") != METHOD


# ---------------------------------------------------------------------------------------- notifications

def test_notification_runs_and_is_answered_with_204(rpc):
    answer = rpc.post({"jsonrpc": "2.0", "method": "execute", "params": {"function": "len", "args": [[]]}})
    assert answer.status_code == 204 and answer.content == b""


def test_notification_of_an_unknown_method_is_silent(rpc):
    assert rpc.post({"jsonrpc": "2.0", "method": "nope"}).status_code == 204


def test_invalid_notification_is_told(rpc):
    found = rpc.post({"jsonrpc": "2.0", "method": 5}).json()
    assert found["error"]["code"] == REQUEST and found["id"] is None


# ---------------------------------------------------------------------------------------------- batches

def test_batch_is_answered_in_order(rpc):
    found = rpc.batch(*[("execute", {"function": "sum", "args": [[at, 1]]}) for at in range(20)])
    assert [one["result"]["result"] for one in found] == [at + 1 for at in range(20)]


def test_batch_mixes_forms_errors_and_notifications(rpc):
    found = rpc.post([
        {"jsonrpc": "2.0", "id": 1, "method": "execute", "params": {"function": "len", "args": ["abc"]}},
        {"jsonrpc": "2.0", "method": "list"},
        5,
        {"protocol": "python/v1", "method": "nope"},
        {"jsonrpc": "2.0", "id": 2, "method": "execute", "params": {"function": "nope"}},
    ]).json()
    assert [one.get("id", "-") for one in found] == [1, None, "-", 2]
    assert found[0]["result"]["result"] == 3
    assert [one["error"]["code"] for one in found[1:]] == [REQUEST, METHOD, PARAMS]


def test_empty_batch_is_refused(rpc):
    found = rpc.post("[]").json()
    assert (found["error"]["code"], found["error"]["message"], found["id"]) == (REQUEST, "Empty batch request", None)


def test_batch_of_notifications_has_no_answer(rpc):
    assert rpc.post([{"jsonrpc": "2.0", "method": "list"}] * 3).status_code == 204


def test_batch_is_bounded(rpc):
    one = {"jsonrpc": "2.0", "id": 1, "method": "nope"}
    assert len(rpc.post([one] * 256).json()) == 256
    assert rpc.post([one] * 257).json()["error"]["message"] == "A batch has at most 256 requests"


def test_batch_without_a_session_is_a_session_of_its_own(rpc):
    first, second, third = rpc.batch(
        ("register", {"name": "twice", "lambda": "lambda x: x * 2"}),
        ("execute", {"function": "twice", "args": [21]}), ("list", {"source": "registered"}))
    assert first["result"] == {"registered": "twice", "type": "lambda", "success": True}
    assert second["result"]["result"] == 42 and third["result"] == {"functions": ["twice"], "count": 1}
    assert rpc.refusal("execute", {"function": "twice", "args": [1]}) == (PARAMS, "Function twice not found")


def test_names_of_a_batch_change_in_its_order(rpc):
    found = rpc.batch(
        ("execute", {"function": "f"}), ("register", {"name": "f", "lambda": "lambda: 1"}),
        ("execute", {"function": "f"}), ("register", {"name": "f", "lambda": "lambda: 2"}),
        ("execute", {"function": "f"}), ("unregister", {"name": "f"}), ("execute", {"function": "f"}))
    said = [one["result"].get("result") if "result" in one else one["error"]["message"] for one in found]
    assert said == ["Function f not found", None, 1, None, 2, None, "Function f not found"]


# -------------------------------------------------------------------------------------------- the service

def test_token_is_required(cloche):
    answer = cloche.http.post("/v1/rpc", json={}, headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401


def test_body_over_the_policy_is_413(cloche):
    import http.client
    connection = http.client.HTTPConnection(cloche.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/rpc")
    for name, value in (("Authorization", f"Bearer {cloche.token}"), ("Content-Type", "application/json"),
                        ("Content-Length", str(1 << 40))):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_unknown_policy_and_session_are_refused(rpc):
    one = {"jsonrpc": "2.0", "id": 1, "method": "list"}
    assert rpc.post(one, **{"Cloche-Policy": "nope"}).status_code == 403
    assert rpc.post(one, **{"Cloche-Session": "nope"}).status_code == 404


def test_timestamp_is_utc_with_microseconds_and_no_zone(rpc):
    stamp = rpc.run("len", "x")["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", stamp)
    age = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.datetime.fromisoformat(stamp)
    assert abs(age.total_seconds()) < 30


def test_client_that_goes_away_ends_its_batch(own):
    import httpx
    rpc = Rpc(own, FULL)
    slow = [{"jsonrpc": "2.0", "id": at, "method": "python/execute",
             "params": {"code": "import time\ntime.sleep(60)"}} for at in range(2)]
    with pytest.raises(httpx.ReadTimeout):
        own.http.post("/v1/rpc", json=slow, headers=FULL, timeout=1.5)
    wait_until(lambda: sum("verdict=cancelled" in line for line in own.log) == 2, 10, "two cancelled calls")
    assert rpc.value("len", "ab") == 2
