#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the Python guard costs: calls/s of this build against one without the guard, in alternating rounds, so
that a noisy minute hits both. Fails when the ratio of the medians is below 0.95."""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import service  # noqa: E402
from bench import load  # noqa: E402

LEAST = 0.95
# Imports, attributes of modules and library code that looks at frames: what the guard is in the way of.
SOURCE = """
import collections, json, math
from datetime import datetime
Point = collections.namedtuple("Point", "x y")
def main():
    points = [Point(n, math.sqrt(n)) for n in range(200)]
    text = json.dumps([p._asdict() for p in points])
    return [len(json.loads(text)), datetime(2026, 1, 5).isoformat()]
"""


def build(folder):
    """A service of the programs in `folder`; to be started before the next one is made."""
    service.BIN = pathlib.Path(folder)
    return service.Service()


def round_of(one, body, given):
    address, port = one.url.removeprefix("http://").rsplit(":", 1)
    return load(given.clients, 0, given.seconds, "http", address, port, one.state / "local.token", body)


def measure(given):
    rates = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps({"source": SOURCE}))
        with build(given.guarded) as guarded, build(given.bare) as bare:
            for number in range(given.rounds):
                pairs = [("with", guarded), ("without", bare)]
                for name, one in pairs if number % 2 == 0 else reversed(pairs):
                    figures = round_of(one, body, given)
                    if figures["errors"]:
                        sys.exit(f"bench-guard: {figures['errors']} calls failed {name} the guard")
                    rates[name].append(figures["rate"])
    return rates


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("guarded", help="folder with the programs of an ordinary build")
    options.add_argument("bare", help="folder with those of `make GUARD=off BUILD=...`")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--seconds", type=float, default=2, help="length of one round")
    options.add_argument("--clients", type=int, default=2)
    given = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench-guard: needs root, because cloched does")
    rates = measure(given)
    middle = {name: statistics.median(row) for name, row in rates.items()}
    ratio = middle["with"] / middle["without"]
    spread = {name: f"{min(row):.0f}..{max(row):.0f}" for name, row in rates.items()}
    print(f"calls/s with the guard {middle['with']:.0f} ({spread['with']}), without {middle['without']:.0f} "
          f"({spread['without']}): {ratio:.3f} of it, at least {LEAST} wanted")
    if ratio < LEAST:
        sys.exit(1)


if __name__ == "__main__":
    main()
