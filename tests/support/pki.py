# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by the openssl command."""

import hashlib
import os
import pathlib
import ssl
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*words, **kw):
    made = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, **kw)
    assert made.returncode == 0, made.stderr
    return made.stdout


class Pair:
    """A certificate and its key, each in a file."""

    def __init__(self, folder, name):
        self.certificate = pathlib.Path(folder) / f"{name}.pem"
        self.key = pathlib.Path(folder) / f"{name}.key"

    def put(self, folder):
        """In the place of the service's pair, the key first readable by nobody else."""
        for source, target in ((self.key, "service.key"), (self.certificate, "service.pem")):
            new = pathlib.Path(folder) / (target + ".new")
            new.write_bytes(source.read_bytes())
            new.chmod(0o600)
            os.replace(new, pathlib.Path(folder) / target)

    @property
    def fingerprint(self):
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return hashlib.sha256(der).hexdigest()


def authority(folder, name):
    pair = Pair(folder, name)
    openssl("req", "-x509", *KEY, "-keyout", pair.key, "-out", pair.certificate, "-days", 30, "-subj", f"/CN={name}")
    return pair


def signed(folder, name, by, days=30, usage="serverAuth"):
    pair, request = Pair(folder, name), pathlib.Path(folder) / f"{name}.csr"
    extensions = pathlib.Path(folder) / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n")
    openssl("req", "-new", *KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial", "-days",
            days, "-extfile", extensions, "-out", pair.certificate)
    return pair


def client_context(by, own=None):
    """Trusts an authority; shows a certificate if there is one."""
    context = ssl.create_default_context(cafile=by.certificate)
    if own:
        context.load_cert_chain(own.certificate, own.key)
    return context
