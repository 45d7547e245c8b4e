"""What a run that is refused leaves behind, and what others see of one that is at work: nothing, and the truth."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Cli, batchcart, create, line, until


def files(shop: Cli) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shop.folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize("words", [("run", "job.jsonl"), ("check", "job.jsonl"), ("check", "job.jsonl", "--json")])
def test_an_account_that_nobody_knows_is_refused_even_where_every_line_names_one(
    shop: Cli, words: tuple[str, ...]
) -> None:
    shop.job([create("acme")])
    before = files(shop)

    ended = batchcart(*words, "--account", "amce", folder=shop.folder, code=2)

    assert "--account: 'amce' is not in batchcart.toml; did you mean 'acme'?" in ended.err
    assert shop.requests() == 0
    assert files(shop) == before


def test_an_account_that_nobody_knows_is_refused_when_a_run_goes_on(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)

    assert "--account: 'amce'" in shop.run("--account", "amce", code=2).err


def test_lines_without_an_account_do_not_go_to_another_one_when_a_run_goes_on(shop: Cli) -> None:
    shop.job([{key: value for key, value in create("sklep").items() if key != "account"}])
    shop.run("--account", "sklep", code=0)

    assert "this run began with --account sklep, not loja" in shop.run("--account", "loja", code=2).err
    assert shop.run(code=0).out


def test_a_run_whose_account_is_in_use_leaves_nothing(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    shop.job([create("acme")], "first.jsonl")
    shop.job([create("acme", "c2"), create("sklep")])
    with shop.started("run", "first.jsonl"):
        until(lambda: shop.endpoint("acme").saw.requests)
        before = set(files(shop))
        ended = shop.run(code=2)
        assert "account 'acme' is in use by another run (pid" in ended.err
        assert set(files(shop)) <= before


def test_a_fresh_run_that_is_refused_keeps_the_old_one(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    kept = files(shop)
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    shop.job([create("acme")], "first.jsonl")
    with shop.started("run", "first.jsonl"):
        until(lambda: shop.endpoint("acme").saw.requests.total() > 1)
        shop.run("--fresh", code=2)
        assert {name: text for name, text in files(shop).items() if name.startswith("job.")} == {
            name: text for name, text in kept.items() if name.startswith("job.")
        }


def unreadable_state(shop: Cli) -> None:
    (shop.folder / "state").write_text("a file where the folder should be")


def missing_secret(shop: Cli) -> None:
    shop.configure(acme={"token": None})
    config = shop.folder / "batchcart.toml"
    config.write_text(
        config.read_text().replace("[accounts.acme]", '[accounts.acme]\ntoken = { env = "NOT_SET_HERE" }')
    )


@pytest.mark.parametrize("spoil", [unreadable_state, missing_secret], ids=["state folder", "secret"])
def test_no_other_refusal_leaves_anything_either(shop: Cli, spoil: Callable[[Cli], None]) -> None:
    shop.job([create("acme")])
    spoil(shop)
    before = files(shop)

    shop.run(code=2)

    assert files(shop) == before


def test_a_second_signal_ends_a_run_at_once_with_its_figures(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    shop.job([create("acme"), create("sklep")])
    with shop.started("run", "job.jsonl", "--json", "--progress", "none") as process:
        until(lambda: shop.endpoint("acme").saw.requests and results_of(shop.folder))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        os.read(process.stderr.fileno(), 1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)

    figures = json.loads(out)
    assert process.returncode == 3
    assert (figures["lines"], figures["ok"], figures["not_attempted"]) == (2, 1, 1)


def results_of(folder: Path) -> bytes:
    path = folder / "job.results.jsonl"
    return path.read_bytes() if path.exists() else b""


def test_status_of_a_run_at_work_does_not_say_to_run_it_again(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    shop.job([create("acme"), create("sklep")])
    with shop.started("run", "job.jsonl") as process:
        until(lambda: results_of(shop.folder))
        alive = batchcart("status", "job.results.jsonl", folder=shop.folder, code=3).out
        assert f"A run is at work on it (pid {process.pid}); it continues by itself" in alive
        assert "Run the same command again" not in alive
    killed = batchcart("status", "job.results.jsonl", folder=shop.folder, code=3).out
    assert "Run the same command again to resume" in killed
    assert "No run is at work on it" in killed


def test_an_account_that_is_closed_ends_the_undo_of_no_other(shop: Cli) -> None:
    shop.job([create("acme"), create("loja"), create("sklep")])
    shop.run(code=0)
    shop.hook("sklep", "401")

    ended = batchcart("undo", "job.results.jsonl", "-o", "back.jsonl", folder=shop.folder, code=1)

    back = [json.loads(line) for line in (shop.folder / "back.jsonl").read_text().splitlines()]
    kept = [json.loads(line) for line in (shop.folder / "back.jsonl.kept.jsonl").read_text().splitlines()]
    assert {line["account"] for line in back} == {"acme", "loja"}
    assert [line["account"] for line in kept] == ["sklep"]
    assert "it cannot be read: " in kept[0]["message"]
    assert "1 kept, listed in back.jsonl.kept.jsonl" in ended.out


def test_a_shop_that_closed_before_anything_was_done_there_may_have_a_new_address(shop: Cli) -> None:
    shop.shop_server.hooks["shoplo/old"] = lambda _call: "401"
    shop.configure(sklep={"shop": "old"})
    shop.job([create("acme"), create("sklep"), line("sklep", "cart.get")])
    shop.run(code=3)
    shop.configure()
    shop.run(code=0)
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "ok"}
    assert shop.endpoint("acme").saw.requests["POST Cart"] == 1

    shop.configure(sklep={"shop": "old"})
    refused = shop.run("--retry-failed", code=2).err
    assert "account 'sklep' pointed to shoplo at" in refused
    assert "`batchcart rest`" in refused


def test_an_address_is_not_corrected_where_a_write_may_have_been_done_nor_for_another_platform(shop: Cli) -> None:
    shop.shop_server.hooks["shoplo/old"] = lambda _call: "500-after"
    shop.configure(sklep={"shop": "old"})
    shop.job([create("sklep")])
    shop.run("--patience", "0.005", code=3)
    assert shop.statuses() == {}

    shop.configure()
    assert "and lines of it were begun there. Restore it to resume." in shop.run(code=2).err
    shop.configure(sklep={"platform": "tray"})
    assert "; its lines were checked for shoplo. Restore it to resume\n" in shop.run(code=2).err
    assert shop.requests() == 0


def test_a_secret_that_is_not_there_is_told_with_how_many_accounts_more_have_something_to_fix(tmp_path: Path) -> None:
    accounts = "".join(
        f'[accounts.{name}]\nplatform = "shoplo"\nauth = "bearer"\napp_id = "1"\naccess_token.env = "NOT_{name}"\n'
        for name in ("one", "two", "three")
    )
    (tmp_path / "batchcart.toml").write_text(accounts)
    lines = [{"op": "cart.get", "account": name, "cart_id": "k"} for name in ("one", "two", "three")]
    (tmp_path / "job.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "first.jsonl").write_text(json.dumps(lines[0]))

    told = batchcart("run", "job.jsonl", folder=tmp_path, code=2).err
    alone = batchcart("run", "first.jsonl", folder=tmp_path, code=2).err

    assert "account 'one': access_token: environment variable NOT_one is not set" in told
    assert told.endswith(". 2 more accounts have something to fix too; list all of it with: batchcart doctor\n")
    assert "more account" not in alone


@pytest.mark.parametrize(("length", "said"), [(245, "choose a shorter one"), (300, "choose another place")])
def test_a_name_that_is_too_long_for_the_results_is_refused_and_leaves_nothing(
    shop: Cli, length: int, said: str
) -> None:
    shop.job([create("acme")])
    before = sorted(shop.folder.iterdir())
    ended = batchcart("run", "job.jsonl", "-o", f"{'x' * (length - 6)}.jsonl", folder=shop.folder)
    assert ended.code == 2
    assert said in ended.err
    assert sorted(shop.folder.iterdir()) == before
