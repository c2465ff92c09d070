# SPDX-License-Identifier: Apache-2.0
"""/openapi.json: a valid document of OpenAPI 3.1, complete, and what the service really answers."""

import json
import re
import subprocess

import pytest
from service import ROOT, Service

jsonschema = pytest.importorskip("jsonschema", reason="make deps has not brought python3-jsonschema")
ROUTES = ROOT / "api/routes.c"
VALIDATOR = ROOT / "build/npm/node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js"
METHODS = {"get", "put", "post", "delete"}
SESSIONS = "version: 1\nextends: default\npython: {eval: true}\nsessions: {allow: true}\n"
NDJSON, SSE = "application/x-ndjson", "text/event-stream"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    config = tmp_path_factory.mktemp("config")
    (config / "policies").mkdir()
    (config / "policies/default.yaml").write_text((ROOT / "policies/default.yaml").read_text())
    (config / "policies/roomy.yaml").write_text(SESSIONS)
    with Service(config=config) as running:
        yield running


@pytest.fixture(scope="module")
def document(service):
    answer = service.http.get("/openapi.json")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return answer.json()


def resolve(document, node):
    while "$ref" in node:
        found = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def operations(document):
    return [(method, path, operation) for path, item in document["paths"].items()
            for method, operation in item.items()]


def refs(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


@pytest.mark.skipif(not VALIDATOR.exists(), reason="make deps has not brought the validator")
def test_a_validator_takes_it(document, tmp_path):
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    good = subprocess.run(["node", VALIDATOR, file], capture_output=True, text=True, timeout=60)
    assert '"valid": true' in good.stdout, good.stdout + good.stderr
    del document["paths"]["/v1/calls"]["post"]["responses"]["200"]["$ref"]  # it would see
    file.write_text(json.dumps(document))
    try:
        bad = subprocess.run(["node", VALIDATOR, file], capture_output=True, text=True, timeout=60)
        assert '"valid": true' not in bad.stdout
    finally:
        document["paths"]["/v1/calls"]["post"]["responses"]["200"]["$ref"] = "#/components/responses/Outcome"


@pytest.mark.skipif(not ROUTES.exists(), reason="no sources here; unit/test_openapi looks as well")
def test_no_operation_is_left_undescribed(document):
    routes = re.findall(r'^    \{ "(\w+)", "([^"]+)"', ROUTES.read_text(), re.MULTILINE)
    described = {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for method, path, _ in operations(document)}
    assert described == set(routes) and len(routes) == len(described)
    seen = set()
    for method, path, operation in operations(document):
        assert method in METHODS and operation["operationId"] not in seen and operation["summary"]
        seen.add(operation["operationId"])
        codes = operation["responses"].keys()
        assert any(code.startswith("2") for code in codes) and any(code.startswith("4") for code in codes)
        assert operation["security"] or path in ("/healthz", "/readyz")
        if operation["security"]:
            assert {"401", "429"} <= codes, path
        assert ("408" in codes) == (method in ("put", "post")), path
        assert ("requestBody" in operation) == (method in ("put", "post") and not path.endswith(":cancel")), path
        names = re.findall(r"\{(\w+)\}", path)
        given = [resolve(document, one) for one in operation["parameters"]]
        assert [one["name"] for one in given if one["in"] == "path"] == names


def test_every_part_is_there_and_of_use(document):
    parts = {f"#/components/{room}/{name}" for room, named in document["components"].items()
             for name in named if room != "securitySchemes"}
    assert set(refs(document)) <= parts
    assert parts - set(refs(document)) <= {f"#/components/responses/Problem{code}" for code in (405, 501)} \
        | {"#/components/headers/Allow"}
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_it_is_asked_for_once(service):
    answer = service.http.get("/openapi.json")
    again = service.http.get("/openapi.json", headers={"If-None-Match": f'"other", {answer.headers["etag"]}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == answer.headers["etag"]
    assert service.http.get("/openapi.json", headers={"If-None-Match": '"other"'}).status_code == 200
    assert service.http.get("/openapi.json", headers={"Authorization": "Bearer x"}).status_code == 401
    assert service.http.get("/openapi.json?x=1").status_code == 400


# ------------------------------------------------------------------ what is answered, against the schemas

class Asker:
    """Sends requests, and checks what comes back against what the document says of it."""

    def __init__(self, service, document):
        self.service, self.document, self.seen = service, document, set()

    def operation(self, method, path):
        for name, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+?", re.escape(name))
            if re.fullmatch(pattern, path) and method.lower() in item and (":" in name or ":" not in path):
                return item[method.lower()]
        raise AssertionError(f"{method} {path} is not in the document")

    def validate(self, schema, value):
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def __call__(self, method, target, wanted, **request):
        operation = self.operation(method, target.split("?")[0])
        answer = self.service.http.request(method, target, **request)
        assert answer.status_code == wanted, answer.text
        said = resolve(self.document, operation["responses"][str(wanted)])
        self.seen.add((operation["operationId"], wanted))
        type_ = answer.headers.get("content-type", "").split(";")[0]
        known = said.get("content", {})
        if not known:
            assert not answer.content
            return answer
        schema = known[type_]["schema"]
        for value in self.values(answer, type_):
            self.validate(schema, value)
        for name in said["headers"].keys() & {"Location", "Retry-After", "ETag", "WWW-Authenticate"}:
            assert name in answer.headers or (name == "Retry-After" and wanted == 429)
        return answer

    @staticmethod
    def values(answer, type_):
        if type_ == NDJSON:
            return [json.loads(line) for line in answer.text.splitlines() if line]
        if type_ == SSE:
            return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
        return [answer.json()] if type_.endswith("json") else [answer.text]


@pytest.fixture(scope="module")
def ask(service, document):
    return Asker(service, document)


def test_calls_answer_as_the_document_says(ask):
    late = {"Prefer": "respond-async"}
    for source, verdict in (("def main(): return {'a': [1]}", "ok"), ("1/0", "error"), ("import os", "denied"),
                            ("import time\ntime.sleep(9)", "limit"),
                            ("def main():\n    import ctypes", "denied")):
        answer = ask("POST", "/v1/calls", 200, json={"source": source, "limits": {"wall": "300ms"}})
        assert answer.json()["verdict"] == verdict
    told = {"source": "import cloche\ndef main():\n    print(1); cloche.log('x'); cloche.progress(1, 2); yield 1"}
    for accept in (NDJSON, SSE):
        ask("POST", "/v1/calls", 200, json=told, headers={"Accept": accept})
    ask("POST", "/v1/eval", 200, json={"expression": "1 + 1", "policy": "roomy"})
    ask("POST", "/v1/calls", 400, json={"sorce": ""})
    ask("POST", "/v1/calls", 403, json={"source": "", "policy": "none"})
    ask("POST", "/v1/calls", 415, content=b"x", headers={"Content-Type": "text/plain"})
    name = ask("POST", "/v1/calls", 202, json=told, headers=late).json()["id"]
    ask("GET", f"/v1/calls/{name}?wait=10s", 200)
    ask("GET", f"/v1/calls/{name}/events", 200)
    ask("GET", "/v1/calls?limit=1", 200)
    slow = {"source": "import time\ndef main(): time.sleep(4)"}
    name = ask("POST", "/v1/calls", 202, json=slow, headers=late).json()["id"]
    ask("GET", f"/v1/calls/{name}", 200)
    ask("DELETE", f"/v1/calls/{name}", 200)
    ask("GET", "/v1/calls", 200)
    ask("GET", f"/v1/calls/{'0' * 26}", 404)


def test_modules_and_functions_answer_as_the_document_says(ask):
    python = {"Content-Type": "text/x-python"}
    ask("PUT", "/v1/modules/prices", 201, content='def net(x: int, *, y=2) -> int:\n    "Net."\n    return x\n',
        headers=python)
    ask("PUT", "/v1/modules/prices", 200, json={"source": "async def net(x): return x\n", "description": "d"})
    ask("PUT", "/v1/modules/bad", 422, content="def", headers=python)
    ask("POST", "/v1/modules:push", 200, json={"files": {"a": "def f(): return 1\n", "b": "def"}})
    for path in ("/v1/modules", "/v1/modules?limit=1", "/v1/modules/prices", "/v1/modules/prices/versions",
                 "/v1/functions", "/v1/functions?limit=1"):
        answer = ask("GET", path, 200)
    version = ask("GET", "/v1/modules/prices/versions", 200).json()["versions"][0]["version"]
    ask("GET", f"/v1/modules/prices?version={version}", 200)
    ask("POST", "/v1/functions/prices.net/calls", 200, json={"args": [1]})
    ask("POST", "/v1/functions/prices.nett/calls", 404, json={"args": [1]})
    ask("DELETE", "/v1/modules/prices", 204)
    ask("DELETE", "/v1/modules/prices", 404)
    assert answer


def test_sessions_and_rpc_answer_as_the_document_says(ask):
    name = ask("POST", "/v1/sessions", 201, json={"policy": "roomy"}).json()["session"]
    inside = {"Cloche-Session": name}
    ask("POST", "/v1/calls", 200, json={"source": "def main(): return 1"}, headers=inside)
    ask("GET", "/v1/sessions", 200)
    ask("GET", f"/v1/sessions/{name}", 200)
    ask("DELETE", f"/v1/sessions/{name}", 200)
    ask("GET", "/v1/sessions/none", 404)
    ask("POST", "/v1/sessions", 403, json={"policy": "default"})
    call = {"jsonrpc": "2.0", "id": 1, "method": "list", "params": {}}
    ask("POST", "/v1/rpc", 200, json=call)
    ask("POST", "/v1/rpc", 200, json=[call, {**call, "method": "nope"}])
    ask("POST", "/v1/rpc", 204, json={"jsonrpc": "2.0", "method": "list", "params": {}})
    ask("POST", "/v1/rpc", 400, content=b"{nope", headers={"Content-Type": "application/json"})
    ask("POST", "/v1/rpc?x=1", 400, json=call)


def test_workflows_answer_as_the_document_says(ask):
    def task(name, code, *needs):
        return {"id": name, "method": "python/execute", "params": {"code": code}, "dependencies": list(needs)}

    good = {"name": "w", "tasks": [task("a", "result = 1"), task("b", "1/0", "a"), task("c", "result = 2", "b")]}
    ask("POST", "/v1/workflows?wait=true", 200, json=good)
    ask("POST", "/v1/workflows", 422, json={"name": "w"})
    ask("POST", "/v1/workflows:validate", 200, json=good)
    ask("POST", "/v1/workflows:validate", 422, json={"name": "w"})
    name = ask("POST", "/v1/workflows", 202, json=good).json()["workflow_id"]
    ask("GET", f"/v1/workflows/{name}", 200)
    ask("GET", f"/v1/workflows/{name}/events", 200)
    ask("POST", f"/v1/workflows/{name}:cancel", 200)
    none = {"id": "a", "method": "execute", "params": {"function": "nope"}}
    failed = ask("POST", "/v1/workflows?wait=true", 200, json={"name": "w", "tasks": [none]}).json()
    assert failed["tasks"]["a"]["error_data"]["exception_type"]
    for end in ("", ":cancel"):
        ask("POST" if end else "GET", f"/v1/workflows/{failed['workflow_id']}{end}", 200)
    failed = ask("POST", "/v1/tasks?wait=true", 200, json=none).json()
    assert ask("GET", f"/v1/tasks/{failed['task_id']}", 200).json()["error_data"]
    ask("GET", "/v1/workflows?limit=1", 200)
    one = {"method": "python/execute", "params": {"code": "result = 1"}}
    ask("POST", "/v1/tasks?wait=true", 200, json=one)
    name = ask("POST", "/v1/tasks", 202, json=one).json()["task_id"]
    ask("GET", f"/v1/tasks/{name}", 200)
    ask("GET", "/v1/tasks/none", 404)


def test_operating_answers_as_the_document_says_and_nothing_was_left_out(ask, document):
    for path in ("/v1/policies", "/v1/policies/roomy", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        ask("GET", path, 200)
    ask("GET", "/v1/policies/none", 404)
    ask("GET", "/metrics", 401, headers={"Authorization": "Bearer wrong"})
    for _, path, operation in operations(document):
        for code in operation["responses"]:
            if code.startswith("2") and (operation["operationId"], int(code)) != ("rpc", 204):
                known = {("evaluate", 202), ("callFunction", 202)}  # as runCall's
                assert (operation["operationId"], int(code)) in ask.seen | known, f"{path} {code} was not tried"
