# SPDX-License-Identifier: Apache-2.0
"""The API's cage, seen from the host: what a process that reads strangers' bytes all day has left to lose."""

import os
import re

from cage import NEEDS_CAGE
from service import status, wait_until

RUN = "def main(): return 1"
# What an event loop over inherited sockets and the store's files have; nothing of the host's tree.
ANONYMOUS = re.compile(r"^((socket|pipe):\[\d+\]|anon_inode:\[(eventpoll|eventfd|timerfd|signalfd)\]|/memfd:.*|/dev/null)$")


def api_of(service):
    service.call(RUN)
    return service.api()[0]


def descriptors(pid):
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            pass  # of a call that has just ended
    return found


@NEEDS_CAGE
def test_every_thread_is_filtered_and_has_no_privilege(cloche):
    pid = api_of(cloche)
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) == 2, "the event loop and the store's thread"
    for thread in threads:
        seen = {name: value.strip() for name, value in status(f"{pid}/task/{thread}").items()}
        assert seen["Seccomp"] == "2" and seen["NoNewPrivs"] == "1"
        assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert all(int(one) >= 1 << 20 for one in (seen["Uid"] + "\t" + seen["Gid"]).split()), "ids of nobody else"
        assert seen["Groups"] == ""


def test_it_cannot_be_dumped_or_traced_by_its_own_kind(cloche):
    pid = api_of(cloche)
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "not dumpable: its /proc is root's"
    with open(f"/proc/{pid}/limits") as file:
        core = next(line for line in file if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_it_holds_its_sockets_and_the_store_and_no_other_file(own):
    pid = api_of(own)
    own.http.put("/v1/modules/kept", json={"source": RUN})
    held = descriptors(pid)
    state = str(own.state)
    other = {number: what for number, what in held.items() if not ANONYMOUS.match(what)}
    assert all(what.startswith(state) for number, what in other.items() if number != 2), other
    assert any(what.startswith(state + "/store") for what in other.values()), held


@NEEDS_CAGE
def test_what_it_must_not_give_away_is_locked(cloche):
    """The secret of the token table lies in memory that is never swapped, nor dumped, between pages of no right."""
    pid = api_of(cloche)
    assert int(status(pid)["VmLck"].split()[0]) > 0
    with open(f"/proc/{pid}/smaps") as file:
        maps = [one.split("\n", 1) for one in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", file.read())]
    spans = [[int(end, 16) for end in head.split()[0].split("-")] for head, _ in maps]
    rights = [head.split()[1] for head, _ in maps]
    locked = [at for at, (_, more) in enumerate(maps) if re.search(r"^VmFlags:.* lo ", more, re.MULTILINE)]
    assert all(re.search(r"^VmFlags:.* dd ", maps[at][1], re.MULTILINE) for at in locked), "not left out of dumps"
    assert any(re.search(r"^Locked: +[1-9]", maps[at][1], re.MULTILINE) for at in locked), "nothing is locked"
    for at in locked:
        assert spans[at - 1][1] == spans[at][0] and rights[at - 1] == "---p", "no guard below it"
        assert spans[at][1] == spans[at + 1][0] and rights[at + 1] == "---p", "no guard above it"


def test_no_page_of_it_is_writable_and_executable(cloche):
    pid = api_of(cloche)
    with open(f"/proc/{pid}/maps") as file:
        rights = {line.split()[1] for line in file}
    assert not {one for one in rights if "w" in one and "x" in one}


@NEEDS_CAGE
def test_a_reload_reads_tokens_within_the_cage(own):
    """What is read anew while confined is read all the same: the token still opens, the secret is still locked."""
    pid = api_of(own)
    generation = own.call(RUN)["policy"]["generation"]
    own.process.send_signal(1)
    wait_until(lambda: own.call(RUN)["policy"]["generation"] > generation or None, what="a new generation")
    assert own.api() == [pid] and int(status(pid)["VmLck"].split()[0]) > 0
