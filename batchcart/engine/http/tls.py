"""Owns TLS with a shop: whom we trust, by what we are known, and in words why it failed; it opens no connection.

A certificate that is refused, theirs by us or ours by them, is so the next time as well: trying again is of no use, and
whoever waits for it holds up nobody but himself. All else may pass.
"""

import ssl

from batchcart.accounts.config import Account
from batchcart.model.errors import UsageError

_NAMES, _EXPIRED, _EARLY, _UNKNOWN = (62, 64), (10,), (9,), (2, 18, 19, 20, 21)
"""What OpenSSL's X509_V_ERR_… numbers say of a certificate."""

_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_VERSIONS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")
_OURS_REFUSED = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV1_ALERT_ACCESS_DENIED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_NO_CERTIFICATE",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
)
"""What a server says of a client's certificate, which it does before it reads a request (RFC 8446, 4.4.2.4)."""


def open_context(account: Account) -> ssl.SSLContext | bool:
    """What connections to the account's shop are secured with, True for the usual.

    Raises UsageError where ``ca_file`` or the client's certificate cannot be used.
    """
    shown = account.client_certificate
    if account.ca_file is None and shown is None:
        return True
    where = f"account {account.name!r}"
    try:
        context = ssl.create_default_context(cafile=str(account.ca_file) if account.ca_file else None)
    except (ssl.SSLError, OSError):
        raise UsageError(f"{where}: ca_file {account.ca_file} holds no certificates") from None
    if shown is not None:
        files = f"client_cert {shown.certificate}"
        try:
            context.load_cert_chain(
                shown.certificate, shown.key, password=lambda: ""
            )  # else a terminal is asked for it
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise UsageError(f"{where}: {files} does not belong to the key in {shown.key}") from None
            raise UsageError(
                f"{where}: {files} or the key in {shown.key} is not PEM, or the key has a password, which none may have"
            ) from None
        except OSError as error:
            raise UsageError(f"{where}: {files} or {shown.key} cannot be read: {error.strerror}") from None
    return context


def is_final(error: ssl.SSLError | ssl.CertificateError) -> bool:
    """Whether a certificate was refused, so that trying again changes nothing."""
    return isinstance(error, ssl.SSLCertVerificationError) or refuses_ours(error)


def refuses_ours(error: ssl.SSLError) -> bool:
    """Whether the shop wants a certificate of ours, or another one, and so has read no request."""
    return error.reason in _OURS_REFUSED


def describe_tls(error: ssl.SSLError | ssl.CertificateError) -> str:
    """Why TLS failed, as the end of a sentence, which shows nothing of what came."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _describe_certificate(error)
    if refuses_ours(error):
        return "it refused our TLS certificate, or wants one: see client_cert"
    if error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return "it broke TLS off (does it want a certificate of ours? see client_cert)"
    if error.reason in _PLAIN:
        return "what answers there does not speak TLS (plain HTTP?)"
    if error.reason in _VERSIONS:
        return "it speaks only versions of TLS that are too old to be safe"
    return "TLS failed" + (f" ({error.reason.lower().replace('_', ' ')})" if error.reason else "")


def _describe_certificate(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code in _EXPIRED:
        return "its TLS certificate has expired; the shop must renew it"
    if code in _EARLY:
        return "its TLS certificate is not valid yet (is this machine's clock right?)"
    if code in _NAMES:
        return "its TLS certificate is for another name, so the address may be wrong"
    if code in _UNKNOWN:
        return "its TLS certificate is of an issuer that is not known here (see ca_file)"
    # Words of OpenSSL, none of the shop's.
    return f"its TLS certificate was not accepted: {error.verify_message}; whoever issued it must mend it"
