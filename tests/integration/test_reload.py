# SPDX-License-Identifier: Apache-2.0
"""Policies that are edited while Cloche runs: the next call sees them, a broken file changes nothing but what
/readyz says, and no call is lost or sees two generations at once."""

import contextlib
import json
import os
import pathlib
import random
import signal
import threading
import time

import httpx
import pytest
from service import SLOW, STRETCH, Service, wait_until

RUN = "def main(): return 1"


def write(file, text):
    """As an editor does it: a new file in the place of the old one."""
    new = file.with_name("." + file.name)
    new.write_text(text)
    new.rename(file)


def mine(output):
    return f"version: 1\nextends: default\nlimits: {{output: {output}}}\n"


def output_limit(service):
    answer = service.http.get("/v1/policies/mine")
    return answer.json()["limits"]["output_bytes"] if answer.status_code == 200 else None


def ready(service):
    return service.http.get("/readyz").json()


@pytest.fixture
def edited(tmp_path):
    """A service on a directory with one policy, and that policy's file."""
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    (policies / "mine.yaml").write_text(mine("1Ki"))
    with Service(config=tmp_path / "config") as service:
        yield service, policies / "mine.yaml"


def test_edit_is_in_force_for_the_next_call_without_a_signal(edited):
    service, file = edited
    first = service.call(RUN, policy="mine")["policy"]["generation"]
    write(file, mine("2Ki"))
    wait_until(lambda: output_limit(service) == 2048, what="the edit")
    again = service.call(RUN, policy="mine")
    assert again["verdict"] == "ok" and again["policy"]["generation"] > first
    file.write_text(mine("3Ki"))  # in place
    wait_until(lambda: output_limit(service) == 3072, what="the second edit")
    (file.parent / "more.yaml").write_text(mine("4Ki"))
    wait_until(lambda: service.post({"source": RUN, "policy": "more"}).status_code == 200, what="the new policy")
    (file.parent / "more.yaml").unlink()
    wait_until(lambda: service.post({"source": RUN, "policy": "more"}).status_code == 403, what="its end")


def test_broken_file_is_told_of_and_serves_nothing_new_until_it_is_mended(edited):
    service, file = edited
    first = service.call(RUN, policy="mine")["policy"]["generation"]
    answer = ready(service)
    assert (answer["status"], answer["generation"]) == ("ready", first) and "reload" not in answer
    write(file, "version: 1\nextends: default\nlimits: {outptu: 1Ki}\n")
    wait_until(lambda: ready(service)["status"] == "degraded", what="degraded")
    answer = ready(service)
    assert answer["generation"] == first and answer["reload"]["problems"] == 1
    assert "mine.yaml:3" in answer["reload"]["message"] and "output" in answer["reload"]["message"]
    assert service.http.get("/v1/policies").json()["reload"] == answer["reload"]
    assert any("load.problem" in line and "mine.yaml:3" in line for line in service.log)
    again = service.call(RUN, policy="mine")
    assert again["verdict"] == "ok" and again["policy"]["generation"] == first and output_limit(service) == 1024
    write(file, mine("2Ki"))
    wait_until(lambda: ready(service)["status"] == "ready", what="ready")
    assert output_limit(service) == 2048 and "reload" not in service.http.get("/v1/policies").json()


def test_file_that_others_may_write_is_told_of_until_it_is_not(edited):
    service, file = edited
    file.chmod(0o666)
    wait_until(lambda: ready(service)["status"] == "degraded", what="degraded")
    assert "mine.yaml is writable by" in ready(service)["reload"]["message"]
    file.chmod(0o644)
    wait_until(lambda: ready(service)["status"] == "ready", what="ready")


def test_new_api_is_told_of_what_is_broken(edited):
    service, file = edited
    write(file, "version: 2\n")
    wait_until(lambda: ready(service)["status"] == "degraded", what="degraded")
    [api] = service.api()
    os.kill(api, signal.SIGKILL)

    def degraded_again():
        try:
            return service.api() not in ([], [api]) and ready(service).get("status") == "degraded"
        except httpx.HTTPError:
            return False
    wait_until(degraded_again, what="degraded by the new one")


def test_directory_in_the_place_of_another_is_read(edited, tmp_path):
    service, file = edited
    for number, output in enumerate(["2Ki", "3Ki"], 2):
        (tmp_path / "next/policies").mkdir(parents=True)
        (tmp_path / "next/policies/mine.yaml").write_text(mine(output))
        (tmp_path / "config").rename(tmp_path / f"old{number}")
        (tmp_path / "next").rename(tmp_path / "config")
        wait_until(lambda number=number: output_limit(service) == number * 1024, what="the other directory")


def test_config_map_of_kubernetes_is_read_and_followed(tmp_path):
    """Files are links into ..data, itself a link to the directory of a version, swapped at once."""
    policies = tmp_path / "config/policies"
    for version, output in (("..1", "1Ki"), ("..2", "2Ki")):
        (policies / version).mkdir(parents=True)
        (policies / version / "mine.yaml").write_text(mine(output))
    (policies / "..data").symlink_to("..1")
    (policies / "mine.yaml").symlink_to("..data/mine.yaml")
    with Service(config=tmp_path / "config") as service:
        assert output_limit(service) == 1024
        (policies / "..tmp").symlink_to("..2")
        (policies / "..tmp").rename(policies / "..data")
        wait_until(lambda: output_limit(service) == 2048, what="the other version")
        # A link that leads out of the directory is no policy, whoever it belongs to.
        (tmp_path / "out.yaml").write_text(mine("3Ki"))
        (policies / "out.yaml").symlink_to("../../out.yaml")
        wait_until(lambda: ready(service)["status"] == "degraded", what="degraded")
        assert "out.yaml" in ready(service)["reload"]["message"] and output_limit(service) == 2048


# ------------------------------------------------------------------------------------ under load

# The limit of output is the API's to keep, the modules are the zygote's: odd generations grant one module and one
# KiB, even ones the other and two. A call that prints without end reports both.
PROBE = """
def main():
    for name in ("colorsys", "sndhdr"):
        try:
            __import__(name)
            print(name)
        except ImportError:
            pass
    while True:
        print("x" * 63)
"""
EXPECTED = {1024: "colorsys\n", 2048: "sndhdr\n"}


def generation(number):
    """Of three kinds, the first one for 0, and in no beat that loads could fall in step with."""
    kind = random.Random(number).randrange(3) if number else 0
    if kind == 2:
        return "version: 1\nextends: default\nlimits: {output: much}\n"
    module, output = (("colorsys", "1Ki"), ("sndhdr", "2Ki"))[kind]
    return (f"version: 1\nextends: default\ndescription: {number}\n"
            f"python: {{modules: [{module}], preload: none}}\n"
            f"limits: {{output: {output}, wall: {5 * STRETCH}s, cpu: {2 * STRETCH}s}}\n"
            "pool: {min: 4, max: 32}\n")


class Probes:
    """Clients that together send `rate` calls a second, as far as they get answers."""

    def __init__(self, service, clients=8, rate=200.0):
        self.service, self.pause = service, clients / rate
        self.stop_event = threading.Event()
        self.seen, self.failures = [], []
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def _run(self):
        with self.service.client(30) as client:
            at = time.monotonic()
            while not self.stop_event.is_set():
                try:
                    answer = client.post("/v1/calls", json={"source": PROBE, "policy": "mine"})
                    body = answer.json()
                    if answer.status_code != 200 or body["verdict"] != "limit":
                        self.failures.append(answer.text)
                    else:
                        self.seen.append((body["limit"]["value"], body["stdout"], body["policy"]["generation"]))
                except (httpx.HTTPError, ValueError, KeyError) as fault:
                    self.failures.append(repr(fault))
                at = max(at + self.pause, time.monotonic() - 1)
                self.stop_event.wait(max(0, at - time.monotonic()))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_event.set()
        for thread in self.threads:
            thread.join(30 * SLOW)


def resident(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def reload_for(service, file, seconds, first):
    """Every 200 ms another generation, a third of them broken. The number of the next one."""
    until = time.monotonic() + seconds
    number = first
    while time.monotonic() < until:
        write(file, generation(number))
        number += 1
        time.sleep(0.2 * SLOW)
    return number


@contextlib.contextmanager
def crowd(service, seconds):
    """450 calls a second, of small programs under a policy that no edit touches. Its figures."""
    figures = {}
    with service.load({"source": "def main(): return 1"}, 9, seconds, "-g", 20 * SLOW) as process:
        yield figures
        figures.update(json.loads(process.communicate(timeout=60 * SLOW)[0]))


def test_reload_under_load_loses_no_call_and_mixes_no_generations(tmp_path):
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    file = policies / "mine.yaml"
    file.write_text(generation(0))
    with Service(config=tmp_path / "config") as service:
        [api] = service.api()
        with crowd(service, 13 * SLOW) as figures, Probes(service, 8 if SLOW < 10 else 3, 50 / SLOW) as probes:
            number = reload_for(service, file, 3 * SLOW, 1)  # everything has its size once
            before = {pid: resident(pid) for pid in (service.pid, api)}
            warm = len(probes.seen)
            reload_for(service, file, 10 * SLOW, number)
            write(file, generation(0))
        wait_until(lambda: ready(service)["status"] == "ready", what="ready")
        after = {pid: resident(pid) for pid in (service.pid, api)}
        assert service.api() == [api]

    # 500 calls a second were sent: a machine that others keep busy answers them late, and loses none.
    assert figures["errors"] == 0 and figures["rate"] > 100 / SLOW, figures
    assert not probes.failures, (len(probes.failures), len(probes.seen), probes.failures[:3])
    assert len(probes.seen) - warm > 50  # a busy machine makes few zygotes; each call waits for one
    mixed = [seen for seen in probes.seen if not seen[1].startswith(EXPECTED[seen[0]])]
    assert not mixed, mixed[:3]
    assert {limit for limit, _, _ in probes.seen} == set(EXPECTED)
    assert len({seen[2] for seen in probes.seen}) >= 5
    assert any("load.refused" in line for line in service.log)
    for pid, bytes_before in before.items():
        assert after[pid] < bytes_before + (4 << 20), (pid == api, bytes_before, after[pid])
