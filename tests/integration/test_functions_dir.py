# SPDX-License-Identifier: Apache-2.0
"""A tenant's functions_dir: its files are served, watched, taken as one set, and can't be changed through the API."""

import os
import re
import socket
import subprocess

import httpx
import pytest
from service import BIN, SLOW, Service, wait_until

PYTHON = {"Content-Type": "text/x-python"}


class Served:
    def __init__(self, directory):
        self.files = directory / "functions"
        self.files.mkdir()
        config = directory / "config"
        (config / "policies").mkdir(parents=True)
        (config / "tenants.yaml").write_text(
            f"version: 1\ntenants:\n  acme:\n    policies: [default]\n    functions_dir: {self.files}\n"
            f"    tokens: []\n  other:\n    policies: [default]\n    tokens: []\n")
        self.tokens = {name: self.token(config / "tenants.yaml", name) for name in ("acme", "other")}
        self.tokens["caller"] = self.token(config / "tenants.yaml", "other", "call")
        self.service = Service(config=config)

    @staticmethod
    def token(file, tenant, scopes="call,modules"):
        made = subprocess.run([BIN / "cloche", "token", "create", "--tenant", tenant, "--file", file, "--id",
                               scopes.replace(",", "-"), "--scopes", scopes], capture_output=True, text=True, timeout=30)
        assert made.returncode == 0, made.stderr
        return re.search(r"cloche_\S+", made.stdout).group()

    def client(self, tenant):
        return httpx.Client(base_url=self.service.url, timeout=60 * SLOW,
                            headers={"Authorization": f"Bearer {self.tokens[tenant]}"})

    def write(self, name, text):
        """As editors do: beside it, then in its place."""
        fresh = self.files / (name + ".new")
        fresh.write_text(text)
        os.rename(fresh, self.files / name)


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path)
    made.write("prices.py", "import tax\ndef net(x): return x * tax.rate()\n")
    made.write("tax.py", "def rate(): return 2\n")
    made.write("broken.py", "x = 1\ndef (:\n")
    made.write("json.py", "x = 1\n")
    made.write("Not-A-Name.py", "x = 1\n")
    (made.files / "folder.py").mkdir()
    os.symlink("/etc/passwd", made.files / "passwd.py")
    (made.files / "notes.txt").write_text("x")
    try:
        made.service.start()
        yield made
    finally:
        made.service.stop()


def names(client):
    return {m["name"]: m for m in client.get("/v1/modules").json()["modules"]}


def call(client, function, *args):
    return client.post("/v1/calls", json={"function": function, "args": list(args)})


def test_directory_is_served_and_watched(served):
    with served.client("acme") as acme, served.client("other") as other:
        wait_until(lambda: "prices" in names(acme), 20 * SLOW, "the first set")
        found = names(acme)
        assert {"prices", "tax", "broken"} <= found.keys()
        assert not {"Not-A-Name", "folder", "passwd", "notes"} & found.keys()
        assert found["prices"]["served"] and "line 2: SyntaxError" in found["broken"]["error"]
        assert found["json"]["error"] == "File name json hides a module"
        assert call(acme, "prices.net", 5).json()["result"] == 10
        assert "SyntaxError" in call(acme, "broken.x").json()["detail"]
        assert names(other) == {} and call(other, "prices.net", 5).status_code == 404

        served.write("tax.py", "def rate(): return 3\n")
        wait_until(lambda: call(acme, "prices.net", 5).json()["result"] == 15, 20 * SLOW, "the edit")
        served.write("broken.py", "def x(): return 'whole'\n")
        wait_until(lambda: call(acme, "broken.x").status_code == 200, 20 * SLOW, "the mended file")
        served.write("fresh.py", "def f(): return 'fresh'\n")
        wait_until(lambda: call(acme, "fresh.f").status_code == 200, 20 * SLOW, "the file that came")
        served.write("fresh.py", "def f(:\n")
        wait_until(lambda: "SyntaxError" in call(acme, "fresh.f").text, 20 * SLOW, "the file that broke")
        os.unlink(served.files / "prices.py")
        wait_until(lambda: "prices" not in names(acme), 20 * SLOW, "the removal")
        assert call(acme, "prices.net", 5).status_code == 404
        assert call(acme, "tax.rate").json()["result"] == 3


def test_another_directory_in_its_place_is_the_whole_set(served):
    """As a deployment does: made beside it, then renamed into its place. Two sets never mix."""
    with served.client("acme") as acme:
        wait_until(lambda: "prices" in names(acme), 20 * SLOW, "the first set")
        fresh = served.files.parent / "fresh"
        fresh.mkdir()
        (fresh / "prices.py").write_text("import tax\ndef net(x): return x + tax.rate()\n")
        (fresh / "tax.py").write_text("def rate(): return 100\n")
        os.rename(served.files, served.files.parent / "before")
        os.rename(fresh, served.files)
        seen = set()
        while 105 not in seen:
            answer = call(acme, "prices.net", 5)
            seen.add(answer.json()["result"] if answer.status_code == 200 else None)
            assert seen <= {10, 105, None}, "one function of the old set, the other of the new one"
        wait_until(lambda: names(acme).keys() == {"prices", "tax"}, 20 * SLOW, "the other set")
        served.write("tax.py", "def rate(): return 200\n")
        wait_until(lambda: call(acme, "prices.net", 5).json()["result"] == 205, 20 * SLOW, "an edit in the new place")


def test_what_is_planted_is_left_out_and_named(served):
    """Somebody may write to it who is not root: nothing of his is served, and nothing hangs."""
    with served.client("acme") as acme:
        wait_until(lambda: "prices" in names(acme), 20 * SLOW, "the first set")
        os.mkfifo(served.files / "pipe.py")
        os.symlink(served.files / "tax.py", served.files / "link.py")
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(served.files / "socket.py"))
        (served.files / "huge.py").write_bytes(b"#" * ((1 << 20) + 1))
        (served.files / "foreign.py").write_text("def f(): return 'foreign'\n")
        os.chown(served.files / "foreign.py", 65534, 65534)
        (served.files / "writable.py").write_text("def f(): return 'writable'\n")
        os.chmod(served.files / "writable.py", 0o666)
        (served.files / ".hidden.py").write_text("def f(): pass\n")
        served.write("last.py", "def f(): return 'last'\n")
        wait_until(lambda: "last" in names(acme), 20 * SLOW, "the set with what was planted")
        planted = {"pipe", "link", "socket", "huge", "foreign", "writable"}
        assert not (planted | {"hidden"}) & names(acme).keys()
        assert call(acme, "prices.net", 5).json()["result"] == 10
        log = "".join(line for line in served.service.log if "functions.left_out" in line)
        assert all(f"{name}.py" in log for name in planted), log
        os.chown(served.files / "foreign.py", 0, 0)
        wait_until(lambda: "foreign" in names(acme), 20 * SLOW, "the file that is root's now")


def test_api_can_not_change_it(served):
    with served.client("acme") as acme:
        wait_until(lambda: "prices" in names(acme), 20 * SLOW, "the first set")
        for answer in (acme.put("/v1/modules/tax", content="def rate(): return 0\n", headers=PYTHON),
                       acme.delete("/v1/modules/tax")):
            assert answer.status_code == 409 and answer.json()["type"] == "urn:cloche:problem:module-served"
        found = acme.post("/v1/modules:push", json={"files": {"tax": "x = 1", "mine": "def f(): return 1"}, "prune": True})
        assert [m["name"] for m in found.json()["modules"]] == ["mine"]
        assert "functions_dir" in found.json()["refused"][0]["message"]
        assert call(acme, "prices.net", 5).json()["result"] == 10
        assert acme.get("/v1/modules/tax", headers={"Accept": "text/x-python"}).text == "def rate(): return 2\n"
        assert call(acme, "mine.f").json()["result"] == 1


def test_modules_are_of_one_tenant(served):
    with served.client("acme") as acme, served.client("other") as other, served.client("caller") as caller:
        assert acme.put("/v1/modules/mine", content="def f(): return 'acme'\n", headers=PYTHON).status_code == 201
        for answer in (call(other, "mine.f"), other.get("/v1/modules/mine"), other.delete("/v1/modules/mine")):
            assert answer.status_code == 404
        assert other.get("/v1/functions").json() == {"functions": [], "next": None}
        assert other.put("/v1/modules/mine", content="def f(): return 'other'\n", headers=PYTHON).status_code == 201
        assert (call(acme, "mine.f").json()["result"], call(other, "mine.f").json()["result"]) == ("acme", "other")
        assert other.put("/v1/modules/spy", content="import prices\ndef f(): pass\n", headers=PYTHON).status_code == 201
        assert call(other, "spy.f").json()["denied"]["name"] == "prices"
        # A token that may only call.
        assert call(caller, "mine.f").json()["result"] == "other"
        assert caller.get("/v1/functions").status_code == 200
        for answer in (caller.put("/v1/modules/mine", content="x = 1", headers=PYTHON), caller.get("/v1/modules"),
                       caller.delete("/v1/modules/mine"), caller.get("/v1/modules/mine"),
                       caller.post("/v1/modules:push", json={"files": {}})):
            assert answer.status_code == 403, answer.text
