"""Owns the certificate by which an account shows a shop's TLS who it is: its files; it does not know TLS."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from batchcart.accounts.options import AccountOptions
from batchcart.model.errors import UsageError
from batchcart.model.files import is_private

_CERTIFICATE, _KEY = "client_cert", "client_key"


class ClientCertificate(msgspec.Struct, frozen=True):
    """A certificate with those above it, and its private key, which may stand in the same file; PEM both."""

    certificate: Path
    key: Path


def find_client_certificate(options: AccountOptions, folder: Path, where: str) -> ClientCertificate | None:
    """The certificate that the config names; ``folder`` is the config's.

    Raises UsageError, which begins with ``where``, where a file is not there.
    """
    if options.client_cert is None:
        if options.client_key is not None:
            raise UsageError(f"{where}: client_key without client_cert; name the certificate that the key belongs to")
        return None
    certificate = find_file(options.client_cert, folder, f"{where}: {_CERTIFICATE}")
    if options.client_key is None:
        return ClientCertificate(certificate, certificate)
    return ClientCertificate(certificate, find_file(options.client_key, folder, f"{where}: {_KEY}"))


def find_file(named: str, folder: Path, where: str) -> Path:
    """A file that the config names; raises UsageError, which begins with ``where``, where it is none."""
    file = folder / named
    if not file.is_file():
        raise UsageError(f"{where} {file} is not a file")
    return file


def find_exposed_key(options: AccountOptions, folder: Path) -> Iterator[tuple[str, Path]]:
    """The key with its setting, where others than its owner can read the file."""
    setting, named = (_CERTIFICATE, options.client_cert) if options.client_key is None else (_KEY, options.client_key)
    if named is not None and (folder / named).is_file() and not is_private(folder / named):
        yield setting, folder / named
