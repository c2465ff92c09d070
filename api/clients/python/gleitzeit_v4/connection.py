# SPDX-License-Identifier: Apache-2.0
"""HTTP to one Cloche: base address, token, session, and what its answers mean as exceptions."""

import json
import os
import pathlib
import ssl
import urllib.error
import urllib.parse
import urllib.request

DEFAULT_URL = "http://127.0.0.1:8420"
STATE_TOKEN = "/var/lib/cloche/local.token"
TIMEOUT = 330.0  # seconds: longer than the longest task


class Unreachable(ConnectionError):
    """Nobody answers at the address."""


class ServiceError(RuntimeError):
    """The service refused a request: `status` is HTTP's, `problem` what the answer said."""

    def __init__(self, status, problem):
        self.status, self.problem = status, problem
        text = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else str(problem)
        super().__init__(f"{status}: {text}")


class ProtocolError(RuntimeError):
    """python/v1 answered an error object: `code`, `message`, `data`."""

    def __init__(self, error):
        self.code, self.message = error.get("code"), error.get("message", "")
        self.data = error.get("data") or {}
        super().__init__(self.message)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token somewhere else."""

    def redirect_request(self, *_):
        return None


def find_token():
    """CLOCHE_TOKEN, or the one that the service keeps for its own machine; "" beside CLOCHE_CERT, which stands
    for one."""
    given = os.environ.get("CLOCHE_TOKEN")
    if given or os.environ.get("CLOCHE_CERT"):
        return given or ""
    try:
        return pathlib.Path(STATE_TOKEN).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def tls_handlers(url):
    """For https: the authority of CLOCHE_CA in the place of the machine's, the certificate of CLOCHE_CERT."""
    if not url.startswith("https:"):
        return []
    context = ssl.create_default_context(cafile=os.environ.get("CLOCHE_CA") or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if os.environ.get("CLOCHE_CERT"):
        context.load_cert_chain(os.environ["CLOCHE_CERT"], os.environ.get("CLOCHE_KEY") or None)
    return [urllib.request.HTTPSHandler(context=context)]


class Connection:
    """One service as one caller. `session` names the session of calls that are made through it; None leaves it
    to the service, which gives each token one of its own where the policy says so."""

    def __init__(self, url=None, token=None, session=None, policy=None):
        self.url = (url or os.environ.get("CLOCHE_URL") or DEFAULT_URL).rstrip("/")
        self.token = token if token is not None else find_token()
        self.session, self.policy = session, policy
        # No proxy of the environment gets the token of a service on this machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect,
                                                  *tls_handlers(self.url))

    def headers(self, content_type):
        found = {"Content-Type": content_type}
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        if self.session:
            found["Cloche-Session"] = self.session
        if self.policy:
            found["Cloche-Policy"] = self.policy
        return found

    def send(self, method, path, body=None, content_type="application/json", timeout=TIMEOUT):
        """(status, value of the JSON answer or None); the status may be that of a refusal."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers=self.headers(content_type))
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        except (urllib.error.URLError, OSError) as error:
            raise Unreachable(f"{self.url}: {getattr(error, 'reason', error)}") from None
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, {"title": text.decode("utf-8", "replace")[:200]}

    def ask(self, method, path, body=None, **options):
        """The value of the answer; ServiceError when it is a refusal."""
        status, value = self.send(method, path, body, **options)
        if status >= 400:
            raise ServiceError(status, value)
        return value

    def call(self, method, params=None, task_id=None, timeout=None):
        """One request of python/v1: its `result`. ProtocolError for an error object."""
        body = {"jsonrpc": "2.0", "id": 1, "protocol": "python/v1", "method": method, "params": params or {}}
        if task_id is not None:
            body["task_id"] = task_id
        if timeout is not None:
            body["timeout"] = timeout
        answer = self.ask("POST", "/v1/rpc", body)
        if "error" in answer:
            raise ProtocolError(answer["error"])
        return answer["result"]

    def open_session(self):
        """Opens a session and stays in it. Without effect where the policy permits none."""
        body = {"policy": self.policy} if self.policy else {}
        status, value = self.send("POST", "/v1/sessions", body)
        if status in (403, 404, 501):
            return None
        if status >= 400:
            raise ServiceError(status, value)
        self.session = value["session"]
        return self.session

    def end_session(self):
        """Ends the session that open_session began."""
        session, self.session = self.session, None
        if session:
            self.send("DELETE", "/v1/sessions/" + urllib.parse.quote(session, safe=""))

    def push(self, folder):
        """Puts every *.py of a folder into the tenant's file set; {stem: answer}. A file that does not compile is
        reported in its answer, and the others are pushed all the same."""
        found = {}
        for file in sorted(pathlib.Path(folder).expanduser().glob("*.py")):
            status, value = self.send("PUT", "/v1/modules/" + urllib.parse.quote(file.stem, safe=""),
                                      file.read_bytes(), content_type="text/x-python")
            if status >= 400 and status != 422:
                raise ServiceError(status, value)
            found[file.stem] = value
        return found
