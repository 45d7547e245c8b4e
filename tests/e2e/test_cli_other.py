"""The commands beside `run`: check, platforms, schema, init, sandbox, status, settle, and the help."""

import importlib
import json
import os
import random
import re
import shlex
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from cli_harness import (
    Cli,
    Ended,
    ShopServer,
    add,
    argv,
    batchcart,
    create,
    environment,
    get,
    line,
    lines_until,
    open_cli,
    until,
)
from jsonschema import Draft202012Validator
from kill_storm import shops

from batchcart.cli import COMMANDS
from batchcart.cli.examples import EXAMPLES, examples_text
from batchcart.sandbox.messages import Call

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.jsonl"))
HAS = {
    "cart.create": ("POST", "POST", "POST"),
    "cart.get": ("GET", "GET", "GET"),
    "cart.update": ("PUT", "PUT", "–"),
    "cart.delete": ("DELETE", "DELETE", "line by line"),
    "cart.list": ("–", "–", "GET"),
    "cart.count": ("–", "–", "GET"),
    "item.add": ("POST", "POST", "POST"),
    "item.get": ("–", "–", "GET"),
    "item.update": ("PUT", "–", "PUT"),
    "item.delete": ("DELETE", "–", "DELETE"),
    "discount.set": ("–", "–", "PUT"),
    "discount.delete": ("–", "–", "DELETE"),
}
"""The operations table: the method of each cell on 3dcart, Tray and Shoplo."""


# Help, and words that are none


def test_the_commands_help_lines_are_their_first_sentences() -> None:
    for name, text in COMMANDS.items():
        command = importlib.import_module(f"batchcart.cli.commands.{name}").command
        assert command.help.partition("\n")[0] == text


def test_every_command_has_help(tmp_path: Path) -> None:
    shown = batchcart("--help", folder=tmp_path, code=0).out
    assert all(text.partition(".")[0][:40] in shown for text in COMMANDS.values())
    assert COMMANDS["run"].split()[0] in batchcart("run", "--help", folder=tmp_path, code=0).out
    for name, text in COMMANDS.items():
        command = importlib.import_module(f"batchcart.cli.commands.{name}").command
        assert text.split()[0] in command.get_help(click.Context(command, info_name=name))


def test_every_command_has_examples_that_are_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(EXAMPLES) == set(COMMANDS)
    for name, examples in EXAMPLES.items():
        command = importlib.import_module(f"batchcart.cli.commands.{name}").command
        assert command.epilog.endswith(examples_text(name))
        for _, shown in examples:
            assert len(shown) <= 100
            if shown.startswith("batchcart "):
                _, called, *words = shlex.split(shown)
                importlib.import_module(f"batchcart.cli.commands.{called}").command.make_context(called, words)


def test_help_is_also_a_command_and_the_version_has_a_short_option(tmp_path: Path) -> None:
    shown = batchcart("help", "run", folder=tmp_path, code=0).out

    assert shown == batchcart("run", "--help", folder=tmp_path, code=0).out
    assert batchcart("help", folder=tmp_path, code=0).out == batchcart("--help", folder=tmp_path, code=0).out
    assert "did you mean 'run'?" in batchcart("help", "rnu", folder=tmp_path, code=2).err
    assert batchcart("-V", folder=tmp_path, code=0).out == batchcart("--version", folder=tmp_path, code=0).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu", "job.jsonl"], "did you mean 'run'?"),
        (["platform"], "did you mean 'platforms'?"),
        (["xyzzy"], "it is one of run, check"),
        (["run", "job.jsonl", "--in-oder"], "--in-order"),
        (["chekc", "--help"], "did you mean 'check'?"),
    ],
)
def test_misspelt_words_get_a_suggestion(tmp_path: Path, words: list[str], told: str) -> None:
    assert told in batchcart(*words, folder=tmp_path, code=2).err


def test_no_command_line_whatever_shows_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "job.jsonl").write_text('{"op":"cart.count","account":"sandbox-shoplo"}\n')
    (tmp_path / "a.results.jsonl.journal").write_bytes(b"no database" * 100)
    (tmp_path / "d.journal").mkdir()
    (tmp_path / "e.journal").touch()
    rng = random.Random(7)
    options = [
        "--json",
        "--line",
        "--done",
        "--not-done",
        "-o",
        "--config",
        "--account",
        "--port",
        "--fault",
        "--fresh",
    ]
    given = ["job.jsonl", ".", "", "-", "a.results.jsonl", "d", "e", "7", "a=b", "\udcff", "nosuch", "x/y", "--", "é\n"]
    fixed = [
        ["status", "a.results.jsonl"],
        ["status", "d"],
        ["status", "e"],
        ["settle", "e"],
        ["settle", "a.results.jsonl", "--line", "1", "--not-done"],
        ["run", "job.jsonl", "-o", "a.results.jsonl"],
        ["run", "job.jsonl", "-o", "e"],
        ["run", "job.jsonl", "-o", "d"],
        ["run", ""],
        ["check", "\udcff"],
        ["check", "job.jsonl", "--config", "\udcff"],
        ["run", "job.jsonl", "-o", ""],
    ]
    made = [rng.choices([*COMMANDS, *options], k=2) + rng.choices([*options, *given], k=3) for _ in range(15)]
    for words in [*fixed, *(words for words in made if words[0] != "sandbox")]:
        ended = batchcart(*words, folder=tmp_path)
        assert ended.code in {0, 1, 2, 3}, words
        assert ended.out or ended.err, words


def test_a_full_disk_under_the_output_is_told_in_a_sentence(tmp_path: Path) -> None:
    for words in (["schema"], ["platforms"], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                argv(*words), cwd=tmp_path, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 3
        assert done.stderr.count(b"\n") == 1
        assert b"No space left" in done.stderr


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(argv("schema"), cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["check", "job.jsonl"],
        ["platforms"],
        ["schema"],
        ["doctor", "--offline"],
        ["init", "--help"],
        ["completion", "bash"],
    ],
)
def test_commands_that_send_nothing_import_no_aiohttp(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "job.jsonl").write_text('{"op":"cart.count","account":"sandbox-shoplo"}\n')
    told = "print('aiohttp' in sys.modules, file=sys.stderr)"
    program = f"import sys; from batchcart.cli import main\ntry: main()\nfinally: {told}"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == "False\n"


def test_help_imports_nothing_that_only_commands_need(tmp_path: Path) -> None:
    told = "print({'asyncio', 'msgspec', 'orjson', 'rich'} & set(sys.modules), file=sys.stderr)"
    program = f"import sys; from batchcart.cli import main\ntry: main()\nfinally: {told}"
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"


# check, platforms, schema, init


def test_check_shows_the_plan_and_sends_nothing(shop: Cli) -> None:
    shop.configure(loja={"limits": ["180/min", "10/day"]}, sklep={"limits": ["2/s"]})
    shop.job([create("sklep"), *(create("loja", f"c{number}") for number in range(25))])
    ended = batchcart("check", "job.jsonl", folder=shop.folder, code=0)
    assert "26 operations are in order; nothing was sent" in ended.out
    assert "loja: at least 25 requests, at best 2 days, because of 10/day" in ended.out
    assert "sklep: at least 1 request, which fits into 2/s at once" in ended.out
    assert "All side by side: at best 2 days, because of loja" in ended.out
    assert shop.requests() == 0
    assert {path.name for path in shop.folder.iterdir()} == {"job.jsonl", "batchcart.toml"}


def test_check_tells_its_plan_as_json(shop: Cli) -> None:
    shop.configure(acme={"limits": ["1/min"], "token": None, "private_key": None, "access_token": "acme-bearer-token"})
    config = shop.folder / "batchcart.toml"
    config.write_text(
        config.read_text().replace('access_token = "acme-bearer-token"', 'access_token = { env = "NOT_SET_ANYWHERE" }')
    )
    shop.job([create("acme"), add("acme"), create("loja")])
    plan = batchcart("check", "job.jsonl", "--json", folder=shop.folder, code=0).figures

    assert plan["lines"] == 3
    assert "environment variable NOT_SET_ANYWHERE is not set" in plan["accounts"]["acme"].pop("trouble")
    assert plan["accounts"]["acme"] == {
        "lines": 2,
        "operations": {"cart.create": 1, "item.add": 1},
        "seconds_at_best": 60,
        "limit": "1/min",
    }
    assert plan["accounts"]["loja"]["limit"] is plan["accounts"]["loja"]["trouble"] is None
    shop.job([{"op": "cart.make"}])
    found = json.loads(batchcart("check", "job.jsonl", "--json", folder=shop.folder, code=2).out)
    assert [problem["lines"] for problem in found["problems"]] == [[1]]
    assert "go together" in batchcart("check", "j", "--json", "--show-requests", folder=shop.folder, code=2).err


def test_check_lists_bad_lines_and_missing_secrets(shop: Cli) -> None:
    shop.job([line("acme", "cart.make")])
    assert "job.jsonl:1: " in batchcart("check", "job.jsonl", folder=shop.folder, code=2).err
    shop.configure(
        acme={"token": None, "private_key": None, "access_token": "acme-bearer-token"},
        loja={"access_token": "another-token"},
    )
    config = shop.folder / "batchcart.toml"
    config.write_text(
        config.read_text().replace('access_token = "acme-bearer-token"', 'access_token = { env = "NOT_SET_ANYWHERE" }')
    )
    shop.job([create("acme")])
    assert "NOT_SET_ANYWHERE" in batchcart("check", "job.jsonl", folder=shop.folder).out
    assert "NOT_SET_ANYWHERE" in shop.run(code=2).err


def test_check_shows_requests_without_credentials(shop: Cli) -> None:
    shop.job([create("acme"), add("acme", item="i"), line("acme", "item.delete", item="i"), create("loja")])
    out = batchcart("check", "job.jsonl", "--show-requests", folder=shop.folder, code=0).out
    assert re.search(r"^3: acme: DELETE http://\S+/3dCartWebAPI/v1/Cart/{cart_id}/Item/{item_id}$", out, re.MULTILINE)
    assert "an-access-token" not in out


def test_platforms_has_every_cell_of_the_contract(tmp_path: Path) -> None:
    out = batchcart("platforms", "--markdown", folder=tmp_path, code=0).out
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in out.splitlines()]
    columns = [rows[0].index(name) for name in ("3dcart", "tray", "shoplo")]
    table = {row[0]: tuple(row[column] for column in columns) for row in rows[2:]}
    assert set(table) == {*HAS, "limits"}
    for name, methods in HAS.items():
        for cell, method in zip(table[name], methods, strict=True):
            assert ("one by one" if method == "line by line" else method) in cell, (name, cell)
    assert "[/complete]" in table["cart.get"][1]
    assert table["limits"] == ("bucket 50 leak 2/s", "180/min, 10000/day", "2/s")
    plain = batchcart("platforms", folder=tmp_path, code=0).out
    assert [text.split()[0] for text in plain.partition("\n\n")[0].splitlines()] == [
        rows[0][0],
        *(row[0] for row in rows[2:]),
    ]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(batchcart("schema", folder=tmp_path_factory.mktemp("schema"), code=0).out)
    assert found["$schema"].endswith("2020-12/schema")
    return found


def test_the_schema_accepts_every_line_of_the_example_jobs(schema: dict[str, Any]) -> None:
    for path in JOBS:
        for number, text in enumerate(path.read_text().splitlines(), 1):
            if "broken" not in path.name:
                assert not list(Draft202012Validator(schema).iter_errors(json.loads(text))), (path.name, number)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"op": "cart.make"},
        {**create("acme"), "extra": 1},
        {**create("acme"), "account": ""},
        {**create("acme"), "data": []},
        {**create("acme"), "data": {"BillingFirstNam": "x"}},
        {**create("loja"), "data": {"product_id": "1"}},
        {**create("sklep"), "data": {"variant_id": 1, "quantity": "many"}},
        {**get("acme"), "cart": 7},
        {**get("acme"), "view": ""},
        {**get("acme"), "id": 1.5},
        {**line("sklep", "cart.list"), "query": {"lmit": 3}},
    ],
)
def test_the_schema_refuses_bad_lines(schema: dict[str, Any], bad: dict[str, Any]) -> None:
    assert list(Draft202012Validator(schema).iter_errors(bad))


def test_init_writes_what_runs_and_never_overwrites(tmp_path: Path) -> None:
    batchcart("init", folder=tmp_path, code=0)
    config = tmp_path / "batchcart.toml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    batchcart("run", "first.jsonl", folder=tmp_path, code=0)
    config.write_text("# mine\n")
    for leave in (config, tmp_path / "first.jsonl"):
        before = leave.read_bytes()
        assert "was not overwritten" in batchcart("init", folder=tmp_path, code=2).err
        assert leave.read_bytes() == before
        config.unlink(missing_ok=True)


# sandbox


def test_the_sandbox_prints_a_config_that_works_and_counts_until_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(argv("sandbox", "--port", "0"), stdout=subprocess.PIPE, text=True) as process:
        *printed, _ = lines_until(process, lambda said: said == "Ctrl-C stops it.\n")
        text = "".join(printed)
        assert "a simulator and no shop" in printed[0]
        (tmp_path / "batchcart.toml").write_text(text[text.index("# for batchcart.toml") :])
        lines = [create("acme"), create("loja"), create("sklep")]
        names = {"acme": "local-3dcart", "loja": "local-tray", "sklep": "local-shoplo"}
        job = [json.dumps({**one, "account": names[one["account"]]}) for one in lines]
        (tmp_path / "job.jsonl").write_text("\n".join(job))
        batchcart("run", "job.jsonl", folder=tmp_path, code=0)
        origin = printed[0].partition(", on ")[2].partition(";")[0]
        with urllib.request.urlopen(f"{origin}/sandbox/counters") as answer:
            seen = json.load(answer)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    assert json.loads(out) == seen
    assert seen["tray"][""]["effects"] == {"create": 1}


def test_a_test_whose_sandbox_dies_at_its_start_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"ended with exit code 2 at its start: (?s:.*)no-such"),
        shops(tmp_path, faults=["no-such=0.5"]),
    ):
        pass


def test_a_sandbox_on_a_taken_port_says_so(shop_server: ShopServer, tmp_path: Path) -> None:
    port = shop_server.sandbox.origin.rpartition(":")[2]
    assert f"127.0.0.1:{port}" in batchcart("sandbox", "--port", port, folder=tmp_path, code=2).err
    for words in (["--limit", "try=1/s"], ["--limit", "tray=often"], ["--fault", "500=2"], ["--state", "/proc/x"]):
        assert batchcart("sandbox", "--port", "0", *words, folder=tmp_path, code=2).err


# status


def status(shop: Cli, *words: str, code: int) -> Ended:
    return batchcart("status", "job.results.jsonl", *words, folder=shop.folder, code=code)


def test_status_tells_where_a_living_run_stands_and_its_pid(shop: Cli) -> None:
    shop.hook("loja", "delay")
    shop.job([create("loja", f"c{number}") for number in range(120)])
    with shop.started("run", "job.jsonl", "--concurrency", "1") as process:
        until(lambda: len(shop.endpoint("loja").saw.carts) >= 2)
        ended = status(shop, code=3)
        assert f"pid {process.pid}" in ended.out
        figures = status(shop, "--json", code=3).figures
        assert process.poll() is None
        assert figures["lines"] == 120 == figures["ok"] + figures["not_attempted"]
        assert 0 < figures["ok"] < 120
        assert figures["accounts"]["loja"]["state"] == "open"
        process.kill()
        process.wait()
        before = {path.name: path.read_bytes() for path in shop.folder.glob("job.results.jsonl*")}
        assert "No run is at work on it" in status(shop, code=3).out
        after = {path.name: path.read_bytes() for path in shop.folder.glob("job.results.jsonl*")}
        assert {name: after[name] for name in before if not name.endswith("-shm")} == {
            name: text for name, text in before.items() if not name.endswith("-shm")
        }
    shop.hook("loja", "")
    shop.run(code=0)
    assert status(shop, "--json", code=0).figures["ok"] == 120


def test_status_of_a_finished_run_leaves_no_files_behind(shop: Cli) -> None:
    shop.job([create("loja")])
    shop.run(code=0)
    before = sorted(path.name for path in shop.folder.iterdir())
    assert "job.results.jsonl" in status(shop, code=0).out
    assert sorted(path.name for path in shop.folder.iterdir()) == before


def test_a_lock_file_with_the_pid_of_something_else_is_not_a_run(shop: Cli) -> None:
    shop.job([create("loja")])
    shop.run(code=0)
    for text in (str(os.getpid()), "1", "", "99999999999999999999", "x"):
        (shop.folder / "job.results.jsonl.lock").write_text(text)
        assert "No run is at work on it" in status(shop, code=0).out


# settle


def doubtful(shop: Cli, account: str, kind: str) -> None:
    """A run whose second line is in doubt: its add met ``kind``, and somebody else added the same just then."""
    adds = []

    def meets(call: Call) -> str | None:
        if call.method == "POST":
            adds.append(call)
            return kind if len(adds) == 2 else None
        if len(adds) == 2:
            adds.append(call)
            _meddle(shop, account, 7)
        return None

    shop.hook(account, meets)
    named = account == "sklep"
    later = [line(account, "item.update", item="i", data={"quantity": 9}), get(account)] if named else [get(account)]
    shop.job([create(account), add(account, item="i"), *later])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", **dict(enumerate(["skipped", "ok"][2 - len(later) :], 3))}
    shop.hook(account, "")


def _meddle(shop: Cli, account: str, change: int) -> None:
    """Another client adds to the cart, or (with a negative ``change``) takes back what it added."""
    (cart,) = shop.endpoint(account).shop.carts.values()
    items = cart["items"]
    if account == "loja":
        (only,) = items.values()
        only["quantity"] = str(int(only["quantity"]) + change)
        return
    first = next(iter(items.values()))
    for number in (901, 902):
        items.pop(str(number), None)
        if change > 0:
            items[str(number)] = {**first, "id": number}


def quantities(shop: Cli, account: str) -> list[int]:
    (cart,) = shop.endpoint(account).shop.carts.values()
    name = "ItemQuantity" if account == "acme" else "quantity"
    return sorted(int(item[name]) for item in cart["items"].values())


def settle(shop: Cli, *words: str, code: int) -> Ended:
    return batchcart("settle", "job.results.jsonl", *words, folder=shop.folder, code=code)


@pytest.mark.parametrize(("closed", "other"), [("loja", "sklep"), ("sklep", "loja")])
def test_an_account_that_is_closed_ends_the_settling_of_no_other(shop: Cli, closed: str, other: str) -> None:
    def meets(account: str) -> Callable[[Call], str | None]:
        adds: list[Call] = []

        def meet(call: Call) -> str | None:
            if len(adds) == 2:
                adds.append(call)
                _meddle(shop, account, 7)
            elif call.method == "POST":
                adds.append(call)
                return "reset-after" if len(adds) == 2 else None
            return None

        return meet

    for account in (closed, other):
        shop.hook(account, meets(account))
    shop.job([create(closed), add(closed, item="i"), create(other), add(other, item="i")])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "ok", 4: "in_doubt"}
    for account in (closed, other):
        _meddle(shop, account, -7)
    shop.hook(other, "")
    shop.hook(closed, "401")

    settle(shop, code=1)

    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "ok", 4: "ok"}


@pytest.mark.parametrize("account", ["loja", "sklep"])
@pytest.mark.parametrize(("kind", "becomes"), [("reset-after", "ok"), ("reset-before", "failed")])
def test_settle_reads_the_shop_and_ends_what_is_in_doubt(shop: Cli, account: str, kind: str, becomes: str) -> None:
    doubtful(shop, account, kind)
    settle(shop, code=1)  # the shop still shows what one add does not make
    assert shop.statuses()[2] == "in_doubt"
    _meddle(shop, account, -7)
    sent = shop.endpoint(account).saw.requests["POST carts"]
    settle(shop, code=0 if (account, becomes) == ("loja", "ok") else 1)
    assert shop.endpoint(account).saw.requests["POST carts"] == sent
    assert shop.statuses()[2] == becomes
    shop.run("--retry-failed", code=0)
    assert set(shop.statuses().values()) == {"ok"}
    assert quantities(shop, account) == ([4] if account == "loja" else [2, 9])


@pytest.mark.parametrize("account", ["loja", "sklep"])
def test_settle_by_hand_takes_the_operators_word(shop: Cli, account: str) -> None:
    doubtful(shop, account, "reset-before")
    _meddle(shop, account, -7)
    settle(shop, "--line", "2", "--not-done", code=1)
    assert shop.statuses()[2] == "failed"
    assert "by hand" in json.dumps(shop.results())
    shop.run("--retry-failed", code=0)
    assert quantities(shop, account) == ([4] if account == "loja" else [2, 9])


def test_a_line_settled_as_done_lets_the_skipped_ones_go_on(shop: Cli) -> None:
    doubtful(shop, "sklep", "reset-after")
    _meddle(shop, "sklep", -7)
    (cart,) = shop.endpoint("sklep").shop.carts.values()
    added = list(cart["items"])[1]
    assert "item_id" in settle(shop, "--line", "2", "--done", "cart_id=u", code=2).err
    settle(shop, "--line", "2", "--done", f"item_id={added}", code=1)
    found = next(result for result in shop.results() if result["line"] == 2)
    assert (found["status"], found["item_id"]) == ("ok", added)
    assert "error" not in found
    shop.run("--retry-failed", code=0)
    assert quantities(shop, "sklep") == [2, 9]


def test_a_3dcart_cart_in_doubt_is_settled_by_its_key(shop: Cli) -> None:
    shop.hook("acme", lambda call: "reset-after" if call.route == "POST Cart" else None)
    shop.job([create("acme"), add("acme", item="i"), get("acme")])
    shop.run(code=1)
    assert shop.statuses() == {1: "in_doubt", 2: "skipped", 3: "skipped"}
    settle(shop, code=1)
    assert shop.statuses()[1] == "in_doubt"
    assert "OrderKey" in settle(shop, "--line", "1", "--done", "CartItemID=5", code=2).err
    (key,) = shop.endpoint("acme").shop.carts
    settle(shop, "--line", "1", "--done", f"OrderKey={key}", code=1)
    shop.run("--retry-failed", code=0)
    assert [(one["OrderKey"], one["status"]) for one in shop.results() if "OrderKey" in one][:1] == [(key, "ok")]
    assert quantities(shop, "acme") == [2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--done", "OrderKey=1"], "--line"),
        (["--not-done"], "--line"),
        (["--line", "2"], "--done KEY=VALUE"),
        (["--line", "2", "--done", "item_id=1", "--not-done"], "either"),
        (["--line", "2", "--done", "session_ib=1"], "did you mean 'session_id'?"),
        (["--line", "2", "--done", "OrderKey"], "KEY=VALUE"),
        (["--line", "1", "--not-done"], "line 1 is ok"),
        (["--line", "77", "--not-done"], "line 77 is not an operation of this run"),
    ],
)
def test_settling_the_wrong_way_is_told_and_changes_nothing(settled: Cli, words: list[str], told: str) -> None:
    before = (settled.folder / "job.results.jsonl").read_bytes()
    assert told in settle(settled, *words, code=2).err
    assert (settled.folder / "job.results.jsonl").read_bytes() == before


@pytest.fixture(scope="module")
def settled(shop_server: ShopServer, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A command line whose run has a line in doubt."""
    made = open_cli(shop_server, tmp_path_factory.mktemp("settled"))
    doubtful(made, "loja", "reset-after")
    return made


def test_settling_while_a_run_is_at_work_is_refused(shop: Cli) -> None:
    shop.hook("loja", "delay")
    shop.job([create("loja", f"c{number}") for number in range(120)])
    with shop.started("run", "job.jsonl", "--concurrency", "1") as process:
        until(lambda: shop.endpoint("loja").saw.carts)
        assert f"pid {process.pid}" in settle(shop, code=2).err
        assert f"pid {process.pid}" in settle(shop, "--line", "1", "--not-done", code=2).err


def test_settling_without_the_job_is_told_and_can_be_done_by_hand(shop: Cli) -> None:
    doubtful(shop, "loja", "reset-after")
    (shop.folder / "job.jsonl").unlink()
    assert "--not-done" in settle(shop, code=2).err
    settle(shop, "--line", "2", "--done", "item_id=5", code=0)
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "ok"}
