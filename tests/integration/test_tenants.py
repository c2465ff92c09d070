# SPDX-License-Identifier: Apache-2.0
"""Tenants of one service: what each may use, by which token, and how much of it."""

import contextlib
import json
import math
import re
import socket
import subprocess
import threading
import time

import httpx
import pytest
from service import BIN, ROOT, SLOW, STRETCH, Service, wait_until

RUN = "def main(): return 1"
SLEEP = "import time\ndef main(s): time.sleep(s); return s"
SLOWLY = min(SLOW, 8)  # what others have to come in the meantime
SPIN = "def main():\n    while True: pass"
ALL = "call,modules,workflows,policies:read,admin"
UNLIKE = {"date", "cloche-request", "server-timing", "traceparent"}  # of two answers to the same question


def token(file, verb, tenant, *words):
    made = subprocess.run([BIN / "cloche", "token", verb, "--tenant", tenant, "--file", file, *words],
                          capture_output=True, text=True, timeout=30)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


class Tenants:
    """A configuration with tenants, and clients for their tokens."""

    def __init__(self, directory, tenants, naps):
        self.file = directory / "tenants.yaml"
        (directory / "policies").mkdir()
        (directory / "policies/naps.yaml").write_text(
            "version: 1\nextends: default\nlimits: {wall: 20s}\n" + naps)
        self.file.write_text("version: 1\ntenants:\n" + tenants)
        self.service = Service(config=directory)
        self.clients = []

    def start(self):
        self.service.start()
        return self

    def as_(self, secret):
        client = httpx.Client(base_url=self.service.url, timeout=60 * SLOW,
                              headers={"Authorization": f"Bearer {secret}"},
                              limits=httpx.Limits(max_connections=256))
        self.clients.append(client)
        return client

    def stop(self):
        for client in self.clients:
            client.close()
        self.service.stop()


@pytest.fixture
def tenancy(tmp_path):
    """make(tenants, name=scopes...): the service, started, and a client for each tenant's token."""
    made = []

    def make(text, args=(), naps="", **scopes):
        tenants = Tenants(tmp_path, text, naps)
        tenants.service.args += args
        made.append(tenants)
        secrets = {name: token(tenants.file, "create", name, "--scopes", wanted)
                   for name, wanted in scopes.items()}
        tenants.start()
        return tenants, *(tenants.as_(secret) for secret in secrets.values())

    yield make
    for tenants in made:
        tenants.stop()


def call(client, source=RUN, **body):
    return client.post("/v1/calls", json={"source": source, **body})


def slug(answer):
    return answer.json()["type"].removeprefix("urn:cloche:problem:")


# --------------------------------------------------------------------------------------- who may do what

def test_each_tenant_has_its_own_policies_and_its_first_is_the_default(tenancy):
    _, acme, beta = tenancy("  acme:\n    policies: [naps, strict]\n"
                            "  beta:\n    policies: [strict]\n", acme=ALL, beta=ALL)
    answer = call(acme)
    assert answer.status_code == 200 and answer.json()["policy"]["name"] == "naps"
    assert call(beta).json()["policy"]["name"] == "strict"
    assert call(acme, policy="strict").json()["verdict"] == "ok"
    for client, policy in ((beta, "naps"), (beta, "default"), (acme, "default")):
        answer = call(client, policy=policy)
        assert answer.status_code == 403 and slug(answer) == "policy-not-allowed"
    assert {p["name"] for p in beta.get("/v1/policies").json()["policies"]} == {"strict"}
    assert beta.get("/v1/policies/naps").status_code == 404


def test_a_token_opens_what_its_scopes_say(tenancy):
    tenants, caller, reader = tenancy("  a:\n    policies: [strict]\n  b:\n    policies: [strict]\n",
                                      a="call", b="policies:read")
    assert call(caller).status_code == 200
    assert reader.get("/v1/policies").status_code == 200
    for client, ask, scope in ((caller, ("GET", "/v1/policies"), "policies:read"),
                               (reader, ("POST", "/v1/calls"), "call"),
                               (reader, ("GET", "/metrics"), "admin")):
        answer = client.request(*ask)
        assert answer.status_code == 403 and slug(answer) == "scope-missing"
        assert scope in answer.json()["detail"]
    assert tenants.service.http.get("/metrics").status_code == 200  # local has every scope


def test_every_wrong_token_gets_the_same_answer(tenancy):
    """Also none at all, and one that was right a moment ago."""
    tenants, good = tenancy("  a:\n    policies: [strict]\n", a="call")
    right = good.headers["authorization"].removeprefix("Bearer ")
    gone = token(tenants.file, "create", "a", "--id", "gone")
    holder = tenants.as_(gone)
    wait_until(lambda: call(holder).status_code == 200, what="the second token")
    token(tenants.file, "revoke", "a", "--id", "gone")
    wait_until(lambda: call(holder).status_code == 401, what="its end")

    def answer_to(headers):
        answer = httpx.post(tenants.service.url + "/v1/calls", json={"source": RUN}, headers=headers, timeout=30 * SLOW)
        told = {name: value for name, value in answer.headers.items() if name not in UNLIKE}
        return answer.status_code, answer.text, tuple(told.items())

    wrong = [right[:-1], right + "A", right.swapcase(), "x" * 50, "b2:" + "0" * 64, "local", "a", gone]
    answers = {answer_to({"Authorization": f"Bearer {secret}"}) for secret in wrong}
    answers |= {answer_to(headers) for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"})}
    assert len(answers) == 1 and answers.pop()[0] == 401
    assert call(good).status_code == 200


def test_token_elsewhere_than_in_its_field_is_none(tenancy):
    tenants, good = tenancy("  a:\n    policies: [strict]\n", a="call")
    secret = good.headers["authorization"].removeprefix("Bearer ")
    bare = httpx.Client(base_url=tenants.service.url, timeout=30 * SLOW)
    body = {"source": RUN}
    assert bare.post("/v1/calls", json=body, params={"access_token": secret}).status_code == 401
    assert bare.post(f"/v1/calls?token={secret}", json=body).status_code == 401
    for headers in ({"X-Api-Key": secret}, {"Cookie": f"token={secret}"}, {"Authorization": secret},
                    {"Authorization": f"Basic {secret}"}, {"Authorization": f"Bearer  {secret}"},
                    {"Authorization": f"Bearer {secret}, Bearer {secret}"},
                    {"Proxy-Authorization": f"Bearer {secret}"},
                    {"Authorization": "Bearer " + "x" * 4000}):
        assert bare.post("/v1/calls", json=body, headers=headers).status_code == 401, headers
    twice = [("Authorization", f"Bearer {secret}"), ("Authorization", "Bearer x")]
    assert bare.post("/v1/calls", json=body, headers=twice).status_code in {400, 401}
    assert bare.post("/v1/calls", json=body,
                     headers={"Authorization": "Bearer " + "x" * 100000}).status_code == 431
    bare.close()


# ---------------------------------------------------------------------------------------------- reloads

def test_revoked_token_is_refused_at_once_and_its_running_call_ends_well(tenancy):
    tenants, acme = tenancy("  acme:\n    policies: [naps]\n", acme=ALL)
    other = tenants.as_(token(tenants.file, "create", "acme", "--id", "other"))
    wait_until(lambda: call(other).status_code == 200, what="the new token")
    answers = []
    running = threading.Thread(target=lambda: answers.append(call(acme, SLEEP, args=[1.5 * SLOWLY])))
    running.start()
    time.sleep(0.3 * SLOWLY)
    token(tenants.file, "revoke", "acme", "--id", "main")
    wait_until(lambda: call(acme).status_code == 401, what="the revocation")
    assert call(other).status_code == 200
    running.join()
    assert answers[0].status_code == 200 and answers[0].json()["verdict"] == "ok"


def test_rotated_token_takes_the_place_of_the_old_one(tenancy):
    tenants, old = tenancy("  acme:\n    policies: [strict]\n", acme=ALL)
    new = tenants.as_(token(tenants.file, "rotate", "acme"))
    wait_until(lambda: call(new).status_code == 200, what="the new token")
    assert call(old).status_code == 401


def calls_that_ended(tenants):
    text = tenants.service.http.get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("cloche_calls_total{"))


@contextlib.contextmanager
def half_a_call(tenants, client):
    """A request whose head was found good and half of whose body was sent; rest() sends the rest, and gives the status."""
    body = json.dumps({"source": RUN}).encode()
    head = ["POST /v1/calls HTTP/1.1", "Host: x", "Content-Type: application/json", "Connection: close",
            f"Authorization: {client.headers['authorization']}", f"Content-Length: {len(body)}", "Expect: 100-continue"]
    host, port = tenants.service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30 * SLOW) as peer:
        peer.sendall("\r\n".join([*head, "", ""]).encode())
        assert peer.recv(100).startswith(b"HTTP/1.1 100 ")
        peer.sendall(body[:10])

        def rest():
            peer.sendall(body[10:])
            return int(b"".join(iter(lambda: peer.recv(65536), b"")).split()[1])
        yield rest


@pytest.mark.parametrize("verb", ["revoke", "rotate"])
def test_token_that_went_while_a_body_came_is_refused(tenancy, verb):
    tenants, going, staying = tenancy("  a:\n    policies: [strict]\n  b:\n    policies: [strict]\n", a=ALL, b=ALL)
    with half_a_call(tenants, going) as rest_of_going, half_a_call(tenants, staying) as rest_of_staying:
        token(tenants.file, verb, "a", "--id", "main")
        wait_until(lambda: going.get("/v1/policies").status_code == 401, what="the new generation")
        before = calls_that_ended(tenants)
        assert rest_of_going() == 401
        assert calls_that_ended(tenants) == before
        assert rest_of_staying() == 200  # another's went on through the same reload
        assert calls_that_ended(tenants) == before + 1


def test_broken_tenants_file_leaves_the_tenants_in_force(tenancy):
    tenants, acme = tenancy("  acme:\n    policies: [strict]\n", acme=ALL)
    text = tenants.file.read_text()
    ready = tenants.service.http
    tenants.file.write_text(text.replace("[strict]", "[strikt]"))
    wait_until(lambda: "reload" in ready.get("/readyz").json(), what="the refusal")
    assert "no policy 'strikt'" in ready.get("/readyz").text
    assert call(acme).status_code == 200
    tenants.file.write_text(text + "  more:\n    policies: [strict]\n")
    wait_until(lambda: "reload" not in ready.get("/readyz").json(), what="the mended file")
    assert call(acme).status_code == 200


def test_tenant_that_is_taken_out_is_refused(tenancy):
    tenants, acme, beta = tenancy("  acme:\n    policies: [strict]\n  beta:\n    policies: [strict]\n",
                                  acme=ALL, beta=ALL)
    assert call(acme).status_code == call(beta).status_code == 200
    tenants.file.write_text(re.sub(r"  acme:\n(?:    .*\n)+", "", tenants.file.read_text()))
    wait_until(lambda: call(acme).status_code == 401, what="the tenant's end")
    assert call(beta).status_code == 200


# ----------------------------------------------------------------------------------------------- quotas

def quota(text):
    return f"  acme:\n    policies: [naps]\n    quota: {{{text}}}\n"


def burst_of(client, count, *args, **kw):
    answers = [None] * count

    def one(at):
        answers[at] = call(client, *args, **kw)
    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_rate_refuses_what_is_over_the_burst_and_says_when(tenancy):
    _, acme = tenancy(quota(f"rate: {120 // STRETCH}/m, burst: 5"), acme=ALL)
    answers = burst_of(acme, 12)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 3 and sum(answer.status_code == 200 for answer in answers) == 12 - len(refused) >= 5
    assert all(slug(answer) == "quota-rate" for answer in refused)
    waits = {int(answer.headers["retry-after"]) for answer in refused}
    assert 1 <= min(waits) and max(waits) <= math.ceil(STRETCH / 2)
    time.sleep(max(waits) + 0.1)
    assert call(acme).status_code == 200


def test_every_answer_tells_the_rate_and_what_is_left(tenancy):
    unit, window = ("m", 60) if STRETCH == 1 else ("h", 3600)
    _, acme = tenancy(quota(f"rate: 60/{unit}, burst: 3"), acme=ALL)
    left = []
    for _ in range(4):
        answer = call(acme)
        assert answer.headers["ratelimit-policy"] == f'"rate";q=60;w={window}'
        left.append(re.fullmatch(r'"rate";r=(\d+);t=(\d+)', answer.headers["ratelimit"]).groups())
    assert [int(r) for r, _ in left][:3] == [2, 1, 0]
    looked = acme.get("/v1/policies")  # looking costs nothing, and tells as well
    assert looked.status_code == 200 and looked.headers["ratelimit"].startswith('"rate";r=')
    assert acme.get("/nowhere").status_code == 404


def test_concurrency_makes_calls_wait_and_loses_none(tenancy):
    _, acme = tenancy(quota("concurrency: 2"), acme=ALL)
    assert call(acme).status_code == 200
    start = time.monotonic()
    answers = burst_of(acme, 6, SLEEP, args=[0.3])
    assert [answer.status_code for answer in answers] == [200] * 6
    assert all(answer.json()["verdict"] == "ok" for answer in answers)
    assert time.monotonic() - start >= 0.9


def test_queue_refuses_who_comes_when_it_is_full(tenancy):
    _, acme = tenancy(quota("concurrency: 1, queue: 2"), acme=ALL)
    assert call(acme).status_code == 200
    answers = burst_of(acme, 8, SLEEP, args=[0.5 * SLOWLY])
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 3 + [429] * 5
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert slug(refused) == "quota-queue" and int(refused.headers["retry-after"]) >= 1


def test_memory_of_running_calls_is_a_sum(tenancy):
    _, acme = tenancy(quota("memory: 256Mi"), acme=ALL)
    assert call(acme).status_code == 200
    start = time.monotonic()
    answers = burst_of(acme, 4, SLEEP, args=[0.4])  # 128Mi each: two at a time
    assert [answer.status_code for answer in answers] == [200] * 4
    assert time.monotonic() - start >= 0.8


def test_processor_time_that_is_used_up_refuses_until_it_has_come_back(tenancy):
    _, acme = tenancy(quota("cpu: 500ms/m"), acme=ALL)
    assert call(acme, SPIN, limits={"cpu": "1s"}).json()["verdict"] == "limit"
    answer = call(acme)
    assert answer.status_code == 429 and slug(answer) == "quota-cpu"
    # It has used a second of half a second a minute: it is under it again in about another minute.
    assert 45 <= int(answer.headers["retry-after"]) <= 75
    assert acme.get("/v1/policies").status_code == 200


@pytest.mark.parametrize("limits,source,first", [("rate: 30/m, burst: 1", RUN, "ok"), ("cpu: 500ms/s", SPIN, "limit")])
def test_who_waits_as_long_as_told_is_served(tenancy, limits, source, first):
    """Retry-After is honest: so long, and not a second more, is enough."""
    _, acme = tenancy(quota(limits), acme=ALL)
    answers = burst_of(acme, 2, source, limits={"cpu": "1500ms"})
    assert first in [answer.json().get("verdict") for answer in answers]
    refused = next((answer for answer in answers if answer.status_code == 429), None) or call(acme)
    assert refused.status_code == 429
    time.sleep(int(refused.headers["retry-after"]))
    assert call(acme).status_code == 200


def test_an_address_that_guesses_tokens_is_held_back_and_a_right_one_is_not(tenancy):
    tenants, acme = tenancy("  acme:\n    policies: [naps]\n", acme=ALL)
    guesser = tenants.as_("clt_" + "0" * 40)
    answers = [call(guesser)]
    while answers[-1].status_code == 401 and len(answers) < 1000:
        answers.append(call(guesser))
    assert answers[-1].status_code == 429 and len(answers) > 100
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert call(acme).status_code == 200


def test_new_quota_is_in_force_with_the_reload(tenancy):
    tenants, acme = tenancy(quota("rate: 1/h, burst: 1"), acme=ALL)
    assert call(acme).status_code == 200
    refused = call(acme)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 3000
    tenants.file.write_text(tenants.file.read_text().replace("rate: 1/h, burst: 1", "rate: 100/s"))
    wait_until(lambda: call(acme).status_code == 200, what="the new quota")


# ------------------------------------------------------------------------------------------- neighbours

@pytest.mark.alone
def test_tenant_at_twenty_times_its_quota_costs_another_one_no_call(tenancy):
    rate = math.ceil(20 / SLOW)
    tenants, loud, quiet = tenancy(
        f"  loud:\n    policies: [naps]\n    quota: {{concurrency: 2, queue: 10, rate: {rate}/s, burst: {rate}}}\n"
        "  quiet:\n    policies: [naps]\n", loud=ALL, quiet=ALL)
    assert call(loud).status_code == call(quiet).status_code == 200
    stop = threading.Event()
    codes = []

    def fire():
        secret = loud.headers["authorization"]
        with httpx.Client(base_url=tenants.service.url, timeout=60 * SLOW,
                          headers={"Authorization": secret}) as client:
            while not stop.wait(0.02):  # 8 of them: 400 calls a second asked for
                with contextlib.suppress(httpx.HTTPError):
                    codes.append(call(client, SLEEP, args=[0.05]).status_code)

    threads = [threading.Thread(target=fire) for _ in range(8)]
    for thread in threads:
        thread.start()
    answers = []
    for _ in range(100):
        answers.append(call(quiet))
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 100
    assert all(answer.json()["verdict"] == "ok" for answer in answers)
    assert set(codes) == {200, 429}
    # The rate and the burst, over some seconds.
    assert codes.count(429) > codes.count(200)


def test_jails_of_a_full_machine_are_parted_by_weight(tenancy):
    """Two dozen jails for all, two tenants who would each take all: by weights of 100 and 300 one keeps to a quarter."""
    tenants, light, heavy = tenancy(
        "  light:\n    policies: [naps]\n  heavy:\n    policies: [naps]\n    quota: {weight: 300}\n",
        args=["--jails", "24"], naps="pool: {min: 0}\n", light=ALL, heavy=ALL)  # none is kept for who may not use it
    nap, seconds = 0.5 * SLOWLY, 6 * SLOWLY
    loads = []
    for client in (light, heavy):
        assert call(client).status_code == 200
        # Twice as many as there are jails: some always wait. Counted once all of them do.
        loads.append(tenants.service.load({"source": SLEEP, "args": [nap]}, 48, seconds, "-w", 2 * SLOWLY,
                                          secret=client.headers["authorization"].split()[1]))
    reports = [json.loads(load.communicate(timeout=60 * SLOW)[0]) for load in loads]
    assert [report["errors"] for report in reports] == [0, 0]
    light, heavy = (report["calls"] * nap / seconds for report in reports)  # that ran at a time, on average
    assert light <= 24 / 4 * 1.25, (light, heavy)  # its part is a quarter
    assert heavy > light, (light, heavy)  # which has to wait for jails that are on their way


def test_what_is_kept_has_its_quota_and_runs_no_further(tenancy):
    _, acme, beta = tenancy("  acme:\n    policies: [naps]\n    quota: {stored: 1Mi}\n"
                            "  beta:\n    policies: [naps]\n", acme=ALL, beta=ALL)

    def later(client):
        return client.post("/v1/calls", headers={"Prefer": "respond-async"},
                           json={"source": RUN + "\n# " + "x" * 300_000})
    codes = [later(acme).status_code for _ in range(6)]
    assert codes[:2] == [202] * 2 and codes[-1] == 507
    assert call(acme).status_code == 200  # what is not kept needs no room
    assert later(beta).status_code == 202


def test_nothing_of_one_tenant_is_there_for_another(tenancy):
    _, acme, beta = tenancy("  acme:\n    policies: [naps]\n  beta:\n    policies: [naps]\n",
                            acme=ALL, beta=ALL)
    put = acme.put("/v1/modules/prices", json={"source": "def net(x): return x"})
    assert put.status_code == 201
    kept = acme.post("/v1/calls", headers={"Prefer": "respond-async"}, json={"source": RUN})
    where = kept.headers["location"]
    assert acme.get(where).status_code == 200
    assert acme.post("/v1/calls", json={"function": "prices.net", "args": [2]}).json()["result"] == 2
    for answer in (beta.get(where), beta.delete(where), beta.get(where + "/events"),
                   beta.get("/v1/modules/prices"), beta.delete("/v1/modules/prices"),
                   beta.post("/v1/calls", json={"function": "prices.net", "args": [2]})):
        assert answer.status_code == 404, answer.text
    assert "prices" not in beta.get("/v1/functions").text + beta.get("/v1/modules").text
    assert kept.json()["id"] not in beta.get("/v1/calls").text


# Of each first part of a path: the scope that opens all below it.
SCOPE_OF = {"calls": "call", "eval": "call", "sessions": "call", "rpc": "call", "functions": "call", "modules": "modules",
            "workflows": "workflows", "tasks": "workflows", "policies": "policies:read", "metrics": "admin"}


def operations(client):
    """(method, path, scope) of each that needs one, as the service lists them."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            for scope in (scope for need in operation["security"] for scopes in need.values() for scope in scopes):
                yield method.upper(), path, scope


def test_scopes_hold_on_every_road_to_a_call(tenancy):
    """Each operation is asked with a token that lacks the one scope it needs and has all others."""
    tenants, = tenancy("".join(f"  {scope.split(':')[0]}:\n    policies: [naps]\n" for scope in ALL.split(",")))
    lacks = {}
    for scope in ALL.split(","):
        others = ",".join(other for other in ALL.split(",") if other != scope)
        lacks[scope] = tenants.as_(token(tenants.file, "create", scope.split(":")[0], "--scopes", others))
    for client in lacks.values():
        wait_until(lambda c=client: c.get("/openapi.json").status_code == 200, what="the tokens")
    listed = list(operations(lacks["admin"]))
    rows = re.findall(r'\{ "([A-Z]+)", "([^"]+)", CL_ROUTE_TOKEN, CL_', (ROOT / "api/routes.c").read_text())
    assert sorted((method, re.sub(r"{\w+}", "{}", path)) for method, path, _ in listed) == sorted(rows)
    for method, path, scope in listed:
        assert scope == SCOPE_OF[re.split("[/:]", path.removeprefix("/v1"))[1]], path
        for body in ({"json": {"source": RUN}}, {}):
            answer = lacks[scope].request(method, re.sub(r"{\w+}", "m", path), **body)
            assert answer.status_code == 403 and slug(answer) == "scope-missing", f"{method} {path} {answer.text}"
            assert scope in answer.json()["detail"]
