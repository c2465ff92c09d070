# SPDX-License-Identifier: Apache-2.0
"""TLS as clients of other programs see it: what is spoken, who is let in, and what a renewal does."""

import concurrent.futures
import os
import socket
import ssl
import subprocess
import threading
import time

import httpx
import pki
import pytest
from faults import LIBRARY, Order
from service import BIN, ROOT, SLOW, Service, wait_until

RUN = {"source": "def main(): return 1"}
SETTINGS = """version: 1
tls:
  certificate: {0}/service.pem
  key: {0}/service.key
  client_ca: {0}/clients.pem
"""
TENANTS = """version: 1
tenants:
  acme:
    policies: [default]
    certificates:
"""
CERTIFICATE = '      - {{id: mapped{0}, fingerprint: "sha256:{1}", scopes: [call]}}\n'


class World:
    """Authorities, their certificates, and a configuration that uses them."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "config"
        (self.config / "policies").mkdir(parents=True)
        self.ca = pki.authority(folder, "services")
        self.clients = pki.authority(folder, "clients")
        self.pairs = [pki.signed(folder, f"pair{i}", self.ca) for i in range(2)]
        self.pairs[0].put(folder)
        self.mapped = pki.signed(folder, "mapped", self.clients, usage="clientAuth")
        (self.config / "cloche.yaml").write_text(SETTINGS.format(folder))
        self.map(self.mapped)

    def map(self, *pairs):
        new = self.config / "tenants.new"
        new.write_text(TENANTS + "".join(CERTIFICATE.format(i, pair.fingerprint) for i, pair in enumerate(pairs)))
        os.replace(new, self.config / "tenants.yaml")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls(world):
    service = Service(config=world.config)
    service.tls = pki.client_context(world.ca)
    try:
        yield service.start()
    finally:
        service.stop()


def port_of(service):
    return int(service.url.rsplit(":", 1)[1])


def s_client(service, *words, said=""):
    """What openssl's client has to say about its connection."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(service)}", "-cipher",
                           "ALL:@SECLEVEL=0", *words], input=said, capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


def connect(service, context):
    plain = socket.create_connection(("127.0.0.1", port_of(service)), timeout=20)
    return context.wrap_socket(plain, server_hostname="localhost")


def shown(service, context):
    """The fingerprint of the certificate that a new connection gets."""
    with connect(service, context) as wrapped:
        return pki.hashlib.sha256(wrapped.getpeercert(binary_form=True)).hexdigest()


# ------------------------------------------------------------------------------------- what is spoken

@pytest.mark.parametrize("version, is_spoken", [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True),
                                                ("-tls1_3", True)])
def test_versions(tls, version, is_spoken):
    assert ("Cipher is (NONE)" not in s_client(tls, version)) == is_spoken


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL", "aNULL"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(tls, cipher):
    done = s_client(tls, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in done


def test_nothing_is_renegotiated_compressed_or_resumed(tls, tmp_path):
    assert "no renegotiation" in s_client(tls, "-tls1_2", said="R\n").lower()
    kept = tmp_path / "session"
    for version in ("-tls1_2", "-tls1_3"):
        first = s_client(tls, version, "-sess_out", str(kept))
        assert "Compression: NONE" in first and "session ticket:" not in first
        if kept.exists():
            assert "Reused," not in s_client(tls, version, "-sess_in", str(kept))


def test_http_1_1_is_the_only_protocol(tls, world):
    context = pki.client_context(world.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(tls, context) as wrapped:
        assert wrapped.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        connect(tls, context)


def test_plain_text_is_told_so(tls):
    answer = httpx.get(tls.url.replace("https", "http") + "/healthz")
    assert answer.status_code == 400 and "speaks TLS" in answer.text
    done = subprocess.run([BIN / "cloche", "calls", "list"], capture_output=True, text=True, timeout=30,
                          env={"CLOCHE_URL": tls.url.replace("https", "http"), "CLOCHE_TOKEN": tls.token})
    assert (done.returncode, done.stderr) == (2, "cloche: the service answered 400: this port speaks TLS: "
                                                 "use https://\n")


def test_call_stream_and_large_bodies(tls):
    assert tls.call("def main(x): return x", args=[7])["result"] == 7
    assert [event["event"] for event in tls.events("def main(): print('a')")][-1] == "end"
    text = "x" * 3_000_000
    got = tls.post({"source": "def main(x): return len(x)", "args": [text]}).json()
    assert got["result"] == len(text)
    got = tls.call("def main(): return 'y' * 900000")
    assert got["result"] == "y" * 900_000


# -------------------------------------------------------------------------------------- hostile clients

def test_many_half_handshakes_do_not_stop_others(tls):
    held = []
    try:
        for _ in range(500):
            one = socket.create_connection(("127.0.0.1", port_of(tls)), timeout=20)
            one.sendall(b"\x16\x03\x01\x02\x00\x01")  # the head of a ClientHello
            held.append(one)
        began = time.monotonic()
        with tls.client() as client:
            assert client.post("/v1/calls", json=RUN).json()["result"] == 1
        assert time.monotonic() - began < 5 * SLOW
    finally:
        for one in held:
            one.close()


@pytest.mark.parametrize("is_polite", [False, True])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_body_that_breaks_off_is_no_request(tls, world, is_polite, framing):
    """Whether the client said that nothing follows, or somebody cut the connection."""
    name = f"cut_{int(is_polite)}_{len(framing)}"
    wrapped = connect(tls, pki.client_context(world.ca))
    body = "def f(): pass\n"
    piece = body if "Length" in framing else f"{len(body):x}\r\n{body}\r\n"
    wrapped.sendall((f"PUT /v1/modules/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tls.token}\r\n"
                     f"Content-Type: text/x-python\r\n{framing}\r\n\r\n{piece}").encode())
    if is_polite:
        wrapped.settimeout(20)
        try:
            wrapped.unwrap()
        except (ssl.SSLError, OSError):
            pass
    wrapped.close()
    assert tls.http.get(f"/v1/modules/{name}").status_code == 404


# --------------------------------------------------------------------------------- who is let in by what

def ask(service, world, own=None, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=service.url, timeout=60 * SLOW, verify=pki.client_context(world.ca, own), headers=headers) as client:
        return client.post("/v1/calls", json=RUN)


def test_certificate_is_a_key_of_its_tenant(tls, world):
    assert ask(tls, world).status_code == 401
    assert ask(tls, world, world.mapped).json()["result"] == 1
    unmapped = pki.signed(world.folder, "unmapped", world.clients, usage="clientAuth")
    assert ask(tls, world, unmapped).status_code == 401
    assert ask(tls, world, unmapped, tls.token).status_code == 200


def test_certificate_has_the_scopes_of_its_entry(tls, world):
    with httpx.Client(base_url=tls.url, timeout=60 * SLOW, verify=pki.client_context(world.ca, world.mapped)) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 403


def test_token_counts_before_a_certificate(tls, world):
    assert ask(tls, world, world.mapped, "wrong").status_code == 401
    with httpx.Client(base_url=tls.url, timeout=60 * SLOW, verify=pki.client_context(world.ca, world.mapped),
                      headers={"Authorization": f"Bearer {tls.token}"}) as client:
        assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("kind", ["stranger", "expired", "server"])
def test_certificate_that_does_not_verify_ends_the_handshake(tls, world, kind):
    if kind == "stranger":
        own = pki.signed(world.folder, kind, pki.authority(world.folder, "others"), usage="clientAuth")
    else:
        days, usage = (-1, "clientAuth") if kind == "expired" else (30, "serverAuth")
        own = pki.signed(world.folder, kind, world.clients, days=days, usage=usage)
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        ask(tls, world, own)


def test_certificate_that_is_taken_away_opens_nothing_any_more(tls, world):
    """On a connection that is open, too."""
    with httpx.Client(base_url=tls.url, timeout=60 * SLOW, verify=pki.client_context(world.ca, world.mapped)) as client:
        assert client.post("/v1/calls", json=RUN).status_code == 200
        world.map(world.pairs[0])
        wait_until(lambda: client.post("/v1/calls", json=RUN).status_code == 401, what="the certificate to be gone")
        world.map(world.mapped)
        wait_until(lambda: client.post("/v1/calls", json=RUN).status_code == 200, what="the certificate to be back")


@pytest.mark.skipif(not LIBRARY.exists(), reason=f"no {LIBRARY}")
def test_certificate_that_ends_opens_nothing_any_more(tmp_path):
    """On a connection that was opened while it was valid, too. The clock of the programs is put two days ahead."""
    world, order = World(tmp_path), Order("nobody")
    brief = pki.signed(tmp_path, "brief", world.clients, days=1, usage="clientAuth")
    service = order.service(config=world.config)
    service.tls = pki.client_context(world.ca)

    def client(own):
        return httpx.Client(base_url=service.url, verify=pki.client_context(world.ca, own),
                            timeout=60 * SLOW, limits=httpx.Limits(keepalive_expiry=None))

    def ask_on_the_same(client):
        """The status, and the port that it was asked from: a new connection has another one."""
        with client.stream("POST", "/v1/calls", json=RUN) as answer:
            port = answer.extensions["network_stream"].get_extra_info("client_addr")
            answer.read()
            return answer.status_code, port
    try:
        world.map(brief, world.mapped)
        service.start()
        with client(brief) as ends, client(world.mapped) as stays:
            before = [ask_on_the_same(one) for one in (ends, stays)]
            assert [code for code, _ in before] == [200, 200]
            order.move_clock(2 * 86_400)
            after = [ask_on_the_same(one) for one in (ends, stays)]
        assert [code for code, _ in after] == [401, 200]
        assert [port for _, port in after] == [port for _, port in before], "another connection"
    finally:
        service.stop()


def test_no_header_of_a_request_stands_for_a_certificate(tls, world):
    names = ("X-Forwarded-Client-Cert", "X-SSL-Client-Fingerprint", "X-Client-Cert", "Forwarded")
    headers = dict.fromkeys(names, world.mapped.fingerprint)
    with httpx.Client(base_url=tls.url, timeout=60 * SLOW, verify=pki.client_context(world.ca), headers=headers) as client:
        assert client.post("/v1/calls", json=RUN).status_code == 401


@pytest.mark.parametrize("client", ["command", "library"])
def test_own_clients_speak_it(tls, world, client):
    """With the authority named, by token or by certificate; without, not at all."""
    words = {"command": [BIN / "cloche", "run", "-"],
             "library": ["/usr/bin/python3", "-c", "import gleitzeit_v4.connection as c\n"
                         "print(c.Connection().ask('POST', '/v1/calls', {'source': 'def main(): return 42'}))"]}

    def run(**environment):
        return subprocess.run([str(word) for word in words[client]], capture_output=True, text=True, timeout=30,
                              input="def main(): return 42", env={"CLOCHE_URL": tls.url, "PYTHONPATH": str(ROOT / "api/clients/python"),
                                   "PYTHONDONTWRITEBYTECODE": "1", **environment})

    authority = {"CLOCHE_CA": str(world.ca.certificate)}
    own = {"CLOCHE_CERT": str(world.mapped.certificate), "CLOCHE_KEY": str(world.mapped.key)}
    for good in ({"CLOCHE_TOKEN": tls.token}, own):
        done = run(**authority, **good)
        assert done.returncode == 0 and "42" in done.stdout, done.stderr
    done = run(CLOCHE_TOKEN=tls.token)
    assert done.returncode != 0 and "certificate" in done.stderr


# ------------------------------------------------------------------------------------------- renewals

def test_renewal_under_load_loses_no_request(tls, world):
    over = threading.Event()

    def calls(keeps):
        done = 0
        with tls.client() as kept:
            while not over.is_set():
                with tls.client() as fresh:
                    assert (kept if keeps else fresh).post("/v1/calls", json=RUN).json()["result"] == 1
                done += 1
        return done

    context = pki.client_context(world.ca)
    def serves(connection):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return b"200 OK" in connection.recv(4096)

    with connect(tls, context) as old, concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(calls, i % 2) for i in range(4)]
        try:
            for pair in (world.pairs[1], world.pairs[0], world.pairs[1]):
                pair.put(world.folder)
                wait_until(lambda pair=pair: not serves(old) or shown(tls, context) == pair.fingerprint, what="the new pair")
                assert serves(old)
        finally:
            over.set()
        assert min(future.result() for future in futures) > 0


def test_pair_that_does_not_fit_changes_nothing(tls, world):
    context = pki.client_context(world.ca)
    before = shown(tls, context)
    other = pki.signed(world.folder, "other", world.ca)
    (world.folder / "service.key").write_bytes(other.key.read_bytes())
    degraded = wait_until(lambda: "message" in (ready := tls.http.get("/readyz").json())["tls"] and ready,
                          what="the problem to be told")
    assert degraded["status"] == "degraded"
    assert degraded["tls"]["message"] == "tls.key: it does not belong to tls.certificate"
    assert shown(tls, context) == before
    (world.folder / "service.key").chmod(0o640)
    wait_until(lambda: any("readable by its group" in line for line in tls.log), what="the mode to be told")
    assert shown(tls, context) == before
    world.pairs[0].put(world.folder)
    wait_until(lambda: tls.http.get("/readyz").json()["status"] == "ready", what="the pair to be good again")
    assert shown(tls, context) == world.pairs[0].fingerprint


def test_setting_that_waits_for_a_restart_is_named(tls, world):
    with open(world.config / "cloche.yaml", "a") as file:
        file.write("buffers: 64Mi\n")
    wait_until(lambda: any("settings.restart key=buffers" in line for line in tls.log), what="the key to be named")


def test_key_is_in_no_file_or_memory_that_is_mapped_twice(tls):
    """The API holds no descriptor of it once it was read, and its heap for keys is locked and left out of dumps."""
    api, = tls.api()

    def holds_none():
        try:
            held = [os.readlink(f"/proc/{api}/fd/{fd}") for fd in os.listdir(f"/proc/{api}/fd")]
        except FileNotFoundError:
            return False  # one was just closed
        return not any("cloche-tls" in name for name in held)
    wait_until(holds_none, what="the pair of the last reload to be read")
    with open(f"/proc/{api}/smaps") as maps:
        text = maps.read()
    assert "cloche-tls" not in text
    flags = [line for line in text.splitlines() if line.startswith("VmFlags:") and " dd" in line and " lo" in line]
    assert flags
