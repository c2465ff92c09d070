# SPDX-License-Identifier: Apache-2.0
"""Ways out of the Python guard, one by one. Two columns: whether Python stopped it alone, and whether the jail held: whatever an attempt got hold of is used at once to read the host's files, start a process and connect."""

import os
import pathlib
import secrets
import socket

import pytest
from escapes import ESCAPES, JAIL, PYTHON, SEEN, has_guard, stops

# What main() does with a prize: every road to the kernel that Python has, tried without mercy.
HARNESS = """
def main(secret, marker, port):
    got = []
    def spaces(prize, depth=2):
        space = prize if isinstance(prize, dict) else getattr(prize, "__dict__", {})
        yield space
        for name in ("os", "posix", "sys", "_os", "codecs", "builtins", "modules", "__builtins__", "_sys", "io"):
            if depth and name in space:
                yield from spaces(space[name], depth - 1)
    def use(do, *args):
        try:
            got.append(str(do(*args)))
        except BaseException as e:
            pass
    try:
        prize = attempt()
    except BaseException as e:
        return ["stopped", type(e).__name__, str(e)[:300], got]
    if prize is None:
        return ["stopped", "None", "", got]
    for space in spaces(prize):
        if "open" in space:
            use(lambda: space["open"](secret).read())
            use(lambda: space["open"](marker, "w").write("x"))
        if "listdir" in space:
            use(space["listdir"], "/")
            use(lambda: space["read"](space["open"](secret, 0), 99))
            use(space["readlink"], "/proc/self/exe")
            use(space["mkdir"], marker)
        if "__import__" in space:
            use(lambda: space["__import__"]("socket").create_connection(("127.0.0.1", port)))
            use(lambda: space["__import__"]("subprocess").check_output(["/bin/cat", secret]))
        if "system" in space:
            use(lambda: {0: "ran"}[space["system"]("touch " + marker)])
    return ["through", type(prize).__name__, repr(prize)[:100], got]
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Something to steal, something to leave behind, somebody to call."""
    secret = tmp_path_factory.mktemp("host") / "secret"
    secret.write_text(secrets.token_hex(16))
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield secret, pathlib.Path(f"/tmp/cloche-marker-{os.getpid()}"), listener


def column(envelope):
    """(whether the guard alone stopped it, what it said)"""
    verdict = envelope["verdict"]
    if verdict == "ok":
        state, kind, text, _ = envelope["result"]
        return state == "stopped", f"{kind}: {text}"
    if verdict == "denied":
        return envelope["denied"]["rule"] != "syscall", envelope["denied"]["message"]
    assert verdict in ("crashed", "limit"), envelope  # an error is a program that does not say what it means to
    return False, verdict


def check_jail(envelope, host):
    secret, marker, listener = host
    assert secret.read_text() not in str(envelope), "a file of the host was read"
    assert "root:x:0" not in str(envelope), "a file of the host was read"
    assert not marker.exists() and not os.path.exists("/tmp/cloche-escaped"), "a file was made on the host"
    if envelope["verdict"] == "ok":
        assert envelope["result"][3] == [], f"what it got hold of worked: {envelope['result']}"
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", ESCAPES)
def test_escape(cloche, host, name):
    by, source = ESCAPES[name]
    secret, marker, listener = host
    envelope = cloche.call(source + HARNESS, args=[str(secret), str(marker), listener.getsockname()[1]],
                           policy="ample")
    stopped, said = column(envelope)
    SEEN[name] = by, stopped, said
    check_jail(envelope, host)
    if stops(by):
        assert stopped, f"the guard let it through: {said}"
    assert cloche.call("def main(): return 1")["result"] == 1


def test_there_are_enough_and_the_list_is_honest():
    """An attempt that is listed as the jail's alone, but that the guard stops by now, belongs to the guard. Without
    the guard nearly all get out of Python, so that it was the jail that held them."""
    assert len(ESCAPES) >= 80
    seen = [name for name in ESCAPES if name in SEEN]
    if len(seen) == len(ESCAPES) and not has_guard():
        stopped = [name for name, (by, _) in ESCAPES.items() if by != PYTHON and SEEN[name][1]]
        assert len(stopped) < 15, stopped
    elif len(seen) == len(ESCAPES):
        late = [name for name, (by, _) in ESCAPES.items() if by == JAIL and SEEN[name][1]]
        assert not late, late


WALK = """
import types
def main(names):
    todo = [(name, __import__(name, None, None, ["*"])) for name in names]
    seen, found = {id(thing) for _, thing in todo}, []
    keep = []
    while todo and len(seen) < 60000:
        road, thing = todo.pop(0)
        keep.append(thing)
        if isinstance(thing, types.ModuleType) and thing.__spec__ is not None or isinstance(thing, types.FrameType):
            found.append(road)
            continue
        try:
            inside = [(n, getattr(thing, n, None)) for n in dir(thing)]
        except Exception:
            inside = []
        if isinstance(thing, dict):
            inside += [(f"[{k!r:.20}]", v) for k, v in thing.items()]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            inside += [(f"[{i}]", v) for i, v in enumerate(thing)]
        for n, value in inside:
            if not isinstance(value, (str, int, float, bytes, type(None))) and id(value) not in seen:
                if road.count(".") < 6:
                    seen.add(id(value))
                    todo.append((f"{road}.{n}", value))
    return [len(seen), found]
"""


@pytest.mark.skipif("not has_guard()", reason="tells of the guard, which this build leaves out")
def test_no_attribute_leads_to_a_real_module(cloche):
    """From every listed module, along every attribute and item that there is, six steps deep."""
    names = cloche.http.get("/v1/policies/default").json()["python"]["modules"]
    envelope = cloche.call(WALK, args=[names], policy="ample")
    assert envelope["verdict"] == "ok", envelope
    count, found = envelope["result"]
    assert count > 3000 and found == [], (count, found)
