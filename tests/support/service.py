# SPDX-License-Identifier: Apache-2.0
"""A real Cloche for tests: starts cloched on a free port with a state directory of its own, talks to it
over HTTP, looks at its processes from the host, and leaves nothing behind."""

import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CLOCHE_BIN", ROOT / "build/bin"))
READY = re.compile(r"(?:cloched: |\"what\":\")ready on (https?://[^\s\"]+)")
# Sanitizer builds start and run several times slower; deadlines of the tests stretch with them.
SLOW = float(os.environ.get("CLOCHE_SLOW", "1"))
# A client that makes its own reads every authority of the machine first: a tenth of a second each.
TLS = ssl.create_default_context()
# Of limits in policies that a test reaches, or must not reach before another one.
STRETCH = 1 if SLOW < 10 else 5


def times(count):
    """How often to do what one does often to be sure: less often where everything takes longer, five times at least."""
    return max(5, int(count / SLOW))


def some(cases):
    """All of a table of cases that each take long; four of them, evenly, on an emulated machine."""
    cases = list(cases)
    return cases if SLOW < 10 else cases[::max(1, len(cases) // 4)]


def wait_until(predicate, seconds=10.0, what="condition"):
    """Poll `predicate` until it returns something true; that value. AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.01)


def status(pid):
    """/proc/PID/status as a dict of text; {} when the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line)


def children(pid):
    """Direct children of a process."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = []
    for task in tasks:
        try:
            found += pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        except OSError:
            pass
    return [int(child) for child in found]


def cgroups_named(name):
    """Every cgroup directory of this instance, in any hierarchy."""
    found = []
    for base, dirs, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(base, d) for d in dirs if d == name]
    return found


class Service:
    """One cloched and everything below it."""

    def __init__(self, config=None, args=(), state=None, wrap=(), programs=BIN, is_patient=SLOW > 1):
        self.own_state = state is None
        self.state = pathlib.Path(state or tempfile.mkdtemp(prefix="cloche-test-"))
        self.config = config
        self.args = list(args)
        self.programs = programs
        self.is_patient = is_patient  # calls wait longer for jails that take longer
        self.wrap = list(wrap)  # a command that execs cloched, such as prlimit
        self.process = None
        self.log = []
        self.url = None
        self.http = None
        self.tls = TLS

    def start(self, wait=True):
        command = [*self.wrap, self.programs / "cloched", "--state", self.state, "--listen", "127.0.0.1:0"]
        if self.config:
            command += ["--config", self.config]
        if self.is_patient:
            command += ["--queue-wait", f"{10 * SLOW:.0f}s"]
        self.process = subprocess.Popen(
            [str(part) for part in command + self.args], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        ready = threading.Event()
        self.drained = threading.Thread(target=self._drain, args=(self.process.stderr, ready), daemon=True)
        self.drained.start()
        if wait:
            ready.wait(30 * SLOW)
            assert self.url, "cloched did not become ready:\n" + "".join(self.log)
            self.token = (self.state / "local.token").read_text().strip()
            self.http = self.client()
        return self

    def _drain(self, pipe, ready):
        self.url = None
        for line in pipe:
            self.log.append(line)
            match = READY.search(line)
            if match:
                self.url = match.group(1)
                ready.set()
        ready.set()

    def client(self, timeout=60.0):
        return httpx.Client(base_url=self.url, timeout=timeout * SLOW, verify=self.tls,
                            headers={"Authorization": f"Bearer {self.token}"},
                            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64))

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        """Asks it to end, and kills it when it does not."""
        if self.http:
            self.http.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        self.end()
        if self.own_state:
            shutil.rmtree(self.state, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- calling

    def post(self, body, **kw):
        return self.http.post("/v1/calls", json=body, **kw)

    def call(self, source, **body):
        """Run `source`; the envelope."""
        answer = self.post({"source": source, **body})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def raw(self, body, **kw):
        """POST bytes as they are."""
        return self.http.post("/v1/calls", content=body,
                              headers={"Content-Type": "application/json"}, **kw)

    def stream(self, body, accept="application/x-ndjson", params=None):
        return self.http.stream("POST", "/v1/calls", json=body, params=params,
                                headers={"Accept": accept})

    def events(self, source, **body):
        with self.stream({"source": source, **body}) as answer:
            assert answer.status_code == 200
            return [json.loads(line) for line in answer.iter_lines() if line.strip()]

    def load(self, body, clients, seconds, *options, secret=None):
        """cloche-load on its way with calls of this body: a Popen, whose output is its report in JSON."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="load-", dir=self.state))
        (folder / "body").write_text(json.dumps(body))
        (folder / "token").write_text(secret or self.token)
        address, port = self.url.split("//")[1].rsplit(":", 1)
        command = [BIN / "cloche-load", "-c", clients, "-t", seconds, *options, "http", address, port, folder / "token", folder / "body"]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)

    # -- looking from the host

    def named(self, name):
        """Descendants of cloched whose comm is `name`."""
        found, todo = [], [self.pid]
        while todo:
            for child in children(todo.pop()):
                todo.append(child)
                if status(child).get("Name", "").strip() == name:
                    found.append(child)
        return found

    def api(self):
        return self.named("cloche-api")

    def zygotes(self):
        """Not those of that name with a pid namespace of their own: workers that are just being born."""
        return [pid for pid in self.named("cloche-zygote") if len(status(pid).get("NSpid", "").split()) == 1]

    def workers(self):
        return self.named("cloche-worker")

    def zygote_of(self, worker):
        """Workers are cloched's children; their zygote shares their network namespace."""
        net = os.readlink(f"/proc/{worker}/ns/net")
        return [z for z in self.zygotes() if os.readlink(f"/proc/{z}/ns/net") == net]
