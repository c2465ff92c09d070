# SPDX-License-Identifier: Apache-2.0
"""`cloche sessions` and --session of `run`: what a person sees, and what a script can rely on."""

import json

import pytest
from kept import COUNT, serving
from test_cli import command


@pytest.fixture(scope="module")
def kept():
    with serving() as service:
        yield service


def ok(service, *arguments, **kw):
    done = command(service, *arguments, **kw)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.strip()


def test_a_session_from_its_start_to_its_end(kept):
    session = ok(kept, "sessions", "new", "-p", "kept")
    assert len(session) == 26
    for wanted in ("1", "2"):
        assert ok(kept, "run", "-", "--session", session, input=COUNT) == wanted
    shown = dict(line.split(None, 1) for line in ok(kept, "sessions", "show", session).splitlines())
    assert (shown["session"], shown["policy"], shown["calls"], shown["state"]) == (session, "kept", "2", "idle")
    lines = ok(kept, "sessions", "list").splitlines()
    assert lines[0].split()[:3] == ["SESSION", "POLICY", "STATE"]
    assert [line.split()[:4] for line in lines[1:] if session in line] == [[session, "kept", "idle", "2"]]
    assert ok(kept, "sessions", "end", session) == session
    done = command(kept, "run", "-", "--session", session, input=COUNT)
    assert done.returncode == 2 and session in done.stderr


def test_json_is_what_the_service_says(kept):
    opened = json.loads(ok(kept, "sessions", "new", "-p", "kept", "--limit", "memory=32Mi", "-o", "json"))
    assert opened["policy"] == "kept"
    listed = json.loads(ok(kept, "sessions", "list", "-o", "json"))
    assert opened["session"] in [session["session"] for session in listed["sessions"]]
    assert json.loads(ok(kept, "sessions", "end", opened["session"], "-o", "json"))["state"] == "ending"


def test_refusals_are_told(kept):
    assert command(kept, "sessions", "new", "-p", "default").returncode == 3
    assert command(kept, "sessions", "new", "--limit", "memory").returncode == 2
    assert command(kept, "sessions", "show", "no-such").returncode == 2
    assert command(kept, "sessions", "show").returncode == 2
    assert command(kept, "sessions", "begin").returncode == 2
