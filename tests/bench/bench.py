#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Cloche against what people would use instead, on this machine, in one run. Every round runs every
case once, in turn, so that a noisy minute hits all of them; a figure is the median over the rounds. Writes
latest.json and latest.svg into build/bench and compares with the run before."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from chart import draw  # noqa: E402
from service import BIN, Service, wait_until  # noqa: E402

OUT = ROOT / "build/bench"
PYTHON = ["/usr/bin/python3", "-I", "-S", "-c", "print(sum(range(1000)))"]
BODY = {"source": "def main():\n    return sum(range(1000))\n"}
SPARES = 32
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")

# name -> argv of one call, or None for the service itself; a program that is not installed is left out
PEERS = {
    "cloche": None,
    "python3": PYTHON,
    "bubblewrap": ["/usr/bin/bwrap", "--unshare-all", "--ro-bind", "/", "/", *PYTHON],
    "nsjail": ["/usr/bin/nsjail", "-Mo", "-Q", "--chroot", "/", "--", *PYTHON],
}
# name -> (clients, gap in ms, share of --seconds)
PATTERNS = {"1": (1, 0, 1), "2": (2, 0, 1), "8": (8, 0, 1), "gap30": (1, 30, 2)}
# name -> (policy, source): calls that must not pay for an import. The first one is what they are held against.
LIBRARIES = {
    "plain": ("default", BODY["source"]),
    "numpy": ("numeric", "import numpy as np\ndef main():\n    a = np.arange(100.0).reshape(10, 10) + np.eye(10)\n"
                         "    return float(np.linalg.solve(a, np.ones(10)).sum())\n"),
    "pandas": ("data", "import pandas as pd\ndef main():\n"
                       "    rows = pd.DataFrame({'k': list('abab'), 'v': range(4)})\n"
                       "    return rows.groupby('k').v.sum().tolist()\n"),
}
FIGURES = ("p50_us", "p95_us", "p99_us", "rate", "cpu_us")


def load(clients, gap_ms, seconds, *what):
    command = [BIN / "cloche-load", "-c", clients, "-g", gap_ms, "-t", seconds, *what]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {done.stderr.strip()}")
    return json.loads(done.stdout)


def ticks(pid):
    """(its own CPU, that of the children it has waited for)"""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    own_user, own_system, user, system = map(int, fields[11:15])
    return own_user + own_system, user + system


def cpu_us(service):
    """CPU so far by kind of process. cloched waits for all workers, so theirs is that of its children."""
    own, workers = ticks(service.pid)
    return {"cloched": own * TICK_US, "workers": workers * TICK_US,
            "api": sum(ticks(pid)[0] for pid in service.api()) * TICK_US,
            "zygotes": sum(ticks(pid)[0] for pid in service.zygotes()) * TICK_US}


class Case:
    def __init__(self, peer, pattern):
        self.peer, self.pattern = peer, pattern
        self.rounds = []

    def run(self, service, seconds, body, token):
        clients, gap_ms, share = PATTERNS[self.pattern]
        if PEERS[self.peer]:
            figures = load(clients, gap_ms, seconds * share, "exec", *PEERS[self.peer])
            figures["cpu_us"] = figures.pop("child_cpu_us")
        else:
            address, port = service.url.removeprefix("http://").rsplit(":", 1)
            before = cpu_us(service)
            # Without warm-up: all calls count for the CPU of all processes.
            figures = load(clients, gap_ms, seconds * share, "-w", 0, "http", address, port, token, body)
            calls = max(1, figures["calls"])
            figures["cpu_parts_us"] = {name: (now - before[name]) / calls for name, now in cpu_us(service).items()}
            figures["cpu_us"] = sum(figures["cpu_parts_us"].values())
        self.rounds.append(figures)

    def result(self):
        middle = {name: round(statistics.median(row[name] for row in self.rounds), 1) for name in FIGURES}
        spread = [row["p50_us"] for row in self.rounds]
        parts = [row["cpu_parts_us"] for row in self.rounds if "cpu_parts_us" in row]
        if parts:
            middle["cpu_parts_us"] = {name: round(statistics.median(row[name] for row in parts), 1)
                                      for name in parts[0]}
        _, gap_ms, _ = PATTERNS[self.pattern]
        return {"peer": self.peer, "pattern": self.pattern, **middle,
                "fell_behind": bool(gap_ms and middle["rate"] < 0.95 * 1000 / gap_ms), "p50_least_us": min(spread),
                "p50_most_us": max(spread), "calls": sum(row["calls"] for row in self.rounds),
                "errors": sum(row["errors"] for row in self.rounds)}


def progress(words):
    if sys.stderr.isatty():
        print(f"\r{words:50}\r", end="", file=sys.stderr, flush=True)


def measure(rounds, seconds):
    cases = [Case(peer, pattern) for pattern in PATTERNS for peer in PEERS
             if not PEERS[peer] or shutil.which(PEERS[peer][0])]
    with tempfile.TemporaryDirectory() as folder, Service() as service:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(BODY))
        token = service.state / "local.token"
        load(2, 0, 0.5, "http", *service.url.removeprefix("http://").rsplit(":", 1), token, body)
        for number in range(rounds):
            for case in cases:
                progress(f"round {number + 1} of {rounds}: {case.peer} {case.pattern}")
                case.run(service, seconds, body, token)
    progress("")
    return [case.result() for case in cases]


def is_installed(library):
    return library == "plain" or subprocess.run([PYTHON[0], "-I", "-c", f"import {library}"], check=False,
                                                stderr=subprocess.DEVNULL).returncode == 0


def with_examples(folder):
    """A configuration with the shipped policies and the examples."""
    policies = pathlib.Path(folder) / "policies"
    policies.mkdir()
    for file in (*(ROOT / "policies").glob("*.yaml"), *(ROOT / "policies/examples").glob("*.yaml")):
        shutil.copy(file, policies)
    return folder


def measure_libraries(rounds, seconds):
    """One client, back to back and every 30 ms, under the example policies; in turn, as everything here."""
    names = [name for name in LIBRARIES if is_installed(name)]
    seen = {(name, pattern): [] for pattern in ("1", "gap30") for name in names}
    with tempfile.TemporaryDirectory() as folder, Service(config=with_examples(folder)) as service:
        where = (*service.url.removeprefix("http://").rsplit(":", 1), service.state / "local.token")
        for name in names:
            policy, source = LIBRARIES[name]
            (pathlib.Path(folder) / name).write_text(json.dumps({"source": source, "policy": policy}))
            service.call(source, policy=policy)  # its zygote is up
        for number in range(rounds):
            for (name, pattern), found in seen.items():
                progress(f"round {number + 1} of {rounds}: {name} {pattern}")
                clients, gap_ms, share = PATTERNS[pattern]
                found.append(load(clients, gap_ms, seconds * share, "http", *where, pathlib.Path(folder) / name))
    progress("")
    rows = [{"library": name, "pattern": pattern, "errors": sum(row["errors"] for row in found),
             "p50_us": round(statistics.median(row["p50_us"] for row in found), 1)}
            for (name, pattern), found in seen.items()]
    plain = {row["pattern"]: row["p50_us"] for row in rows if row["library"] == "plain"}
    return [{**row, "ratio": round(row["p50_us"] / plain[row["pattern"]], 2)} for row in rows]


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def many_spares(folder):
    """A configuration with the shipped default policy, but a pool of 32."""
    policies = pathlib.Path(folder) / "policies"
    policies.mkdir()
    text = (ROOT / "policies/default.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("pool:")]
    (policies / "default.yaml").write_text(
        "\n".join(lines) + f"\npool: {{min: {SPARES}, max: {SPARES}, recycle_calls: 10000, recycle_after: 10m}}\n")
    return folder


def measure_spares():
    with tempfile.TemporaryDirectory() as folder, Service(config=many_spares(folder)) as service:
        wait_until(lambda: len(service.workers()) >= SPARES, 30, f"{SPARES} parked workers")
        time.sleep(1)  # the last ones have just parked; what they touch on the way is not what they hold
        spares = [pss_kib(pid) for pid in service.workers()]
        own = {"cloched": pss_kib(service.pid), "api": sum(map(pss_kib, service.api())),
               "zygote": sum(map(pss_kib, service.zygotes()))}
    return {"parked": len(spares), "pss_kib_median": statistics.median(spares), "pss_kib_most": max(spares),
            "services_pss_kib": own}


def ratios(results):
    """How many times longer (or dearer) than Cloche a peer is, pattern by pattern."""
    figures = {(row["peer"], row["pattern"]): row for row in results}
    out = {}
    for (peer, pattern), row in figures.items():
        base = figures["cloche", pattern]
        if peer != "cloche":
            out.setdefault(peer, {})[pattern] = {
                "p50": round(row["p50_us"] / base["p50_us"], 1), "p99": round(row["p99_us"] / base["p99_us"], 1),
                "rate": round(base["rate"] / max(0.1, row["rate"]), 1),
                "cpu": round(row["cpu_us"] / max(0.1, base["cpu_us"]), 1)}
    return out


def commit():
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, check=True,
                              capture_output=True).stdout.strip()
    return ""


def change(now, before):
    return f"{100 * (now - before) / before:+.0f} %" if before else ""


def show(report, previous):
    before = {(row["peer"], row["pattern"]): row for row in (previous or {}).get("results", [])}
    print(f"{'':11} {'clients':7} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'calls/s':>8} {'CPU ms':>7}  "
          f"p50 since the run before")
    for row in report["results"]:
        last = before.get((row["peer"], row["pattern"]))
        print(f"{row['peer']:11} {row['pattern']:7} {row['p50_us'] / 1e3:8.2f} {row['p95_us'] / 1e3:8.2f} "
              f"{row['p99_us'] / 1e3:8.2f} {row['rate']:8.0f} {row['cpu_us'] / 1e3:7.2f}  "
              f"{change(row['p50_us'], last['p50_us']) if last else '-'}"
              + ("  can't keep the pace" if row["fell_behind"] else "")
              + (f"  {row['errors']} ERRORS" if row["errors"] else ""))
        if row["pattern"] == "1" and "cpu_parts_us" in row:
            parts = ", ".join(f"{name} {us / 1e3:.2f}" for name, us in row["cpu_parts_us"].items())
            print(f"{'':19} CPU ms of it: {parts}")
    for peer, patterns in report["ratios"].items():
        print(f"{peer} takes " + ", ".join(f"{row['p50']} x ({pattern})" for pattern, row in patterns.items())
              + " as long as Cloche at p50")
    for row in report["libraries"]:
        print(f"a {row['library']:6} call ({row['pattern']}): {row['p50_us'] / 1e3:.2f} ms at p50"
              + (f", {row['ratio']} x a plain one" if row["library"] != "plain" else "")
              + (f"  {row['errors']} ERRORS" if row["errors"] else ""))
    spares = report["spares"]
    print(f"a spare holds {spares['pss_kib_median']:.0f} KiB (PSS, {spares['parked']} parked)")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.5, help="length of one closed-loop case")
    given = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: needs root, because cloched does")
    OUT.mkdir(parents=True, exist_ok=True)
    latest = OUT / "latest.json"
    previous = json.loads(latest.read_text()) if latest.exists() else None
    results = measure(given.rounds, given.seconds)
    report = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(),
              "machine": {"kernel": platform.release(), "cpus": os.cpu_count()}, "rounds": given.rounds,
              "seconds": given.seconds, "results": results, "ratios": ratios(results),
              "libraries": measure_libraries(given.rounds, given.seconds), "spares": measure_spares()}
    if previous:
        latest.replace(OUT / "previous.json")
    latest.write_text(json.dumps(report, indent=1) + "\n")
    (OUT / "latest.svg").write_text(draw(report))
    show(report, previous)
    if any(row["errors"] for row in [*results, *report["libraries"]]):
        sys.exit("bench: some calls failed")


if __name__ == "__main__":
    main()
