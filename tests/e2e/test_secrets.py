"""No credential is ever seen: canaries in every form of authorisation, and a shop that echoes whatever it gets."""

import html
import json
import re
import signal
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest
from cli_harness import Ended, Line, add, batchcart, create, environment, get, line

DYING = Path(__file__).parents[1] / "support" / "kill_before_commit.py"
CANARY = b"CANARY"
SECRETS = {
    "headers": {"private_key": "CANARY-private{key}:1CANARY", "token": "CANARY+token=2CANARY"},
    "bearer": {"access_token": "CANARYbearer3CANARY"},
    "loja": {"access_token": "CANARY&access=4CANARY", "refresh_token": "CANARY,refresh%5CANARY"},
    "sklep": {"access_token": "CANARY/shoplo+6CANARY"},
    "signed": {
        "consumer_key": "CANARYconsumer7CANARY",
        "consumer_secret": "CANARYconsumer8CANARY",
        "token": "CANARYtoken9CANARY",
        "token_secret": "CANARYsecret10CANARY",
    },
}
PLAIN = {
    "headers": {"platform": "3dcart", "secure_url": "https://acme.example.com"},
    "bearer": {"platform": "3dcart"},
    "loja": {"platform": "tray"},
    "sklep": {"platform": "shoplo", "auth": "bearer", "app_id": "1234"},
    "signed": {"platform": "shoplo", "auth": "oauth1"},
}
RENEWED = {"access_token": "CANARY-renewed-access/11CANARY", "refresh_token": "CANARY-renewed-refresh+12CANARY"}
FORM = {"headers": "acme", "bearer": "acme", "loja": "loja", "sklep": "sklep", "signed": "sklep"}
"""Which account's form of lines each account takes."""

MANNERS = ("fine", "500", "no", "fine", "fine", "502", "no", "429", "fine", "cut", "fine")


class Parrot(BaseHTTPRequestHandler):
    """A shop that says back all it was told, plainly and in several spellings, in a new manner each time."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[Counter[str]] = Counter()
    manners: ClassVar[tuple[str, ...]] = MANNERS

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = " ".join([self.path, unquote(self.path), *map(str, self.headers.items()), body.decode()])
        name = self.path.split("/")[1]
        renewed = json.dumps(RENEWED) if "renewed" in unquote(self.path) else ""
        self.echo = f"{told} {html.escape(told)} {json.dumps(told)} {renewed}"
        self.asked[name] += 1
        if "/auth" in self.path:
            self.answer(200, {"code": 200, "message": self.echo, **RENEWED})
        elif name == "loja" and "renewed" not in unquote(self.path):
            self.answer(401, {"code": 401, "error_code": 1000, "causes": [self.echo]})
        else:
            self.behave(name, self.manners[self.asked[name] % len(self.manners)])

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # the names http.server calls

    def behave(self, name: str, manner: str) -> None:
        match manner:
            case "fine":
                self.answer(200, self.fine(name))
            case "moved":
                self.answer(302, {}, location=f"http://127.0.0.1/{self.path}")
            case "429":
                self.answer(429, {"message": self.echo}, after="0")
            case "no":
                self.answer(400, self.refusal(name, self.echo))
            case "long":
                # The 2 KiB that a result shows of a body end within a secret.
                secret = RENEWED["access_token"] if name == "loja" else next(iter(SECRETS[name].values()))
                start = len(json.dumps(self.refusal(name, "")).encode()) - 4
                self.answer(400, self.refusal(name, "x" * (2048 - start - 8) + secret))
            case "page":
                # So do the 80 characters of a web page.
                secret = RENEWED["access_token"] if name == "loja" else next(iter(SECRETS[name].values()))
                self.answer(502, f"<h1>{'x' * 72}{secret}</h1>")
            case "cut":
                self.answer(200, self.fine(name), cut=True)
            case status:
                self.answer(int(status), f"<h1>{self.echo}</h1>")

    def fine(self, name: str) -> object:
        match PLAIN[name]["platform"]:
            case "3dcart" if self.command == "GET":
                return [{"OrderKey": "K1", "CartItemList": [], "BillingCompany": self.echo}]
            case "3dcart":
                rows = [("OrderKey", "K1"), ("CartItemID", "1")]
                return [{"Key": key, "Value": value, "Status": "201", "Message": self.echo} for key, value in rows]
            case "tray" if self.command == "GET":
                return [{"Cart": {"product_id": "9", "quantity": "1", "product_name": self.echo}}]
            case "tray":
                return {"code": 201, "id": "7", "session_id": "s", "cart_url": f"https://x/?{self.echo}"}
            case _ if self.command == "GET":
                return {"carts": [{"id": 3, "user_key": "u", "variant_id": 4, "quantity": 1, "title": self.echo}]}
            case _:
                return {"status": "ok", "cart": {"id": 5, "user_key": "u", "title": self.echo}}

    def refusal(self, name: str, text: str) -> object:
        match PLAIN[name]["platform"]:
            case "3dcart":
                return [{"Key": "Error", "Value": text, "Status": "400", "Message": text}]
            case "tray":
                return {"code": 400, "name": text, "causes": [text]}
            case _:
                return {"status": "err", "error": "17", "error_msg": text}

    def answer(self, status: int, document: object, *, cut: bool = False, location: str = "", after: str = "") -> None:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        headers = {"X-Echo": self.path, "Content-Type": f"application/json; x={self.path}"}
        for header, value in {**headers, "Location": location, "Retry-After": after}.items():
            if value:
                self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def parrot() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, parrot: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config that names the canaries by environment, and a job for every account."""
    text = []
    for name, secrets in SECRETS.items():
        place = "api_address" if name == "loja" else "base_url"
        keys = {**PLAIN[name], place: f"{parrot}/{name}"}
        text += [f"[accounts.{name}]", "limits = []", "timeout = 3"]
        text += [f'{key} = "{value}"' for key, value in keys.items()]
        for key, secret in secrets.items():
            variable = f"TEST_{name}_{key}".upper()
            monkeypatch.setenv(variable, secret)
            text.append(f'{key} = {{ env = "{variable}" }}')
    (tmp_path / "batchcart.toml").write_text("\n".join(text) + "\n")
    lines = [one for number in range(3) for name in SECRETS for one in chain(name, f"c{number}")]
    (tmp_path / "job.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return tmp_path


def chain(name: str, cart: str) -> list[Line]:
    form = FORM[name]
    lines = [create(form, cart), add(form, cart), get(form, cart), line(form, "cart.delete", cart)]
    return [{**one, "account": name} for one in lines]


def leaks(folder: Path, of: bytes = rb"\dCANARY") -> list[str]:
    """The files in which the end of a canary is seen, or what else ``of`` finds."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("tokens.json")]
    assert any(path.name.endswith(".journal") for path in files)
    return [path.name for path in files if re.search(of, path.read_bytes())]


def seen(ended: Ended) -> bool:
    return CANARY.decode() in ended.out + ended.err


def test_no_canary_is_seen_anywhere_after_a_run_with_faults_and_a_kill(folder: Path) -> None:
    results = folder / "job.results.jsonl"
    dying = [sys.executable, str(DYING), "12", "run", "job.jsonl"]
    killed = subprocess.run(dying, cwd=folder, env=environment(folder), capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(results.read_bytes().splitlines()) > 3
    assert (folder / "job.results.jsonl.journal-wal").stat().st_size
    assert leaks(folder) == []
    assert CANARY not in killed.stdout + killed.stderr
    assert not seen(batchcart("status", "job.results.jsonl", folder=folder))
    ended = batchcart("run", "job.jsonl", "--progress", "plain", "--retry-failed", "--patience", "0.1", folder=folder)
    assert ended.code in {1, 3}
    assert not seen(ended)
    for command in (["settle", "job.results.jsonl"], ["check", "job.jsonl", "--show-requests"]):
        assert not seen(batchcart(*command, folder=folder))
    assert leaks(folder) == []
    found = [json.loads(text) for text in results.read_text().splitlines()]
    assert {result["account"] for result in found} == set(SECRETS)
    assert any("***" in json.dumps(result) for result in found)
    (kept,) = (folder / "state").rglob("tokens.json")
    assert json.loads(kept.read_text())["tokens"] == RENEWED
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for place in (kept.parent, kept.parent.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("manner", ["long", "page", "moved"])
def test_no_beginning_of_a_canary_is_seen_where_an_answer_is_cut_to_size(
    folder: Path, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parrot, "manners", (manner,))
    assert not seen(batchcart("run", "job.jsonl", "--patience", "0.01", folder=folder))
    assert leaks(folder, CANARY) == []


@pytest.mark.parametrize("text", ['"CANARY"x', "CANARY\\nCANARY", ""])
def test_a_config_with_a_mistake_in_a_secret_does_not_show_it(folder: Path, text: str) -> None:
    (folder / "batchcart.toml").write_text(
        f'[accounts.headers]\nplatform = "3dcart"\nsecure_url = "https://a.example.com"\ntoken = "{text}"\n'
        'private_key = ["CANARY"]\n'
    )
    ended = batchcart("check", "job.jsonl", folder=folder, code=2)
    assert not seen(ended)


def test_a_secret_in_an_address_is_not_shown(folder: Path) -> None:
    (folder / "batchcart.toml").write_text(
        '[accounts.loja]\nplatform = "tray"\napi_address = "https://u:CANARY@x/web_api?access_token=CANARY"\n'
        'access_token = "CANARY"\n'
    )
    assert not seen(batchcart("run", "job.jsonl", folder=folder, code=2))
