# SPDX-License-Identifier: Apache-2.0
"""`cloche policy` in the hands of somebody who gets it wrong: what is no policy is refused by every verb within
seconds, in one sentence that names it, with exit status 2, and never by a crash or by waiting for ever."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import pytest

from service import BIN, SLOW

GOOD = "version: 1\nextends: default\n"
# name -> (how it is made, what is said of it)
FILES = {
    "absent.yaml": (lambda path: None, "No such file or directory"),
    "folder.yaml": (lambda path: path.mkdir(), "not a regular file"),
    "pipe.yaml": (os.mkfifo, "not a regular file"),
    "device.yaml": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "loop.yaml": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "bytes.yaml": (lambda path: path.write_bytes(b"\xff" + random.Random(1).randbytes(4096)), "not UTF-8"),
    "program.yaml": (lambda path: shutil.copy(BIN / "cloche-policyc", path), "longer than"),
    "long.yaml": (lambda path: path.write_text(GOOD + "#" * (2 << 20)), "longer than"),
    "empty.yaml": (lambda path: path.write_text(""), "an empty file is not a policy"),
    "prose.yaml": (lambda path: path.write_text("Dear Sir or Madam,\n"), "a policy is a mapping of keys to values"),
    "circle.yaml": (lambda path: path.write_text("version: 1\nextends: circle\n"), "extends itself"),
    "UPPER.yaml": (lambda path: path.write_text(GOOD), "no name of a policy"),
    "good.yml": (lambda path: path.write_text(GOOD), "<name>.yaml"),
    "nosuch": (lambda path: None, "<name>.yaml, nor one that is built in: default strict"),
    "": (lambda path: None, "<name>.yaml, nor one that is built in: default strict"),
}
COPIED_MAX = 1 << 20  # `test` copies files before the compiler reads them, up to this size
VERBS = {"check": ["check"], "explain": ["explain"], "diff": ["diff", "default"], "test": ["test"]}
PROGRAMS = {
    "absent.py": (lambda path: None, "No such file or directory"),
    "folder.py": (lambda path: path.mkdir(), "not a regular file"),
    "pipe.py": (os.mkfifo, "not a regular file"),
    "bytes.py": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8 at byte 0"),
    "wrong.py": (lambda path: path.write_text("def main(: pass\n"), "is no Python: invalid syntax"),
}


@pytest.fixture(scope="module")
def folder():
    made = pathlib.Path(tempfile.mkdtemp(prefix="cloche-misuse-"))  # others may enter it, unlike pytest's
    made.chmod(0o755)
    for name, (make, _) in {**FILES, **PROGRAMS}.items():
        if name:
            make(made / name)
    (made / "mine.yaml").write_text(GOOD)
    (made / "secret.yaml").write_text(GOOD)
    (made / "secret.yaml").chmod(0o600)
    yield made
    shutil.rmtree(made)


def policy(folder, *args, **more):
    return subprocess.run([BIN / "cloche", "policy", *args], capture_output=True, text=True, cwd=folder,
                          stdin=subprocess.DEVNULL, timeout=30 * SLOW, **more)


def assert_refused(done, *words):
    assert done.returncode == 2 and done.stdout == "", done
    for word in words:
        assert word in done.stderr, done.stderr
    # A sentence; behind it at most the line of the file and a caret.
    assert 1 <= done.stderr.count("\n") <= 3 and done.stderr.count("error: ") <= 1, done.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_policy_is_refused_in_one_sentence(folder, verb, name):
    says = FILES[name][1]
    if verb == "test" and says == "longer than" and (folder / name).stat().st_size >= COPIED_MAX:
        says = "no policy is that long"
    assert_refused(policy(folder, *VERBS[verb], name), says, name or '""')


def test_the_first_of_two_is_named_too(folder):
    assert_refused(policy(folder, "diff", "absent.yaml", "default"), "absent.yaml: No such file")
    assert_refused(policy(folder, "check", "mine.yaml", "absent.yaml"), "absent.yaml: No such file")


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_no_program_is_not_learned_from(folder, name):
    assert_refused(policy(folder, "learn", name), PROGRAMS[name][1], name)


@pytest.mark.parametrize("args", [["check", "secret.yaml"], ["explain", "secret.yaml"],
                                  ["diff", "default", "secret.yaml"], ["check", "--oci", "secret.yaml"]])
def test_what_may_not_be_read_is_said(folder, args):
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    assert_refused(policy(folder, *args, **nobody), "secret.yaml: Permission denied")


@pytest.mark.parametrize("verb", ["check", "explain", "diff", "list", "reference", "test", "learn"])
def test_help_is_help_and_other_options_are_none(folder, verb):
    for word in ("--help", "-h"):
        done = policy(folder, verb, word)
        assert done.returncode == 0 and done.stderr == "" and f"cloche policy {verb}" in done.stdout, done
    done = policy(folder, verb, "mine.yaml", "--nope")
    assert done.returncode == 2 and done.stdout == "", done
    assert "--nope" in done.stderr or "usage: cloche policy" in done.stderr, done


@pytest.mark.parametrize("args", [["check"], ["explain"], ["diff"], ["diff", "default"], ["test"], ["learn"], [],
                                  ["test", "mine.yaml", "mine.yaml"], ["check", "--oci"], ["list", "x"]])
def test_too_few_or_too_many_words_get_the_usage(folder, args):
    done = policy(folder, *args)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.startswith("usage: cloche policy") or "is missing" in done.stderr, done
