# SPDX-License-Identifier: Apache-2.0
"""`cloche policy test` believes no policy: for every example a jail that is not as the example says is told of. What is
expected is the example; what the service runs is a child of it, which takes some of its grants away and adds others.
Below all of them a filter of ours refuses one system call that every policy opens."""

import copy
import ctypes
import json
import pathlib
import shutil
import struct
import subprocess

import pytest

from service import BIN, ROOT, SLOW, some

EXAMPLES = {path.stem: path for path in sorted((ROOT / "policies/examples").glob("*.yaml"))}
# Granted by each child and by no example: a module that leads far.
WIDER = "pickle"
# example -> (what its child says, the grants of the example that are gone with it)
BROKEN = {
    "asyncio": ({"python": {"modules": {"remove": ["selectors"]}}, "limits": {"wall": "29s"}},
                ["module selectors", "limits.wall 30000ms may be asked for"]),
    "data": ({"python": {"modules": {"remove": ["pandas"]}, "preload": {"remove": ["pandas"]}},
              "limits": {"memory": "512Mi"}},
             ["module pandas", "limits.memory 1073741824 may be asked for"]),
    "files": ({"python": {"builtins": {"remove": {"add": ["open"]}}}, "limits": {"files": "4Mi"}},
              ["builtin open", "tier tmp_files: a file is written and read", "limits.files: half of them"]),
    "gleitzeit": ({"python": {"eval": False, "register": False}, "sessions": {"allow": False, "default": "none"}},
                  ["python.eval", "python.register", "sessions.allow"]),
    "host-data": ({"python": {"builtins": {"remove": {"add": ["open"]}}, "modules": {"remove": ["csv"]}}},
                  ["builtin open", "module csv"]),
    "native": ({"python": {"modules": {"remove": ["ctypes"]}}, "limits": {"cpu": "1s"}},
               ["module ctypes", "limits.cpu 5000ms may be asked for"]),
    "numeric": ({"python": {"modules": {"remove": ["cmath"]}}, "limits": {"request": "1Mi", "result": "1Mi"}},
                ["module cmath", "limits.request: 8388608 bytes", "limits.result: 4194304 bytes"]),
    "text": ({"python": {"modules": {"remove": ["shlex"]}}, "limits": {"output": "64Ki"}},
             ["module shlex", "limits.output: 131072 bytes"]),
    "threads": ({"limits": {"processes": 3}}, ["limits.processes: all of them"]),
}
SCHED_YIELD = 24  # of the tier compute

COMPILER = """#!/bin/sh
# What is expected: not the first file, but the one that it extends.
[ "$1" != compile ] || {{ shift 2; set -- compile "$@"; }}
exec {real}/cloche-policyc "$@"
"""


def refuse_sched_yield():
    """In a child, before it becomes a program: a filter for it and all that it starts."""
    rows = [(0x20, 0, 0, 0), (0x15, 0, 1, SCHED_YIELD), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = struct.pack("HxxxxxxP", len(rows), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "a filter")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A command whose compiler is exchanged; the service that it starts has its own, the true one."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copy(BIN / "cloche", folder)
    (folder / "cloched").symlink_to(BIN / "cloched")
    (folder / "cloche-policyc").write_text(COMPILER.format(real=BIN))
    (folder / "cloche-policyc").chmod(0o755)
    return folder


def child_of(example, folder):
    said = copy.deepcopy(BROKEN[example][0])
    said.setdefault("python", {}).setdefault("modules", {})["add"] = [WIDER]
    shutil.copy(EXAMPLES[example], folder)
    file = folder / "broken.yaml"
    file.write_text(f"version: 1\nextends: {example}\n" +
                    "".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items()))
    return file


def test_each_example_is_broken():
    assert set(BROKEN) == set(EXAMPLES) and len(EXAMPLES) >= 9


@pytest.mark.parametrize("example", some(EXAMPLES))
def test_example_whose_jail_is_another_is_red(programs, tmp_path, example):
    file = child_of(example, tmp_path)
    done = subprocess.run([programs / "cloche", "policy", "test", file, "--json"], text=True, capture_output=True,
                          timeout=120 * SLOW, preexec_fn=refuse_sched_yield, check=False)
    assert done.returncode == 1, done.stderr
    red = [(one["kind"], one["what"]) for one in json.loads(done.stdout)["proved"] if not one["ok"]]
    wanted = [("grant", what) for what in BROKEN[example][1]]
    wanted += [("grant", "syscall sched_yield open"), ("refusal", f"module {WIDER}")]
    assert [one for one in wanted if one not in red] == [], red
    # And no more of it than follows from what was broken.
    assert len(red) <= 3 * len(wanted), red


def test_example_that_is_left_alone_is_green_under_the_same_command(programs, tmp_path):
    """The exchange itself breaks nothing."""
    shutil.copy(EXAMPLES["threads"], tmp_path)
    file = pathlib.Path(tmp_path) / "broken.yaml"
    file.write_text("version: 1\nextends: threads\n")
    done = subprocess.run([programs / "cloche", "policy", "test", file, "--json"], text=True, capture_output=True,
                          timeout=120 * SLOW, check=False)
    assert done.returncode == 0, (done.stderr, [one for one in json.loads(done.stdout)["proved"] if not one["ok"]])
