#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What much of everything costs: 10,000 stored modules and 100,000 stored calls, 1,000 tenants, workflows of 1,000
tasks. Each figure is held against something measured beside it, in turn, on the same service; medians are shown.
Exits with 1 when a promise is not kept. Takes some ten minutes; --modules and the like ask for less."""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import random
import secrets
import statistics
import sys
import tempfile
import threading
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from service import Service, wait_until  # noqa: E402

SOURCE = "def main(x=1):\n    return sum(range(1000)) + x\n"
failed = []


def say(what, figure, promise=None, most=None):
    note = ""
    if most is not None:
        note = f"   at most {promise}: {'kept' if figure <= most else 'NOT KEPT'}"
        if figure > most:
            failed.append(what)
    print(f"  {what:<58} {figure:>10.2f}{note}", flush=True)


def timed(function):
    start = time.perf_counter()
    result = function()
    return (time.perf_counter() - start) * 1e3, result


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def in_parallel(service, count, one, clients=16):
    """one(client, number) for each number, by some clients that each keep their connection."""
    local = threading.local()

    def run(number):
        if not hasattr(local, "client"):
            local.client = service.client()
        return one(local.client, number)

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return list(pool.map(run, range(count)))


def memory_mib(service):
    """PSS of the processes that stay, by name."""
    found = {"cloched": [service.pid], "cloche-api": service.api(), "zygotes": service.zygotes()}
    total = {}
    for name, pids in found.items():
        text = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
        total[name] = sum(int(one.split("Pss:")[1].split()[0]) for one in text) / 1024
    return total


# --------------------------------------------------------------------------------------------------- store

def put_module(client, number):
    body = f'"""Module {number}."""\n{SOURCE}\ndef other_{number}(a: int, b: str = "x") -> str:\n    return b * a\n'
    answer = client.put(f"/v1/modules/mod_{number:05d}", content=body, headers={"Content-Type": "text/x-python"})
    assert answer.status_code == 201, answer.text


def send_later(client, number):
    """An async call, taken; when the queue is full it says when to come again."""
    body = {"function": f"mod_{number % 100:05d}", "args": [number]}
    while True:
        answer = client.post("/v1/calls", json=body, headers={"Prefer": "respond-async"})
        if answer.status_code == 202:
            return
        assert answer.status_code in (429, 503), answer.text
        time.sleep(min(1.0, float(answer.headers["Retry-After"])))


def compare_calls(service, rounds):
    """(p50 of an ad-hoc call, p50 of a stored function's), in turn."""
    bodies = {"ad-hoc": {"source": SOURCE, "args": [1]}, "stored": {"function": "mod_00042", "args": [1]}}
    took = {name: [] for name in bodies}
    with service.client() as client:
        for _ in range(rounds):
            for name, body in bodies.items():
                ms, answer = timed(lambda: client.post("/v1/calls", json=body))
                assert answer.json()["verdict"] == "ok", answer.text
                took[name].append(ms)
    return [statistics.median(took[name]) for name in bodies]


def pages(client, path, limit=100, most=20):
    """Times of the pages of a list, the first ones."""
    took, cursor = [], None
    for _ in range(most):
        url = f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        ms, answer = timed(lambda: client.get(url))
        assert answer.status_code == 200, answer.text
        took.append(ms)
        cursor = answer.json()["next"]
        if not cursor:
            break
    return took


def measure_store(args):
    print(f"{args.modules} modules, {args.calls} stored calls")
    state = tempfile.mkdtemp(prefix="cloche-scale-")
    with Service(state=state) as service:
        ms, _ = timed(lambda: in_parallel(service, args.modules, put_module))
        say("PUT of a module, several at once, ms each", ms / args.modules)
        ms, _ = timed(lambda: in_parallel(service, args.calls, send_later))
        say("async calls accepted, per s", args.calls / ms * 1e3)
        ms, _ = timed(lambda: wait_until(lambda: not service.http.get("/v1/calls?status=queued&limit=1").json()["calls"],
                                         600, what="the last async call"))
        for path in ("/v1/modules", "/v1/functions", "/v1/calls", "/v1/calls?status=done"):
            took = pages(service.http, path) if "?" not in path else pages_of_status(service.http)
            say(f"GET {path}, a page of 100, worst ms", max(took), "20 ms", 20)
        for name, mib in memory_mib(service).items():
            say(f"{name}, PSS in MiB", mib)
    start = time.perf_counter()
    with Service(state=state) as service:
        say("start with all that stored, s", time.perf_counter() - start, "2 s", 2)
        adhoc, stored = compare_calls(service, args.rounds)
        say("p50 of an ad-hoc call, ms", adhoc)
        say("p50 of a stored function, ms", stored)
        say("stored / ad-hoc", stored / adhoc, "1.2", 1.2)


def pages_of_status(client):
    took = []
    for _ in range(10):
        ms, answer = timed(lambda: client.get("/v1/calls?status=done&limit=100"))
        assert len(answer.json()["calls"]) == 100, answer.text
        took.append(ms)
    return took


# ------------------------------------------------------------------------------------------------- tenants

def tenants_file(folder, count):
    """Writes tenants.yaml; the tokens."""
    tokens, rows = [], ["version: 1", "tenants:"]
    for number in range(count):
        token = "scale-" + secrets.token_urlsafe(32)
        digest = hashlib.blake2b(token.encode(), digest_size=32).hexdigest()
        rows += [f"  t{number:04d}:", "    policies: [default]", f"    tokens: [{{id: main, hash: \"b2:{digest}\"}}]"]
        tokens.append(token)
    (folder / "tenants.yaml").write_text("\n".join(rows) + "\n")
    return tokens


def measure_tenants(args):
    print(f"{args.tenants} tenants, {args.active} of them active")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-scale-"))
    (folder / "policies").mkdir()
    (folder / "policies/default.yaml").write_text("version: 1\npool: {min: 1}\n")
    tokens = tenants_file(folder, args.tenants)
    start = time.perf_counter()
    with Service(config=folder) as service:
        say("start, s", time.perf_counter() - start)
        for name, mib in memory_mib(service).items():
            say(f"{name} with nobody active, PSS in MiB", mib)
        clients = [httpx.Client(base_url=service.url, timeout=120, headers={"Authorization": f"Bearer {token}"})
                   for token in random.Random(1).sample(tokens, args.active)]
        first = [ask(client) for client in clients]
        say("first call of a tenant (its zygote starts), p50 ms", statistics.median(first))
        for _ in range(3):
            took = [ask(client) for client in clients for _ in range(4)]
        say("later calls, tenants in turn, p50 ms", statistics.median(took))
        say("later calls, tenants in turn, p99 ms", percentile(took, 0.99))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            ms, _ = timed(lambda: list(pool.map(lambda client: [ask(client) for _ in range(20)], clients)))
        say("8 tenants at once, calls per s", args.active * 20 / ms * 1e3)
        for name, mib in memory_mib(service).items():
            say(f"{name} with {args.active} active, PSS in MiB", mib)


def ask(client):
    ms, answer = timed(lambda: client.post("/v1/calls", json={"source": SOURCE}))
    assert answer.status_code == 200 and answer.json()["verdict"] == "ok", answer.text
    return ms


# ----------------------------------------------------------------------------------------------- workflows

def random_workflow(tasks, parallel, seed):
    chance = random.Random(seed)
    rows = []
    for number in range(tasks):
        needs = sorted({f"t{chance.randrange(max(0, number - 200), number)}" for _ in range(chance.randint(0, 3))}
                       if number else set())
        rows.append({"id": f"t{number}", "method": "execute", "dependencies": needs,
                     "params": {"function": "work.main", "args": [number], "isolated": True}})
    return {"name": "dag", "max_parallel_tasks": parallel, "tasks": rows}


def measure_workflows(args):
    print(f"a workflow of {args.tasks} tasks in a random graph, {args.parallel} at once")
    with Service(config=None) as service:
        done = service.http.put("/v1/modules/work", content=SOURCE, headers={"Content-Type": "text/x-python"})
        assert done.status_code == 201, done.text
        ratios = []

        def plain(client, number):
            answer = client.post("/v1/calls", json={"function": "work.main", "args": [number]})
            assert answer.json()["verdict"] == "ok", answer.text

        for seed in range(args.workflows):
            calls, _ = timed(lambda: in_parallel(service, args.tasks, plain, args.parallel))
            document = random_workflow(args.tasks, args.parallel, seed)
            graph, answer = timed(lambda: service.http.post("/v1/workflows?wait=true", json=document))
            assert answer.status_code == 200 and answer.json()["status"] == "completed", answer.text[:2000]
            print(f"    plain calls {calls:8.0f} ms   workflow {graph:8.0f} ms")
            ratios.append(graph / calls)
        say("workflow / plain calls at the same concurrency", statistics.median(ratios), "2.5", 2.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("modules", 10_000), ("calls", 100_000), ("rounds", 1500), ("tenants", 1000), ("active", 50),
                          ("tasks", 1000), ("parallel", 8), ("workflows", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=("store", "tenants", "workflows"))
    args = parser.parse_args()
    for name, measure in (("store", measure_store), ("tenants", measure_tenants), ("workflows", measure_workflows)):
        if args.only in (None, name):
            measure(args)
    if failed:
        sys.exit("scale: not kept: " + "; ".join(failed))


if __name__ == "__main__":
    main()
