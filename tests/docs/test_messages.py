"""The messages of the program, provoked one by one: a sentence each, with the place and the next step, in one voice."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_harness import Cli, Ended, add, argv, create, environment, in_turn


@dataclass(frozen=True)
class Case:
    """A command line, the folder's files it needs, and what its message has to name: the place and the next step."""

    words: str
    told: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


ACCOUNT = '[accounts.acme]\nplatform = "tray"\napi_address = "https://a.example"\naccess_token = "an-access-token"\n'
LINE = '{"op":"cart.get","account":"acme","cart_id":"k"}\n'


def job(text: str) -> tuple[tuple[str, str], ...]:
    return (("job.jsonl", text), ("batchcart.toml", ACCOUNT))


def config(text: str) -> tuple[tuple[str, str], ...]:
    return (("batchcart.toml", text), ("job.jsonl", LINE))


CASES = {
    "no job": Case("run", ("run: JOB is missing", "batchcart run --help")),
    "misspelt command": Case("rnu job.jsonl", ("'rnu'", "did you mean 'run'?")),
    "misspelt option": Case("run job.jsonl --acount x", ("run:", "--acount", "did you mean '--account'?")),
    "misspelt group option": Case("--versoin", ("did you mean '--version'?",)),
    "no whole number": Case("run job.jsonl --concurrency x", ("--concurrency", "'x' is not a whole number")),
    "number out of range": Case("run job.jsonl --concurrency 0", ("--concurrency", "0 is outside of")),
    "no choice": Case("run job.jsonl --progress some", ("--progress", "'auto', 'plain', 'none'")),
    "too many": Case("check a b", ("check:", "one argument too many (b)")),
    "no value": Case("check a --config", ("'--config' requires an argument",)),
    "no such job": Case("check nix.jsonl", ("nix.jsonl", "does not exist", "- for standard input")),
    "job is a folder": Case("check .", ("job file .", "give a file")),
    "empty job": Case("check -", ("<stdin>", "put at least one line into it")),
    "packed job": Case("check job.gz", ("job.gz", "compress it again"), (("job.gz", "\x1f\x8bbroken"),)),
    "misspelt operation": Case("check job.jsonl", ("job.jsonl:1: op:", "did you mean"), job('{"op":"cart.gte"}')),
    "misspelt key": Case(
        "check job.jsonl", ("job.jsonl:1: ", "did you mean 'account'?"), job('{"op":"a","acount":""}')
    ),
    "misspelt account": Case(
        "check job.jsonl", ("job.jsonl:1: account: 'amce'", "did you mean 'acme'?"), job(LINE.replace("acme", "amce"))
    ),
    "misspelt field": Case(
        "check job.jsonl",
        ("job.jsonl:1: data.qantity: ", "did you mean 'quantity'?"),
        job('{"op":"cart.create","account":"acme","cart":"c","data":{"product_id":1,"qantity":1}}'),
    ),
    "no account": Case(
        "check job.jsonl", ("job.jsonl:1: account: missing", "--account NAME"), job('{"op":"cart.get"}')
    ),
    "not JSON": Case("check job.jsonl", ("job.jsonl:1: ",), job("{")),
    "no such config": Case("check job.jsonl --config nix.toml", ("nix.toml", "`batchcart init`"), job(LINE)),
    "config no TOML": Case("check job.jsonl", ("batchcart.toml: not TOML", "line 1"), config("a = 1 b")),
    "config misspelt key": Case(
        "check job.jsonl", ("'acme'", "did you mean 'limits'?"), config(f"{ACCOUNT}limts = []")
    ),
    "config misspelt platform": Case(
        "check job.jsonl", ("'acme'", "did you mean 'tray'?"), config('[accounts.acme]\nplatform = "tary"')
    ),
    "config bad limit": Case(
        "check job.jsonl", ("'often' is not a limit", "180/min"), config(ACCOUNT + 'limits=["often"]')
    ),
    "secret not set": Case(
        "run job.jsonl",
        ("account 'acme': access_token", "export NOT_SET_ANYWHERE=…"),
        config(ACCOUNT.replace('"an-access-token"', '{ env = "NOT_SET_ANYWHERE" }')),
    ),
    "secret file missing": Case(
        "run job.jsonl",
        ("account 'acme': access_token", "nix.key"),
        config(ACCOUNT.replace('"an-access-token"', '{ file = "nix.key" }')),
    ),
    "results without journal": Case("run job.jsonl -o r", ("r exists", "--fresh"), (*job(LINE), ("r", "{}\n"))),
    "results are the job": Case("run job.jsonl -o job.jsonl", ("is the job itself", "-o"), job(LINE)),
    "status of nothing": Case("status nix", ("nix has no journal nix.journal",)),
    "status of no database": Case("status r", ("the journal r.journal cannot be read",), (("r.journal", "x" * 999),)),
    "settle of nothing": Case("settle nix", ("nix has no journal",)),
    "settle without line": Case("settle r --not-done", ("--line N",)),
    "report of nothing": Case("report nix", ("nix does not exist", "job.results.jsonl")),
    "report of no results": Case("report job.jsonl", ("job.jsonl:1: not a result line",), job(LINE)),
    "undo of nothing": Case("undo nix -o u.jsonl", ("nix has no journal",)),
    "init platform": Case("init --platform tary", ("--platform", "did you mean 'tray'?")),
    "init secret in clear": Case("init --platform tray --access-token abc", ("--access-token", "env:NAME")),
    "doctor account": Case("doctor amce", ("batchcart.toml", "did you mean 'acme'?"), config(ACCOUNT)),
    "sandbox limit": Case("sandbox --limit try=1/s", ("--limit try=1/s", "did you mean 'tray'?")),
    "sandbox fault": Case("sandbox --fault rset-after=1", ("reset-after",)),
    "sandbox port": Case("sandbox --port 99999", ("sandbox: --port: 99999 is outside of",)),
    "export account": Case("export amce -o c", ("'amce'", "did you mean 'acme'?"), config(ACCOUNT)),
    "export without a list": Case(
        "export acme -o c", ("tray has no list of all carts", "--from FILE"), config(ACCOUNT)
    ),
    "convert by nothing": Case(
        "convert c --to acme --map m -o j", ("m does not exist", "--map-template"), config(ACCOUNT)
    ),
    "convert to nothing": Case("convert c", ("--to ACCOUNT", "--map FILE", "-o JOB")),
    "verify without map": Case("verify c r -o v", ("verify: --map is missing", "verify --help")),
    "bench not allowed": Case("bench --account acme", ("'acme'", "allow_bench = true"), config(ACCOUNT)),
    "bench mix": Case("bench --mix often", ("--mix 'often'", "STEP=NUMBER")),
    "log nowhere": Case("run job.jsonl --log nix/x", ("nix/x cannot be written", "--log"), job(LINE)),
    "metrics are the job": Case(
        "run job.jsonl --metrics job.jsonl", ("--metrics job.jsonl", "another file"), job(LINE)
    ),
    "no process": Case("run job.jsonl --processes 0", ("--processes: 0 is outside of",)),
    "schema of nothing": Case("schema crat", ("WHAT", "'job', 'cart'")),
    "completion": Case("completion tcsh", ("SHELL", "'bash', 'zsh', 'fish'")),
}


def said(words: list[str], folder: Path) -> str:
    done = subprocess.run(
        argv(*words), cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    return done.stdout


def assert_voice(text: str) -> None:
    """One voice: who speaks or which line it is about, a sentence without a full stop, neither noise nor insides."""
    assert text.endswith("\n")
    lines = text.rstrip("\n").split("\n")
    for line in lines:
        assert re.match(r"batchcart: \S|Help: batchcart |Help: python -m batchcart |\S+:\d+: |account '|…", line), line
        assert line == line.rstrip()
        assert not line.endswith("."), line
        for noise in ("Error", "Traceback", "Usage:", "None", "<class", "Exception", "!", "Errno", "  "):
            assert noise not in line, line
    assert len(set(lines)) == len(lines), "said twice"


@pytest.fixture(scope="module")
def provoked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What became of each case."""
    place = tmp_path_factory.mktemp("cases")
    for name, case in CASES.items():
        (place / name).mkdir()
        for file, text in case.files:
            (place / name / file).write_text(text, encoding="latin-1" if "\x8b" in text else "utf-8")
    ended = in_turn([(place / name, case.words.split()) for name, case in CASES.items()], place)
    return dict(zip(CASES, ended, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_its_place_and_the_next_step(name: str, provoked: Mapping[str, Ended]) -> None:
    ended = provoked[name]

    assert (ended.code, ended.out) == (2, "")
    for told in CASES[name].told:
        assert told in ended.err
    assert_voice(ended.err)


@pytest.mark.parametrize(
    ("account", "kind", "told"),
    [
        ("acme", "401", "fix the credentials, then run again"),
        ("loja", "401", "and the renewed one too"),
        ("sklep", "401", "fix the credentials, then run again"),
        ("loja", "500", "unreachable for"),
        ("sklep", "reset-before", "Its lines stay pending; run again later"),
    ],
)
def test_an_account_that_is_given_up_says_why_and_what_to_do(shop: Cli, account: str, kind: str, told: str) -> None:
    shop.hook(account, kind)
    shop.job([create(account), add(account)])
    ended = shop.run("--patience", "0.01", code=3)

    assert told in ended.out
    assert "in order again, run the same command again to resume" in ended.out
    spoken = [line for line in ended.err.splitlines() if line]
    assert all(f"account '{account}': " in line or f"{account}: " in line for line in spoken), spoken
    assert "Traceback" not in ended.err + ended.out


def test_a_result_that_is_not_ok_says_why_in_a_sentence(shop: Cli) -> None:
    shop.hook("acme", lambda call: "reset-after" if call.route == "POST Cart" else None)
    shop.job([create("acme"), add("acme", item="i"), create("loja", data={"product_id": "1", "quantity": 1})])
    ended = shop.run(code=1)
    found = {result["line"]: result["error"]["message"] for result in shop.results() if result["status"] != "ok"}

    assert "was sent and not answered" in found[1]
    assert "3dcart creates the OrderKey" in found[1]
    assert "line 1 did not create the cart" in found[2]
    assert "in doubt: nobody could say whether it happened" in ended.out
    assert all(not message.endswith(".") and "None" not in message for message in found.values())


def test_a_job_that_changed_is_told_with_the_line_that_differs(shop: Cli) -> None:
    shop.job([create("loja", "c1"), create("loja", "c2")])
    shop.run(code=0)
    shop.job([create("loja", "c1"), create("loja", "c3")])
    err = shop.run(code=2).err

    assert "line 2" in err
    assert "--fresh" in err
    assert_voice(err)


def coloured(folder: Path, words: list[str], **more: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    screen = b""
    own = {name: text for name, text in environment(folder).items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    with subprocess.Popen(
        argv(*words), cwd=folder, env={**own, "TERM": "xterm", **more}, stdout=theirs, stderr=subprocess.DEVNULL
    ):
        os.close(theirs)
        try:
            while found := os.read(ours, 4096):
                screen += found
        except OSError:  # the other end has gone
            pass
    os.close(ours)
    return screen.decode()


def test_status_words_are_coloured_on_a_terminal_alone_and_never_under_no_color(shop: Cli) -> None:
    shop.job([create("loja"), {"op": "cart.get", "account": "acme", "cart_id": "nix"}])
    shop.run(code=1)
    words = ["status", "job.results.jsonl"]

    assert "\x1b[31mfailed\x1b[0m" in coloured(shop.folder, words)
    assert "\x1b" not in coloured(shop.folder, words, NO_COLOR="1")
    assert "\x1b" not in coloured(shop.folder, words, TERM="dumb")
    assert "\x1b" not in said(words, shop.folder)
    assert "\x1b[32mok" in coloured(shop.folder, ["doctor", "--offline"])
    assert json.loads(said([*words, "--json"], shop.folder))["failed"] == 1
