# SPDX-License-Identifier: Apache-2.0
"""What all clients together may take of the API: memory, connections, descriptors. Whoever takes it all gets 503
or nothing; others go on."""

import os
import re
import socket
import subprocess
import threading
import time

import pytest
from service import SLOW, Service, status, wait_until

LARGE = 3 << 20  # a body under the cap of one request


@pytest.fixture
def tight(config):
    """A service that has memory for two large bodies, and few descriptors."""
    service = Service(config=config, args=["--buffers", "8Mi"], wrap=["prlimit", "--nofile=600:600"])
    try:
        yield service.start()
    finally:
        service.stop()


def connect(service):
    address, port = service.url.split("//")[1].rsplit(":", 1)
    return socket.create_connection((address, int(port)), timeout=20 * SLOW)


def head(service, length, path="/v1/calls"):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n").encode()


def metric(service, name):
    return int(re.search(rf"^{name} (\d+)$", service.http.get("/metrics").text, re.MULTILINE).group(1))


def resident(service):
    [api] = service.api()
    return int(status(api)["VmRSS"].split()[0]) << 10


def test_bodies_of_all_clients_together_are_bounded(tight):
    """40 clients send 3 MiB each and keep the last byte: the API holds 8 MiB of it, and serves others."""
    before = resident(tight)
    held, refused, lock = [], [], threading.Lock()

    def send():
        connection = connect(tight)
        try:
            connection.sendall(head(tight, LARGE) + b" " * (LARGE - 1))
            connection.settimeout(0.5 * SLOW)
            answer = connection.recv(65536)
        except TimeoutError:
            answer = None
        except OSError:
            answer = b""
        with lock:
            (held if answer is None else refused).append((connection, answer))

    threads = [threading.Thread(target=send) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(held) <= 3 and len(refused) >= 37
        said = [answer for _, answer in refused if answer]
        assert said and all(answer.startswith(b"HTTP/1.1 503") and b"\r\nRetry-After: 1\r\n" in answer for answer in said)
        assert resident(tight) - before < 32 << 20
        for _ in range(20):
            assert tight.call("def main(): return 1")["result"] == 1
        assert metric(tight, "cloche_buffered_bytes") <= 12 << 20
        assert metric(tight, "cloche_buffers_refused_total") >= 37
    finally:
        for connection, _ in held + refused:
            connection.close()
    wait_until(lambda: metric(tight, "cloche_buffered_bytes") == 0, 10, "the memory to come back")
    source = "def main(): return 5\n#" + "x" * (2 << 20)
    assert tight.call(source)["result"] == 5


def test_answers_that_nobody_reads_are_bounded(tight):
    """30 clients ask for 900 KiB each and do not read: what the kernel does not take comes out of the budget."""
    before = resident(tight)
    body = b'{"source":"def main(): return \'x\' * 900000"}'
    connections = []
    try:
        for _ in range(30):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            address, port = tight.url.split("//")[1].rsplit(":", 1)
            connection.connect((address, int(port)))
            connection.sendall((head(tight, len(body)) + body) * 8)
            connections.append(connection)
        for _ in range(40):
            assert tight.call("def main(): return 1")["result"] == 1
            time.sleep(0.05)
        assert resident(tight) - before < 48 << 20
        assert metric(tight, "cloche_buffered_bytes") <= 12 << 20
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: metric(tight, "cloche_buffered_bytes") == 0, 10, "the memory to come back")


def test_running_out_of_descriptors_ends_nothing(tight):
    """Far more connections than descriptors, busy ones and idle ones: the same API answers all the time."""
    api = tight.api()
    connections = []
    try:
        for number in range(500):
            try:
                connections.append(connect(tight))
                if number % 2:
                    connections[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
            except OSError:
                pass
        for _ in range(10):
            with connect_patiently(tight) as connection:
                body = b'{"source":"def main(): return 9"}'
                connection.sendall(head(tight, len(body)) + body)
                assert b'"result":9' in connection.recv(65536).replace(b" ", b"")
    finally:
        for connection in connections:
            connection.close()
    assert tight.api() == api
    assert tight.call("def main(): return 1")["result"] == 1
    assert metric(tight, "cloche_connections_refused_total") > 0


def connect_patiently(service):
    """A connection that is served, not turned away: as a client that heeds Retry-After would find one."""
    deadline = time.monotonic() + 30 * SLOW
    while time.monotonic() < deadline:
        connection = connect(service)
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            if connection.recv(65536).startswith(b"HTTP/1.1 200"):
                return connection
        except OSError:
            pass
        connection.close()
        time.sleep(0.2)
    raise AssertionError("no connection was served")


def test_an_idle_connection_makes_room_for_a_new_one(own):
    """All places that one host may have are taken by clients that say nothing more: the CLI still gets in."""
    idle = []
    try:
        for _ in range(900):
            idle.append(connect(own))
            idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle[-1].recv(4096).startswith(b"HTTP/1.1 200")
        assert connect_patiently(own)
        assert 700 <= metric(own, "cloche_connections") <= 768
        assert metric(own, "cloche_connections_evicted_total") >= 130
        assert metric(own, "cloche_connections_refused_total") == 0
    finally:
        for connection in idle:
            connection.close()


def test_spares_find_room_whatever_clients_do(tight):
    """With nearly every place for clients taken, pools refill: calls use up jails, and new ones are offered."""
    slow = []
    try:
        for _ in range(400):
            slow.append(connect(tight))
            try:
                slow[-1].sendall(b"G")
            except OSError:
                pass
        for connection in slow[:5]:
            connection.close()
        keeper = connect_patiently(tight)
        body = b'{"source":"def main(): return 3"}'
        for _ in range(60):
            keeper.sendall(head(tight, len(body)) + body)
            assert b'"result":3' in keeper.recv(65536).replace(b" ", b"")
        assert not [line for line in tight.log if "spare.crowded" in line or "api.exit" in line]
    finally:
        for connection in slow:
            connection.close()


def test_a_limit_lowered_from_outside_ends_nothing(own):
    """Even with no descriptor left for jails or clients the API stays, and recovers when there are some again."""
    [api] = own.api()
    own.call("def main(): return 1")
    limit_descriptors(api, len(os.listdir(f"/proc/{api}/fd")))
    try:
        waiting = [connect(own) for _ in range(20)]
        time.sleep(1)
        ticks = cpu_ticks(api)
        time.sleep(1)
        assert cpu_ticks(api) - ticks < 50, "the API spins"
    finally:
        limit_descriptors(api, 4096)
    for connection in waiting:
        connection.close()
    assert own.api() == [api]
    with connect_patiently(own) as connection:
        body = b'{"source":"def main(): return 4"}'
        connection.sendall(head(own, len(body)) + body)
        assert b'"result":4' in connection.recv(65536).replace(b" ", b"")


def limit_descriptors(pid, count):
    """The soft limit, as the process's own user: that needs no privilege."""
    uid, gid = status(pid)["Uid"].split()[0], status(pid)["Gid"].split()[0]
    subprocess.run(["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "prlimit", "--pid", str(pid),
                    f"--nofile={count}:"], check=True)


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("level,told", [("error", False), ("warn", False), ("info", True), ("debug", True)])
def test_the_log_level_reaches_the_api(config, level, told):
    service = Service(config=config, args=["--log", level])
    try:
        service.start()
        service.call("def main(): return 1")
    finally:
        service.stop()
    lines = [line for line in service.log if " api " in line]
    assert bool([line for line in lines if " call.end " in line]) == told, lines
    assert told or not [line for line in lines if " info " in line]


def test_buffers_that_make_no_sense_refuse_the_start(config):
    service = Service(config=config, args=["--buffers", "lots"])
    try:
        service.start(wait=False)
        assert service.process.wait(20 * SLOW) != 0
    finally:
        service.stop()
    wait_until(lambda: [line for line in service.log if "--buffers lots" in line], 5, "the reason")
