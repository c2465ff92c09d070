# SPDX-License-Identifier: Apache-2.0
"""A zygote that hangs, dies, lies, floods or forges: cloched ends it and starts another one, whose calls are right; other
policies hear nothing of it. tests/support/bad_zygote.c stands in its place, once for each policy named like a misdeed."""

import pathlib
import shutil
import tempfile
import threading
import time

import httpx
import pytest
from service import BIN, SLOW, Service, wait_until

MISDEEDS = {  # what cloched says of it
    "hang": "it makes no workers any more",
    "die": "the zygote died",
    "repeat": "UP out of turn",
    "lie": "zygote.spawned",
    "spam": "more answers than questions",
    "babble": "peer.protocol",
    "forge": "zygote.spawned",
}
IMPOSTOR = BIN / "cloche-bad-zygote"

pytestmark = pytest.mark.skipif(not IMPOSTOR.exists(), reason=f"no {IMPOSTOR}")


@pytest.fixture(scope="module")
def programs():
    """The built programs, with the impostor in the zygote's place."""
    made = tempfile.TemporaryDirectory(prefix="cloche-programs-")
    folder = pathlib.Path(made.name)
    folder.chmod(0o711)  # a zygote is nobody there
    for file in BIN.glob("cloche*"):
        shutil.copy(file, folder)
    (folder / "cloche-zygote").rename(folder / "real-zygote")
    shutil.copy(IMPOSTOR, folder / "cloche-zygote")
    for name in MISDEEDS:
        (folder / f"starts-{name}").touch()
        (folder / f"starts-{name}").chmod(0o666)
    yield folder
    made.cleanup()


@pytest.fixture(scope="module")
def service(programs, tmp_path_factory):
    policies = tmp_path_factory.mktemp("config") / "policies"
    policies.mkdir()
    (policies / "default.yaml").write_text("version: 1\n")
    for name in MISDEEDS:
        (policies / f"{name}.yaml").write_text("version: 1\nextends: default\npool: {min: 0, max: 4}\n")
    with Service(config=policies.parent, programs=programs) as service:
        yield service


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_misdeed_costs_its_own_policy_a_zygote_and_nothing_else(service, programs, misdeed):
    before, began, slowest = len(service.log), time.monotonic(), 0.0
    ended, seen = threading.Event(), []

    def call():
        """Until the second zygote answers."""
        with service.client(30) as client:
            while not ended.is_set() and time.monotonic() < began + 30 * SLOW:
                try:
                    answer = client.post("/v1/calls", json={"source": "def main(): return 7", "policy": misdeed})
                    seen.append(answer.text)
                    if answer.status_code == 200 and answer.json()["verdict"] == "ok":
                        assert answer.json()["result"] == 7
                        ended.set()
                except httpx.HTTPError:
                    pass

    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():  # meanwhile nobody else notices
        start = time.monotonic()
        assert service.call("def main(): return 1")["verdict"] == "ok"
        slowest = max(slowest, time.monotonic() - start)
        thread.join(0.05)
    said = "".join(line for line in service.log[before:] if " cloched " in line)
    assert ended.is_set(), (seen[-3:], said)
    assert slowest < 2 * SLOW
    assert time.monotonic() - began < 8 * SLOW, "a call that waited was forgotten"
    assert MISDEEDS[misdeed] in said, said
    assert said.count("\n") < 40, "a misdeed fills the log"
    assert (programs / f"starts-{misdeed}").stat().st_size == 2, "one start, and one that was right"
    wait_until(lambda: len(service.zygotes()) <= 1 + len(MISDEEDS), what="the bad one to be gone")


def test_the_service_is_ready_after_all_of_it(service):
    assert service.http.get("/readyz").json()["status"] == "ready"
