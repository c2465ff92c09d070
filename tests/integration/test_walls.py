# SPDX-License-Identifier: Apache-2.0
"""A service whose jail lacks a wall does not start: it says so, ends, and nobody was served. The zygote of these tests
is the real one, linked so that it leaves out what a file beside it names (tests/support/breach.c)."""

import pathlib
import shutil
import socket
import tempfile

import pytest
from service import BIN, Service, wait_until

BREACHED = BIN / "cloche-breached-zygote"
PROGRAMS = [f"cloche{name}" for name in ("d", "-api", "-begin", "-loader", "-policyc", "-prover", "-zygote")]
MISSING = {  # wall: what the self-test says of it
    "seccomp": "FAIL openat: EFAULT, the call reached the kernel",
    "ids": "FAIL the jail itself: pid 1 uid 0 gid 0",
    "fds": "fds 5, it has other descriptors than its own four",
}
needs_breached = pytest.mark.skipif(not BREACHED.exists(), reason=f"no {BREACHED}")


@pytest.fixture
def programs():
    """The built programs, to be replaced by others."""
    with tempfile.TemporaryDirectory(prefix="cloche-programs-") as made:
        folder = pathlib.Path(made)
        folder.chmod(0o711)  # a zygote is nobody there
        for name in PROGRAMS:
            shutil.copy(BIN / name, folder)
        yield folder


def put(programs, name, source):
    """Not written over: another process may still run what is there."""
    (programs / name).unlink()
    shutil.copy(source, programs / name)


def breach(programs, wall):
    put(programs, "cloche-zygote", BREACHED)
    (programs / "breach").write_text(wall)
    (programs / "breach").chmod(0o644)


class Asking:
    """A service and somebody who asks it from its first moment on."""

    def __init__(self, programs, state):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.place = probe.getsockname()
        self.service = Service(state=state, programs=programs, args=["--listen", "%s:%d" % self.place])
        self.open, self.answers, self.has_api = [], b"", False

    def __enter__(self):
        self.service.start(wait=False)
        return self

    def __exit__(self, *_):
        for one in self.open:
            one.close()
        self.service.stop()
        self.service.drained.join()

    def connect(self):
        one = socket.socket()
        self.open.append(one)
        try:
            one.connect(self.place)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            one.setblocking(False)
        except OSError:  # nobody listens yet, or any more
            self.open.pop().close()

    def look(self):
        if len(self.open) < 8:
            self.connect()
        for one in self.open:
            try:
                self.answers += one.recv(4096)
            except OSError:
                pass
        self.has_api = self.has_api or bool(self.service.api())

    def is_answered(self):
        self.look()
        return self.answers and self.has_api

    def has_ended(self):
        self.look()
        assert not self.answers, "it serves"
        return self.service.process.poll() is not None


def refused(programs, state, sentence):
    """It ends with `sentence`, and nobody was served by it; what it said."""
    with Asking(programs, state) as asking:
        wait_until(asking.has_ended, 60, "the end of a service that may not start")
    said = "".join(asking.service.log)
    assert asking.service.process.returncode == 1, said
    assert [line for line in said.splitlines() if line.startswith("cloched: ")] == [f"cloched: {sentence}"], said
    # An API that had been started for however short a time would have had its end in the log.
    assert not asking.has_api and " api." not in said, said
    return said


@needs_breached
def test_the_zygote_of_these_tests_is_a_good_one_but_for_its_wall(programs, tmp_path):
    """And who asks gets answers, where there are any."""
    breach(programs, "none")
    with Asking(programs, tmp_path / "s") as asking:
        wait_until(asking.is_answered, 60, "an answer")
    assert asking.answers.startswith(b"HTTP/1.1 200"), asking.answers
    assert any(" api.exit " in line for line in asking.service.log)


@needs_breached
@pytest.mark.parametrize("wall", MISSING)
def test_a_jail_without_a_wall_is_a_service_that_does_not_start(programs, tmp_path, wall):
    breach(programs, wall)
    said = refused(programs, tmp_path / "s", "the jail does not hold: see the lines above")
    assert MISSING[wall] in said, said


def test_a_self_test_that_fails_is_a_service_that_does_not_start(programs, tmp_path):
    put(programs, "cloche-prover", "/bin/false")
    refused(programs, tmp_path / "s", "the jail does not hold: see the lines above")


def test_a_self_test_that_can_not_be_made_is_a_service_that_does_not_start(programs, tmp_path):
    put(programs, "cloche-prover", "/bin/ls")  # ends with 2: there is no such file
    refused(programs, tmp_path / "s", "the self-test could not be made: see the lines above")
