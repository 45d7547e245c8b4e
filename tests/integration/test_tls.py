"""Whom we trust, by what we are known, and how the ways in which TLS fails are told apart."""

import asyncio
import importlib
import importlib.util
import json
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from byte_server import OK, account, request
from certificates import Authority, Pair, open_authority
from cli_harness import batchcart

from batchcart.accounts.client_certificate import ClientCertificate
from batchcart.accounts.config import Account, load_config
from batchcart.engine.http.client import open_client
from batchcart.engine.http.tls import describe_tls
from batchcart.model.errors import UsageError
from batchcart.model.http import NotSent, Response
from batchcart.model.remedy import Remedy
from batchcart.platforms import load_adapters

HERE = "IP:127.0.0.1"
LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
))]  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.sign("shop", HERE)


def secured(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@contextmanager
def shop(folder: Path, context: ssl.SSLContext | None) -> Iterator[tuple[list[str], Account]]:
    """A shop in a thread, since asyncio's server breaks TLS off without a word; what it was asked, and its account."""
    seen: list[str] = []

    def serve(taken: socket.socket) -> None:
        with suppress(OSError), taken if context is None else context.wrap_socket(taken, server_side=True) as secure:
            if head := secure.recv(65536):
                seen.append(head.decode(errors="replace").partition("\r\n")[0])
                secure.sendall(OK if context else b"HTTP/1.1 400 Bad Request\r\n\r\n")
                secure.recv(1)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield seen, account(folder, f"https://127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)


def on_loop(name: str, work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    factory = importlib.import_module("uvloop").new_event_loop if name == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(whole())


def old_versions(pair: Pair) -> ssl.SSLContext:
    context = secured(pair)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("trouble", "words", "final"),
    [
        ("expired", "its TLS certificate has expired; the shop must renew it", True),
        ("early", "its TLS certificate is not valid yet (is this machine's clock right?)", True),
        ("other name", "its TLS certificate is for another name, so the address may be wrong", True),
        ("unknown issuer", "its TLS certificate is of an issuer that is not known here (see ca_file)", True),
        ("old versions", "it speaks only versions of TLS that are too old to be safe", False),
        ("plain HTTP", "what answers there does not speak TLS (plain HTTP?)", False),
    ],
)
def test_why_tls_failed_is_told_and_nothing_was_sent(
    tmp_path: Path, authority: Authority, pair: Pair, trouble: str, words: str, loop: str, *, final: bool
) -> None:
    contexts: dict[str, Callable[[], ssl.SSLContext | None]] = {
        "expired": lambda: secured(authority.sign(f"old-{loop}", HERE, until="20210101000000Z")),
        "early": lambda: secured(authority.sign(f"new-{loop}", HERE, since="20890101000000Z")),
        "other name": lambda: secured(authority.sign(f"other-{loop}", "DNS:other.example")),
        "unknown issuer": lambda: secured(pair),
        "old versions": lambda: old_versions(pair),
        "plain HTTP": lambda: None,
    }

    async def work() -> None:
        with shop(tmp_path, contexts[trouble]()) as (seen, of_shop):
            trusts = None if trouble == "unknown issuer" else authority.certificate
            async with open_client(replace(of_shop, ca_file=trusts)) as send:
                reply = await send(request(), pytest.fail)
            assert reply == NotSent(
                f"{of_shop.address[8:]} cannot be reached: {words}", Remedy.SEE_TO_CERTIFICATE if final else None
            )
            assert seen == [] or trouble == "plain HTTP"

    on_loop(loop, work)


def test_what_else_is_wrong_with_a_certificate_is_told_in_the_words_of_openssl() -> None:
    lacking = ssl.SSLCertVerificationError(1, "certificate verify failed")
    lacking.verify_code, lacking.verify_message = 85, "Missing Authority Key Identifier"  # Python from 3.13 on says so
    words = "its TLS certificate was not accepted: Missing Authority Key Identifier; whoever issued it must mend it"
    assert describe_tls(lacking) == words


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_shop_that_wants_to_know_who_we_are_is_shown_the_accounts_certificate_and_refuses_without(
    tmp_path: Path, authority: Authority, pair: Pair, version: ssl.TLSVersion, loop: str
) -> None:
    known, stranger = (
        authority.sign(f"known-{loop}-{version}", "DNS:us"),
        open_authority(tmp_path / "other").sign("x", "DNS:us"),
    )
    context = secured(pair)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version

    async def work() -> None:
        with shop(tmp_path, context) as (seen, of_shop):
            trusting = replace(of_shop, ca_file=authority.certificate)
            for shown, taken in ((known, True), (stranger, False), (None, False)):
                own = ClientCertificate(shown.certificate, shown.key) if shown else None
                async with open_client(replace(trusting, client_certificate=own)) as send:
                    reply = await send(request(), lambda: None)
                if taken:
                    assert isinstance(reply, Response)
                else:
                    assert isinstance(reply, NotSent)
                    assert reply.why.endswith("see client_cert" if reply.remedy else "see client_cert)")
                    assert reply.remedy or (shown, version) == (None, ssl.TLSVersion.TLSv1_2)
            assert len(seen) == 1

    on_loop(loop, work)


def entry(folder: Path, address: str, *more: str) -> str:
    lines = ["[accounts.loja]", 'platform = "tray"', f'api_address = "{address}"', 'access_token = "a-token-1234"']
    (folder / "batchcart.toml").write_text("\n".join([*lines, *more]) + "\n")
    (folder / "batchcart.toml").chmod(0o600)
    (folder / "job.jsonl").write_text('{"op":"cart.get","account":"loja","cart_id":"k"}\n' * 3)
    return "job.jsonl"


def test_a_refused_certificate_closes_its_account_at_once(tmp_path: Path, pair: Pair) -> None:
    with shop(tmp_path, secured(pair)) as (_, of_shop):
        job = entry(tmp_path, of_shop.address)
        ended = batchcart("run", job, "--json", folder=tmp_path, code=3)
        told = batchcart("doctor", folder=tmp_path, code=1).out
    assert "cannot be reached: its TLS certificate is of an issuer that is not known here (see ca_file)\n" in told
    found = json.loads(ended.out)["accounts"]["loja"]
    assert (found["not_attempted"], found["state"]) == (3, "closed")
    assert "its TLS certificate is of an issuer that is not known here (see ca_file)" in found["reason"]
    assert found["reason"].endswith("Its lines stay pending; see to the certificate, then run again")


def test_files_of_tls_that_are_of_no_use_are_told_before_anything_is_sent(tmp_path: Path, authority: Authority) -> None:
    one, two = authority.sign("one", "DNS:one"), authority.sign("two", "DNS:two")
    (tmp_path / "text.pem").write_text("no certificate")
    for private in (one.certificate, tmp_path / "text.pem"):
        private.chmod(0o600)
    for keys, words in (
        (['client_cert = "none.pem"'], f"account 'loja': client_cert {tmp_path}/none.pem is not a file"),
        ([f'client_cert = "{one.certificate}"', 'client_key = "n"'], "account 'loja': client_key "),
        ([f'client_key = "{one.key}"'], "account 'loja': client_key without client_cert; name the certificate that"),
        ([f'client_cert = "{one.certificate}"', f'client_key = "{two.key}"'], "does not belong to the key in"),
        (['client_cert = "text.pem"'], "is not PEM, or the key has a password, which none may have"),
        ([f'client_cert = "{one.certificate}"'], "is not PEM, or the key has a password, which none may have"),
    ):
        job = entry(tmp_path, "https://127.0.0.1:1", *keys)
        assert words in batchcart("run", job, folder=tmp_path, code=2).err
        told = batchcart("doctor", folder=tmp_path, code=1).out
        assert words.removeprefix("account 'loja': ") in told
        assert "account loja" in told


def test_a_key_that_others_can_read_is_told_by_run_and_doctor(tmp_path: Path, authority: Authority) -> None:
    own = authority.sign("own", "DNS:own")
    own.key.chmod(0o644)
    keys = (f'client_cert = "{own.certificate}"', f'client_key = "{own.key}"', "timeout = 1")
    job = entry(tmp_path, "https://127.0.0.1:1", *keys)
    assert str(own.key) in batchcart("run", job, "--patience", "0", folder=tmp_path, code=3).err
    told = batchcart("doctor", "--offline", folder=tmp_path, code=1).out
    assert f"client_key: others can read {own.key}; fix it with: chmod 600 {own.key}" in told
    assert f"it shows its shop the client certificate {own.certificate}" in told


@pytest.mark.parametrize("host", ["bücher.example", "straße.example:8443", "例え.テスト"])
def test_a_host_beyond_ascii_goes_over_the_wire_as_punycode(tmp_path: Path, host: str) -> None:
    entry(tmp_path, f"https://{host}/web_api")
    address = load_config(tmp_path / "batchcart.toml", load_adapters())["loja"].resolve().address
    puny = {"b": "xn--bcher-kva.example", "s": "xn--strae-oqa.example:8443", "例": "xn--r8jz45g.xn--zckzah"}
    assert address == f"https://{puny[host[0]]}/web_api"


def test_a_host_that_cannot_be_a_name_is_refused(tmp_path: Path) -> None:
    entry(tmp_path, "https://ü..example/web_api")
    with pytest.raises(UsageError, match="api_address: expected an address such as"):
        load_config(tmp_path / "batchcart.toml", load_adapters())
