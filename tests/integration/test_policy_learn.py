# SPDX-License-Identifier: Apache-2.0
"""`cloche policy learn` proposes what a program needs, and grants nothing while it finds out."""

import importlib.util
import os
import pathlib
import subprocess
import textwrap

import pytest

from service import BIN, SLOW, Service

TEXT = """
    import re
    import textwrap
    from collections import Counter
    from dataclasses import asdict, dataclass

    @dataclass
    class Word:
        text: str
        count: int

    def main(copies=200):
        text = "the quick brown fox jumps over the lazy dog. " * copies
        words = Counter(re.findall(r"[a-z]+", text))
        return {"words": [asdict(Word(w, n)) for w, n in words.most_common(1)],
                "lines": len(textwrap.wrap(text, 60))}
    """
STATISTICS = """
    import numpy as np

    def main(n=1000):
        values = np.arange(n, dtype=float)
        return [float(values.mean()), float(np.median(values)), round(float(np.std(values)), 3)]
    """
TIMERS = """
    import asyncio
    import time

    async def tick(n):
        await asyncio.sleep(0.01 * n)
        return n

    async def main():
        start = time.monotonic()
        got = await asyncio.gather(*(tick(n) for n in range(4)))
        try:
            await asyncio.wait_for(asyncio.sleep(10), 0.02)
        except asyncio.TimeoutError:
            got.append(-1)
        return [*got, time.monotonic() - start < 5]
    """
PROGRAMS = {
    "text": (TEXT, lambda result: result["words"] == [{"text": "the", "count": 400}]),
    "statistics": (STATISTICS, lambda result: result == [499.5, 499.5, 288.675]),
    "timers": (TIMERS, lambda result: result == [0, 1, 2, 3, -1, True]),
}
EMPTY = "version: 1\n"


def learn(tmp_path, source, *options, name="program"):
    file = tmp_path / f"{name}.py"
    file.write_text(textwrap.dedent(source))
    done = subprocess.run([BIN / "cloche", "policy", "learn", file, *options], text=True, capture_output=True,
                          timeout=120 * SLOW)
    return done


def run_under(tmp_path, proposal, source):
    """The envelopes of the program under the proposal, and under a policy without its grants."""
    config = tmp_path / "config"
    (config / "policies").mkdir(parents=True)
    (config / "policies/proposal.yaml").write_text(proposal)
    (config / "policies/empty.yaml").write_text(EMPTY)
    os.chmod(config, 0o755)
    service = Service(config=config)
    try:
        service.start()
        return [service.call(textwrap.dedent(source), policy=name) for name in ("proposal", "empty")]
    finally:
        service.stop()


@pytest.mark.parametrize("name", PROGRAMS)
def test_proposal_makes_the_program_run(tmp_path, name):
    source, is_right = PROGRAMS[name]
    if name == "statistics" and not importlib.util.find_spec("numpy"):
        pytest.skip("numpy is not installed")
    done = learn(tmp_path, source)
    assert done.returncode == 0, done.stderr
    proposed, empty = run_under(tmp_path, done.stdout, source)
    assert proposed["verdict"] == "ok" and is_right(proposed["result"]), (proposed, done.stdout)
    assert empty["verdict"] != "ok", empty


def test_only_what_was_imported_is_proposed(tmp_path):
    done = learn(tmp_path, """
        import json
        try:
            import no_such_module_anywhere
        except ImportError:
            import math

        def later():
            import decimal

        def main(): return math.sqrt(json.loads("4"))
        """)
    assert done.returncode == 0, done.stderr
    modules = next(line for line in done.stdout.splitlines() if "modules:" in line)
    assert modules.strip() == "modules: [json, math]"


def test_arguments_and_output_file(tmp_path):
    out = tmp_path / "out.yaml"
    done = learn(tmp_path, "def double(x, y=1): return x * 2 * y", "-e", "double", "-a", "21", "-k", "y=2",
                 "-o", str(out))
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert "verdict: ok" in out.read_text()
    assert subprocess.run([BIN / "cloche", "policy", "check", out]).returncode == 0


def test_what_is_no_python_is_exit_2(tmp_path):
    done = learn(tmp_path, "def main(:")
    assert done.returncode == 2 and done.stdout == ""


ATTEMPTS = """
    import os, socket, threading

    def main():
        done = []
        for what, act in (("file", lambda: open({path!r}, "w").write("x")),
                          ("read", lambda: open("/etc/passwd").read()),
                          ("list", lambda: os.listdir("/")),
                          ("socket", lambda: socket.socket()),
                          ("child", lambda: os.fork()),
                          ("program", lambda: os.execv("/bin/true", ["true"])),
                          ("signal", lambda: os.kill(1, 0)),
                          ("thread", lambda: threading.Thread(target=print).start())):
            try:
                act()
                done.append(what)
            except (OSError, RuntimeError):
                pass
        return done
    """


def test_learning_grants_nothing(tmp_path):
    target = pathlib.Path("/tmp") / f"cloche-learned-{os.getpid()}"
    done = learn(tmp_path, ATTEMPTS.format(path=str(target)) +
                 "\n    def check():\n        assert main() == [], main()\n", "-e", "check")
    assert done.returncode == 0, done.stderr
    assert "verdict: ok" in done.stdout, done.stdout
    for call in ("socket", "clone", "execve", "kill", "openat"):
        assert f"#   {call}: " in done.stdout, done.stdout
    assert not target.exists()


def test_native_code_gets_no_further_while_learning(tmp_path):
    """With ctypes, past every guard of Python: the filter's answer is all there is."""
    done = learn(tmp_path, """
        import ctypes

        def main():
            libc = ctypes.CDLL(None, use_errno=True)
            calls = {"socket": (41, 2, 1, 0), "openat": (257, -100, b"/etc/passwd", 0), "fork": (57,),
                     "ptrace": (101, 0), "unshare": (272, 0x10000000), "mount": (165, 0, 0, 0, 0)}
            for name, call in calls.items():
                assert libc.syscall(*call) == -1, name
                assert ctypes.get_errno() in (1, 13, 38), (name, ctypes.get_errno())
        """)
    assert done.returncode == 0, done.stderr
    assert "verdict: ok" in done.stdout, done.stdout
    assert "ptrace: would have ended it" in done.stdout


def test_dangerously_goes_on_behind_the_first_refusal(tmp_path):
    source = """
        import threading
        def main():
            done = []
            thread = threading.Thread(target=done.append, args=(3,))
            thread.start()
            thread.join()
            return done
        """
    done = learn(tmp_path, source, "--dangerously")
    assert done.returncode == 0, done.stderr
    assert "verdict: ok" in done.stdout and "threads" in done.stdout, done.stdout
    proposed, _ = run_under(tmp_path, done.stdout, source)
    assert proposed["verdict"] == "ok" and proposed["result"] == [3]


def test_the_flag_is_no_key(tmp_path):
    file = tmp_path / "sly.yaml"
    for text in ("version: 1\nlearn: true\n", "version: 1\nsyscalls: {on_violation: learn}\n"):
        file.write_text(text)
        assert subprocess.run([BIN / "cloche", "policy", "check", file], capture_output=True).returncode == 2
