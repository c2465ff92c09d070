# SPDX-License-Identifier: Apache-2.0
"""The audit log: what is in it, that nothing is missing, and that nobody can bend it."""

import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import httpx
import pytest
from rpc import Rpc
from service import BIN, ROOT, SLOW, Service, wait_until
from workflows import Workflows, code


@pytest.fixture
def own(own):
    """One that serves: its log is there."""
    assert own.http.get("/healthz").status_code == 200
    return own


def verify(*files, heads=()):
    words = [word for head in heads for word in ("--head", head)]
    done = subprocess.run([BIN / "cloche", "audit", "verify", "-o", "json", *words, *map(str, files)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done
    found = json.loads(done.stdout)
    assert found["good"] is (done.returncode == 0)
    return found


def good(*files, **more):
    found = verify(*files, **more)
    assert found["good"], found
    return found


def lines_of(*files):
    return [json.loads(line) for file in files for line in pathlib.Path(file).read_bytes().splitlines()]


def calls_of(service, *names):
    return [line for name in (names or ["audit.log"]) for line in lines_of(service.state / name)
            if line["event"] == "call" and line.get("kind") != "inspect"]


def told(service, call):
    """The lines that one thing a caller does brings, but for jails that read modules."""
    log = service.state / "audit.log"
    before = len(lines_of(log))
    call()
    return [line for line in lines_of(log)[before:] if line.get("kind") != "inspect"]


def one_call(service, call):
    found = [line for line in told(service, call) if line["event"] == "call"]
    assert len(found) == 1, found
    return found[0]


# ------------------------------------------------------------------------------- what is in it

def test_every_road_writes_one_line(own):
    http, rpc, flows = own.http, Rpc(own, {"Cloche-Policy": "gleitzeit"}), Workflows(own)
    source = "def main(x=1): return x"
    http.put("/v1/modules/prices", content="def net(x): return x", headers={"Content-Type": "text/x-python"})
    session = http.post("/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]

    def later():
        answer = http.post("/v1/calls", json={"source": source}, headers={"Prefer": "respond-async"})
        done = http.get(answer.headers["location"], params={"wait": "20s"}).json()
        assert done["status"] == "done", done

    roads = {
        "plain": lambda: own.call(source),
        "stream": lambda: own.events(source),
        "later": later,
        "function": lambda: http.post("/v1/calls", json={"function": "prices.net", "args": [1]}).raise_for_status(),
        "path": lambda: http.post("/v1/functions/prices.net/calls", json={"args": [1]}).raise_for_status(),
        "eval": lambda: http.post("/v1/eval", json={"expression": "1 + 1", "policy": "gleitzeit"}).raise_for_status(),
        "session": lambda: http.post("/v1/calls", json={"source": source},
                                     headers={"Cloche-Session": session}).raise_for_status(),
        "workflow": lambda: flows.run(code("a", "result = 1")),
    }
    for road, call in roads.items():
        line = one_call(own, call)
        assert (road, line["verdict"], line["tenant"], line["key"]) == (road, "ok", "local", "local")
        assert line["generation"] == 1 and line["usage"]["wall_us"] > 0 and line["id"]
        assert ("function" in line) == (road in ("function", "path")) and len(line.get("source", "0" * 64)) == 64
        assert line.get("peer") == (None if road in ("later", "workflow") else "127.0.0.1")
        assert line.get("session", session) == session
    batch = [line for line in told(own, lambda: rpc.batch(
        ("register", {"name": "f", "type": "source", "source": "def f(x): return x", "function": "f"}),
        ("execute", {"function": "f", "args": [1]}), ("execute", {"function": "f", "args": [2]})))
        if line["event"] == "call"]
    assert [line["kind"] for line in batch] == ["rpc"] * 3 and len({line["id"] for line in batch}) == 3
    assert good(own.state / "audit.log")["torn"] == 0


def test_ends_refusals_and_changes_are_told(own):
    http = own.http
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    head = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    secret = "a_source_is_in_no_log"
    line = one_call(own, lambda: own.post({"source": f"# {secret}\nimport socket"}, headers=head))
    assert line["denied"] == {"rule": "modules", "name": "socket"} and line["trace"] == trace
    line = one_call(own, lambda: own.call("def main():\n    while True: pass", limits={"wall": "200ms"}))
    assert line["limit"]["name"] == "wall" and line["limit"]["value"] == 200
    line = one_call(own, lambda: own.call("def main(): raise KeyError('secret')"))
    assert (line["verdict"], line["error"]) == ("error", "KeyError")

    line, = told(own, lambda: http.post("/v1/calls", json={}, headers={"Authorization": "Bearer wrong_token"}))
    assert (line["event"], line["problem"], line["status"]) == ("refused", "unauthorized", 401)
    line, = told(own, lambda: own.post({"source": "", "policy": "nosuch"}))
    assert (line["problem"], line["status"], line["key"]) == ("policy-not-allowed", 403, "local")

    def names(call):
        return [(line["event"], line.get("id"), line.get("path")) for line in told(own, call)
                if line["event"] != "call"]
    assert names(lambda: http.put("/v1/modules/prices", content="def net(x): return x",
                                  headers={"Content-Type": "text/x-python"})) == [("module.put", "prices", None)]
    assert names(lambda: http.delete("/v1/modules/prices")) == [("module.delete", None, "/v1/modules/prices")]
    session = http.post("/v1/sessions", json={"policy": "gleitzeit"}).json()["session"]
    path = f"/v1/sessions/{session}"

    def close():  # its jail ends after the answer
        http.delete(path)
        wait_until(lambda: ("session.end", session) in [(line["event"], line.get("id"))
                                                        for line in lines_of(own.state / "audit.log")])
    assert names(close) == [("session.close", None, path), ("session.end", session, None)]
    flow = names(lambda: Workflows(own).run(code("a", "result = 1"), name="w"))
    assert {"workflow.submit", "workflow.end"} <= {event for event, _, _ in flow}
    text = (own.state / "audit.log").read_text()
    assert secret not in text and "wrong_token" not in text and own.token not in text
    assert text.count("service.start") == 1 and '"self_test":"passed"' in text


def test_reloads_tell_of_tokens(tmp_path):
    (tmp_path / "policies").mkdir()
    tenants = tmp_path / "tenants.yaml"
    tenants.write_text("version: 1\ntenants:\n  acme:\n    policies: [default]\n")

    def token(verb):
        subprocess.run([BIN / "cloche", "token", verb, "--tenant", "acme", "--file", tenants, "--id", "ci"],
                       check=True, capture_output=True)

    with Service(config=tmp_path) as service:
        log = service.state / "audit.log"

        def wait(event, count=1):
            wait_until(lambda: [line["event"] for line in lines_of(log)].count(event) >= count, 20, event)
        token("create")
        wait("token.new")
        token("rotate")
        wait("token.changed")
        token("revoke")
        wait("token.gone")
        (tmp_path / "policies/bad.yaml").write_text("nonsense: 1\n")
        wait("config.refused")
        found = [line for line in lines_of(log) if line["event"].startswith("token.")]
        assert {(line["tenant"], line["key"]) for line in found} == {("acme", "ci")}
        good(log)


def test_wrong_tokens_do_not_flood(own):
    """A hundred lines at once, ten a second from then on: more are sent than that."""
    began, sent, most = time.monotonic(), 0, 100
    with httpx.Client(base_url=own.url, headers={"Authorization": "Bearer nope"}) as client:
        while sent < most + 20 and sent < 3000:
            client.get("/v1/policies")
            sent += 1
            most = 101 + 10 * (time.monotonic() - began)
    found = [line for line in lines_of(own.state / "audit.log") if line["event"] == "refused"]
    by_status = collections.Counter(line["status"] for line in found)
    assert by_status[401] <= most and sum(by_status.values()) <= 2 * most, by_status


def test_refusals_left_out_are_told_at_the_end(own):
    with httpx.Client(base_url=own.url, headers={"Authorization": "Bearer nope"}) as client:
        seen = collections.Counter(client.get("/v1/policies").json()["type"].rpartition(":")[2] for _ in range(600))
    own.process.terminate()
    own.process.wait()
    lines = [line for line in lines_of(own.state / "audit.log") if line["event"] in ("refused", "service.stop")]
    assert lines.pop()["event"] == "service.stop"
    told = collections.Counter()
    for line in lines:
        told[line["problem"]] += line.get("left_out", 0) + ("path" in line)
    assert told == seen
    last = [line for line in lines if "path" not in line]
    assert last and all(line["left_out"] > 0 and line["status"] in (401, 429) for line in last)
    good(own.state / "audit.log")



def test_who_puts_a_module_is_told_with_the_jail_that_reads_it(own):
    python = {"Content-Type": "text/x-python"}
    own.http.put("/v1/modules/prices", content="def net(x): return x", headers=python).raise_for_status()
    own.http.post("/v1/modules:push", json={"files": {"other": "def f(): return 1"}}).raise_for_status()
    read = [line for line in lines_of(own.state / "audit.log") if line.get("kind") == "inspect"]
    assert [(line.get("key"), line.get("peer")) for line in read] == [("local", "127.0.0.1")] * 2


LATER = {"Prefer": "respond-async"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SLEEP = "import time\ndef main():\n    time.sleep(60)"


def cut_short(service, *roads):
    """Stored calls that a kill -9 of everything ended: what is said of each after a restart."""
    head = {**LATER, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    ids = [service.http.post(path, json=body, headers=head).json()["id"] for path, body in roads]
    for name in ids:
        wait_until(lambda name=name: service.http.get(f"/v1/calls/{name}").json()["status"] == "running", 20, name)
    service.process.kill()
    service.process.wait()
    service.start()
    for name in ids:
        assert service.http.get(f"/v1/calls/{name}", params={"wait": "20s"}).json()["verdict"] == "lost"
    found = {line["id"]: line for line in calls_of(service)}
    return [found[name] for name in ids]


def test_a_stored_call_without_a_workers_word_says_who_called(own):
    own.http.put("/v1/modules/naps", content="import time\ndef nap(s): time.sleep(s)",
                 headers={"Content-Type": "text/x-python"}).raise_for_status()
    source, body, path, evaluated = cut_short(
        own, ("/v1/calls", {"source": SLEEP}), ("/v1/calls", {"function": "naps.nap", "args": [60]}),
        ("/v1/functions/naps.nap/calls", {"args": [60]}),
        ("/v1/eval", {"expression": "sum(x * y for x in range(9000) for y in range(9000))", "policy": "gleitzeit"}))
    for line, kind in ((source, "source"), (body, "function"), (path, "function"), (evaluated, "eval")):
        assert (line["verdict"], line["tenant"], line["key"], line["kind"], line["trace"]) == \
            ("lost", "local", "local", kind, TRACE)
    assert body["function"] == path["function"] == "naps.nap"
    assert source["source"] == hashlib.blake2b(SLEEP.encode(), digest_size=32).hexdigest()
    assert len(evaluated["source"]) == 64


def test_a_stored_call_that_never_ran_says_who_called(own):
    first = [own.http.post("/v1/calls", json={"source": SLEEP}, headers=LATER).json()["id"] for _ in range(30)]
    for name in reversed(first):
        own.http.delete(f"/v1/calls/{name}").raise_for_status()
    never = [line for line in calls_of(own) if "usage" not in line]
    assert never and {(line["verdict"], line["tenant"], line["key"], line["policy"]) for line in never} == \
        {("cancelled", "local", "local", "default")}


# ---------------------------------------------------------------------------------- hostile text

HOSTILE = ["\n{\"seq\":1}\n", "\r\n", "\x00\x1b[2J\x7f", "\x85\x9b", "\u2028\u2029", "\u202e\u2066", "\ud800",
           "\"},\"hash\":\"", "\\", "x" * 9000, "😀", "\u200b\ufeff"]


def test_no_text_of_a_caller_can_end_a_line(own):
    log = own.state / "audit.log"
    for text in HOSTILE:
        name = json.dumps(text)
        own.post({"source": f"def main():\n    raise type({name}, (Exception,), {{}})({name})"})
        own.post({"source": f"def main():\n    __import__({name})"})
        own.raw(json.dumps({"source": "", "policy": text}).encode())
        own.raw(json.dumps({"function": text, "metadata": {text: text}}).encode())
        body = text.encode("utf-8", "surrogatepass").hex()
        own.http.get(f"/v1/modules/%{body[:2]}", headers={"Authorization": "Bearer x"})
    raw = log.read_bytes()
    assert all(byte == 10 or 32 <= byte <= 126 for byte in raw)
    assert max(map(len, raw.splitlines())) < 4096
    found = good(log)
    assert found["lines"] == len(lines_of(log)) == raw.count(b"\n")


# ------------------------------------------------------------------------------------- tampering

def test_any_tampering_is_found(own, tmp_path):
    for _ in range(12):
        own.call("def main(): return 1")
    log, copy = own.state / "audit.log", tmp_path / "copy"
    lines = log.read_bytes().splitlines(keepends=True)
    head = good(log)["head"]

    def is_found(changed):
        copy.write_bytes(b"".join(changed))
        return not verify(copy, heads=[head])["good"]
    assert not is_found(lines)
    for at in range(len(lines)):
        assert is_found(lines[:at] + lines[at + 1:]), f"without line {at}"
        assert is_found(lines[:at] + [lines[at]] + lines[at:]), f"twice line {at}"
        other = (at + 1) % len(lines)
        moved = list(lines)
        moved[at], moved[other] = moved[other], moved[at]
        assert is_found(moved), f"lines {at} and {other}"
    chance, raw = random.Random(1), b"".join(lines)
    for _ in range(40):
        at = chance.randrange(len(raw))
        assert is_found([raw[:at], bytes([raw[at] ^ 1 << chance.randrange(8)]), raw[at + 1:]]), f"byte {at}"
    # The service itself knows its end.
    token = ["--url", own.url, "--state", own.state]
    ask = [BIN / "cloche", "audit", "verify", *token]
    env = {**os.environ, "CLOCHE_TOKEN": own.token}
    assert subprocess.run(ask, env=env, capture_output=True).returncode == 0
    copy.write_bytes(b"".join(lines[:-1]))
    assert subprocess.run([*ask, copy], env=env, capture_output=True).returncode == 1


def show(*words):
    return subprocess.run([BIN / "cloche", "audit", "show", *map(str, words)], capture_output=True, text=True,
                          timeout=60)


def test_lines_are_chosen_by_time_verdict_and_event(own):
    own.call("def main(): pass")
    own.call("def main(): 1/0")
    log = own.state / "audit.log"
    times = [line["time"] for line in lines_of(log)]
    for since, count in {times[0]: len(times), times[0][:10]: len(times), times[0][:19] + "Z": len(times),
                         times[-1]: len([time for time in times if time >= times[-1]]), "9": 0}.items():
        done = show(log, "--since", since)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, count), since
    assert len(show(log, "--verdict", "error").stdout.splitlines()) == 1
    assert show(log, "--verdict", "lost").stdout == ""
    assert len(show(log, "--event", "audit.open").stdout.splitlines()) == 1


@pytest.mark.parametrize("option, value", [("--since", "bogus"), ("--since", "1x"), ("--since", "-1h"),
                                           ("--since", "99999999999999h"), ("--since", ""), ("--verdict", "nope"),
                                           ("--verdict", "")])
def test_what_can_choose_no_line_is_refused(option, value):
    done = show(option, value, "/dev/null")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cloche: audit show: {option}") and len(done.stderr.splitlines()) == 1


# --------------------------------------------------------------- kills, rotation, a full disk

class Load:
    """Callers who note the id of each answer they get."""

    def __init__(self, service, count=3):
        self.ids, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(service,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, service):
        with service.client(10) as client:
            while not self.over.is_set():
                try:
                    answer = client.post("/v1/calls", json={"source": "def main(): return 1"})
                    self.ids.append(answer.json()["id"])
                except (httpx.HTTPError, KeyError, ValueError):
                    time.sleep(0.02)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.ids


def test_every_answer_has_its_line_after_kills(config):
    state = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-"))
    ids = []
    try:
        for victim in ("api", "cloched", "api"):
            service = Service(config=config, state=state).start()
            load = Load(service)
            wait_until(lambda found=load: len(found.ids) > 40, 30, "calls")
            if victim == "api":
                old = service.api()[0]
                os.kill(old, signal.SIGKILL)
                count = len(load.ids)
                wait_until(lambda found=load, least=count: len(found.ids) > least + 20, 30, "calls again")
            else:
                service.process.kill()
                service.process.wait()
            ids += load.stop()
            service.stop()
        logged = [line["id"] for line in lines_of(state / "audit.log") if line["event"] == "call"]
        assert set(ids) <= set(logged) and len(logged) == len(set(logged))
        good(state / "audit.log")
    finally:
        shutil.rmtree(state, ignore_errors=True)


def test_rotation_under_load_loses_and_doubles_nothing(own):
    load = Load(own)
    log = own.state / "audit.log"
    names = []
    for turn in range(1, 4):
        wait_until(lambda least=turn * 30: len(load.ids) > least, 30, "calls")
        names.append(own.state / f"audit.log.{turn}")
        log.rename(names[-1])
        own.process.send_signal(signal.SIGHUP)
        wait_until(lambda: log.exists() and log.stat().st_size > 0, 20, "a new file")
    ids = load.stop()
    files = [*names, log]
    logged = [line["id"] for line in lines_of(*files) if line["event"] == "call"]
    assert sorted(logged) == sorted(ids)
    assert good(*files)["last"] == len(lines_of(*files))
    assert not verify(names[0], *files[2:])["good"] and not verify(*reversed(files))["good"]
    zipped = subprocess.run("cat %s | %s audit verify -" % (names[0], BIN / "cloche"), shell=True,
                            capture_output=True, text=True)
    assert zipped.returncode == 0 and "good: " in zipped.stdout


def test_logrotate_with_the_file_of_the_package(own, tmp_path):
    """Its path is this state directory's, and a reload is what the unit file says it is."""
    log, shipped = own.state / "audit.log", (ROOT / "debian/cloche.logrotate").read_text()
    unit = (ROOT / "debian/cloche.service").read_text()
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit
    reload, = (line for line in shipped.splitlines() if "systemctl" in line)
    assert shipped.count("/var/lib/cloche/audit.log") == 1
    settings = tmp_path / "cloche"
    settings.write_text(shipped.replace("/var/lib/cloche/audit.log", str(log))
                        .replace(reload, f"kill -HUP {own.process.pid}"))
    rotate = ["/usr/sbin/logrotate", "--force", "--state", tmp_path / "status", settings]
    load = Load(own)
    for turn in range(1, 4):
        wait_until(lambda least=turn * 30: len(load.ids) > least, 30, "calls")
        old = log.stat().st_ino
        done = subprocess.run(rotate, capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == 0, done
        wait_until(lambda: log.exists() and log.stat().st_ino != old and log.stat().st_size > 0, 20, "a new file")
    ids = load.stop()
    names = sorted(path.name for path in own.state.glob("audit.log*"))
    assert names == ["audit.log", "audit.log.1", "audit.log.2.gz", "audit.log.3.gz"]
    whole = subprocess.run("zcat -f audit.log.3.gz audit.log.2.gz audit.log.1 audit.log", shell=True, cwd=own.state,
                           capture_output=True, check=True).stdout
    logged = [line["id"] for line in map(json.loads, whole.splitlines()) if line["event"] == "call"]
    assert sorted(logged) == sorted(ids)
    done = subprocess.run([BIN / "cloche", "audit", "verify", "-"], input=whole, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(b"good: ")


@pytest.fixture
def small_disk():
    """A state directory on a file system that is soon full."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("mode", ["on", "required"])
def test_a_full_disk(small_disk, config, mode):
    service = Service(config=config, state=small_disk, args=["--audit", mode])
    try:
        service.start()
        service.call("def main(): return 1")
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while True:
                    filler.write(b"x" * 4096)
        answers = [service.post({"source": "def main(): return 1"}).status_code for _ in range(20)]
        health, metrics = service.http.get("/readyz"), service.http.get("/metrics").text
        assert "\ncloche_audit_writable 0\n" in metrics and "\ncloche_audit_lost_total 0\n" in metrics
        if mode == "on":
            assert set(answers) == {200} and health.json()["audit"]["writable"] is False
            assert health.json()["status"] == "degraded"
        else:
            assert answers[-1] == 503 and health.status_code == 503 and "audit" in health.text
        (small_disk / "filler").unlink()
        wait_until(lambda: service.http.get("/readyz").json().get("status") == "ready", 20, "room")
        service.call("def main(): return 2")
        assert len(calls_of(service)) == answers.count(200) + 2
        assert good(small_disk / "audit.log")["torn"] == 0
    finally:
        service.stop()


def test_a_workflow_that_is_not_kept_is_not_told(small_disk, config):
    def submit(name):
        return service.http.post("/v1/workflows", json={"id": name, "name": "w", "tasks": [code("a", "result = 1")]})

    service = Service(config=config, state=small_disk)
    try:
        service.start()
        assert [submit("first").status_code for _ in range(2)] == [202, 422]
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while True:
                    filler.write(b"x" * 4096)
        wait_until(lambda: submit("second").status_code == 507, 20, "a full store")
        (small_disk / "filler").unlink()
        wait_until(lambda: submit("third").status_code == 202, 20, "room")
        wait_until(lambda: "third" in [line["id"] for line in lines_of(small_disk / "audit.log")
                                       if line["event"] == "workflow.end"], 20, "its end")
        told = collections.Counter(line["id"] for line in lines_of(small_disk / "audit.log")
                                   if line["event"] == "workflow.submit")
        assert told == {"first": 1, "third": 1}
    finally:
        service.stop()


# ------------------------------------------------------------------------------------- its file

def test_the_file_is_roots_and_the_api_can_not_reach_it(own):
    log = own.state / "audit.log"
    assert log.stat().st_uid == 0 and log.stat().st_mode & 0o777 == 0o600
    flags = pathlib.Path(f"/proc/{own.api()[0]}/fdinfo/6").read_text()
    assert os.readlink(f"/proc/{own.api()[0]}/fd/6") == str(log)
    assert int(flags.split("flags:")[1].split()[0], 8) & (os.O_APPEND | os.O_ACCMODE) == os.O_APPEND | os.O_WRONLY


@pytest.mark.parametrize("make", [
    lambda log: log.symlink_to("/etc/passwd"),
    lambda log: (log.write_text(""), log.chmod(0o666)),
    lambda log: log.mkdir(),
], ids=["link", "mode", "directory"])
def test_a_log_that_is_none_refuses_the_start(tmp_path, make):
    make(tmp_path / "audit.log")
    done = subprocess.run([BIN / "cloched", "--state", tmp_path, "--listen", "127.0.0.1:0"], capture_output=True,
                          text=True, timeout=30 * SLOW)
    assert done.returncode != 0 and "audit.log" in done.stderr
    assert pathlib.Path("/etc/passwd").read_text().startswith("root:")


def test_another_service_can_not_write_to_it(own):
    state = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-"))
    try:
        before = len(lines_of(own.state / "audit.log"))
        # By another name it is refused for its names, and by its own for its state directory's lock.
        os.link(own.state / "audit.log", state / "audit.log")
        for folder in (state, own.state):
            done = subprocess.run([BIN / "cloched", "--state", folder, "--listen", "127.0.0.1:0"],
                                  capture_output=True, text=True, timeout=30 * SLOW)
            assert done.returncode != 0
        assert len(lines_of(own.state / "audit.log")) == before
    finally:
        shutil.rmtree(state)


@pytest.mark.parametrize("mode", ["on", "required"])
def test_one_file_under_two_state_directories_has_one_writer(own, config, mode):
    """It has one name, and the lock of the other state directory is free: what is left is the lock on the file itself."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-"))
    log, shown = own.state / "audit.log", folder / "audit.log"
    shown.touch(0o600)
    # In a mount namespace of its own, which ends with it: the machine sees nothing of the mount.
    script = f"mount --make-rprivate / && mount --bind {log} {shown} && exec \"$@\""
    other = Service(config=config, state=folder, args=["--audit", mode], wrap=["unshare", "-m", "sh", "-c", script, "sh"])
    body, answers = {"source": "def main(): return 1"}, []

    def refused():
        """Its API says so and ends, each time that it is started; whoever asks meanwhile is not served."""
        if other.url and (folder / "local.token").exists():
            head = {"Authorization": f"Bearer {(folder / 'local.token').read_text().strip()}"}
            try:
                answers.append(httpx.post(other.url + "/v1/calls", json=body, headers=head, timeout=0.2 * SLOW).status_code)
            except httpx.HTTPError:
                answers.append(None)
        assert 200 not in answers, "two writers"
        return sum("audit.log in the state directory is in use" in line for line in other.log) > 2
    try:
        before = len(calls_of(own))
        other.start(wait=False)
        wait_until(refused, 20, what="the refusal")
        assert answers
        assert own.post(body).status_code == 200
        assert len(calls_of(own)) == before + 1
        good(log)
    finally:
        other.stop()
        shutil.rmtree(folder)


def test_off_keeps_none(config):
    service = Service(config=config, args=["--audit", "off"])
    try:
        service.start()
        assert service.call("def main(): return 1")["verdict"] == "ok"
        assert not (service.state / "audit.log").exists() and "audit" not in service.http.get("/readyz").json()
    finally:
        service.stop()
