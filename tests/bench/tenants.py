#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one tenant at twenty times its quota does to another one: each way to be loud, and the p95 of 50 calls a second
of the quiet tenant with and without it. Both cores are the tenants' to share. Writes build/bench/tenants.json; exits
with 1 when a call of the quiet one is lost or its p95 is more than twice its quiet value. Takes some ten minutes;
--only NAME, --rounds and --seconds ask for less; --cpu none leaves the loud one without a quota of processor time,
which is not promised to cost nobody the scheduler's tick (docs/threat-model.md)."""

import argparse
import concurrent.futures
import http.client
import json
import sys
import time

from quiet import Quiet, measure, report, say, say_head, serve

QUOTA = "concurrency: 4, queue: 16, rate: 20/s, burst: 20, memory: 512Mi, stored: 16Mi"
TIMES = 20
SENDERS = 32  # a call that spins keeps one of them waiting
SPIN = "def main():\n    while True: pass"
HOARD = "def main():\n    held = []\n    while True: held.append(bytearray(1 << 20))"
SPAM = "def main():\n    while True: print('x' * 4000)"
LATER = {"Prefer": "respond-async"}
FLOW = {"name": "loud", "tasks": [{"id": f"t{n}", "method": "execute", "params": {"code": "result = sum(range(10**6))"}}
                                  for n in range(20)]}
POLICY = """version: 1
extends: default
limits: {wall: 3s, cpu: 3s}
sessions: {idle: 5s, max: 20s}
"""


class Client:
    """One connection of the loud tenant; an answer is read to its end."""

    def __init__(self, address, secret):
        self.peer = http.client.HTTPConnection(*address, timeout=30)
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def post(self, path, body, **headers):
        try:
            self.peer.request("POST", path, json.dumps(body), {**self.headers, **headers})
            answer = self.peer.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.peer.close()
            return 0, b""


def post(path, body, **headers):
    return lambda client: client.post(path, body, **headers)


def session(client):
    """A new one with a call that spins in it."""
    status, made = client.post("/v1/sessions", {"policy": "loud"})
    if status == 201:
        client.post("/v1/calls", {"source": SPIN}, **{"Cloche-Session": json.loads(made)["session"]})


# name -> what is asked, TIMES as often as the quota's rate permits
WAYS = {
    "calls": post("/v1/calls", {"source": "def main(): return 1"}),
    "spinning": post("/v1/calls", {"source": SPIN}),
    "memory": post("/v1/calls", {"source": HOARD}),
    "output": post("/v1/calls", {"source": SPAM}, Accept="application/x-ndjson"),
    "sessions": session,
    "async": post("/v1/calls", {"source": SPIN}, **LATER),
    "workflows": post("/v1/workflows", FLOW),
}


class Loud:
    """Asks in one way at TIMES its rate, from an attacker's process (it is pickled by its name)."""

    def __init__(self, way):
        self.way = way

    def __call__(self, address, secret, leash, stop):
        gap = SENDERS / (20 * TIMES)
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            return sum(pool.map(lambda _: self.send(address, secret, leash, stop, gap), range(SENDERS)))

    def send(self, address, secret, leash, stop, gap):
        client, count = Client(address, secret), 0
        due = time.monotonic()
        while not stop():
            WAYS[self.way](client)
            count += 1
            due = max(due + gap, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
            leash.hold()
        return count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=WAYS)
    for name, kind, default in (("rounds", int, 3), ("seconds", float, 12), ("rate", float, 50),
                                ("share", float, 0.25)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--cpu", default="500ms/s", help="quota of the loud tenant, such as 30s/m, or none")
    args = parser.parse_args()
    quota = QUOTA + (f", cpu: {args.cpu}" if args.cpu != "none" else "")
    tenants = {"quiet": "    policies: [default]\n", "loud": f"    policies: [loud]\n    quota: {{{quota}}}\n"}
    rows = {}
    with serve(tenants, {"loud": POLICY}) as (service, tokens):
        client = Quiet(service, tokens["quiet"], args.rate)
        client.window(2)
        print(f"quota of the loud one: {quota}")
        say_head()
        for name in args.only or WAYS:
            rows[name] = measure(client, Loud(name), tokens["loud"], rounds=args.rounds, seconds=args.seconds,
                                 share=args.share)
            say(name, rows[name])
    sys.exit(report("tenants.json", rows, 95, 2))


if __name__ == "__main__":
    main()
