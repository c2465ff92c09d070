# SPDX-License-Identifier: Apache-2.0
"""`cloche token` on a file that people edit too: what it changes, what it leaves, what it says."""

import hashlib
import json
import os
import re
import stat
import subprocess
import threading

import pytest
from service import BIN

FILE = """# who may call
version: 1
tenants:
  acme:  # the first
    policies: [default]
    # theirs
    tokens:
      - {id: ci, hash: "b2:%s"}  # for builds
  beta:
    policies: [strict]
""" % ("0" * 64)
TOKEN = re.compile(r"cloche_[A-Za-z0-9_-]{43}")


def run(*words, **kw):
    return subprocess.run([BIN / "cloche", "token", *map(str, words)], capture_output=True, text=True, timeout=60,
                          **kw)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tenants.yaml"
    path.write_text(FILE)
    return path


def b2(token):
    return "b2:" + hashlib.blake2b(token.encode(), digest_size=32).hexdigest()


def test_token_without_a_file_is_shown_with_its_entry(tmp_path):
    made = run("create", "--tenant", "acme", "--id", "ci", "--scopes", "call,policies:read", cwd=tmp_path)
    token, entry = made.stdout.splitlines()
    assert made.returncode == 0 and TOKEN.fullmatch(token)
    assert entry == f'- {{id: ci, hash: "{b2(token)}", scopes: [call, "policies:read"]}}'
    assert "once" in made.stderr and list(tmp_path.iterdir()) == []
    (tmp_path / "tenants.yaml").write_text("version: 1\ntenants:\n  acme:\n    policies: [default]\n"
                                           f"    tokens:\n      {entry}\n")
    assert subprocess.run([BIN / "cloche", "policy", "check", tmp_path / "tenants.yaml"]).returncode == 0


def test_two_tokens_are_never_the_same():
    assert len({run("create", "--tenant", "a").stdout.splitlines()[0] for _ in range(20)}) == 20


def test_created_token_is_in_the_file_by_its_hash_only_and_the_rest_stays(file):
    token = run("create", "--tenant", "beta", "--file", file).stdout.strip()
    text = file.read_text()
    assert TOKEN.fullmatch(token) and token not in text and b2(token) in text
    added = [line for line in text.splitlines() if line not in FILE.splitlines()]
    assert len(added) == 1 and text.startswith(FILE)  # `tokens:` stands in it already


def test_rotation_changes_one_hash_and_nothing_else(file):
    made = json.loads(run("rotate", "--tenant", "acme", "--id", "ci", "--file", file, "-o", "json").stdout)
    assert file.read_text() == FILE.replace("b2:" + "0" * 64, b2(made["token"]))
    assert made["hash"] == b2(made["token"]) and made["tenant"] == "acme" and made["id"] == "ci"


def test_revocation_takes_one_entry_out(file):
    run("create", "--tenant", "acme", "--id", "ops", "--file", file)
    assert run("revoke", "--tenant", "acme", "--id", "ci", "--file", file).returncode == 0
    listed = json.loads(run("list", "--file", file, "-o", "json").stdout)["tokens"]
    assert [(t["tenant"], t["id"]) for t in listed] == [("acme", "ops")]
    assert "# theirs" in file.read_text() and "# the first" in file.read_text()


def test_mode_owner_and_link_are_kept(file, tmp_path):
    file.chmod(0o640)
    os.chown(file, 0, 4242)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    assert run("create", "--tenant", "acme", "--id", "x", "--file", link).returncode == 0
    seen = file.stat()
    assert stat.S_IMODE(seen.st_mode) == 0o640 and (seen.st_uid, seen.st_gid) == (0, 4242)
    assert link.is_symlink() and "id: x" in file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "tenants.yaml"]


def test_many_at_once_lose_nothing(file):
    threads = [threading.Thread(target=run, args=("create", "--tenant", "acme", "--id", f"t{i}", "--file", file))
               for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = run("list", "--file", file).stdout.splitlines()
    assert {line.split()[1] for line in listed} == {"ci", *(f"t{i}" for i in range(12))}


@pytest.mark.parametrize("words, says", [
    (["create"], "--tenant"),
    (["create", "--tenant", "local"], "state directory"),
    (["create", "--tenant", "../x"], "a name is made of"),
    (["create", "--tenant", "a", "--id", "x}, {id: y"], "a name is made of"),
    (["create", "--tenant", "a", "--scopes", ""], "is none of"),
    (["create", "--tenant", "a", "--scopes", "call,,admin"], "is none of"),
    (["create", "--tenant", "a", "--scopes", "all"], "is none of"),
    (["create", "--tenant", "nobody", "--file", "FILE"], "no tenant nobody"),
    (["create", "--tenant", "acme", "--id", "ci", "--file", "FILE"], "has a token ci"),
    (["rotate", "--tenant", "acme", "--id", "no", "--file", "FILE"], "has no token no"),
    (["revoke", "--tenant", "acme", "--file", "FILE"], "--id"),
    (["rotate", "--tenant", "acme"], "--file"),
    (["list"], "--file"),
    (["list", "--file", "/nowhere/x"], "No such file"),
    (["burn", "--tenant", "acme"], "create, list, revoke or rotate"),
], ids=str)
def test_what_is_wrong_is_said_and_changes_nothing(file, words, says):
    result = run(*(file if word == "FILE" else word for word in words))
    assert result.returncode == 2 and says in result.stderr and result.stdout == ""
    assert file.read_text() == FILE


def test_broken_file_is_shown_as_check_shows_it_and_left_alone(file):
    file.write_text(FILE.replace("policies: [strict]", "polices: [strict]"))
    before = file.read_text()
    result = run("create", "--tenant", "acme", "--id", "x", "--file", file)
    assert result.returncode == 2 and "did you mean 'policies'" in result.stderr and result.stdout == ""
    assert file.read_text() == before
