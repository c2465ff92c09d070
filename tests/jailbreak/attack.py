# SPDX-License-Identifier: Apache-2.0
"""Native code in a worker: raw system calls through ctypes, under the kernel jail of the default policy.
The Python guard is out of the way on purpose; what is refused here is refused by the kernel."""

import errno
import subprocess

PRELUDE = """
import ctypes, os, gc, sys as system, signal
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def buffer(size=4096, fill=b""):
    return ctypes.create_string_buffer(fill, size)
def sys(number, *args):
    ctypes.set_errno(0)
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    passed += [ctypes.c_long(0)] * (6 - len(passed))
    value = libc.syscall(ctypes.c_long(number), *passed)
    return [value, ctypes.get_errno()]
"""


def number(name):
    """The number of an x86-64 system call, from the kernel's own header."""
    text = subprocess.run(["gcc", "-E", "-dM", "-"], input="#include <asm/unistd_64.h>\n", text=True,
                          capture_output=True, check=True).stdout
    return int(next(line.split()[2] for line in text.splitlines() if line.split()[1] == f"__NR_{name}"))


class Attack:
    def __init__(self, cloche, policy="native"):
        self.cloche, self.policy = cloche, policy

    def run(self, body, **kw):
        """Run `body` (the lines of main) after the prelude; the envelope."""
        lines = "\n".join("    " + line for line in body.strip().splitlines())
        kw.setdefault("policy", self.policy)
        return self.cloche.call(f"{PRELUDE}\ndef main():\n{lines}\n", **kw)

    def result(self, body, **kw):
        envelope = self.run(body, **kw)
        assert envelope["verdict"] == "ok", envelope
        return envelope["result"]

    def answers(self, expected, name, *args):
        """The call comes back with exactly this errno and does nothing."""
        joined = ", ".join(str(a) for a in args)
        value, seen = self.result(f"return sys({number(name)}{', ' if joined else ''}{joined})")
        assert value == -1 and errno.errorcode.get(seen) == expected, (name, value, errno.errorcode.get(seen, seen))

    def kills(self, name, *args):
        """The call ends the worker, and the verdict names it."""
        joined = ", ".join(str(a) for a in args)
        envelope = self.run(f"return sys({number(name)}{', ' if joined else ''}{joined})")
        assert envelope["verdict"] == "denied", (name, envelope)
        assert envelope["denied"]["rule"] == "syscall" and envelope["denied"]["name"] == name, (name, envelope)
