# SPDX-License-Identifier: Apache-2.0
"""cloche.yaml and the files that it names, at the start: what is wrong is said in one sentence."""

import os
import pathlib
import re
import subprocess

import pki
import pytest
from service import BIN, SLOW, Service


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return pki.signed(folder, "good", pki.authority(folder, "authority"))


STAND_FOR = [  # key, what is written, what cloched is told
    ("drain", "7s", "7000"), ("log", "warn", "warn"), ("audit", "required", "required"), ("jails", "9", "9"),
    ("queue_wait", "9s", "9s"), ("buffers", "64Mi", "64Mi"), ("keep", "1h,50", "1h,50"), ("store", "2Gi,1Gi", "2Gi,1Gi"),
]


def write(folder, settings="", pair=None):
    config = folder / "config"
    config.mkdir()
    tls = f"tls:\n  certificate: {folder}/service.pem\n  key: {folder}/service.key\n" if pair else ""
    (config / "cloche.yaml").write_text("version: 1\n" + tls + settings)
    if pair:
        pair.put(folder)
    return config


def start(folder, *words):
    return subprocess.run([BIN / "cloched", "--config", folder / "config", "--state", folder / "state", *words],
                          capture_output=True, text=True, timeout=30 * SLOW)


def refuses(done, says):
    lines = [line for line in done.stderr.splitlines() if line.startswith("cloched: ")]
    assert done.returncode in (1, 2) and re.search(says, done.stderr), done.stderr
    assert len(lines) == 1, done.stderr


def other_key(folder):
    pki.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "service.key")


def locked_key(folder):
    pki.openssl("ec", "-in", folder / "service.key", "-aes256", "-passout", "pass:x", "-out", folder / "service.key")


def expired(folder):
    pki.signed(folder, "old", pki.authority(folder, "ca"), days=-1).put(folder)


def weak(folder):
    pki.openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", folder / "service.key", "-out",
                folder / "service.pem", "-subj", "/CN=weak", "-days", "9")


@pytest.mark.parametrize("spoil, says", [
    (lambda folder: (folder / "service.key").chmod(0o640), "tls.key: .* is readable by its group or by others"),
    (lambda folder: (folder / "service.pem").chmod(0o666), "tls.certificate: .* is writable by its group"),
    (lambda folder: os.chown(folder / "service.key", 65534, 0), "tls.key: .* belongs to uid 65534"),
    (lambda folder: folder.chmod(0o777), "is writable by its group or by others"),
    (lambda folder: (folder / "service.key").unlink(), "tls.key: open .*service.key"),
    (lambda folder: (folder / "service.pem").write_text(""), "service.pem has 0 bytes"),
    (lambda folder: (folder / "service.pem").write_text("no"), "tls.certificate: no certificate in PEM"),
    (other_key, "tls.key: it does not belong to tls.certificate"),
    (locked_key, "tls.key: no private key in PEM without a password"),
    (expired, "tls.certificate: it expired on 20"),
    (weak, "tls.certificate: .*key too small"),
])
def test_pair_that_is_not_good_refuses_the_start(tmp_path, pair, spoil, says):
    write(tmp_path, pair=pair)
    spoil(tmp_path)
    refuses(start(tmp_path), says)


@pytest.mark.parametrize("settings, says", [
    ("lisen: 127.0.0.1:0\n", r"cloche.yaml:2:1: .*unknown key 'lisen'; did you mean 'listen'"),
    ("listen: somewhere\n", r"cloche.yaml:2:9: .*listen: found somewhere, expected an address"),
    ("tls: {certificate: /a}\n", r"the key 'tls.key' is missing"),
    ("tls: {certificate: a, key: /b}\n", r"tls.certificate: found a, expected an absolute path"),
    ("jails: 0\n", r"jails: found 0"),
    ("buffers: 5\n", r"buffers: found 5, expected a size"),
    ("listen: 0.0.0.0:0\n", r"beyond this machine only with tls"),
    ("listen: \"[::]:0\"\n", r"beyond this machine only with tls"),
    ("listen: 127.0.0.1:0\nlisten: 127.0.0.1:0\n", r"duplicate key 'listen'"),
])
def test_settings_that_are_wrong_refuse_the_start(tmp_path, settings, says):
    write(tmp_path, settings)
    done = start(tmp_path)
    assert done.returncode in (1, 2) and re.search(says, done.stderr), done.stderr
    checked = subprocess.run([BIN / "cloche-policyc", "check", tmp_path / "config/cloche.yaml"],
                             capture_output=True, text=True)
    assert checked.returncode == (0 if "beyond" in says else 2)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"])
def test_other_machines_need_tls_or_a_word(tmp_path, address):
    done = subprocess.run([BIN / "cloched", "--state", tmp_path / "state", "--listen", address],
                          capture_output=True, text=True, timeout=30)
    refuses(done, "beyond this machine only with tls in cloche.yaml, or with --plain-text-beyond-loopback")


def test_the_word_is_enough(tmp_path):
    write(tmp_path, "listen: 127.0.0.1:1\nplain_text_beyond_loopback: true\njails: 8\n")
    with Service(config=tmp_path / "config", args=["--listen", "0.0.0.0:0"]) as service:
        assert service.url.startswith("http://0.0.0.0:")
        assert service.call("def main(): return 1")["result"] == 1


def test_command_line_wins_over_the_file(tmp_path):
    write(tmp_path, "listen: 127.0.0.1:1\nlog: error\n")
    with Service(config=tmp_path / "config", args=["--log", "info"]) as service:
        assert not service.url.endswith(":1")
        assert any(" info " in line for line in service.log)


def test_each_setting_stands_for_its_option(tmp_path):
    write(tmp_path, "".join(f"{name}: {said}\n" for name, said, _ in STAND_FOR))
    with Service(config=tmp_path / "config", is_patient=False) as service:
        words = pathlib.Path(f"/proc/{service.pid}/cmdline").read_text().split("\0")
        said = dict(zip(words[1::2], words[2::2]))
        assert {name: said["--" + name.replace("_", "-")] for name, _, _ in STAND_FOR} == {name: value for name, _, value in STAND_FOR}
        assert service.call("def main(): return 1")["result"] == 1


def test_settings_of_somebody_else_refuse_the_start(tmp_path):
    os.chown(write(tmp_path) / "cloche.yaml", 65534, 0)
    refuses(start(tmp_path), "cloche.yaml belongs to uid 65534")
