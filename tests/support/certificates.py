"""Makes certificates with openssl: an authority of the test's own, and what it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_SINCE, _UNTIL = "20200101000000Z", "20901231000000Z"
_CONFIG = """[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = identifiers
[any]
commonName = supplied
[identifiers]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Whoever trusts its certificate trusts what it signs."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.pem"

    def sign(self, name: str, alternative: str, *, since: str = _SINCE, until: str = _UNTIL) -> Pair:
        """A certificate for the name, such as ``IP:127.0.0.1``, good between the two moments.

        It has the key identifiers that RFC 5280 asks for, and Python from 3.13 on.
        """
        pair, request = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key"), self.folder / f"{name}.csr"
        _openssl("req", "-new", *_NEW_KEY, "-keyout", str(pair.key), "-out", str(request), "-subj", f"/CN={name}",
                 "-addext", f"subjectAltName={alternative}")  # fmt: skip
        _openssl("ca", "-batch", "-notext", "-config", str(self.folder / "ca.conf"), "-cert", str(self.certificate),
                 "-keyfile", str(self.folder / "authority.key"), "-in", str(request), "-out", str(pair.certificate),
                 "-startdate", since, "-enddate", until)  # fmt: skip
        pair.key.chmod(0o600)
        return pair


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def open_authority(folder: Path) -> Authority:
    folder.mkdir()
    (folder / "ca.conf").write_text(_CONFIG.format(folder=folder))
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    _openssl("req", "-x509", *_NEW_KEY, "-days", "3650", "-subj", "/CN=authority", "-addext",
             "keyUsage=critical,keyCertSign", "-keyout", str(folder / "authority.key"), "-out",
             str(folder / "authority.pem"))  # fmt: skip
    return Authority(folder)


def _openssl(*words: str) -> None:
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("openssl is not there to make a certificate with")
