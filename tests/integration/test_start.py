# SPDX-License-Identifier: Apache-2.0
"""What a person sees who starts it wrong: one clear sentence, and not exit 0."""

import json
import os
import re
import socket
import stat
import subprocess
import time

import pytest
from service import BIN, SLOW, Service


def start(*args, **kw):
    return subprocess.run([BIN / "cloched", *map(str, args)], capture_output=True, text=True, timeout=30 * SLOW, **kw)


def one_sentence(done):
    assert done.returncode not in (0, -6, -11), done
    lines = [line for line in done.stderr.splitlines() if line.startswith("cloched: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = one_sentence(start("--state", tmp_path, "--listen", f"127.0.0.1:{port}"))
    assert str(port) in text and "in use" in text


def test_not_root(tmp_path):
    tmp_path.chmod(0o777)
    text = one_sentence(start("--state", tmp_path, user=65534, group=65534, extra_groups=[]))
    assert "root" in text


@pytest.mark.parametrize("state", ["/proc/nowhere", "/dev/null/state"])
def test_unwritable_state_directory(state):
    text = one_sentence(start("--state", state, "--listen", "127.0.0.1:0"))
    assert state in text


def test_second_instance_on_one_state_directory(cloche):
    since = time.monotonic()
    text = one_sentence(start("--state", cloche.state, "--listen", "127.0.0.1:0"))
    assert str(cloche.state) in text and time.monotonic() - since < 2 * SLOW


@pytest.mark.parametrize("args", [["--listen", "nowhere"], ["--listen", "127.0.0.1:99999"], ["--drain", "soon"],
                                  ["--nosuch"], ["--config", "/nosuch"], ["surplus"]])
def test_bad_options(tmp_path, args):
    done = start("--state", tmp_path, *args)
    assert done.returncode != 0 and args[-1].lstrip("-") in done.stderr


@pytest.mark.parametrize("args", [["--keep", "x"], ["--store", "1Gi"], ["--buffers", "1"], ["--queue-wait", "x"],
                                  ["--buffers", "64Mi", "--queue-wait", "2h"], ["--audit", "sometimes"]])
def test_what_the_api_or_the_loader_reads_is_refused_before_they_start(tmp_path, args):
    done = start("--state", tmp_path / "state", "--listen", "127.0.0.1:0", *args)
    assert done.returncode == 2 and f"{args[-2]} {args[-1]}" in one_sentence(done)
    assert not (tmp_path / "state").exists()


def test_broken_policy_refuses_the_start_with_its_place(tmp_path):
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    (policies / "mine.yaml").write_text("version: 1\nlimits:\n  wal: 5s\n")
    done = start("--state", tmp_path / "s", "--config", tmp_path / "config", "--listen", "127.0.0.1:0")
    assert done.returncode != 0
    assert re.search(r"mine\.yaml:3:3", done.stderr) and "wall" in done.stderr


def test_policy_writable_by_others_refuses_the_start(tmp_path):
    policies = tmp_path / "config/policies"
    policies.mkdir(parents=True)
    (policies / "mine.yaml").write_text("version: 1\nextends: default\n")
    (policies / "mine.yaml").chmod(0o666)
    done = start("--state", tmp_path / "s", "--config", tmp_path / "config", "--listen", "127.0.0.1:0")
    assert done.returncode != 0 and "mine.yaml" in done.stderr


def test_token_is_kept_and_private(cloche, tmp_path):
    token = cloche.state / "local.token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and token.stat().st_uid == 0
    service = Service(state=tmp_path / "s")
    with service:
        first = service.token
    with Service(state=tmp_path / "s") as again:
        assert again.token == first


def test_help_and_version():
    for option in ("--help", "--version"):
        done = start(option)
        assert done.returncode == 0 and "cloche" in done.stdout


def test_self_test_prints_findings(tmp_path):
    done = start("--self-test", "--state", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert len(lines) >= 10 and all(line.startswith("ok") for line in lines), done.stdout


def test_cloched_is_bounded(cloche):
    from service import status
    facts = status(cloche.pid)
    allowed = sum(1 << bit for bit in (0, 5, 6, 7, 12, 21))  # CHOWN KILL SETGID SETUID NET_ADMIN SYS_ADMIN
    assert int(facts["CapEff"], 16) & ~allowed == 0
    assert int(facts["CapBnd"], 16) & ~allowed == 0
    aside = 1 << 8  # SETPCAP, which a child raises to empty its own bounding set; never effective
    assert int(facts["CapPrm"], 16) & ~(allowed | aside) == 0
    assert int(facts["CapInh"], 16) == int(facts["CapAmb"], 16) == 0
    [api] = cloche.api()
    facts = status(api)
    assert all(int(facts[name], 16) == 0 for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"))
    assert facts["NoNewPrivs"].strip() == "1" and facts["Uid"].split()[0] != "0"


def test_a_call_waits_for_a_jail_as_long_as_is_said(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/one.yaml").write_text("version: 1\nextends: default\npool: {min: 0, max: 1}\nlimits: {wall: 120s}\n")
    sleepy = {"source": f"import time\ndef main(): time.sleep({3 * SLOW})", "policy": "one"}
    with Service(config=tmp_path, args=["--queue-wait", f"{int(1000 * SLOW)}ms"]) as service:
        while service.post({"source": "", "policy": "one"}).status_code == 503:
            pass  # the zygote comes
        with service.stream(sleepy) as answer:
            events = (json.loads(line) for line in answer.iter_lines() if line)
            assert next(events)["event"] == "started"
            start = time.monotonic()
            refused = service.post({"source": "", "policy": "one"})
            took = time.monotonic() - start
            assert [event.get("verdict") for event in events] == ["ok"]
    assert refused.status_code == 503 and refused.json()["type"].endswith("queue-timeout"), refused.text
    assert int(refused.headers["retry-after"]) >= 1 and SLOW <= took < 2.5 * SLOW
