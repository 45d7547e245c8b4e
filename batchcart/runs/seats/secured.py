"""Owns how hub and seats of several machines trust each other: TLS with a certificate on both sides, and its failures.

Whoever is taken on as a seat gets secrets. So beyond this machine nothing goes in the clear, and each side shows a
certificate of the authority that both were given.
"""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from batchcart.accounts.proxy import is_loopback
from batchcart.model.errors import UsageError

_NAMES, _EXPIRED, _EARLY = (62, 64), (10,), (9,)
"""What OpenSSL's X509_V_ERR_… numbers say of a certificate."""


class TlsFiles(msgspec.Struct, frozen=True):
    """Whose certificates are trusted, and by which one this side is known; PEM all."""

    ca: Path
    certificate: Path
    key: Path


class HubAddress(msgspec.Struct, frozen=True):
    """Where a hub listens, and by what both sides are known; without TLS it is an address of this machine."""

    host: str
    port: int
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str, where: str, files: tuple[Path | None, Path | None, Path | None]) -> HubAddress:
    """The address ``HOST:PORT`` with the files of --tls-ca, --tls-cert and --tls-key.

    Raises UsageError, which begins with ``where``, where it is none or secrets would go over a network in the clear.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port if parts.netloc == text and "@" not in text else None
    except ValueError:
        host, port = "", None
    if not host or not port:
        raise UsageError(f"{where} {text}: expected HOST:PORT, such as 127.0.0.1:7333")
    ca, certificate, key = files
    if ca is not None and certificate is not None and key is not None:
        return HubAddress(host, port, TlsFiles(ca, certificate, key))
    if any(files):
        raise UsageError(f"{where} {text}: TLS takes all three of --tls-ca, --tls-cert and --tls-key")
    if not is_loopback(host):
        raise UsageError(
            f"{where} {text}: without TLS the accounts' secrets would go over the network in the clear; give --tls-ca, "
            "--tls-cert and --tls-key, or an address of this machine such as 127.0.0.1"
        )
    return HubAddress(host, port)


class SchedulerAddress(msgspec.Struct, frozen=True):
    """Where a Dask scheduler listens; the run and its workers are known to each other by the same files."""

    at: HubAddress

    def __str__(self) -> str:
        return f"{'tls' if self.at.tls else 'tcp'}://{self.at}"


def read_scheduler(text: str, files: tuple[Path | None, Path | None, Path | None]) -> SchedulerAddress:
    """The scheduler at ``tls://HOST:PORT``, or at ``tcp://`` where it is of this machine; raises UsageError."""
    scheme, _, rest = text.partition("://")
    if scheme not in {"tls", "tcp"}:
        raise UsageError(f"--cluster {text}: expected tls://HOST:PORT, as the scheduler says when it starts")
    at = read_address(rest, "--cluster", files)
    if (scheme == "tls") != (at.tls is not None):
        takes = "all three of" if scheme == "tls" else "none of"
        raise UsageError(f"--cluster {text}: {scheme}:// takes {takes} --tls-ca, --tls-cert and --tls-key")
    return SchedulerAddress(at)


def open_tls(files: TlsFiles, *, server: bool) -> ssl.SSLContext:
    """TLS that takes only peers with a certificate of the authority; raises UsageError where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(files.ca)
    except (ssl.SSLError, OSError):
        raise UsageError(f"--tls-ca {files.ca} holds no certificates that can be read") from None
    try:
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")  # else a terminal is asked for it
    except (ssl.SSLError, OSError):
        raise UsageError(
            f"--tls-cert {files.certificate} and --tls-key {files.key} are not a certificate with its key, in PEM and "
            "without a password"
        ) from None
    return context


def describe_refusal(error: OSError, address: HubAddress) -> str:
    """Why no hub could be reached at the address, as a sentence."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _NAMES:
            why = f"its certificate is for another name than {address.host}; call it by a name in the certificate"
        case ssl.SSLCertVerificationError(verify_code=code) if code in _EXPIRED:
            why = "its certificate has expired"
        case ssl.SSLCertVerificationError(verify_code=code) if code in _EARLY:
            why = "its certificate is not valid yet (is this machine's clock right?)"
        case ssl.SSLCertVerificationError():
            why = "its certificate is not of the authority in --tls-ca"
        case ssl.SSLError(reason=str() as reason) if "ALERT" in reason:
            why = f"it refused the certificate of this seat, which must be of its own --tls-ca ({_plain(reason)})"
        case ssl.SSLError():
            why = "what answers there does not speak TLS as a hub does"
        case _:
            cause = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            why = (cause or "the connection was cut").lower()
    return f"no hub at {address}: {why}"


def _plain(reason: str) -> str:
    return reason.lower().replace("_", " ")
