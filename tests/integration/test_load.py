# SPDX-License-Identifier: Apache-2.0
"""The load client measures what it says: its figures are what the bench and the soak test stand on."""

import http.server
import json
import subprocess
import threading

import pytest
from service import BIN, SLOW

pytestmark = pytest.mark.alone
UNIT = min(SLOW, 8)  # on a slow machine all times are longer, so that starting a program stays short beside them


def load(*arguments):
    done = subprocess.run([BIN / "cloche-load", *map(str, arguments)], capture_output=True, text=True, timeout=60 * UNIT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_closed_loop_counts_each_operation_alone():
    figures = load("-t", UNIT, "-w", 0, "exec", "/bin/sleep", 0.05 * UNIT)
    assert figures["errors"] == 0
    assert 50_000 * UNIT <= figures["p50_us"] < 100_000 * UNIT
    assert figures["p50_us"] <= figures["p95_us"] <= figures["p99_us"] <= figures["max_us"]


def test_open_loop_counts_from_when_it_was_due():
    """Due every 20 ms, 50 ms long: each waits 30 ms longer than the one before, and that is not hidden."""
    figures = load("-t", UNIT, "-w", 0, "-g", 20 * UNIT, "exec", "/bin/sleep", 0.05 * UNIT)
    assert figures["p50_us"] > 200_000 * UNIT
    assert figures["max_us"] > 400_000 * UNIT


def test_open_loop_keeps_its_pace():
    figures = load("-t", 2 * UNIT, "-w", 0, "-g", 50 * UNIT, "exec", "/bin/true")
    assert 35 <= figures["calls"] <= 40


def test_failing_programs_are_errors():
    figures = load("-t", 0.3 * UNIT, "exec", "/bin/false")
    assert figures["calls"] == 0
    assert figures["errors"] > 0


def test_children_of_children_count_for_the_cpu():
    figures = load("-t", 0.5 * UNIT, "-w", 0, "exec", "/bin/sh", "-c",
                   "/usr/bin/python3 -c 'sum(range(3000000))' & wait")
    assert figures["child_cpu_us"] > 20_000


@pytest.fixture
def server():
    """Answers every POST with the next of `answers`, the last one for ever; (port, answers)."""
    answers = [(200, b'{"verdict":"ok"}')]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_address[1], answers
        running.shutdown()


@pytest.mark.parametrize("answer", [(500, b'{"verdict":"ok"}'), (200, b'{"verdict":"error"}'), (200, b"")])
def test_answers_that_are_not_ok_are_errors(server, tmp_path, answer):
    port, answers = server
    answers[:] = [answer] * 3 + [(200, b'{"verdict":"ok"}')]
    (tmp_path / "token").write_text("t")
    (tmp_path / "body").write_text("{}")
    figures = load("-t", 0.5 * SLOW, "-w", 0, "http", "127.0.0.1", port, tmp_path / "token", tmp_path / "body")
    assert figures["errors"] == 3
    assert figures["calls"] > 3
