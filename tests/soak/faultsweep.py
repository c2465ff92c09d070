#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole sweep of faults: every number up to --most, of every kind, in every program, while the service starts, during one
call and during one reload. Several sweeps run side by side; each is one test of tests/integration/test_fault_sweep.py. A line
as each ends, a table at the end; 1 when one failed."""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests/integration/test_fault_sweep.py"
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/integration")]
SCENES = {"start": "test_start[{program}-{kind}]",
          "call": "test_while_it_serves[{program}-{kind}-call]",
          "reload": "test_while_it_serves[{program}-{kind}-reload]"}
PROGRAMS = ("cloched", "cloche-api", "cloche-zygote", "cloche-loader", "cloche-policyc", "cloche-prover")


def arguments():
    from faults import KINDS
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--most", type=int, default=500, help="the last number tried")
    ask.add_argument("--step", type=int, default=1, help="1 tries every number")
    ask.add_argument("--jobs", type=int, default=os.cpu_count(), help="sweeps side by side")
    ask.add_argument("--programs", default=",".join(PROGRAMS))
    ask.add_argument("--scenes", default=",".join(SCENES))
    ask.add_argument("--kinds", default=",".join(KINDS))
    return ask.parse_args()


def run(name, report, told):
    """One test in a process of its own, told of when it ends. 0 when nothing failed."""
    env = {**os.environ, "CLOCHE_FAULT_STEP": str(told.step), "CLOCHE_FAULT_MOST": str(told.most), "CLOCHE_FAULT_REPORT": report}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", f"{TESTS}::{name}"],
                          capture_output=True, text=True, cwd=ROOT, env=env)
    print(f"{'ok' if done.returncode == 0 else 'FAILED':6} {time.monotonic() - began:6.0f} s  {name}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode


def show(report):
    """What was tried and what came of it, by scene and program, and in all."""
    sums = collections.defaultdict(collections.Counter)
    for line in report.read_text().splitlines():
        found = json.loads(line)
        scene, program, _ = found["sweep"].split()
        for row in (f"{scene} {program}", "all"):
            sums[row].update(found["outcomes"])
    columns = ("serves", "ended with a sentence", "FAILED")
    print(f"\n{'':32} {'rounds':>8} {'struck':>8}", *(f"{column:>22}" for column in columns))
    for row, count in sums.items():
        struck = count.total() - count["not reached"]
        print(f"{row:32} {count.total():8} {struck:8}", *(f"{count[column]:22}" for column in columns))


def main():
    told = arguments()
    names = [SCENES[scene].format(program=program, kind=kind) for scene in told.scenes.split(",")
             for program in told.programs.split(",") for kind in told.kinds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report")
        report.touch()
        with concurrent.futures.ThreadPoolExecutor(told.jobs) as pool:
            failed = sum(1 for code in pool.map(lambda name: run(name, str(report), told), names) if code)
        show(report)
        print(f"\n{len(names)} sweeps, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
