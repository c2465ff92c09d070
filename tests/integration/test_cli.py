# SPDX-License-Identifier: Apache-2.0
"""The `cloche` command against a real service: what a person sees, and what a script can rely on."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from service import BIN, ROOT, SLOW, children, status, wait_until


@pytest.fixture
def cli(cloche, tmp_path):
    """cli(source, *arguments, stdin=...) runs `cloche run` on a file with that source."""
    def run(source, *arguments, **kw):
        file = tmp_path / "program.py"
        file.write_text(source)
        return command(cloche, "run", file, *arguments, **kw)
    return run


def command(service, *arguments, stdout=subprocess.PIPE, **kw):
    environment = {**os.environ, "CLOCHE_URL": service.url, "CLOCHE_TOKEN": service.token}
    environment |= kw.pop("environment", {})
    return subprocess.run([BIN / "cloche", *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE, text=True,
                          timeout=60, env=environment, **kw)


def test_prints_the_result_and_the_output(cli):
    done = cli("def main(x, y=0):\n    print('hello')\n    return [x, y]\n", "-a", "21", "-k", 'y="z"')
    assert (done.returncode, done.stdout, done.stderr) == (0, 'hello\n[21, "z"]\n', "")


def test_texts_are_printed_plain_and_none_not_at_all(cli):
    assert cli("def main():\n    return 'a \\u00e9'\n").stdout == "a é\n"
    assert cli("def main():\n    pass\n").stdout == ""


def test_numbers_pass_digit_for_digit(cli):
    done = cli("def main(*a):\n    return [*a, 10**30, 0.1]\n", "-a", str(10**25), "-a", "0.30000000000000004")
    assert done.stdout == f"[{10**25}, 0.30000000000000004, {10**30}, 0.1]\n"


def test_source_on_standard_input_and_a_file_as_stdin(cloche, tmp_path):
    data = tmp_path / "data"
    data.write_text("three\nlines\nhere\n")
    source = "import sys\ndef count():\n    return len(sys.stdin.readlines())\n"
    done = command(cloche, "run", "-", "-e", "count", "-p", "roomy", "--stdin", data, input=source)
    assert (done.returncode, done.stdout) == (0, "3\n")


@pytest.mark.parametrize("source, arguments, code, says", [
    ("def main():\n    raise ValueError('boo')\n", [], 1, "ValueError: boo"),
    ("def main():\n    return {1, object()}\n", [], 1, "object"),
    ("def main(:\n", [], 1, "SyntaxError"),
    ("def main():\n    import socket\n", [], 3, '"modules" (socket)'),
    ("def main():\n    while True: pass\n", ["--limit", "wall=200ms"], 4, '"wall": 200 ms'),
    ("def main():\n    return bytearray(1 << 30)\n", ["--limit", "memory=64Mi"], 4, '"memory": 64 MiB'),
])
def test_verdicts_have_exit_codes_and_a_sentence(cli, source, arguments, code, says):
    done = cli(source, *arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""


def test_json_is_the_answer_as_it_came(cli):
    done = cli("def main():\n    return 10**30\n", "-o", "json")
    assert f'"result":{10**30},' in done.stdout
    assert json.loads(done.stdout)["verdict"] == "ok"
    failed = cli("def main():\n    1/0\n", "-o", "json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"]["type"] == "ZeroDivisionError"


@pytest.mark.parametrize("arguments, says", [
    (["-a", "hello"], "not JSON"),
    (["-k", "x"], "NAME=VALUE"),
    (["--limit", "wal=2s"], "wal"),
    (["--limit", "wall=2 parsecs"], "wall"),
    (["--bogus"], "--bogus"),
    (["-o", "xml"], "xml"),
    (["--url", "ftp://x"], "http://"),
    (["--token-file", "/nonexistent"], "/nonexistent"),
    (["-p", "no-such-policy"], "no-such-policy"),
])
def test_bad_input_is_told(cli, arguments, says):
    done = cli("def main(): pass\n", *arguments)
    assert done.returncode == (3 if "-p" in arguments else 2), done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["audit", "verify"], ["audit", "show"], ["workflow", "submit"]])
def test_a_missing_file_is_told_once(cloche, words):
    done = command(cloche, *words, "/nonexistent")
    assert done.returncode == 2
    assert re.fullmatch(r"cloche: (open )?/nonexistent: No such file or directory\n", done.stderr)


def test_a_wider_limit_is_denied(cli):
    done = cli("def main(): pass\n", "--limit", "wall=1h")
    assert done.returncode == 3
    assert "(403)" in done.stderr


def test_a_wrong_token_is_told(cloche, cli):
    done = cli("def main(): pass\n", environment={"CLOCHE_TOKEN": "clt_wrong"})
    assert done.returncode == 2
    assert done.stderr.endswith("(401); set CLOCHE_TOKEN or give --token-file\n")


@pytest.mark.parametrize("kind, body, says", [
    ("text/plain", b"use https://\nsecond\n", "use https://"),
    ("text/plain; charset=utf-8", b"\x1b[2Jgone\x07 \xc3\xa9 \x7f\r\n", "?[2Jgone? ?? ?"),
    ("text/plain", b"x" * 161, "x" * 160),
    ("text/plain", b"\n", None),
    ("text/plain", b"", None),
    ("text/html", b"<h1>Sorry</h1>", None),
    ("text/plainer", b"no", None),
])
def test_of_an_answer_that_is_no_problem_document_a_line_of_plain_text_is_shown(cli, kind, body, says):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            with server.accept()[0] as peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: %s\r\n"
                             b"Content-Length: %d\r\n\r\n%s" % (kind.encode(), len(body), body))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
        thread = threading.Thread(target=answer)
        thread.start()
        done = cli("def main(): pass\n", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert done.returncode == 2
    assert done.stderr == "cloche: the service answered 400" + (f": {says}\n" if says else "\n")


def test_no_service(cli):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = cli("def main(): pass\n", "--url", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert done.returncode == 6
    assert "connect" in done.stderr


def test_the_token_can_come_from_a_file(cloche, cli):
    done = cli("def main(): return 1\n", "--token-file", cloche.state / "local.token",
               environment={"CLOCHE_TOKEN": ""})
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_proxy_of_the_environment_does_not_see_the_token(cli):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.settimeout(0)
        done = cli("def main(): return 1\n",
                   environment={"http_proxy": f"http://127.0.0.1:{proxy.getsockname()[1]}", "no_proxy": ""})
        assert done.stdout == "1\n"
        with pytest.raises(BlockingIOError):
            proxy.accept()


GENERATOR = "def main():\n    for i in range(3):\n        print('step', i)\n        yield i\n"


def test_stream_shows_output_and_items_once(cli):
    done = cli(GENERATOR, "--stream")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["step 0", "0", "step 1", "1", "step 2", "2"]


def test_stream_as_json_ends_with_the_end(cli):
    done = cli(GENERATOR, "--stream", "-o", "json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events][-1] == "end"
    assert [event["value"] for event in events if event["event"] == "item"] == [0, 1, 2]


@pytest.fixture
def full():
    with open("/dev/full", "w", encoding="utf-8") as file:
        yield file


@pytest.mark.parametrize("arguments", [
    ["run", "-"],
    ["run", "-", "-o", "json"],
    ["run", "-", "--stream"],
    ["run", "-", "--stream", "-o", "json"],
    ["eval", "1 + 1", "-p", "gleitzeit"],
    ["calls", "list"],
    ["help"],
    ["policy", "explain", "default"],
    ["policy", "diff", "default", "strict"],
    ["policy", "list"],
    ["policy", "--help"],
    ["token", "list", "--file", ROOT / "docs/examples/tenants/tenants.yaml"],
])
def test_output_that_can_not_be_written_is_told(cloche, full, arguments):
    done = command(cloche, *arguments, stdout=full, input="def main(): return 1\n")
    assert done.returncode == 2, done.stderr
    assert done.stderr.endswith("standard output: write failed\n")
    assert len(done.stderr.splitlines()) == 1


def test_how_the_code_failed_is_told_though_its_output_can_not_be_written(cloche, full):
    for more in [], ["--stream"]:
        done = command(cloche, "run", "-", *more, stdout=full, input="def main():\n    1/0\n")
        assert done.returncode == 1
        assert "ZeroDivisionError" in done.stderr


def test_a_stream_that_can_not_be_written_is_ended(cloche, full):
    source = "def main():\n    print('first')\n    while True: pass\n"
    done = command(cloche, "run", "-", "--stream", stdout=full, input=source)
    assert (done.returncode, done.stderr) == (2, "cloche: standard output: write failed\n")


def hear_control_c():
    """Who runs these tests in the background has it ignored, and so have all below."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_stream_shows_output_before_the_end(cloche, tmp_path):
    file = tmp_path / "program.py"
    file.write_text("import time\ndef main():\n    print('early')\n    time.sleep(3)\n")
    environment = {**os.environ, "CLOCHE_URL": cloche.url, "CLOCHE_TOKEN": cloche.token}
    with subprocess.Popen([BIN / "cloche", "run", file, "--stream"], stdout=subprocess.PIPE, text=True,
                          env=environment, preexec_fn=hear_control_c) as running:
        assert running.stdout.readline() == "early\n"
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.wait(10 * SLOW) == -signal.SIGINT


def test_control_c_cancels_the_call(own, tmp_path):
    file = tmp_path / "program.py"
    file.write_text("def main():\n    print('begun')\n    while True: pass\n")
    environment = {**os.environ, "CLOCHE_URL": own.url, "CLOCHE_TOKEN": own.token}
    with subprocess.Popen([BIN / "cloche", "run", file, "--stream"], stdout=subprocess.PIPE, text=True,
                          env=environment, preexec_fn=hear_control_c) as running:
        assert running.stdout.readline() == "begun\n"
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        running.wait(10 * SLOW)
    wait_until(lambda: any("verdict=cancelled" in line for line in own.log), 2, "the call to be cancelled")
    assert time.monotonic() - began < 2.5 * SLOW


def test_doctor_as_text_and_json(cloche):
    text = command(cloche, "doctor")
    assert text.returncode == 0, text.stdout + text.stderr
    assert re.search(r"^ok +kernel +\d", text.stdout, re.M)
    assert re.search(r"^ok +self-test +passed", text.stdout, re.M)
    report = json.loads(command(cloche, "doctor", "-o", "json").stdout)
    assert report["fit"] is True
    assert {"cgroups", "seccomp", "Landlock", "swap", "SMT"} <= {fact["fact"] for fact in report["facts"]}
    assert all(fact["level"] in ("ok", "note") for fact in report["facts"])
    assert len(report["self_test"]) > 5


def test_help_and_version_need_no_service(cloche):
    nowhere = {"CLOCHE_URL": "http://127.0.0.1:1"}
    assert "cloche VERB" in command(cloche, "help", environment=nowhere).stdout
    assert "--stream" in command(cloche, "help", "run", environment=nowhere).stdout
    assert re.match(r"cloche \d+\.\d+", command(cloche, "version", environment=nowhere).stdout)
    assert command(cloche, "nonsense", environment=nowhere).returncode == 2


@pytest.fixture
def tour(tmp_path):
    running = []

    def start(*arguments):
        process = subprocess.Popen([BIN / "cloche", "tour", "--state", tmp_path / "state", *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process
    yield start
    for process in running:
        process.kill()
        process.wait()


def read_until(stream, words):
    lines = []
    for line in stream:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_tour_shows_a_jail_and_a_curl_line_that_works(tour):
    process = tour("--listen", "127.0.0.1:0")
    text = read_until(process.stdout, "until Ctrl-C")
    assert "\x1b" not in text
    box = [line for line in text.splitlines() if line and line[0] in "╭│├╰"]
    assert {len(line) for line in box} == {80}
    assert re.search(r"uid 18\d{8} here, \d+ inside; no capability", text)
    assert "user mnt pid net ipc uts cgroup" in text
    assert "1000000000000000000000000000000" in text
    curl = text[text.index("curl "):text.index("\n\nServing")]
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["result"] == 42
    cloched = children(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert not any(status(pid) for pid in cloched)


def test_tour_leaves_no_orphan_when_it_is_killed(tour):
    process = tour("--listen", "127.0.0.1:0")
    read_until(process.stdout, "until Ctrl-C")
    below = children(process.pid) + [pid for child in children(process.pid) for pid in children(child)]
    assert len(below) > 3
    process.kill()
    wait_until(lambda: not any(status(pid).get("State", " Z").split()[0] != "Z" for pid in below), 10, "the end")


def test_tour_says_what_cloched_says(tour):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = tour("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        out, err = process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    assert out == ""
    assert len([line for line in err.splitlines() if line.startswith("cloched: ")]) == 1
    assert "in use" in err
