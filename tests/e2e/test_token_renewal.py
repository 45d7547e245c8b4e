"""What a shop answers to a renewal of tokens is told, and only what can be a token is taken for one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cli_harness import batchcart, get

OLD = {"access_token": "old-access-token", "refresh_token": "old-refresh-token"}


def run_against(
    answer: object, folder: Path, keys: str = "", status: int = 200
) -> tuple[str, list[dict[str, list[str]]]]:
    """What a run says whose renewals are so answered, and the queries of its renewals."""
    asked = []

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            renews = "/auth" in self.path
            if renews:
                asked.append(parse_qs(urlsplit(self.path).query))
            said = answer if renews else {"code": 401, "error_code": 1000}
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status if renews else 401)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        tokens = "".join(f'{name} = "{text}"\n' for name, text in OLD.items())
        (folder / "batchcart.toml").write_text(
            '[accounts.loja]\nplatform = "tray"\nlimits = []\n'
            f'api_address = "http://127.0.0.1:{server.server_port}"\n{tokens}{keys}'
        )
        (folder / "job.jsonl").write_text(json.dumps({**get("loja", "c"), "cart_id": "k1"}) + "\n")
        try:
            ended = batchcart("run", "job.jsonl", "--patience", "0.01", folder=folder, code=3)
        finally:
            server.shutdown()
            thread.join()
    return ended.out + ended.err, asked


@pytest.mark.parametrize(
    "token",
    [
        "short",
        '"status":"ok"',
        "with a space",
        "line\nbreak-1",
        "back\\slash-1",
        "tökentöken",
        "x" * 4097,
        "nul\0nul\0nul",
    ],
)
def test_what_cannot_be_a_token_is_refused_and_the_lines_stay_open(token: str, tmp_path: Path) -> None:
    said, asked = run_against({"code": 200, "access_token": token, "refresh_token": "fresh-refresh-1"}, tmp_path)

    assert "the new access_token h" in said
    assert token not in said
    assert len(asked) == 1
    assert (tmp_path / "job.results.jsonl").read_text() == ""
    assert not list((tmp_path / "state").rglob("tokens.json"))


def test_a_refused_renewal_shows_the_reason_without_secrets_and_bounded(tmp_path: Path) -> None:
    said, _ = run_against({"code": 400, "causes": [f"no {OLD['refresh_token']} " + "x" * 5000]}, tmp_path, status=400)

    assert "brought no new token: no *** xxx" in said
    assert "x" * 400 not in said


def test_the_keys_of_an_application_go_with_the_renewal(tmp_path: Path) -> None:
    keys = 'consumer_key = "consumer-key-1"\nconsumer_secret = "consumer-secret-1"\n'
    said, asked = run_against({"code": 400, "causes": ["consumer-key-1 is unknown"]}, tmp_path, keys, 400)

    assert asked == [
        {
            "refresh_token": [OLD["refresh_token"]],
            "consumer_key": ["consumer-key-1"],
            "consumer_secret": ["consumer-secret-1"],
        }
    ]
    assert "*** is unknown" in said


@pytest.mark.parametrize(
    ("status", "answer"), [(302, ""), pytest.param(200, "<html>Maintenance</html>", marks=pytest.mark.long)]
)
def test_trouble_during_a_renewal_is_the_shops_and_not_a_refusal(status: int, answer: str, tmp_path: Path) -> None:
    said, _ = run_against(answer, tmp_path, status=status)

    assert "brought no new token" not in said
    assert "authorise" not in said
