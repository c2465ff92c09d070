# SPDX-License-Identifier: Apache-2.0
"""Every key of a policy file, flipped, and the jail looked at: one service, one policy a case. The keys below
`python` are those of test_keys_python.py; test_keys_all.py says where each is."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap
import threading
import time

import pytest
from service import BIN, SLOW, Service, status, wait_until
from test_jail import cgroup_dirs

BASE = """\
version: 1
extends: default
description: What the other cases extend.
python:
  modules: +[os, io, socket, threading]
  builtins: {remove: []}
pool: {min: 1, max: 4}
reason:
  python.modules.os: "the tests ask for system calls"
  python.modules.socket: "the tests ask for system calls"
"""

# name -> what the file says below its version; each extends `base` unless it says otherwise
CASES = {
    "grown": "extends: base\npython:\n  modules: +[cmath, colorsys]\n",
    "shrunk": "extends: grown\npython:\n  modules: {add: [sched], remove: [cmath, heapq]}\n",
    "replaced": "extends: grown\npython:\n  modules: [json]\n  preload: none\n",
    "wall": "limits: {wall: 200ms}\n",
    "cpu": "limits: {cpu: 150ms}\n",
    "memory": "limits: {memory: 24Mi}\n",
    "processes": "limits: {processes: 3}\nsyscalls:\n  tiers: +[threads]\n",
    "output": "limits: {output: 100}\n",
    "result": "limits: {result: 50}\n",
    "request": "limits: {request: 1Ki}\n",
    "files": "limits: {files: 64Ki}\nsyscalls:\n  tiers: +[tmp_files]\n",
    "inodes": "limits: {files: 1Mi, inodes: 20}\nsyscalls:\n  tiers: +[tmp_files]\n",
    "share": "cpu: {weight: 300}\n",
    "capped": "cpu: {max: 0.25}\n",
    "late": "syscalls:\n  tiers: +[late_imports]\n",
    "loops": "syscalls:\n  tiers: +[asyncio]\n",
    "timeless": "syscalls:\n  tiers: [compute]\n",
    "allow": "syscalls: {allow: [getppid, memfd_create]}\n"
             "reason:\n  syscalls.allow.memfd_create: \"the tests make one\"\n",
    "deny": "syscalls: {deny: [clock_nanosleep]}\n",
    "polite": "syscalls: {deny: [clock_nanosleep], on_violation: errno}\n",
    "unseeded": "python: {preload: [random]}\nsyscalls: {deny: [getrandom]}\n",
    "ready": "pool: {min: 3}\n",
    "narrow": "pool: {min: 0, max: 2}\n",
    "counted": "pool: {recycle_calls: 4}\n",
    "timed": "pool: {recycle_after: 1s}\n",
    "everything": """\
description: All keys, none at its default.
python:
  modules: [math, json, base64]
  names: {math: [sin, cos], base64: [b64encode]}
  preload: [json]
  transitive: listed
  eval: true
  register: false
  builtins: {remove: [open, exec]}
limits: {wall: 1m, cpu: 1500ms, memory: 64Mi, processes: 4, output: 2Ki, result: 3Ki, request: 8Ki, files: 1Mi,
         inodes: 77, calls_per_worker: 1}
cpu: {weight: 250, max: 1.5}
network: none
files: {read_only: [{source: /usr/share/common-licenses, target: /licences}]}
syscalls: {tiers: [compute, time, threads, tmp_files], allow: [getppid], deny: [flock], on_violation: errno}
sessions: {allow: true, default: token, idle: 30s, max: 1h, threads: 7}
isolation: policy
pool: {min: 0, max: 3, recycle_calls: 9, recycle_after: 2h}
""",
}


def text_of(case):
    body = CASES[case]
    return "version: 1\n" + ("" if body.startswith("extends:") else "extends: base\n") + body


@pytest.fixture(scope="module")
def host():
    """Directories of the host for files.read_only, which root owns. Not below pytest's own: those are shut to
    others, and a jail is one."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-host-"))
    folder.chmod(0o755)
    for name in ("shown", "other"):
        (folder / name / "below").mkdir(parents=True)
        (folder / name / "word").write_text(f"{name}\n")
        (folder / name / "below" / "deep").write_text("deep\n")
    (folder / "shown" / "way-out").symlink_to("/etc/passwd")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def keys(policies, host):
    folder = policies / "policies"
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE)
    for case in CASES:
        (folder / f"{case}.yaml").write_text(text_of(case))
    (folder / "bound.yaml").write_text(
        f"version: 1\nextends: base\nfiles:\n  read_only:\n  - {{source: {host}/shown, target: /a/b}}\n"
        f"  - {{source: {host}/other, target: /other}}\n")
    with Service(config=policies) as service:
        yield service


def run(keys, policy, source, **body):
    return keys.call(textwrap.dedent(source), policy=policy, **body)


def result(keys, policy, source, **body):
    envelope = run(keys, policy, source, **body)
    assert envelope["verdict"] == "ok", envelope
    return envelope["result"]


def limited(envelope, name, value, unit):
    assert envelope["verdict"] == "limit", envelope
    assert [envelope["limit"][part] for part in ("name", "value", "unit")] == [name, value, unit]
    return envelope["limit"]


def denied(envelope, rule, name):
    assert envelope["verdict"] == "denied", envelope
    assert (envelope["denied"]["rule"], envelope["denied"]["name"]) == (rule, name)


def failed(envelope, kind):
    assert envelope["verdict"] == "error" and envelope["error"]["type"] == kind, envelope


def imports(keys, policy, name):
    return run(keys, policy, f"import {name}\ndef main(): pass")["verdict"] == "ok"


def check(tmp_path, text):
    """What `cloche-policyc check` says of a file: (exit code, text)."""
    file = tmp_path / "case.yaml"
    file.write_text(text)
    done = subprocess.run([BIN / "cloche-policyc", "check", file], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def zygotes(keys, policy):
    """Every zygote that this policy has had, oldest first."""
    found = re.findall(rf"zygote\.up zygote=\d+ pid=(\d+) policy={policy} ", "".join(keys.log))
    return [int(pid) for pid in found]


def workers(keys, policy):
    """Its workers that live; others may end while this looks."""
    found = []
    for pid in keys.workers():
        try:
            is_one = keys.zygote_of(pid) == zygotes(keys, policy)[-1:]
        except OSError:
            continue
        if is_one and not status(pid).get("State", "X").strip().startswith(("Z", "X")):
            found.append(pid)
    return found


def parked(keys, policy, count=1):
    """`count` workers of the policy, all of which wait for a call: what it has had is gone."""
    result(keys, policy, "def main(): pass")

    def find():
        found = workers(keys, policy)
        return found if len(found) == count and all(map(is_parked, found)) else None

    return wait_until(find, what=f"{count} spares of {policy}")


def is_parked(pid):
    """Blocked in read or recvfrom, on its job socket."""
    try:
        return pathlib.Path(f"/proc/{pid}/syscall").read_text().split()[0] in ("0", "45")
    except OSError:
        return False


def in_cgroup(pid, v1, v2):
    """The text of the worker's cgroup file, as (controller, file) of v1 or a file of v2."""
    groups = cgroup_dirs(pid)
    controller, file = v1
    return ((groups[controller] / file) if controller in groups else (groups["v2"] / v2)).read_text().strip()


# -- the file itself

def test_version_must_be_one(tmp_path):
    assert check(tmp_path, "version: 1\nextends: default\n")[0] == 0
    for text in ("extends: default\n", "version: 2\nextends: default\n", "version: one\nextends: default\n"):
        code, said = check(tmp_path, text)
        assert code == 2 and "version" in said, said


def test_extends_adds_removes_and_replaces(keys):
    names = ["cmath", "colorsys", "heapq", "json", "math", "sched"]
    grants = {"base": ["heapq", "json", "math"], "grown": ["cmath", "colorsys", "heapq", "json", "math"],
              "shrunk": ["colorsys", "json", "math", "sched"], "replaced": ["json"]}
    for policy, granted in grants.items():
        assert [name for name in names if imports(keys, policy, name)] == granted, policy


@pytest.mark.parametrize("text", ["wall: 5", "wall: 5 s", "wall: 1d", "wall: 0s", "wall: -1s", "memory: 64MB",
                                  "memory: 1Mi", "memory: 64", "cpu: 25h", "inodes: 15", "processes: 0",
                                  "processes: 1.5", "output: 1e6", "calls_per_worker: 2"])
def test_wrong_quantity_is_refused_with_its_place(tmp_path, text):
    code, said = check(tmp_path, f"version: 1\nextends: default\nlimits:\n  {text}\n")
    assert code == 2 and re.search(r":4:\d+: error: ", said), said


@pytest.mark.parametrize("text, field, value", [
    ("wall: 1500ms", "wall_ms", 1500), ("wall: 2m", "wall_ms", 120_000), ("wall: 1h", "wall_ms", 3_600_000),
    ("memory: 65536Ki", "memory_bytes", 64 << 20), ("memory: 1Gi", "memory_bytes", 1 << 30)])
def test_quantity_is_what_it_says(tmp_path, text, field, value):
    file = tmp_path / "case.yaml"
    file.write_text(f"version: 1\nextends: default\nlimits:\n  {text}\n")
    shown = subprocess.run([BIN / "cloche-policyc", "explain", file], capture_output=True, text=True, check=True)
    key = field.rsplit("_", 1)[0]
    [line] = [line for line in shown.stdout.splitlines() if line.startswith(f"limits.{key} ")]
    number, unit = re.match(r"(\d+)(\w+)", line.split()[1]).groups()
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    assert int(number) * units[unit] == value


# -- limits

def test_wall(keys):
    sleep = "import time\ndef main(): time.sleep(0.4)"
    limited(run(keys, "wall", sleep), "wall", 200, "ms")
    result(keys, "base", sleep)


def test_cpu(keys):
    burn = "import time\ndef main():\n    while time.process_time() < 0.4: pass"
    limited(run(keys, "cpu", burn), "cpu", 150, "ms")
    result(keys, "base", burn)


def test_memory(keys):
    grow = "def main(): return len(bytearray(40 << 20))"
    limited(run(keys, "memory", grow), "memory", 24 << 20, "bytes")
    assert result(keys, "base", grow) == 40 << 20
    pid = parked(keys, "memory")[0]
    assert int(in_cgroup(pid, ("memory", "memory.limit_in_bytes"), "memory.max")) == 24 << 20


def test_processes(keys):
    start = """
        import threading
        def main(n):
            gate = threading.Event()
            threads = [threading.Thread(target=gate.wait) for _ in range(n)]
            try:
                for thread in threads: thread.start()
            finally: gate.set()
            return n
        """
    assert result(keys, "processes", start, args=[2]) == 2
    limited(run(keys, "processes", start, args=[3]), "processes", 3, "count")
    denied(run(keys, "base", start, args=[1]), "processes", "thread")
    assert int(in_cgroup(parked(keys, "processes")[0], ("pids", "pids.max"), "pids.max")) == 3
    assert int(in_cgroup(parked(keys, "base")[0], ("pids", "pids.max"), "pids.max")) == 1


def test_output(keys):
    source = "def main(n): print('x' * n, end='')"
    assert run(keys, "output", source, args=[100])["stdout"] == "x" * 100
    limited(run(keys, "output", source, args=[101]), "output", 100, "bytes")
    result(keys, "base", source, args=[101])


def test_result(keys):
    source = "def main(n): return 'x' * n"
    assert result(keys, "result", source, args=[48]) == "x" * 48
    limited(run(keys, "result", source, args=[49]), "result", 50, "bytes")
    result(keys, "base", source, args=[49])


def test_request(keys):
    body = {"source": "def main(x): return len(x)", "args": ["x" * 1024]}
    answer = keys.post({**body, "policy": "request"})
    assert answer.status_code == 413, answer.text
    assert answer.json()["type"] == "urn:cloche:problem:too-large" and answer.json()["limit"] == 1024
    assert keys.post({**body, "policy": "base"}).json()["result"] == 1024
    assert keys.post({**body, "policy": "request", "args": ["x" * 100]}).json()["result"] == 100


def test_files(keys):
    write = "def main(n):\n    with open('/tmp/file', 'wb') as file: file.write(bytes(n))"
    result(keys, "files", write, args=[64 << 10])
    limited(run(keys, "files", write, args=[65 << 10]), "files", 64 << 10, "bytes")
    denied(run(keys, "base", write, args=[1]), "files", "/tmp/file")
    assert result(keys, "files", "import os\ndef main(): return os.getcwd()") == "/tmp"


def test_inodes(keys):
    make = "def main(n):\n    for i in range(n): open(f'/tmp/{i}', 'w').close()"
    result(keys, "inodes", make, args=[20])
    limited(run(keys, "inodes", make, args=[21]), "files", 1 << 20, "bytes")
    result(keys, "files", make, args=[21])


def test_no_worker_serves_twice(keys):
    source = "import json\ndef main():\n    json.seen = getattr(json, 'seen', 0) + 1\n    return json.seen"
    assert [result(keys, "base", source) for _ in range(5)] == [1] * 5


# -- cpu, network, files

def test_weight_is_the_cgroups(keys):
    weights = {policy: int(in_cgroup(parked(keys, policy)[0], ("cpu", "cpu.shares"), "cpu.weight"))
               for policy in ("base", "share")}
    assert weights["share"] == 3 * weights["base"]


def test_cap_slows_down(keys):
    pid = parked(keys, "capped")[0]
    if "cpu" in cgroup_dirs(pid):
        period = int(in_cgroup(pid, ("cpu", "cpu.cfs_period_us"), ""))
        assert int(in_cgroup(pid, ("cpu", "cpu.cfs_quota_us"), "")) * 4 == period
    else:
        quota, period = in_cgroup(pid, ("cpu", ""), "cpu.max").split()
        assert int(quota) * 4 == int(period)
    burn = """
        import time
        def main():
            start = time.monotonic()
            while time.process_time() < 0.4: pass
            return time.monotonic() - start
        """
    # A quarter of a core takes 1.6 s for it; what the scheduler lends at the end is not waited for.
    assert result(keys, "capped", burn) > 0.9


def test_network_is_none(keys, tmp_path):
    source = "import socket\ndef main(kind): socket.socket(getattr(socket, kind), socket.SOCK_DGRAM)"
    for kind in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_VSOCK"):
        failed(run(keys, "base", source, args=[kind]), "PermissionError")
    for text in ("host", "all", "true", "{allow: ['api.example.com:443']}"):
        code, said = check(tmp_path, f"version: 1\nextends: default\nnetwork: {text}\n")
        assert code == 2 and "network" in said, said
    assert check(tmp_path, "version: 1\nextends: default\nnetwork: none\n")[0] == 0


def test_bind_shows_a_directory(keys):
    read = "def main(path):\n    with open(path) as file: return file.read()"
    assert result(keys, "bound", read, args=["/a/b/word"]) == "shown\n"
    assert result(keys, "bound", read, args=["/a/b/below/deep"]) == "deep\n"
    assert result(keys, "bound", read, args=["/other/word"]) == "other\n"
    assert result(keys, "bound", "import os\ndef main(): return sorted(os.listdir('/a/b'))") == [
        "below", "way-out", "word"]
    denied(run(keys, "base", read, args=["/a/b/word"]), "files", "/a/b/word")


def test_bind_is_read_only_and_leads_nowhere_else(keys, host):
    for mode in ("w", "a", "r+", "x"):
        failed(run(keys, "bound", f"def main(): open('/a/b/word', {mode!r})"), "PermissionError")
    failed(run(keys, "bound", "import os\ndef main(): os.unlink('/a/b/word')"), "PermissionError")
    failed(run(keys, "bound", "def main(): open('/a/b/way-out')"), "FileNotFoundError")
    failed(run(keys, "bound", "def main(): open('/a/b/../../etc/passwd')"), "FileNotFoundError")
    failed(run(keys, "bound", "import os\ndef main(): os.listdir('/a')"), "PermissionError")
    assert (host / "shown/word").read_text() == "shown\n"
    mounts = [line.split()[4:6] for line in
              pathlib.Path(f"/proc/{parked(keys, 'bound')[0]}/mountinfo").read_text().splitlines()]
    assert [place for place, _ in mounts] == ["/", "/a/b", "/other"]
    for _, options in mounts[1:]:
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(","))


@pytest.mark.parametrize("bind, why", [
    ("{source: srv/models, target: /m}", "expected an absolute path"),
    ("{source: /srv/../etc, target: /m}", "expected an absolute path"),
    ("{source: /srv/models/, target: /m}", "expected an absolute path"),
    ("{source: /, target: /m}", "expected an absolute path"),
    ("{source: /proc/1, target: /m}", "not /proc"), ("{source: /run, target: /m}", "not /run"),
    ("{source: /srv, target: m}", "expected an absolute path"), ("{source: /srv, target: /usr/m}", "not /usr"),
    ("{source: /srv, target: /tmp}", "not /tmp"), ("{source: /srv}", "expected {source"),
    ("/srv", "expected {source"), ("{source: /srv, target: /m}, {source: /opt, target: /m/n}", "overlaps")])
def test_bind_that_says_something_wrong_is_refused(tmp_path, bind, why):
    code, said = check(tmp_path, f"version: 1\nextends: default\nfiles:\n  read_only: [{bind}]\n")
    assert code == 2 and why in said, said


def link(path):
    path.symlink_to(path.parent / "shown")


def strangers(path):
    path.mkdir()
    os.chown(path, 1000, 1000)


def writable(path):
    path.mkdir()
    path.chmod(0o777)


SOURCES = {"missing": (lambda path: None, "No such file or directory"), "link": (link, "is a symbolic link"),
           "file": (lambda path: path.write_text(""), "Not a directory"),
           "strangers": (strangers, "belongs to uid 1000, not to root"),
           "writable": (writable, "is writable by its group or by others")}


@pytest.mark.parametrize("kind", SOURCES)
def test_bind_of_a_source_that_is_not_roots_alone_is_refused(keys, policies, host, kind):
    """The generation that names it is refused; the one before stays in force."""
    make, why = SOURCES[kind]
    make(host / kind)
    file = policies / "policies" / f"source-{kind}.yaml"
    written = policies / f"source-{kind}.new"
    written.write_text(f"version: 1\nextends: base\nfiles:\n  read_only: [{{source: {host}/{kind}, target: /m}}]\n")
    seen = len(keys.log)

    def said(words):
        return [line for line in keys.log[seen:] if words in line]

    try:
        written.rename(file)
        os.kill(keys.pid, signal.SIGHUP)
        problem = wait_until(lambda: said(f" load.problem error=\"policy source-{kind}: "), what="the problem")[0]
        assert f"{host}/{kind}" in problem and why in problem
        wait_until(lambda: said(" load.refused "), what="the refusal")
    finally:
        file.unlink()
    seen = len(keys.log)
    os.kill(keys.pid, signal.SIGHUP)
    wait_until(lambda: said(" load.done "), what="the next generation")
    assert keys.http.get(f"/v1/policies/source-{kind}").status_code == 404
    result(keys, "base", "def main(): pass")


# -- syscalls

def test_tier_opens(keys):
    loop = "import asyncio\ndef main():\n    asyncio.new_event_loop().close()"
    assert result(keys, "loops", loop) is None
    look = "import os\ndef main(): return 'abc.py' in os.listdir('/usr/lib/python3.11')"
    assert result(keys, "late", look) is True
    failed(run(keys, "base", look), "PermissionError")
    sleep = "import time\ndef main(): time.sleep(0.01)"
    assert result(keys, "base", sleep) is None
    denied(run(keys, "timeless", sleep), "syscall", "clock_nanosleep")


def test_tier_without_its_limit_is_refused(tmp_path):
    for text, why in {"syscalls: {tiers: [time]}": "without 'compute'",
                      "syscalls: {tiers: [compute, threads]}": "needs limits.processes above 1",
                      "syscalls: {tiers: [compute, tmp_files]}": "needs limits.files above 0",
                      "limits: {files: 1Mi}": "needs the tier 'tmp_files'",
                      "syscalls: {tiers: [compute, tme]}": "time"}.items():
        code, said = check(tmp_path, f"version: 1\nextends: default\n{text}\n")
        assert code == 2 and why in said, said


def test_allowed_call_works(keys):
    parent = "import os\ndef main(): return os.getppid()"
    # os.getppid cannot fail: -1 is the kernel's refusal.
    assert (result(keys, "base", parent), result(keys, "allow", parent)) == (-1, 0)
    make = "import os\ndef main(): return os.memfd_create('x') > 2"
    failed(run(keys, "base", make), "PermissionError")
    assert result(keys, "allow", make) is True


def test_denied_call_ends_the_call(keys):
    sleep = "import time\ndef main(): time.sleep(0.01)"
    denied(run(keys, "deny", sleep), "syscall", "clock_nanosleep")
    assert result(keys, "base", sleep) is None


def test_denied_getrandom_leaves_other_seeds(keys):
    draw = "import random\ndef main(): return random.random()"
    assert len({result(keys, "unseeded", draw) for _ in range(4)}) == 4
    denied(run(keys, "unseeded", "import os\ndef main(): os.urandom(8)"), "syscall", "getrandom")


def test_violation_may_be_an_error(keys):
    sleep = "import time\ndef main(): time.sleep(0.01)"
    failed(run(keys, "polite", sleep), "PermissionError")
    denied(run(keys, "deny", sleep), "syscall", "clock_nanosleep")


@pytest.mark.parametrize("text, why", [
    ("allow: [memfd_create]", "say why it is needed"), ("allow: [ptrace]", "is never granted"),
    ("allow: [getpidd]", "getpid"), ("deny: [read]", "no worker runs without 'read'"),
    ("{allow: [getppid], deny: [getppid]}", "is under syscalls.deny, too"), ("on_violation: log", "kill errno")])
def test_wrong_system_call_is_refused(tmp_path, text, why):
    block = text if text.startswith("{") else "{" + text + "}"
    code, said = check(tmp_path, f"version: 1\nextends: default\nsyscalls: {block}\n")
    assert code == 2 and why in said, said


def test_risky_call_needs_a_reason(tmp_path):
    risky = "version: 1\nextends: default\nsyscalls: {allow: [memfd_create]}\n"
    assert check(tmp_path, risky)[0] == 2
    assert check(tmp_path, risky + 'reason: {syscalls.allow.memfd_create: "arrow needs it"}\n') == (0, "")
    code, said = check(tmp_path, risky + 'reason: {syscalls.allow.memfd_create: "because"}\n')
    assert code == 2 and "reason" in said
    code, said = check(tmp_path, 'version: 1\nextends: default\nreason: {syscalls.allow.bpf: "no longer used"}\n')
    assert code == 2 and "'bpf' is not in syscalls.allow" in said


def test_risky_module_is_a_warning_without_a_reason(tmp_path):
    module = "version: 1\nextends: default\npython:\n  modules: +[ctypes]\n"
    code, said = check(tmp_path, module)
    assert code == 0 and "warning" in said and "native code" in said
    assert check(tmp_path, module + 'reason: {python.modules.ctypes: "makes system calls"}\n') == (0, "")


# -- pool

def test_spares_are_ready(keys):
    assert len(parked(keys, "ready", 3)) == 3
    assert len(parked(keys, "base")) == 1


def test_no_more_jails_than_the_pool(keys):
    """Three calls of 0.3 s through two jails take two turns; through four jails, one."""
    slow = min(SLOW, 8)

    def turn(policy):
        result(keys, policy, "def main(): pass")
        source = f"import time\ndef main():\n    time.sleep({0.3 * slow})\n    return time.monotonic()"
        ends = []
        threads = [threading.Thread(target=lambda: ends.append(run(keys, policy, source))) for _ in range(3)]
        for thread in threads:
            thread.start()
        most = 0
        while any(thread.is_alive() for thread in threads):
            most = max(most, len(workers(keys, policy)))
            time.sleep(0.005)
        assert [end["verdict"] for end in ends] == ["ok"] * 3, ends
        times = sorted(end["result"] for end in ends)
        return times[2] - times[0], most

    spread, most = turn("narrow")
    assert spread > 0.25 * slow and most <= 3, (spread, most)  # two, and one on its way out
    assert turn("ready")[0] < 0.25 * slow


def test_zygote_is_replaced_after_its_calls(keys):
    for generation in (2, 3):
        for _ in range(4):
            result(keys, "counted", "def main(): pass")
        wait_until(lambda: len(zygotes(keys, "counted")) >= generation, what=f"zygote {generation}")  # noqa: B023
    for _ in range(8):
        result(keys, "base", "def main(): pass")
    assert len(zygotes(keys, "base")) == 1


def test_zygote_is_replaced_after_its_time(keys):
    def count():
        result(keys, "timed", "def main(): pass")  # one that nobody calls is not replaced, but ends
        return len(zygotes(keys, "timed"))
    wait_until(lambda: count() >= 2, what="the second zygote")
    assert count() >= 2
