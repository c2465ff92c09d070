# SPDX-License-Identifier: Apache-2.0
"""A quiet client beside hostile ones: what it feels of them, as a ratio. Windows without and with an attack alternate,
so that a noisy minute of the machine hits both; times of all windows of a kind are one distribution. A call's time
counts from when it was due. Attackers run beside the service on the same cores and stand for other machines, so each
keeps to a share of one core (`Leash`), gives way where cores are few, and says how much it did with that."""

import contextlib
import json
import multiprocessing
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from service import BIN, Service  # noqa: E402

OUT = ROOT / "build/bench"
SOURCE = "def main():\n    return sum(range(1000))\n"
ALL = "call,modules,workflows,policies:read,admin"
SPAWN = multiprocessing.get_context("spawn")


class Leash:
    """Keeps the process that it is in to a share of one core."""

    def __init__(self, share):
        self.share = share
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def hold(self):
        spent = (time.process_time() - self.cpu) / self.share
        ahead = spent - (time.monotonic() - self.wall)
        if ahead > 0.002:
            time.sleep(ahead)


def token(file, tenant):
    made = subprocess.run([BIN / "cloche", "token", "create", "--tenant", tenant, "--file", file, "--scopes", ALL],
                          capture_output=True, text=True, check=True)
    return made.stdout.strip()


@contextlib.contextmanager
def serve(tenants, policies=None):
    """(service, token by tenant) with these tenants, {name: lines of tenants.yaml}, and policies, {name: text}."""
    with tempfile.TemporaryDirectory(prefix="cloche-bench-") as folder:
        config = pathlib.Path(folder)
        (config / "policies").mkdir()
        for name, text in (policies or {}).items():
            (config / f"policies/{name}.yaml").write_text(text)
        file = config / "tenants.yaml"
        file.write_text("version: 1\ntenants:\n" + "".join(f"  {name}:\n{text}" for name, text in tenants.items()))
        tokens = {name: token(file, name) for name in tenants}
        with Service(config=config) as service:
            yield service, tokens


def percentile(values, share):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else float("nan")


# ------------------------------------------------------------------------------------------- the quiet one

class Quiet:
    """Calls at a fixed rate, every fourth on a connection of its own; times in ms, and what was lost."""

    def __init__(self, service, secret, rate):
        host, port = service.url.split("//")[1].rsplit(":", 1)
        self.address = host, int(port)
        body = json.dumps({"source": SOURCE}).encode()
        self.request = (f"POST /v1/calls HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        self.gap = 1 / rate
        self.kept = None

    def dial(self):
        peer = socket.create_connection(self.address, timeout=10)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def ask(self, peer):
        peer.sendall(self.request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.more(peer)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self.more(peer)
        if not answer.startswith(b"HTTP/1.1 200") or b'"verdict":"ok"' not in body.replace(b" ", b""):
            raise OSError(answer[:300])

    @staticmethod
    def more(peer):
        piece = peer.recv(65536)
        if not piece:
            raise OSError("closed")
        return piece

    def call(self, number):
        if number % 4 == 3:
            with self.dial() as peer:
                self.ask(peer)
            return
        if not self.kept:
            self.kept = self.dial()
        try:
            self.ask(self.kept)
        except OSError:
            self.kept.close()
            self.kept = None
            raise

    def window(self, seconds):
        """(times, what was lost) of so many seconds."""
        times, lost = [], []
        start = time.perf_counter()
        for number in range(int(seconds / self.gap)):
            due = start + number * self.gap
            while (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            try:
                self.call(number)
                times.append((time.perf_counter() - due) * 1e3)
            except OSError as error:
                lost.append(str(error))
        return times, lost


# --------------------------------------------------------------------------------------------- measurements

def run_attack(attack, address, secret, share, begun, stop, done):
    os.nice(10)
    begun.set()
    done.value = attack(address, secret, Leash(share), stop.is_set)


@contextlib.contextmanager
def under(attack, quiet, secret, share, rates):
    """While an attack of its own process runs; what it did per second goes to `rates`."""
    begun, stop, done = SPAWN.Event(), SPAWN.Event(), SPAWN.Value("d", 0)
    process = SPAWN.Process(target=run_attack, args=(attack, quiet.address, secret, share, begun, stop, done))
    process.start()
    begun.wait(60)
    start = time.monotonic()
    time.sleep(2)  # until it is at full strength
    try:
        yield
    finally:
        stop.set()
        process.join(60)
        if process.is_alive():
            process.kill()
        rates.append(done.value / (time.monotonic() - start))


def measure(quiet, attack, secret, *, rounds, seconds, share):
    """What the quiet one feels of one attack, by windows in turn."""
    times = {"quiet": [], "under": []}
    lost, rates = [], []
    for _ in range(rounds):
        quiet.window(1)
        calm, missing = quiet.window(seconds)
        times["quiet"] += calm
        lost += [f"while quiet: {one}" for one in missing]
        with under(attack, quiet, secret, share, rates):
            busy, missing = quiet.window(seconds)
        times["under"] += busy
        lost += missing
        time.sleep(1)
    row = {f"{kind}_p{p}": round(percentile(times[kind], p / 100), 3) for kind in times for p in (50, 95, 99)}
    return {**row, "calls": len(times["under"]), "lost": len(lost), "why": lost[:3],
            "per_second": round(sum(rates) / len(rates)),
            **{f"ratio_p{p}": round(row[f"under_p{p}"] / row[f"quiet_p{p}"], 2) for p in (50, 95, 99)}}


def say_head():
    print(f"{'':<28}{'quiet, ms':^24}{'under it, ms':^24}{'ratio':^20}\n{'':<28}" +
          "     p50     p95     p99" * 2 + "   p50   p95   p99   lost  attacker/s", flush=True)


def say(name, row):
    figures = "".join(f"{row[f'{kind}_p{p}']:8.2f}" for kind in ("quiet", "under") for p in (50, 95, 99))
    ratios = "".join(f"{row[f'ratio_p{p}']:6.2f}" for p in (50, 95, 99))
    print(f"{name:<28}{figures}{ratios}{row['lost']:7d}{row['per_second']:12d}", flush=True)
    for why in row["why"]:
        print(f"    lost: {why}")


def report(file, rows, percent, most):
    """Prints what was not kept, writes build/bench/FILE; the exit status."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / file).write_text(json.dumps({"time": time.strftime("%FT%TZ", time.gmtime()), "rows": rows}, indent=1) + "\n")
    bad = [name for name, row in rows.items() if row["lost"] or row[f"ratio_p{percent}"] > most]
    print(f"nothing lost and p{percent} at most {most} times its quiet value: " +
          ("kept" if not bad else "NOT KEPT under " + ", ".join(bad)))
    return 1 if bad else 0
