# SPDX-License-Identifier: Apache-2.0
"""How sessions and their jails end: limits, time, crashes of every part, clients that go away, reloads."""

import os
import signal
import textwrap
import threading
import time

import pytest
from kept import COUNT, Kept, end_all, folder_with, serving, status, wait_until
from service import SLOW, STRETCH, Service


@pytest.fixture(scope="module")
def service():
    with serving() as service:
        yield service


@pytest.fixture
def kept(service):
    yield service
    end_all(service)


@pytest.fixture
def own():
    with serving() as service:
        yield service


def lost_globals(session):
    """The next call finds a new jail, and is told so; the one after it is not."""
    restarts = session.show()["restarts"]
    first = session.call(COUNT)
    assert first["verdict"] == "ok" and first["result"] == 1, first
    assert first["session"] == {"id": session.id, "restarts": restarts, "restarted": True}
    second = session.call(COUNT)
    assert second["result"] == 2 and second["session"]["restarted"] is False
    return restarts


# ------------------------------------------------------------------------------------- limits

LIMITS = {
    "wall": ("import time\ndef main():\n    time.sleep(9)", {"wall": "200ms"}),
    "cpu": ("def main():\n    while True: pass", {"cpu": "150ms"}),
    "memory": ("def main(): return len(bytearray(1 << 30))", {}),
    "output": ("def main(): print('x' * 1000)", {"output": "100"}),
    "result": ("def main(): return 'x' * 1000", {"result": "100"}),
    "depth": ("def main():\n    x = []\n    for i in range(99): x = [x]\n    return x", {}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_ends_the_jail_and_not_the_session(kept, name):
    session = Kept(kept)
    assert session.result(COUNT) == 1
    source, limits = LIMITS[name]
    envelope = session.call(source, limits=limits)
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == name, envelope
    assert lost_globals(session) == 1


def test_the_cpu_of_earlier_calls_counts_for_nobody_else(kept):
    """Together more than each may have."""
    most, each = 400 * STRETCH, 150 * STRETCH  # ms
    source = f"""
        import time
        def main():
            until = time.process_time() + {each / 1000}
            while time.process_time() < until: pass
        """
    session = Kept(kept)
    for _ in range(4):
        assert session.call(textwrap.dedent(source), limits={"cpu": f"{most}ms"})["verdict"] == "ok"
    assert session.show()["restarts"] == 0 and session.show()["cpu_us"] > most * 1000


def test_threads_of_the_caller_count_as_processes(kept):
    session = Kept(kept, "busy")
    session.result(COUNT)
    source = textwrap.dedent("""
        import threading
        stop = threading.Event()
        def main():
            for i in range(50):
                threading.Thread(target=stop.wait, daemon=True).start()
        """)
    envelope = session.call(source)
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "processes", envelope
    assert lost_globals(session) == 1


def test_the_call_that_hit_the_limit_is_told_and_the_others_are_lost(kept):
    session = Kept(kept, "busy")
    end = session.begin("import threading\nnever = threading.Event()\ndef main():\n    print('here')\n    never.wait(9)")
    envelope = session.call("import time\ndef main(): time.sleep(9)", limits={"wall": "200ms"})
    assert envelope["verdict"] == "limit" and envelope["limit"]["name"] == "wall"
    assert 150 <= envelope["limit"]["used"] < 2000 * SLOW
    assert end()["verdict"] == "lost"
    assert session.show()["restarts"] == 1


# --------------------------------------------------------------------------------------- time

def test_idle_ends_a_session(kept):
    session = Kept(kept, "brief")
    session.result(COUNT)
    start = time.monotonic()
    wait_until(lambda: session.show() == 404, 5, "the end of an idle session")
    assert 0.8 * STRETCH < time.monotonic() - start < 3 * SLOW


def test_max_ends_a_session_that_is_used(kept):
    session = Kept(kept, "brief")
    start = time.monotonic()
    while session.post(COUNT).status_code == 200:
        assert time.monotonic() - start < 8 * SLOW
        time.sleep(0.1)
    assert 2.5 * STRETCH < time.monotonic() - start
    assert session.show() == 404


def test_cloched_ends_an_idle_jail_without_the_api(own):
    """The API does nothing any more; the policy's clock is cloched's."""
    session = Kept(own, "brief")
    session.result(COUNT)
    workers = set(own.workers())
    api = own.api()[0]
    os.kill(api, signal.SIGSTOP)
    try:
        wait_until(lambda: len(workers & set(own.workers())) < len(workers), 5, "a jail to end")
    finally:
        os.kill(api, signal.SIGCONT)
    wait_until(lambda: session.show() == 404, 5, "the session to end")


# ------------------------------------------------------------------------------------ crashes

def test_a_killed_worker_is_a_crash_and_a_new_jail(own):
    session = Kept(own)
    session.result(COUNT)
    end = session.begin("import time\ndef main():\n    print('here')\n    time.sleep(4)")
    for worker in own.workers():
        os.kill(worker, signal.SIGKILL)
    ended = end()
    assert ended["verdict"] == "crashed" and ended["crash"]["signal"] == "SIGKILL", ended
    assert lost_globals(session) == 1


def test_a_worker_that_dies_at_rest_is_replaced(own):
    session = Kept(own)
    session.result(COUNT)
    for worker in own.workers():
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: session.show()["restarts"] == 1, what="the end of the jail to be known")
    assert lost_globals(session) == 1


def test_a_killed_zygote_takes_its_sessions_jails_along(own):
    session = Kept(own)
    session.result(COUNT)
    for zygote in own.zygotes():
        os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: session.show()["restarts"] == 1, what="the end of the jail to be known")
    assert lost_globals(session) == 1


def test_a_killed_api_ends_all_sessions_and_their_jails(own):
    session = Kept(own)
    session.result(COUNT)
    pid = own.api()[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: [api for api in own.api() if api != pid], what="another API")
    own.http.close()
    own.http = own.client()
    wait_until(lambda: own.http.get("/readyz").status_code == 200, what="readiness")
    assert session.show() == 404
    assert own.http.get("/v1/sessions").json() == {"sessions": []}
    assert Kept(own).result(COUNT) == 1


def test_a_killed_cloched_leaves_no_worker_of_a_session(own):
    session = Kept(own)
    session.result(COUNT)
    workers = own.workers()
    own.process.kill()
    own.process.wait()
    wait_until(lambda: not any(status(worker) for worker in workers), what="the workers to be gone")


# ------------------------------------------------------------------------------------- clients

def test_a_client_that_goes_away_ends_its_call_and_the_jail(kept):
    session = Kept(kept)
    session.result(COUNT)
    end = session.begin("import time\ndef main():\n    print('here')\n    time.sleep(4)")
    end.close()
    wait_until(lambda: session.show()["restarts"] == 1, 3, "the jail to end")
    assert lost_globals(session) == 1


def test_a_call_that_waits_can_go_without_harm(kept):
    session = Kept(kept)
    session.result(COUNT)
    end = session.begin("import time\ndef main():\n    print('here')\n    time.sleep(1)\n    return 5")
    other = kept.client(timeout=0.3 / SLOW)
    with pytest.raises(Exception):
        other.post("/v1/calls", json={"source": COUNT}, headers=session.head)
    other.close()
    assert end()["result"] == 5
    assert session.result(COUNT) == 2 and session.show()["restarts"] == 0


def test_a_slow_reader_holds_up_nobody_up_to_its_cap(kept):
    """Not read at all: what its call prints is kept up to the cap, and other calls go on."""
    session = Kept(kept, "busy")
    end = session.begin("import threading\ngo = threading.Event()\ndef main():\n    print('here')\n    assert go.wait(4)\n"
                        "    for i in range(300): print('x' * 1000)\n    return 'slow'")
    session.result("def main(): go.set()")
    for k in range(20):
        assert session.result(COUNT) == k + 1
    assert end()["result"] == "slow"


# -------------------------------------------------------------------------------- reload, drain

def rewrite(service, name, text):
    (service.config / "policies" / f"{name}.yaml").write_text("version: 1\n" + text)
    before = service.http.get("/v1/policies").json()
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.http.get("/v1/policies").json() != before, what="the reload")


def test_a_session_runs_on_under_its_generation(own):
    session = Kept(own)
    generation = session.call(COUNT)["policy"]["generation"]
    rewrite(own, "kept", "extends: default\nsessions: {allow: true}\npool: {min: 1, max: 6}\n")
    envelope = session.call(COUNT)
    assert envelope["result"] == 2 and envelope["policy"]["generation"] == generation
    assert own.call(COUNT, policy="kept")["policy"]["generation"] > generation


def test_a_session_ends_when_its_policy_is_gone(own):
    (own.config / "policies" / "gone.yaml").write_text("version: 1\nextends: default\nsessions: {allow: true}\n")
    own.process.send_signal(signal.SIGHUP)
    wait_until(lambda: own.http.get("/v1/policies/gone").status_code == 200, what="the policy")
    session = Kept(own, "gone")
    session.result(COUNT)
    (own.config / "policies" / "gone.yaml").unlink()
    own.process.send_signal(signal.SIGHUP)
    wait_until(lambda: session.show() == 404, what="the end of the session")


def test_a_drain_waits_for_calls_and_not_for_sessions():
    folder = folder_with({"kept": "extends: default\nsessions: {allow: true}\n"})
    service = Service(config=folder).start()
    try:
        idle, busy = Kept(service), Kept(service)
        idle.result(COUNT)
        end = busy.begin("import time\ndef main():\n    print('here')\n    time.sleep(1)\n    return 'done'")
        start = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert end()["result"] == "done"
        service.process.wait(10 * SLOW)
        assert time.monotonic() - start < 6 * SLOW
    finally:
        service.stop()


def test_many_sessions_end_together(own):
    sessions = [Kept(own, "busy") for _ in range(4)]
    threads = [threading.Thread(target=session.together, args=(COUNT, [[1]] * 4)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [session.result(COUNT, args=[0]) for session in sessions] == [4] * 4
    end_all(own)
    assert own.http.get("/v1/sessions").json() == {"sessions": []}
    assert own.call(COUNT)["result"] == 1
