# SPDX-License-Identifier: Apache-2.0
"""Workflows over HTTP, for tests."""

import json
import os
import subprocess

from service import BIN

POLICY = "gleitzeit"


def code(task_id, source, *needs, **more):
    """A task that runs a piece of code."""
    return {"id": task_id, "method": "python/execute", "dependencies": list(needs),
            "params": {"code": source, **more.pop("params", {})}, **more}


def call(task_id, function, *args, needs=(), **more):
    return {"id": task_id, "method": "execute", "dependencies": list(needs),
            "params": {"function": function, "args": list(args)}, **more}


class Workflows:
    def __init__(self, service, policy=POLICY):
        self.service = service
        self.headers = {"Cloche-Policy": policy} if policy else {}

    def post(self, path, document, **more):
        return self.service.http.post(path, json=document, headers=self.headers, **more)

    def submit(self, *tasks, **document):
        answer = self.post("/v1/workflows", {"tasks": list(tasks), **document})
        assert answer.status_code == 202, answer.text
        return answer.json()["workflow_id"]

    def run(self, *tasks, **document):
        """Waits; the record."""
        answer = self.post("/v1/workflows?wait=true", {"tasks": list(tasks), **document})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def record(self, workflow):
        answer = self.service.http.get(f"/v1/workflows/{workflow}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self, workflow, after=0):
        """All of them; returns when the workflow is over."""
        answer = self.service.http.get(f"/v1/workflows/{workflow}/events",
                                       headers={"Last-Event-ID": str(after)})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def errors(self, document, path="/v1/workflows", code=-28001, **more):
        answer = self.service.http.post(path, headers=self.headers, **(more or {"json": document}))
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert error["code"] == code
        assert all(isinstance(text, str) for text in error["data"]["errors"])
        return error["data"]["errors"]


def put_module(service, name, source):
    answer = service.http.put(f"/v1/modules/{name}", content=source,
                              headers={"Content-Type": "text/x-python"})
    assert answer.status_code in (200, 201), answer.text


def states(record):
    return {name: task["status"] for name, task in record["tasks"].items()}


def value(record, task):
    return record["tasks"][task]["result"]["result"]


def cloche(service, *words, **more):
    """The command against this service."""
    env = {**os.environ, "CLOCHE_URL": service.url, "CLOCHE_TOKEN": service.token}
    return subprocess.run([BIN / "cloche", *map(str, words)], capture_output=True, text=True, timeout=120,
                          env=env, **more)
