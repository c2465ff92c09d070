# SPDX-License-Identifier: Apache-2.0
"""python/v1 against a real service, as a plain client speaks it."""

import json

FULL = {"Cloche-Policy": "gleitzeit"}
NONE = {"Cloche-Session": "none"}


class Rpc:
    """One caller: the headers of its requests, and short words for what it asks."""

    def __init__(self, cloche, headers=None):
        self.cloche, self.headers = cloche, dict(headers or {})

    def post(self, body, **headers):
        text = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.cloche.http.post("/v1/rpc", content=text, headers={
            "Content-Type": "application/json", **self.headers, **headers})

    def ask(self, method, params=None, **more):
        """The whole answer of one JSON-RPC request."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, **more}
        if params is not None:
            body["params"] = params
        answer = self.post(body)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        found = answer.json()
        assert found["jsonrpc"] == "2.0" and found["id"] == 7, found
        assert ("result" in found) != ("error" in found), found
        return found

    def result(self, method, params=None, **more):
        found = self.ask(method, params, **more)
        assert "result" in found, found["error"]
        return found["result"]

    def error(self, method, params=None, **more):
        found = self.ask(method, params, **more)
        assert "error" in found, found["result"]
        return found["error"]

    def refusal(self, method, params=None, **more):
        """(code, message) of an error."""
        error = self.error(method, params, **more)
        return error["code"], error["message"]

    def run(self, function, *args, **more):
        """The whole result of execute."""
        kwargs = more.pop("kwargs", {})
        return self.result("execute", {"function": function, "args": list(args), "kwargs": kwargs, **more})

    def value(self, function, *args, **more):
        """What a function returned."""
        found = self.run(function, *args, **more)
        assert found["success"] is True, found
        return found["result"]

    def batch(self, *requests, **headers):
        """The answers to (method, params) pairs, in one request."""
        body = [{"jsonrpc": "2.0", "id": at, "method": method, "params": params}
                for at, (method, params) in enumerate(requests)]
        answer = self.post(body, **headers)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        found = answer.json()
        assert [one["id"] for one in found] == list(range(len(requests)))
        return found

    def once(self, kind, name="f", call=None, **headers):
        """Registers and calls in one batch, which is a session of its own: both answers."""
        first, second = self.batch(("register", {"name": name, **kind}),
                                   ("execute", {"function": name, **(call or {})}), **headers)
        return first, second

    def source(self, text, *args, function="f", **call):
        """Runs a source as a function `f` of its own: the result of execute, or its error object."""
        first, second = self.once({"type": "source", "source": text, "function": function},
                                  call={"args": list(args), **call}, **NONE)
        assert "result" in first, first
        return second.get("result", second.get("error"))
