# SPDX-License-Identifier: Apache-2.0
"""For tests of functions and workflows: a private Cloche on a free port with a state directory of its own.

    with CentralServer(functions_dir="functions") as server:
        results = execute_workflow(load_yaml("pipeline.yaml"), server)
        assert results["task-1"]["success"]

It needs what the service needs: Linux, root, and the programs on PATH or in the folder CLOCHE_BIN."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from .connection import Connection

READY = re.compile(r"cloched: ready on (http://\S+)")
START_SECONDS = 60.0
STOP_SECONDS = 20.0


def find_program(name="cloched"):
    """A program of Cloche's: in CLOCHE_BIN, or on PATH."""
    folder = os.environ.get("CLOCHE_BIN")
    found = str(pathlib.Path(folder, name)) if folder else shutil.which(name)
    if not found or not os.access(found, os.X_OK):
        raise FileNotFoundError(f"{name} is neither in CLOCHE_BIN nor on PATH")
    return found


class CentralServer:
    """One private service. `start()` returns when it serves, `stop()` when it is gone; also a context manager.

    policies       folder with policy files in place of the shipped ones; its `default` serves
    functions_dir  folder whose *.py files are pushed at the start
    """

    def __init__(self, policies=None, functions_dir=None):
        self.policies, self.functions_dir = policies, functions_dir
        self.process = self.connection = self.folder = self.url = None
        self.log = []

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gleitzeit-"))
        state = self.folder / "state"
        command = [find_program(), "--state", str(state), "--listen", "127.0.0.1:0"]
        if self.policies:
            shutil.copytree(self.policies, self.folder / "config/policies")
            command += ["--config", str(self.folder / "config")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        ready = threading.Event()
        threading.Thread(target=self.read_log, args=(self.process.stderr, ready), daemon=True).start()
        ready.wait(START_SECONDS)
        if not self.url:
            self.stop()
            raise RuntimeError("the service did not start:\n" + "".join(self.log[-20:]))
        self.connection = Connection(self.url, (state / "local.token").read_text().strip())
        if self.functions_dir:
            self.connection.push(self.functions_dir)
        return self

    def read_log(self, pipe, ready):
        for line in pipe:
            self.log.append(line)
            found = READY.search(line)
            if found:
                self.url = found.group(1)
                ready.set()
        ready.set()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.process = self.folder = None

    def execute_workflow(self, document):
        """Runs a document to its end; {task id: envelope}, failed ones included."""
        return execute_workflow(document, self)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Document(str):
    """The text of a workflow: the service reads it, so that a test sees what a user would."""


def load_yaml(path):
    """A workflow document from a file."""
    return Document(pathlib.Path(path).read_text(encoding="utf-8"))


def envelope_of(task):
    """What a task answered; of one that has no answer, why."""
    result = task.get("result")
    if isinstance(result, dict):
        return {"success": task["status"] == "completed", **result}
    return {"success": task["status"] == "completed", "status": task["status"], "result": result,
            "error": task.get("error"), "error_code": task.get("error_code")}


def execute_workflow(document, server):
    """Runs a document (of load_yaml, a dict, or a text) on a server; {task id: envelope}."""
    is_text = isinstance(document, str)
    body = document.encode() if is_text else json.dumps(document).encode()
    kind = "application/yaml" if is_text else "application/json"
    record = server.connection.ask("POST", "/v1/workflows?wait=true", body, content_type=kind)
    return {name: envelope_of(task) for name, task in record["tasks"].items()}
