# SPDX-License-Identifier: Apache-2.0
"""Something worth stealing in the memory that a worker begins with. Read from the host, byte by byte: a worker can
look only for what Python tracks, which is nothing of what came with its zygote. What a call that runs was sent is
found by the same reader, in one worker, so that it is known to find things."""

import contextlib
import itertools
import json
import re
import secrets

import httpx
import pytest
from service import SLOW, Service, status, wait_until
from test_tenants import call, token

KERNELS = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
PIECE = 4 << 20
SHADOW = 1 << 40  # what a sanitizer keeps its notes in is larger, and is no bytes of anybody's
PREFIX = "mk" + secrets.token_hex(5)  # of every marker: one search is enough
POLICIES = {
    "alone": "extends: default\npool: {min: 1, max: 3}\nlimits: {wall: 10m}\n",
    "shared": "extends: alone\nisolation: policy\n",
}
TENANTS = """version: 1
tenants:
  own:
    policies: [alone, shared]
  other:
    policies: [alone, shared, {0}]
"""
RUN = 'def main(x):\n    """%s"""\n    return len(x)\n'
WAIT = 'import time\ndef main(x, token):\n    """%s"""\n    print("here")\n    time.sleep(600)\n'
MARKED = re.compile(PREFIX.encode() + rb"-(\d)-end")
MARKERS = ("module", "other_source", "other_argument", "own_source", "own_argument", "policy", "description",
           "running_source", "running_argument")


def mark(name):
    return f"{PREFIX}-{MARKERS.index(name)}-end"


OF_POLICY = {mark("policy"), mark("description")}


def half(token):
    """The second: the first may be cut off where a token is kept."""
    return token[len(token) // 2:]


def readable(pid):
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            span, mode, *_ = line.split()
            start, end = (int(place, 16) for place in span.split("-"))
            if mode.startswith("r") and not line.rstrip().endswith(KERNELS) and end - start < SHADOW:
                yield start, end


def pieces(pid):
    """Every byte of a process that it could read itself; each piece begins with the end of the one before."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in readable(pid):
            kept, at = b"", start
            while at < end:
                memory.seek(at)
                try:
                    got = memory.read(min(PIECE, end - at))
                except OSError:  # behind the end of a file that is mapped
                    got = b""
                yield kept + got
                kept, at = got[-256:], at + max(len(got), 4096)


def found_in(pid, words):
    """Which of `words` and which markers are there, None when it ended before it was read: pools shrink."""
    found, size = set(), 0
    try:
        for piece in pieces(pid):
            size += len(piece)
            found.update(mark(MARKERS[int(at)]) for at in re.findall(MARKED, piece))
            found.update(word for word in words if word.encode() in piece)
    except (FileNotFoundError, ProcessLookupError):
        pass
    if status(pid).get("VmSize") is None:  # gone, or its memory is
        return None
    assert size > 10 << 20, "not read"
    return found


class World:
    """Two tenants that have said a lot, a policy that is of one alone, and nobody who still says anything."""

    def __init__(self, folder):
        (folder / "policies").mkdir()
        hidden = {mark("policy"): f"extends: alone\ndescription: {mark('description')}\n"}
        for name, text in {**POLICIES, **hidden}.items():
            (folder / f"policies/{name}.yaml").write_text("version: 1\n" + text)
        file = folder / "tenants.yaml"
        file.write_text(TENANTS.format(mark("policy")))
        self.keys = {name: token(file, "create", name, "--scopes", "call,modules")
                     for name in ("own", "other")}
        self.service = Service(config=folder)

    def client(self, name):
        return self.stack.enter_context(httpx.Client(base_url=self.service.url, timeout=60 * SLOW, headers={
            "Authorization": f"Bearer {self.keys[name]}"}))

    def __enter__(self):
        with contextlib.ExitStack() as self.stack:
            self.stack.enter_context(self.service)
            self.tokens = [half(word) for word in (self.service.token, *self.keys.values())]
            self.own, self.other = self.client("own"), self.client("other")
            self.say()
            self.kept = self.stack.pop_all()
        return self

    def __exit__(self, *what):
        return self.kept.__exit__(*what)

    def say(self):
        source = f'def f(x):\n    """{mark("module")}"""\n    return len(x)\n'
        put = self.other.put("/v1/modules/kept", json={"source": source})
        assert put.status_code == 201, put.text
        for policy in POLICIES:
            for name, client in (("other", self.other), ("own", self.own)):
                for _ in range(4):  # whose workers are one after the other in few slots
                    body = {"args": [mark(f"{name}_argument")], "policy": policy}
                    answer = call(client, RUN % mark(f"{name}_source"), **body)
                    assert answer.json()["verdict"] == "ok", answer.text
            body = {"function": "kept.f", "args": ["x"], "policy": policy}
            answer = self.other.post("/v1/calls", json=body)
            assert answer.json()["verdict"] == "ok", answer.text
        assert call(self.other, RUN % "", args=["x"], policy=mark("policy")).json()["verdict"] == "ok"

    def parked(self):
        """{zygote: its workers}, once each has one."""
        found = {zygote: [] for zygote in self.service.zygotes()}
        for worker in self.service.workers():
            try:
                [zygote] = self.service.zygote_of(worker)
                found[zygote].append(worker)
            except (OSError, ValueError, KeyError):
                return None  # one has just ended
        return all(found.values()) and found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("secrets")) as world:
        yield world


def test_a_worker_that_waits_and_its_zygote_hold_nothing_of_anybody(world):
    def look():
        """What is in each zygote and in a worker of each."""
        found = [[found_in(pid, world.tokens) for pid in (zygote, workers[0])]
                 for zygote, workers in (world.parked() or {}).items()]
        return None not in itertools.chain(*found) and found
    found = wait_until(look, 30, "a worker of every zygote")
    assert len(found) >= 4, "alone of own, alone of other, shared, hidden"
    # The name and a text of a policy are where they have to be, and nowhere else.
    others = [both for both in found if both != [OF_POLICY, OF_POLICY]]
    assert others == [[set(), set()]] * (len(found) - 1), found


@pytest.mark.parametrize("policy", POLICIES)
def test_a_call_that_runs_is_in_its_own_worker_alone(world, policy):
    """The reader's own proof, and that of the border between siblings."""
    body = {"source": WAIT % mark("running_source"), "policy": policy,
            "args": [mark("running_argument"), world.keys["own"]]}
    events = {"Accept": "application/x-ndjson"}
    with world.own.stream("POST", "/v1/calls", json=body, headers=events) as answer:
        lines = (json.loads(line) for line in answer.iter_lines() if line.strip())
        assert any(event["event"] == "stdout" for event in lines)
        parked = wait_until(world.parked, 20, "a worker of every zygote")
        found = {pid: (found_in(pid, world.tokens) or set()) - OF_POLICY
                 for zygote, workers in parked.items() for pid in (zygote, *workers)}
        holders = [pid for pid in found if found[pid]]
        assert len(holders) == 1, found
        assert found[holders[0]] == {mark("running_source"), mark("running_argument"), half(world.keys["own"])}
        assert holders[0] in world.service.workers()
    # It is the worker of that call: it ends when the caller hangs up.
    wait_until(lambda: holders[0] not in world.service.workers(), 20, "the end of a call")


def test_the_environment_holds_nothing_of_the_service(attack):
    names = attack.result("return sorted(os.environ)")
    assert set(names) <= {"LC_ALL", "LANG", "HOME", "PATH", "TZ", "TRACEPARENT", "GLIBC_TUNABLES", "OMP_NUM_THREADS",
                          "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}, names
