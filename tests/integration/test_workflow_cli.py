# SPDX-License-Identifier: Apache-2.0
"""`cloche workflow` and `cloche task`: the lines they print, and their exit codes."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import pytest
from service import BIN
from workflows import cloche as command
from workflows import code


@pytest.fixture
def document(tmp_path):
    def write(document, name="w.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path
    return write


def test_submit_prints_one_line(cloche, document):
    done = command(cloche, "workflow", "submit", document({"id": "cli-1", "tasks": [code("a",
                                                                                         "result = 1")]}))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Submitting workflow cli-1 with 1 tasks...\n",
                                                           "")


def test_watch_tells_each_task_in_a_pipe(cloche, document):
    path = document("tasks:\n- {id: a, method: execute, params: {function: len, args: [x]}}\n"
                    "- {id: b, method: execute, dependencies: [a], params: {function: math.sqrt, args: [-1]}}\n"
                    "- {id: c, method: list, dependencies: [b]}\n", "w.yaml")
    done = command(cloche, "workflow", "submit", path, "--watch")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == ["Workflow completed with status: failed", "Tasks: 1/3 completed"]
    progress = [" ".join(line.split()[:2]) for line in done.stderr.splitlines() if line.startswith("  ")]
    assert progress[:5] == ["started a", "completed a", "started b", "failed b", "skipped c"]
    assert "\033" not in done.stderr
    assert "ValueError: math domain error" in done.stderr


def on_a_terminal(cloche, path, columns=80, **env):
    """(exit code, what a terminal of that width got on stderr)."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "CLOCHE_URL": cloche.url, "CLOCHE_TOKEN": cloche.token, **env}
    done = subprocess.run([BIN / "cloche", "workflow", "submit", path, "--watch"], env=env,
                          stdout=subprocess.PIPE, stderr=side, timeout=60)
    os.close(side)
    shown = os.read(main, 65536).decode()
    os.close(main)
    return done.returncode, shown


def test_terminal_gets_a_line_that_changes(cloche, document):
    path = document({"tasks": [code("a", "result = 1"), code("b", "result = 2", "a")]})
    status, shown = on_a_terminal(cloche, path, NO_COLOR="1")
    assert status == 0
    assert "  executing  a\r\n  0 of 2 ended, 1 running\r\n\033[2A\033[J  completed  a " in shown
    assert "completed  b" in shown and shown.endswith("\033[J"), "nothing of the moment stays"
    assert "\033[32mcompleted\033[0m  a" in on_a_terminal(cloche, path, NO_COLOR="")[1]


def test_lines_that_are_redrawn_never_wrap(cloche, document):
    name = "\u65e5\u672c" * 40 + "\x1b[2J"
    path = document({"tasks": [{"id": name, "method": "list"}, {"id": "e\x1b[2Jf", "method": "list"}]})
    status, shown = on_a_terminal(cloche, path, 50, NO_COLOR="1")
    drawn = [line for line in shown.split("\r\n") if line.endswith("\u2026") and "executing" in line]
    assert status == 0 and drawn and "e\\x1b[2Jf" in shown and "\x1b[2J" not in shown
    for line in drawn:
        text = line.split("\033[J")[-1]
        assert sum(2 if letter in name else 1 for letter in text) <= 50, text


def test_dry_run_prints_the_normalised_document(cloche, document):
    done = command(cloche, "workflow", "submit", document({"id": "dry-cli", "tasks": [{"id": "a",
                                                                                       "method": "list"}]}),
                   "--dry-run")
    assert done.returncode == 0
    assert json.loads(done.stdout)["tasks"][0]["protocol"] == "python/v1"
    assert done.stdout.startswith('{\n  "id": "dry-cli",\n')
    assert command(cloche, "workflow", "status", "dry-cli").returncode == 2


def test_traceback_of_code_stands_below_its_task(cloche, document):
    done = command(cloche, "workflow", "submit", document({"tasks": [code("a", "raise KeyError('k')")]}), "--wait")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Task a failed (TASK_EXECUTION_FAILED)", "Traceback (most recent call last):",
                                        '  File "main.py", line 1, in <module>', "    raise KeyError('k')",
                                        "KeyError: 'k'"]


def test_help_lists_the_verbs_of_a_verb(cloche):
    shown = command(cloche, "help", "workflow")
    assert shown.returncode == 0 and shown.stdout == command(cloche, "workflow", "--help").stdout
    rows = [line for line in command(cloche, "help").stdout.splitlines() if line.startswith("  ") and line[2].islower()]
    columns = {len(line) - len(line[2:].split("  ", 1)[1].lstrip()) for line in rows}
    assert len(rows) > 12 and len(columns) == 1, rows


def test_problems_are_all_said(cloche, document):
    done = command(cloche, "workflow", "submit", document({"tasks": [{"id": "a", "method": "x",
                                                                      "dependencies": ["zz"]}]}))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == ["cloche: refused: Task a: Unknown method: x",
                                        "cloche: refused: Task a: unknown dependency 'zz'"]


PARAMS_YAML = """
tasks:
  - {id: a, method: execute, params: {function: "${params.f}", args: ["${params.list}", "${params.n}"]}}
  - {id: b, method: execute, dependencies: [a], params: {function: str.upper,
     args: ["n ${params.n} a ${a.result} $${x}"]}}
"""
PARAMS_JSON = json.dumps({"tasks": [
    {"id": "a", "method": "execute",
     "params": {"function": "${params.f}", "args": ["${params.list}", "${params.n}"]}},
    {"id": "b", "method": "execute", "dependencies": ["a"],
     "params": {"function": "str.upper", "args": ["n ${params.n} a ${a.result} $${x}"]}}]})


@pytest.mark.parametrize("name,text", [("p.yaml", PARAMS_YAML), ("p.json", PARAMS_JSON)])
def test_params_are_replaced(cloche, document, name, text):
    done = command(cloche, "workflow", "submit", document(text, name), "--wait", "--json",
                   "--params", '{"f": "sum", "list": [1, 2], "n": 10}')
    assert done.returncode == 0, done.stderr
    tasks = json.loads(done.stdout)["tasks"]
    assert tasks["a"]["result"]["result"] == 13
    assert tasks["b"]["result"]["result"] == "N 10 A 13 ${X}"


@pytest.mark.parametrize("params,words", [('{"g": 1}', "${params.f} does not resolve"), ("[1]",
                                                                                         "JSON object"),
                                          ("{", "--params")])
def test_params_that_do_not_fit(cloche, document, params, words):
    path = document({"tasks": [{"id": "a", "method": "execute", "params": {"function": "${params.f}"}}]})
    done = command(cloche, "workflow", "submit", path, "--params", params)
    assert done.returncode == 2 and words in done.stderr


def test_wrong_files_and_words(cloche, document, tmp_path):
    assert command(cloche, "workflow", "submit", tmp_path / "none.yaml").returncode == 2
    assert command(cloche, "workflow", "submit").returncode == 2
    assert command(cloche, "workflow", "explode").returncode == 2
    assert command(cloche, "task", "submit").returncode == 2
    done = command(cloche, "workflow", "submit", document("a: [1", "x.yaml"), "--params", "{}")
    assert done.returncode == 2 and "line 2 column 1: not YAML" in done.stderr


def test_service_that_is_not_there(cloche, document):
    path = document({"tasks": [{"id": "a", "method": "list"}]})
    done = command(cloche, "workflow", "submit", path, "--url", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert command(cloche, "task", "status", "x", "--url", "http://127.0.0.1:9").returncode == 3


def test_row_task_submit_wait(cloche):
    done = command(cloche, "task", "submit", "--protocol", "python/v1", "--method", "execute",
                   "--params", '{"function": "len", "args": [[1, 2]]}', "--priority", "high", "--timeout",
                   "5", "--wait")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("Submitting task task-") and lines[0].endswith("...")
    assert lines[1:3] == ["Waiting for completion...", "Task completed with status: completed"]
    assert lines[3] == "Result: {" and lines[4] == '  "function": "len",'
    assert json.loads(done.stdout.split("Result: ")[1])["result"] == 2
    task = lines[0].split()[2].removesuffix("...")
    status = command(cloche, "task", "status", task)
    assert status.returncode == 0 and json.loads(status.stdout)["status"] == "completed"


def test_task_that_fails_shows_why(cloche):
    done = command(cloche, "task", "submit", "--method", "execute", "--params",
                   '{"function": "nobody.knows"}', "--wait")
    assert done.returncode == 1
    assert "Task completed with status: failed" in done.stdout and "Result: null" in done.stdout
    assert "Function nobody.knows not found" in done.stderr


def test_task_waits_for_those_it_depends_on(cloche):
    first = command(cloche, "task", "submit", "--id", "dep-1", "--method", "execute", "--params",
                    '{"function": "len", "args": ["x"]}')
    assert first.stdout == "Submitting task dep-1...\n"
    assert command(cloche, "task", "submit", "--method", "list", "--depends-on", "dep-1",
                   "--wait").returncode == 0
    command(cloche, "task", "submit", "--id", "dep-2", "--method", "execute", "--params",
            '{"function": "len"}', "--wait")
    done = command(cloche, "task", "submit", "--method", "list", "--depends-on", "dep-2")
    assert done.returncode == 1 and "task dep-2 did not complete" in done.stderr


def test_active_ones_are_listed_and_stopped(cloche, document):
    path = document({"id": "long one", "tasks": [code("a", "import time\ntime.sleep(60)", timeout=60)]})
    command(cloche, "workflow", "submit", path, "--policy", "gleitzeit")
    listed = json.loads(command(cloche, "workflow", "list-active").stdout)
    assert "long one" in [row["workflow_id"] for row in listed["workflows"]]
    done = command(cloche, "workflow", "cancel", "long one")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "cancelled"
    shown = json.loads(command(cloche, "workflow", "status", "long one").stdout)
    assert shown["tasks"]["a"]["status"] == "cancelled"
    listed = json.loads(command(cloche, "workflow", "list-active").stdout)
    assert "long one" not in [row["workflow_id"] for row in listed["workflows"]]


def test_document_that_waits_by_itself(cloche, document):
    path = document({"wait_for_completion": True, "tasks": [{"id": "a", "method": "list"}]})
    done = command(cloche, "workflow", "submit", path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["Workflow completed with status: completed",
                                            "Tasks: 1/1 completed"]
