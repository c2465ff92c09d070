# SPDX-License-Identifier: Apache-2.0
"""Sessions for tests: policies that have them, and a handle of one."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import threading

from service import STRETCH, Service, status, wait_until

POLICIES = {
    "kept": f"extends: default\nlimits: {{wall: {5 * STRETCH}s, cpu: {2 * STRETCH}s}}\n"
            "sessions: {allow: true}\npool: {min: 1, max: 8}\n",
    "brief": f"extends: kept\nsessions: {{idle: {STRETCH}s, max: {3 * STRETCH}s}}\n",
    "busy": "extends: default\npython:\n  modules: +[threading, queue, asyncio, time, contextvars]\n"
            "limits: {processes: 8, wall: 5s}\nsyscalls:\n  tiers: +[threads, asyncio]\n"
            "sessions: {allow: true, default: token, threads: 4}\npool: {min: 1, max: 8}\n",
    "pair": "extends: busy\nsessions: {threads: 2}\n",
    "narrow": "extends: kept\npool: {min: 0, max: 2}\n",
    "single": "extends: kept\npool: {min: 0, max: 1}\n",
    "filed": "extends: kept\npython: {builtins: {remove: []}}\nlimits: {files: 1Mi}\nsyscalls:\n  tiers: +[tmp_files]\n",
}
COUNT = "n = 0\ndef main(k=1):\n    global n\n    n += k\n    return n\n"


class Kept:
    """One session of a service."""

    def __init__(self, service, policy="kept", **body):
        self.service = service
        answer = service.http.post("/v1/sessions", json={"policy": policy, **body})
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["session"]
        assert answer.headers["location"] == f"/v1/sessions/{self.id}"
        self.head = {"Cloche-Session": self.id}

    def post(self, source, **body):
        return self.service.post({"source": source, **body}, headers=self.head)

    def call(self, source, **body):
        answer = self.post(source, **body)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def result(self, source, **body):
        envelope = self.call(source, **body)
        assert envelope["verdict"] == "ok", envelope
        return envelope["result"]

    def together(self, source, each):
        """One call for every list of arguments, all at the same time; their envelopes."""
        found = [None] * len(each)

        def run(place):
            found[place] = self.call(source, args=each[place])
        threads = [threading.Thread(target=run, args=(place,)) for place in range(len(each))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def begin(self, source, **body):
        """A call that is under way once this returns: its source prints "here" first. A function that ends
        it with its last event."""
        stream = contextlib.ExitStack()
        answer = stream.enter_context(self.service.http.stream(
            "POST", "/v1/calls", json={"source": source, **body},
            headers={**self.head, "Accept": "application/x-ndjson"}))
        assert answer.status_code == 200, answer.read()
        lines = answer.iter_lines()
        events = []

        def follow(wanted):
            for line in lines:
                if line.strip():
                    events.append(json.loads(line))
                    if wanted(events[-1]):
                        return events[-1]
            return None
        assert follow(lambda event: event["event"] == "stdout" and "here" in event["text"])

        def end():
            with stream:
                return follow(lambda event: event["event"] == "end")
        end.close = stream.close
        end.events = events
        return end

    def show(self):
        answer = self.service.http.get(f"/v1/sessions/{self.id}")
        return answer.json() if answer.status_code == 200 else answer.status_code

    def end(self):
        return self.service.http.delete(f"/v1/sessions/{self.id}")


def folder_with(policies):
    """A configuration directory of root's, for whoever removes it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-kept-"))
    (folder / "policies").mkdir()
    for name, text in policies.items():
        (folder / "policies" / f"{name}.yaml").write_text("version: 1\n" + text)
    return folder


@contextlib.contextmanager
def serving(extra=None, args=()):
    folder = folder_with({**POLICIES, **(extra or {})})
    try:
        with Service(config=folder, args=args) as service:
            yield service
    finally:
        shutil.rmtree(folder)


def end_all(service):
    for session in service.http.get("/v1/sessions").json()["sessions"]:
        service.http.delete(f"/v1/sessions/{session['session']}")


__all__ = ["COUNT", "Kept", "POLICIES", "end_all", "folder_with", "os", "serving", "status", "wait_until"]
