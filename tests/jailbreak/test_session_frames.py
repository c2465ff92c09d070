# SPDX-License-Identifier: Apache-2.0
"""Native code in a session's jail writes frames by hand: to answer for others, twice, or late."""

import struct
import subprocess

import pytest
from attack import PRELUDE
from kept import COUNT, POLICIES, Kept, end_all, serving, wait_until
from service import BIN, ROOT, Service

OF, PLAIN = 0x4f43, 0x4c43
STDOUT, RESULT, READY, LIMIT, WALL = 65, 80, 64, 83, 1
STAYS = "extends: native\nlimits: {processes: 8}\nsyscalls:\n  tiers: +[threads]\n" \
        "sessions: {allow: true, threads: 4}\npool: {min: 1, max: 8}\n"
WRITE = PRELUDE + """
def emit(data):
    assert sys(1, 3, ctypes.c_char_p(data), len(data))[0] == len(data)
def main(data, wait=0):
    emit(bytes.fromhex(data))
    return "mine"
"""


@pytest.fixture(scope="module")
def service():
    native = next(ROOT.glob("**/policies/**/native.yaml")).read_text().replace("version: 1\n", "", 1)
    with serving({"native": native, "stays": STAYS}) as service:
        yield service


@pytest.fixture
def stays(service):
    yield service
    end_all(service)


def of(call, kind, payload=b"", magic=OF):
    return (struct.pack("<HHII", magic, kind, len(payload), call) + payload).hex()


def plain(kind, payload=b""):
    return (struct.pack("<HHI", PLAIN, kind, len(payload)) + payload).hex()


LIMIT_OF_WALL = struct.pack("<IiQQiI", WALL, 0, 0, 0, 0, 0)

# What call 1 writes before its own answer.
FORGED = {
    "of a call that never was": of(99, STDOUT, b"x"),
    "of call zero": of(0, STDOUT, b"x"),
    "of the largest number": of(0xffffffff, RESULT, b"1"),
    "without a number": plain(STDOUT, b"x"),
    "a plain answer": plain(RESULT, b"1"),
    "ready again": of(1, READY),
    "only the API may send it": of(1, 10),
    "of no known type": of(1, 999),
    "longer than any": (struct.pack("<HHII", OF, RESULT, 0xffffffff, 1)).hex(),
    "an answer before its answer": of(1, RESULT, b"1"),
    "no JSON": of(1, RESULT, b"{"),
    "a deadline that is not its to name": of(1, LIMIT, LIMIT_OF_WALL),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_frames_end_the_jail_and_reach_nobody(stays, name):
    victim, attacker = Kept(stays, "stays"), Kept(stays, "stays")
    end = victim.begin("import threading\ngo = threading.Event()\ndef main():\n    print('here')\n    go.wait(8)\n"
                       "    return 'genuine'")
    envelope = attacker.call(WRITE, args=[FORGED[name]])
    if name == "an answer before its answer":  # its own to forge; what comes behind it is not
        assert envelope["result"] == 1, envelope
        wait_until(lambda: attacker.show()["restarts"] == 1, what="the end of its jail")
    else:
        assert envelope["verdict"] == "error" and envelope["error"]["type"] == "ProtocolError", envelope
    again = attacker.call(COUNT)
    assert again["result"] == 1 and again["session"]["restarts"] == 1
    assert victim.result("def main(): go.set()") is None
    ended = end()
    assert ended["result"] == "genuine" and ended["session"]["restarts"] == 0
    assert [e["text"] for e in end.events if e["event"] == "stdout"] == ["here\n"]


def test_a_call_that_ended_says_nothing_more(stays):
    session = Kept(stays, "stays")
    source = WRITE + """
import threading
go = threading.Event()
def late(data):
    go.wait(8)
    emit(bytes.fromhex(data))
def start(data):
    threading.Thread(target=late, args=(data,)).start()
    return "started"
"""
    assert session.result(source, entry="start", args=[of(1, STDOUT, b"late")]) == "started"
    end = session.begin("never = threading.Event()\ndef main():\n    print('here')\n    go.set()\n    never.wait(8)")
    ended = end()
    assert ended["verdict"] == "error" and ended["error"]["type"] == "ProtocolError", ended
    assert "late" not in "".join(e.get("text", "") for e in end.events)


def test_an_interpreter_is_gone_with_its_session(stays):
    """What a session kept is nobody's afterwards: the next jail is a new process."""
    first = Kept(stays, "stays")
    first.result("import builtins\nbuiltins.residue = 'secret'\ndef main(): return 1")
    first.end()
    look = "import builtins\ndef main(): return hasattr(builtins, 'residue')"
    assert Kept(stays, "stays").result(look) is False
    assert stays.call(look, policy="stays")["result"] is False


def test_what_is_nearly_an_id_names_no_session(stays):
    """Ids are compared whole."""
    session = Kept(stays, "stays")
    for head in (session.id.lower(), session.id[:-1], session.id + "0", "*", "../" + session.id):
        answer = stays.post({"source": COUNT}, headers={"Cloche-Session": head})
        assert answer.status_code == 404, answer.text


def test_two_keys_of_a_tenant_share_no_session(tmp_path):
    """Nor do two tenants: the id of another's session is one that never was."""
    file = tmp_path / "tenants.yaml"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/kept.yaml").write_text("version: 1\n" + POLICIES["kept"])
    file.write_text("version: 1\ntenants:\n  acme:\n    policies: [kept]\n  other:\n    policies: [kept]\n")

    def token(tenant, name):
        made = subprocess.run([BIN / "cloche", "token", "create", "--tenant", tenant, "--id", name, "--file", file],
                              capture_output=True, text=True, timeout=30, check=True)
        return made.stdout.splitlines()[0].strip()
    secrets = [token("acme", "one"), token("acme", "two"), token("other", "one")]
    with Service(config=tmp_path) as service:
        heads = [{"Authorization": f"Bearer {secret}"} for secret in secrets]
        opened = [service.http.post("/v1/sessions", json={}, headers=head).json()["session"] for head in heads]

        def call(who, session):
            return service.post({"source": COUNT}, headers={**heads[who], "Cloche-Session": opened[session]})
        for who in range(3):
            assert [call(who, who).json()["result"] for _ in range(2)] == [1, 2]
            listed = service.http.get("/v1/sessions", headers=heads[who]).json()["sessions"]
            assert [session["session"] for session in listed] == [opened[who]]
        for who, session in ((0, 1), (1, 0), (0, 2), (2, 0)):
            path = f"/v1/sessions/{opened[session]}"
            assert call(who, session).status_code == 404
            assert service.http.get(path, headers=heads[who]).status_code == 404
            assert service.http.delete(path, headers=heads[who]).status_code == 404
        assert [call(who, who).json()["result"] for who in range(3)] == [3, 3, 3]
