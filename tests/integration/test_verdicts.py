# SPDX-License-Identifier: Apache-2.0
"""Every verdict, produced by a real program, and named right."""

import contextlib
import json
import os
import signal
import textwrap
import time

import pytest
from service import SLOW, wait_until


def ended(cloche, source, **body):
    return cloche.call(textwrap.dedent(source), **body)


def limited(envelope, name):
    assert envelope["verdict"] == "limit", envelope
    limit = envelope["limit"]
    assert limit["name"] == name
    assert set(limit) >= {"name", "value", "unit", "used"}
    return limit


def test_endless_loop_is_limit_cpu(cloche):
    limit = limited(ended(cloche, "def main():\n    while True: pass"), "cpu")
    assert limit["value"] == 2000 and limit["unit"] == "ms"
    assert 2000 <= limit["used"] < 2000 + 600 * SLOW


def test_cpu_may_be_narrowed_below_a_second(cloche):
    limit = limited(ended(cloche, "def main():\n    while True: pass", limits={"cpu": "200ms"}), "cpu")
    assert limit["value"] == 200 and 200 <= limit["used"] < 200 + 300 * SLOW


def test_sleep_is_limit_wall(cloche):
    start = time.monotonic()
    limit = limited(ended(cloche, "import time\ndef main(): time.sleep(60)", limits={"wall": "300ms"}), "wall")
    assert limit["value"] == 300 and limit["unit"] == "ms"
    assert time.monotonic() - start < 3 * SLOW


def test_wall_limit_holds_inside_one_c_call(cloche):
    limited(ended(cloche, "def main(): return pow(3, 10**9, 10**9 + 7) if False else (7 ** 10**8) % 3",
                  limits={"wall": "300ms"}), "wall")


def test_balloon_is_limit_memory(cloche):
    source = "def main():\n    b = []\n    while True: b.append(bytearray(10 << 20))"
    limit = limited(ended(cloche, source, policy="ample"), "memory")
    assert limit["value"] == 128 << 20 and limit["unit"] == "bytes"


def test_many_small_objects_are_limit_memory(cloche):
    limited(ended(cloche, "def main():\n    b = []\n    while True: b.append([None])", policy="ample"), "memory")


def test_memory_may_be_narrowed(cloche):
    source = "def main(): return len(bytearray(40 << 20))"
    assert ended(cloche, source)["verdict"] == "ok"
    assert limited(ended(cloche, source, limits={"memory": "20Mi"}), "memory")["value"] == 20 << 20
    assert ended(cloche, source)["verdict"] == "ok"


def test_one_huge_allocation_is_limit_memory(cloche):
    limited(ended(cloche, "def main(): return len(b'x' * 10**15)"), "memory")


def test_threads_are_denied_or_limit_processes(cloche):
    source = "import asyncio\nasync def main():\n    return await asyncio.to_thread(abs, -1)"
    envelope = ended(cloche, source)
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "processes", envelope


def test_thread_bomb_is_limit_processes(cloche):
    source = """
        import threading, time
        def main():
            while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """
    limit = limited(ended(cloche, source, policy="roomy"), "processes")
    assert limit["value"] == 8 and limit["unit"] == "count"


def test_fork_is_denied(cloche):
    envelope = ended(cloche, "import os\ndef main():\n    os.fork()", policy="roomy")
    assert envelope["verdict"] in ("denied", "error"), envelope
    assert envelope["verdict"] == "denied" or envelope["error"]["type"] == "PermissionError"


def test_ten_megabytes_of_output_are_limit_output(cloche):
    envelope = ended(cloche, "def main():\n    for i in range(10000): print('x' * 1023)")
    limit = limited(envelope, "output")
    assert limit["value"] == 1 << 20 and limit["unit"] == "bytes"
    assert envelope["stdout"].startswith("x" * 1023 + "\n")
    assert 900_000 < len(envelope["stdout"]) <= 1 << 20


def test_huge_result_is_limit_result(cloche):
    limit = limited(ended(cloche, "def main(): return 'x' * (5 << 20)"), "result")
    assert limit["value"] == 1 << 20


def test_endless_generator_is_limit_result(cloche):
    limited(ended(cloche, "def main():\n    while True: yield 'x' * 1000"), "result")


def test_deep_result_is_limit_depth(cloche):
    limit = limited(ended(cloche, "def main():\n    x = []\n    for _ in range(200): x = [x]\n    return x"), "depth")
    assert limit["value"] == 64


def test_result_of_exactly_the_depth_is_ok(cloche):
    source = "def main():\n    x = 1\n    for _ in range({}): x = [x]\n    return x"
    assert ended(cloche, source.format(63))["verdict"] == "ok"
    limited(ended(cloche, source.format(64)), "depth")


def test_cycle_is_an_error(cloche):
    envelope = ended(cloche, "def main():\n    x = {}\n    x['self'] = x\n    return x")
    assert envelope["verdict"] == "error" and "$.self" in envelope["error"]["message"]


def test_nan_is_an_error(cloche):
    assert ended(cloche, "def main(): return float('nan')")["verdict"] == "error"


def test_segfault_by_bytecode_is_crashed(cloche):
    source = """
        def main():
            def f(): pass
            f.__code__ = f.__code__.replace(co_code=b"\\x7c\\xff" * 40, co_nlocals=0, co_stacksize=0)
            return f()
        """
    envelope = ended(cloche, source, policy="roomy")
    assert envelope["verdict"] == "crashed", envelope
    assert envelope["crash"]["signal"] in ("SIGSEGV", "SIGBUS", "SIGILL")


def test_segfault_by_ctypes_is_crashed(cloche):
    envelope = ended(cloche, "import ctypes\ndef main(): ctypes.string_at(0)", policy="roomy")
    assert envelope["verdict"] == "crashed" and envelope["crash"]["signal"] == "SIGSEGV", envelope


def test_exit_without_a_result_is_crashed(cloche):
    envelope = ended(cloche, "import os\ndef main():\n    print('here')\n    os._exit(0)", policy="roomy")
    assert envelope["verdict"] == "crashed", envelope
    assert envelope["crash"]["signal"] is None and envelope["crash"]["exit_status"] == 0
    assert envelope["stdout"] == "here\n"


def test_import_refused_is_denied(cloche):
    envelope = ended(cloche, "import socket\ndef main(): pass")
    assert envelope["verdict"] == "denied"
    assert envelope["denied"]["rule"] == "modules" and envelope["denied"]["name"] == "socket"
    assert envelope["denied"]["message"] == "module 'socket' is not allowed by policy 'default'"


def test_import_refused_and_caught_is_ok(cloche):
    source = "def main():\n    try:\n        import socket\n    except ImportError as e:\n        return str(e)"
    envelope = ended(cloche, source)
    assert envelope["verdict"] == "ok"
    assert envelope["result"] == "module 'socket' is not allowed by policy 'default'"


@pytest.mark.parametrize("name", ["os", "sys", "subprocess", "ctypes", "importlib", "builtins", "urllib",
                                  "urllib.request", "os.path", "_socket", "posix"])
def test_modules_off_the_list_are_denied(cloche, name):
    envelope = ended(cloche, f"def main():\n    import {name}")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "modules", envelope


def test_strict_policy_grants_the_thirteen_alone(cloche):
    assert ended(cloche, "import math, urllib.parse, uuid\ndef main(): return 1", policy="strict")["result"] == 1
    assert ended(cloche, "import asyncio\ndef main(): return 1", policy="strict")["verdict"] == "denied"


def test_syscall_refused_is_denied_and_named(cloche):
    source = "import ctypes\ndef main():\n    ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)"
    envelope = ended(cloche, source, policy="roomy")
    assert envelope["verdict"] == "denied", envelope
    assert envelope["denied"]["rule"] == "syscall" and envelope["denied"]["name"] == "ptrace"


FORGE = """
    import ctypes, os, struct
    def frame(kind, payload): return struct.pack("<HHI", 0x4c43, kind, len(payload)) + payload
    def main():
        {body}
    """


@pytest.mark.parametrize("fd", range(0, 32))
def test_forged_frames_on_any_fd_only_ever_reach_ones_own_answer(cloche, fd):
    body = f"""
        try:
            os.write({fd}, frame(80, b'"forged"') + frame(80, b'"again"'))
        except OSError:
            pass
        return "real"
    """
    source = textwrap.dedent(FORGE).replace("{body}", textwrap.indent(textwrap.dedent(body), "    ").strip())
    envelope = cloche.call(source, policy="roomy")
    if fd == 3:
        assert envelope["verdict"] == "error" and envelope["error"]["type"] == "ProtocolError", envelope
    else:
        assert envelope["verdict"] == "ok" and envelope["result"] == "real", envelope


@pytest.mark.parametrize("payload", [
    "b'\\x00' * 64", "b'GET / HTTP/1.1\\r\\n\\r\\n'", "struct.pack('<HHI', 0x4c43, 80, 0xffffffff)",
    "frame(80, b'{\"a\":1,\"a\":2}')", "frame(80, b'NaN')", "frame(80, b'\"\\\\ud800\"')", "frame(80, b'1 2')",
    "frame(1, b'')", "frame(64, b'')", "frame(69, b'{')", "frame(255, b'')", "frame(81, b'\\xff' * 20)",
    "frame(80, b'[' * 100 + b']' * 100)", "frame(83, b'')",
])
def test_a_broken_protocol_is_an_error_of_the_call(cloche, payload):
    body = f"""
        os.write(3, {payload})
        os._exit(0)
    """
    source = textwrap.dedent(FORGE).replace("{body}", textwrap.indent(textwrap.dedent(body), "    ").strip())
    envelope = cloche.call(source, policy="roomy")
    assert envelope["verdict"] == "error" and envelope["error"]["type"] == "ProtocolError", envelope
    assert cloche.call("def main(): return 1")["result"] == 1


def test_daemon_thread_that_writes_after_return_changes_nothing(cloche):
    source = """
        import threading, sys
        def spam():
            while True: print("late" * 100)
        def main():
            threading.Thread(target=spam, daemon=True).start()
            return "mine"
        """
    for _ in range(10):
        envelope = ended(cloche, source, policy="roomy", limits={"output": "1Mi"})
        assert envelope["verdict"] in ("ok", "limit"), envelope
        if envelope["verdict"] == "ok":
            assert envelope["result"] == "mine"
        else:
            assert envelope["limit"]["name"] == "output"


def test_files_over_the_limit_are_limit_files(cloche):
    source = """
        def main():
            with open("/tmp/big", "wb") as f:
                for _ in range(64): f.write(b"x" * (1 << 20))
        """
    limit = limited(ended(cloche, source, policy="roomy"), "files")
    assert limit["value"] == 4 << 20


def test_open_is_denied_without_files(cloche):
    envelope = ended(cloche, "import logging\ndef main(): return logging.FileHandler('/etc/passwd', 'r')")
    assert envelope["verdict"] == "denied" and envelope["denied"]["rule"] == "files", envelope


def test_output_before_the_end_is_kept(cloche):
    envelope = ended(cloche, "def main():\n    print('before')\n    while True: pass", limits={"cpu": "100ms"})
    limited(envelope, "cpu")
    assert envelope["stdout"] == "before\n"


def test_worker_killed_from_outside_is_crashed(own):
    source = "import time\ndef main():\n    print('here', flush=True)\n    time.sleep(60)"
    with own.http.stream("POST", "/v1/calls", json={"source": source, "policy": "ample"},
                         headers={"Accept": "application/x-ndjson"}) as answer:
        events = map(json.loads, answer.iter_lines())
        assert any(event.get("text") == "here\n" for event in events)
        before = set(own.workers())
        for pid in before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        *_, end = events
    assert end["verdict"] == "crashed" and end["crash"]["signal"] == "SIGKILL", end
    wait_until(lambda: not before & set(own.workers()), 5, "the end of what was killed")
    assert own.call("def main(): return 1")["result"] == 1
