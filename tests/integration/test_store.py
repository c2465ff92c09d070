# SPDX-License-Identifier: Apache-2.0
"""What is kept: on a disk that fills up, across deaths, in a directory that is damaged, foreign or closed."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

from cage import NEEDS_CAGE
from service import Service, status, wait_until

ASYNC = {"Prefer": "respond-async"}
NOBODY = 65534


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def put(service, name, size=10):
    return service.http.put(f"/v1/modules/{name}",
                            json={"source": f"def main():\n    return {name!r}\n# {os.urandom(size // 2).hex()}\n"})


def names(service):
    return {module["name"] for module in service.http.get("/v1/modules", params={"limit": 200}).json()["modules"]}


def ready(service):
    return service.http.get("/readyz").json()


def api_threads(service):
    pid = service.api()[0]
    return [status(f"{pid}/task/{task}") for task in os.listdir(f"/proc/{pid}/task")]


@pytest.fixture
def disk(tmp_path):
    """A file system of a few megabytes; gone afterwards, whatever happens."""
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image)
    try:
        run("mount", "-o", "loop", image, place)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CLOCHE_REQUIRE") == "all":
            raise
        pytest.skip(f"no loop devices: {error.stderr}")
    try:
        (place / "state").mkdir(mode=0o700)
        yield place
    finally:
        run("umount", place)


@pytest.fixture
def state():
    with tempfile.TemporaryDirectory(prefix="cloche-store-") as path:
        yield pathlib.Path(path)


def fill(place):
    """Takes all room there is, to the last block."""
    with open(place / "filler", "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return place / "filler"


def until_refused(service, kept):
    """Puts modules until one is refused; that answer."""
    for number in range(400):
        answer = put(service, f"m{number}", 20000)
        if answer.status_code not in (200, 201):
            return answer
        kept.add(f"m{number}")
    raise AssertionError("it never filled up")


def test_a_full_disk_refuses_what_has_to_be_kept_and_nothing_else(disk):
    kept = {"first"}
    with Service(state=disk / "state") as service:
        assert put(service, "first").status_code == 201
        filler = fill(disk)
        refused = until_refused(service, kept)
        assert refused.status_code == 507
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:cloche:problem:store-full"
        asked = service.post({"source": "def main(): return 1"}, headers=ASYNC)
        assert asked.status_code in (202, 507)
        assert service.call("def main(): return 42")["result"] == 42
        wait_until(lambda: not ready(service)["store"]["writable"], what="readyz to tell")
        assert ready(service)["status"] == "degraded"
        assert "no room" in ready(service)["store"]["message"]
        assert "\ncloche_store_writable 0\n" in service.http.get("/metrics").text
        assert names(service) == kept

        filler.unlink()
        wait_until(lambda: ready(service)["store"]["writable"], what="recovery")
        assert put(service, "later").status_code == 201
        asked = service.post({"source": "def main(): return 1"}, headers=ASYNC)
        assert asked.status_code == 202
        wait_until(lambda: service.http.get(asked.headers["location"]).json()["status"] == "done")
    with Service(state=disk / "state") as service:
        assert names(service) == kept | {"later"}


def test_a_call_that_ends_on_a_full_disk_keeps_its_answer(disk):
    """It was told 202, so its end waits for room: it is running until then, and no longer than that."""
    source = "import time\ndef main():\n    time.sleep(1)\n    return 'x' * 200000"
    with Service(state=disk / "state") as service:
        asked = [service.post({"source": source}, headers=ASYNC) for _ in range(3)]
        places = [answer.headers["location"] for answer in asked]
        wait_until(lambda: all(service.http.get(place).json()["status"] == "running" for place in places))
        filler = fill(disk)
        wait_until(lambda: sum("async.finish" in line for line in service.log) >= 6 * len(places), 20,
                   "ends that find no room, more often than a quota would be asked")
        wait_until(lambda: ready(service)["status"] == "degraded", what="readyz to tell")
        assert service.call("def main(): return 42")["result"] == 42
        assert {service.http.get(place).json()["status"] for place in places} <= {"running", "done"}
        filler.unlink()
        for place in places:
            found = service.http.get(place, params={"wait": "20s"}).json()
            assert (found["status"], found["verdict"], len(found["result"])) == ("done", "ok", 200000)


def test_a_full_disk_at_the_start_is_said(disk):
    with Service(state=disk / "state") as service:
        assert put(service, "first").status_code == 201
    filler = fill(disk)
    service = Service(state=disk / "state").start(wait=False)
    assert service.process.wait(30) != 0
    wait_until(lambda: "there is no room on the disk of the store" in "".join(service.log))
    filler.unlink()
    with Service(state=disk / "state") as service:
        assert names(service) == {"first"}


def test_what_was_acknowledged_survives_the_api(state):
    with Service(state=state) as service:
        for number in range(5):
            assert put(service, f"m{number}").status_code == 201
            old = service.api()[0]
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: service.api() not in ([], [old]), what="another API")
            wait_until(lambda: ready(service)["status"] == "ready", what="it to be ready")
            assert names(service) == {f"m{n}" for n in range(number + 1)}


def test_a_copy_of_the_stopped_store_is_all_of_it(state, tmp_path):
    """The backup that docs/operations.md tells of: files copied by root, put into another state directory."""
    with Service(state=state) as service:
        assert put(service, "first").status_code == 201
        asked = service.post({"source": "def main(): return 'x' * 100000"}, headers=ASYNC)
        place = asked.headers["location"]
        wait_until(lambda: service.http.get(place).json()["status"] == "done")
        before = service.http.get(place).json()
    run("cp", "-r", state / "store", tmp_path / "store")
    assert (tmp_path / "store" / "cloche.db").stat().st_uid == 0
    with Service(state=tmp_path) as service:
        assert names(service) == {"first"} and service.http.get(place).json() == before
        assert service.post({"function": "first"}).json()["result"] == "first"


def test_the_store_is_the_apis_alone(state):
    with Service(state=state) as service:
        put(service, "first")
        owner = int(status(service.api()[0])["Uid"].split()[0])
        found = [state / "store", *(state / "store").iterdir()]
        assert {entry.stat().st_uid for entry in found} == {owner}
        assert not any(entry.stat().st_mode & 0o077 for entry in found)


@NEEDS_CAGE
def test_both_threads_are_confined(state):
    with Service(state=state) as service:
        put(service, "first")  # nothing of a client's is read before
        threads = api_threads(service)
        assert len(threads) == 2
        for thread in threads:
            assert thread["Seccomp"].strip() == "2"
            assert thread["NoNewPrivs"].strip() == "1"
            assert int(thread["CapEff"], 16) == 0


def test_a_store_of_another_uid_is_taken_over(state):
    """The range of uids is the first that is free, so it may be another one next time."""
    with Service(state=state) as service:
        put(service, "first")
    for entry in [*(state / "store").iterdir(), state / "store"]:
        os.chown(entry, NOBODY, NOBODY)
    with Service(state=state) as service:
        assert names(service) == {"first"}
        assert put(service, "second").status_code == 201


def start_in_vain(state):
    """The last words of a service that does not start."""
    service = Service(state=state).start(wait=False)
    try:
        assert service.process.wait(30) != 0
    finally:
        service.stop()
    wait_until(lambda: any(line.startswith("cloched: ") for line in service.log), what="a reason")
    return "".join(service.log)


@pytest.mark.parametrize("plant", ["symlink", "hardlink", "directory", "fifo"])
def test_root_gives_away_nothing_that_was_planted(state, plant):
    """An API that was taken over must not make root hand it a file of somebody else's next time."""
    victim = state / "victim"
    victim.write_text("root's")
    store = state / "store"
    store.mkdir(mode=0o700)
    {"symlink": lambda: (store / "x").symlink_to(victim), "hardlink": lambda: os.link(victim, store / "x"),
     "directory": lambda: (store / "x").mkdir(), "fifo": lambda: os.mkfifo(store / "x")}[plant]()
    os.chown(store, NOBODY, NOBODY)
    assert "no file of the store" in start_in_vain(state)
    assert victim.stat().st_uid == 0


def test_a_planted_directory_is_not_followed(state):
    (state / "elsewhere").mkdir()
    (state / "store").symlink_to(state / "elsewhere")
    assert "is no directory" in start_in_vain(state)
    assert (state / "elsewhere").stat().st_uid == 0


def test_a_directory_that_cannot_be_written_is_said_in_one_sentence(state):
    (state / "store").mkdir(mode=0o700)
    run("mount", "--bind", state / "store", state / "store")
    try:
        run("mount", "-o", "remount,bind,ro", state / "store")
        said = start_in_vain(state)
    finally:
        run("umount", state / "store")
    assert len(re.findall(r"open the store directory in the state directory.*Read-only", said)) >= 1


def test_a_damaged_store_is_said_in_one_sentence(state):
    with Service(state=state) as service:
        put(service, "first")
    for name in ("cloche.db", "cloche.db-wal"):
        with open(state / "store" / name, "r+b" if (state / "store" / name).exists() else "wb") as file:
            os.pwrite(file.fileno(), b"this is no database at all, and no log of one", 0)
    said = start_in_vain(state)
    assert "the store is damaged (cloche.db in the store directory)" in said


def test_more_than_is_kept_is_let_go(state):
    with Service(state=state, args=["--keep", "1h,3"]) as service:
        ids = []
        for number in range(6):
            asked = service.post({"source": f"def main(): return {number}"}, headers=ASYNC)
            assert asked.status_code == 202
            ids.append(asked.json()["id"])
            wait_until(lambda: service.http.get(f"/v1/calls/{ids[-1]}").json()["status"] == "done")
        wait_until(lambda: service.http.get(f"/v1/calls/{ids[2]}").status_code == 404, what="retention")
        assert [service.http.get(f"/v1/calls/{id}").status_code for id in ids] == [404] * 3 + [200] * 3


def test_a_tenant_that_stores_too_much_is_refused_and_no_other_way_harmed(state):
    with Service(state=state, args=["--store", "8Mi,1Mi"]) as service:
        kept = set()
        refused = until_refused(service, kept)
        assert refused.status_code == 507
        assert "bytes are stored already" in refused.json()["detail"]
        assert ready(service)["store"] == {"writable": True}
        assert service.http.delete(f"/v1/modules/{sorted(kept)[0]}").status_code in (200, 204)
        assert put(service, "again").status_code == 201


def test_quotas_and_loads_leave_plain_calls_alone(state):
    """A plain call opens no file and waits for no disk: the store's files stay as they are."""
    with Service(state=state) as service:
        put(service, "first")
        files = {entry.name: entry.stat().st_mtime_ns for entry in (state / "store").iterdir()}
        for _ in range(20):
            assert service.call("def main(): return 1")["result"] == 1
        assert {entry.name: entry.stat().st_mtime_ns for entry in (state / "store").iterdir()} == files
