# SPDX-License-Identifier: Apache-2.0
"""The clients of a soak. Each is a function that asks once and judges the answer; a thread repeats it. Whatever a fault can do to
an answer is allowed (no answer, a problem); a wrong result, a wrong verdict, a second end is not."""

import json
import random
import socket
import time

import httpx
from test_http_hostile import CLOSING

KEEP = 40  # acknowledged and open at a time, of calls and of workflows
STEP = "import time\ndef step(number, seconds=0.05):\n    time.sleep(seconds)\n    return number\n"
ADD = "def add(*numbers):\n    return sum(numbers)\n"
# (what, body, the verdict that is right)
ENDS = [
    ("raises", {"source": "def main(): return 1 / 0"}, {"error"}),
    ("does not compile", {"source": "def main(:"}, {"error"}),
    ("returns no JSON", {"source": "def main(): return object()"}, {"error"}),
    ("imports what it may not", {"source": "import socket\ndef main(): pass"}, {"denied"}),
    ("burns", {"source": "def main():\n    while True: pass", "limits": {"cpu": "100ms"}}, {"limit"}),
    ("sleeps", {"source": "import time\ndef main(): time.sleep(60)", "limits": {"wall": "150ms"}}, {"limit"}),
    ("hoards", {"source": "def main(): return len(bytearray(60 << 20))", "limits": {"memory": "30Mi"}}, {"limit"}),
    ("talks", {"source": "def main():\n    while True: print('x' * 10000)", "limits": {"output": "64Ki"}}, {"limit"}),
    ("leaves", {"source": "import ctypes\ndef main(): ctypes.CDLL(None)._exit(0)", "policy": "native"}, {"crashed", "lost"}),
    ("crashes", {"source": "import ctypes\ndef main(): ctypes.string_at(8)", "policy": "native"}, {"crashed", "limit"}),
]
# Raw calls from native code: none may do what it asks for.
ATTACKS = [("open", 2, "b'/etc/passwd', 0"), ("socket", 41, "2, 1, 0"), ("execve", 59, "b'/bin/sh', 0, 0"), ("kill", 62, "-1, 9"),
           ("ptrace", 101, "16, 1, 0, 0"), ("unshare", 272, "0x10000000"), ("bpf", 321, "0, 0, 0"), ("mount", 165, "0, 0, 0, 0, 0"),
           ("io_uring_setup", 425, "8, 0"), ("keyctl", 250, "0, 0, 0"), ("setuid", 105, "0"), ("memfd_create", 319, "b'x', 0")]
ATTACK = ("import ctypes\ndef main():\n    libc = ctypes.CDLL(None, use_errno=True)\n    libc.syscall.restype = ctypes.c_long\n"
          "    return libc.syscall(ctypes.c_long({number}), *[ctypes.c_long(a) if isinstance(a, int) else a for a in ({arguments},)])\n")


class Actor:
    """One client: its connection is its own, its chances follow from its seed."""

    def __init__(self, soak, number):
        self.soak, self.ledger = soak, soak.ledger
        self.chance = random.Random(soak.seed * 1000 + number)
        self.client = None
        self.known = {}  # of this actor alone

    def repeat(self, act, pause):
        while not self.soak.stopping.is_set():
            self.soak.running.wait()
            try:
                if self.client is None:
                    self.client = self.soak.service.client(20)
                act(self)
            except (httpx.HTTPError, OSError, ValueError, KeyError) as fault:
                self.ledger.count("no answer")
                self.soak.note_silence(act.__name__, fault)
                self.client = self.client.close() if self.client else None
            self.soak.stopping.wait(pause * self.chance.uniform(0.5, 1.5))

    def ask(self, method, path, **kw):
        """The answer, or None for a problem that a fault or a full queue explains."""
        answer = self.client.request(method, path, **kw)
        if answer.status_code in (429, 500, 503, 507):
            self.ledger.expect(answer.headers["content-type"] == "application/problem+json" or path == "/v1/rpc", answer.text)
            self.ledger.count(f"refused {answer.status_code}")
            return None
        return answer

    def call(self, verdicts, **body):
        """The envelope, None without one, when its verdict is one of these or the fault's."""
        answer = self.ask("POST", "/v1/calls", json=body)
        if answer is None:
            return None
        self.ledger.expect(answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}")
        envelope = answer.json()
        verdict = envelope.get("verdict")
        if verdict == "lost" or (verdict == "crashed" and envelope["crash"].get("signal") == "SIGKILL"):
            self.ledger.count("lost")
            return None
        self.ledger.expect(verdict in verdicts, f"{body} ended as {envelope}")
        return envelope


# --------------------------------------------------------------------------------------------- plain calls

def plain(actor):
    n = actor.chance.randrange(1 << 40)
    envelope = actor.call({"ok"}, source="def main(n): return [n, n * 2]", args=[n])
    if envelope:
        actor.ledger.expect(envelope["result"] == [n, n * 2], f"{n}: {envelope}")
        actor.ledger.count("ok")


def ending(actor):
    what, body, verdicts = actor.chance.choice(ENDS)
    if actor.call(verdicts, **body):
        actor.ledger.count("ended: " + what)


def attacking(actor):
    name, number, arguments = actor.chance.choice(ATTACKS)
    envelope = actor.call({"denied", "ok", "limit"}, source=ATTACK.format(number=number, arguments=arguments), policy="native")
    if envelope:
        actor.ledger.expect(envelope["verdict"] != "ok" or envelope["result"] == -1, f"{name} was let through: {envelope}")
        actor.ledger.count("attacks refused")


def streaming(actor):
    """Reads slowly, or hangs up in the middle."""
    body = {"source": "def main():\n    for i in range(300): print(i, 'x' * 300)\n    return 300"}
    is_leaving = actor.chance.random() < 0.3
    seen, last = 0, None
    with actor.client.stream("POST", "/v1/calls", json=body, headers={"Accept": "application/x-ndjson"}) as answer:
        if answer.status_code != 200:
            return actor.ledger.count(f"refused {answer.status_code}")
        for line in answer.iter_lines():
            last = json.loads(line) if line.strip() else last
            seen += 1
            if is_leaving and seen == 5:
                return actor.ledger.count("streams left")
            if seen % 40 == 0:
                time.sleep(0.05)
    if last["verdict"] == "ok":
        actor.ledger.expect(last["result"] == 300, str(last))
        actor.ledger.count("streams")
    return None


def leaving(actor):
    """A client that is gone before its answer."""
    body = json.dumps({"source": "import time\ndef main(): time.sleep(1)"}).encode()
    head = (f"POST /v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {actor.soak.service.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    with actor.soak.connect() as connection:
        connection.sendall(head + body[:actor.chance.choice((5, len(body)))])
        time.sleep(0.05)
    actor.ledger.count("clients gone")


def hostile(actor):
    what, raw, status = actor.chance.choice(CLOSING)
    with actor.soak.connect() as connection:
        connection.settimeout(20)
        connection.sendall(raw.replace(b"TOKEN", actor.soak.service.token.encode()))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    if answer:
        actor.ledger.expect(answer[9:12] in (status.encode(), b"503"), f"{what}: {answer[:200]}")
        actor.ledger.count("hostile requests refused")


# ------------------------------------------------------------------------------------------ what is stored

def later(actor):
    """Stored calls; some with a key that is sent twice."""
    ledger = actor.ledger
    for name in [one for one in actor.known if one not in ledger.ends][:10]:
        look(actor, f"/v1/calls/{name}", name, lambda record: record["status"] == "done")
    if len([one for one in actor.known if one not in ledger.ends]) >= KEEP:
        return
    n, function = actor.chance.randrange(1 << 30), actor.chance.choice(("once.step", "again.step"))
    key = f"k{n}" if actor.chance.random() < 0.5 else None
    for _ in range(2 if key else 1):
        answer = actor.ask("POST", "/v1/calls", json={"function": function, "args": [n]},
                           headers={"Prefer": "respond-async", **({"Idempotency-Key": key} if key else {})})
        if answer is None or answer.status_code not in (200, 202):
            continue
        name = answer.json()["id"]
        if name not in actor.known:
            actor.known[name] = n
            ledger.acknowledge(ledger.calls, name, (n, function == "again.step"))
        if key:
            ledger.keys.setdefault(key, set()).add(name)
            ledger.expect(len(ledger.keys[key]) == 1, f"one key, several calls: {ledger.keys[key]}")


def look(actor, path, name, is_ended):
    """Whether an acknowledged thing came to its end."""
    answer = actor.ask("GET", path)
    if answer is None:
        return
    actor.ledger.expect(answer.status_code == 200, f"acknowledged {name}: {answer.status_code} {answer.text[:200]}")
    if answer.status_code == 200 and is_ended(answer.json()):
        actor.ledger.note_end(name, answer.json())


def workflows(actor):
    ledger = actor.ledger
    for name in [one for one in actor.known if one not in ledger.ends]:
        look(actor, f"/v1/workflows/{name}", name, lambda record: record["status"] in ("completed", "failed", "cancelled", "timeout"))
    if len([one for one in actor.known if one not in ledger.ends]) >= 6:
        return
    numbers = [actor.chance.randrange(100) for _ in range(4)]
    tasks = [{"id": f"s{at}", "method": "execute", "dependencies": [f"s{at - 2}"] if at > 1 else [],
              "params": {"function": "again.step", "args": [n], "isolated": True}} for at, n in enumerate(numbers)]
    tasks.append({"id": "sum", "method": "execute", "dependencies": [f"s{at}" for at in range(4)],
                  "params": {"function": "add.add", "isolated": True, "args": [f"${{s{at}.result}}" for at in range(4)]}})
    answer = actor.ask("POST", "/v1/workflows", json={"name": "soak", "tasks": tasks})
    if answer is not None and answer.status_code == 202:
        name = answer.json()["workflow_id"]
        actor.known[name] = True
        ledger.acknowledge(ledger.workflows, name, sum(numbers))


def modules(actor):
    """Put, called, taken away: each version answers for itself."""
    version, name = actor.chance.randrange(1 << 30), f"tmp{id(actor) % 97}"
    put = actor.ask("PUT", f"/v1/modules/{name}", json={"source": f"def version(): return {version}\n"})
    if put is None or put.status_code not in (200, 201):
        return
    envelope = actor.call({"ok"}, function=f"{name}.version")
    if envelope:
        actor.ledger.expect(envelope["result"] == version, f"version {version}: {envelope}")
    if actor.chance.random() < 0.5:
        actor.ask("DELETE", f"/v1/modules/{name}")
    actor.ledger.count("modules put")


def sessions(actor):
    """Globals last until the session's jail is lost, which its envelope says."""
    made = actor.ask("POST", "/v1/sessions", json={"policy": "kept"})
    if made is None or made.status_code != 201:
        return
    name = made.json()["session"]
    before = 0
    for _ in range(5):
        answer = actor.ask("POST", "/v1/calls", json={"source": "n = 0\ndef main():\n    global n\n    n += 1\n    return n"},
                           headers={"Cloche-Session": name})
        if answer is None or answer.status_code != 200 or answer.json()["verdict"] != "ok":
            break  # an API that ended knows no session of the one before
        envelope = answer.json()
        is_new = envelope["session"].get("restarted")
        actor.ledger.expect(envelope["result"] == (1 if is_new else before + 1), f"after {before}: {envelope}")
        before = envelope["result"]
    actor.ask("DELETE", f"/v1/sessions/{name}")
    actor.ledger.count("sessions")


def rpc(actor):
    n = actor.chance.randrange(1 << 30)
    answer = actor.ask("POST", "/v1/rpc", json={"jsonrpc": "2.0", "id": n, "method": "eval",
                                               "params": {"expression": f"sum([{n}, 1])", "allow_eval": True}},
                       headers={"Cloche-Policy": "calc"})
    if answer is None:
        return
    said = answer.json()
    actor.ledger.expect(said["id"] == n, str(said))
    found = said.get("result")
    found = found.get("result", found) if isinstance(found, dict) else found
    actor.ledger.expect("error" in said or found == n + 1, f"{n}: {said}")
    actor.ledger.count("rpc" if "result" in said else "rpc errors")


def tenant(actor):
    """Another tenant, whose file is exchanged all the time."""
    answer = actor.client.post("/v1/calls", json={"source": "def main(): return 7"},
                               headers={"Authorization": f"Bearer {actor.soak.other_token}"})
    if answer.status_code == 200 and answer.json()["verdict"] == "ok":
        actor.ledger.expect(answer.json()["result"] == 7, answer.text)
        actor.ledger.count("of another tenant")
    else:
        actor.ledger.expect(answer.status_code in (200, 429, 500, 503, 507), answer.text)


# What, how often, and how many at a time.
CAST = [(plain, 0.05, 2), (ending, 0.2, 2), (attacking, 0.3, 1), (streaming, 0.3, 1), (leaving, 0.4, 1), (hostile, 0.1, 1),
        (later, 0.15, 2), (workflows, 0.5, 1), (modules, 0.5, 1), (sessions, 0.5, 1), (rpc, 0.3, 1), (tenant, 0.2, 1)]
