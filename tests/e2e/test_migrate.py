"""Owns the promises of a migration: what arrives, that it is proven, and that it goes on after a kill in any step."""

import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli_harness import PLATFORMS, Cli, Ended
from neutral_carts import Cart, brought, command, lose_first_create, unlike, write_map

from batchcart.sandbox.messages import Call

MANY = pytest.mark.parametrize("many", [120, pytest.param(400, marks=pytest.mark.long)])
SOME = pytest.mark.parametrize("some", [60, pytest.param(200, marks=pytest.mark.long)])
FEW = 25


def rows(path: Path) -> list[Any]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def words(source: str, target: str, *more: str) -> list[str]:
    named = ["migrate", "--from", source, "--to", target, "--map", "map.csv", "--folder", "moved"]
    return [*named, "--allow-unused", "--progress", "none", *more]


def migrate(shop: Cli, source: str, target: str, *more: str, code: int = 0) -> Ended:
    return command(*words(source, target, *more), folder=shop.folder, code=code)


def wrong_after(shop: Cli, folder: Path, target: str) -> list[str]:
    """What the target's carts, exported again, do not have of the carts in a migration's folder."""
    out = folder / "new.jsonl"
    command("export", target, "-o", out, "--from", folder / "results.jsonl", folder=shop.folder, code=0)
    new = {cart["id"]: cart for cart in rows(out)}
    made = {one["cart"]: one["cart_id"] for one in rows(folder / "results.jsonl") if one["op"] == "cart.create"}
    lost = {row["cart"]: [loss["field"] for loss in row["losses"]] for row in rows(folder / "job.losses.jsonl")}
    carts: list[Cart] = rows(folder / "carts.jsonl")
    assert len(new) == len(carts) == len(made)
    return [
        f"{cart['id']}: {field}"
        for cart in carts
        for field in unlike(cart, new[made[cart["id"]]], lost.get(cart["id"], []))
    ]


# What arrives


@MANY
def test_many_carts_go_from_shoplo_to_tray_and_back(shop: Cli, many: int) -> None:
    elsewhere = shop.entry("drugi", platform="shoplo", shop=f"{shop.shop}-2")
    shop.configure(elsewhere, loja={"currency": "PLN"})
    brought(shop, "sklep", many)
    rng = random.Random(3)
    for cart in shop.endpoint("sklep").shop.carts.values():
        for row in cart["items"].values():
            row["price"] = rng.randint(1, 999_999)

    write_map(shop.folder / "map.csv", "shoplo", "tray")
    there = migrate(shop, "sklep", "loja")
    (shop.folder / "moved").rename(shop.folder / "there")
    write_map(shop.folder / "map.csv", "tray", "shoplo")
    back = migrate(shop, "loja", "drugi", "--ids", "there/results.jsonl")

    assert f"{many} carts: {many} equal" in there.out
    assert f"{many} carts: {many} equal" in back.out
    assert wrong_after(shop, shop.folder / "there", "loja") == []
    assert wrong_after(shop, shop.folder / "moved", "drugi") == []
    lost = {loss["field"].partition("].")[2] or loss["field"] for row in losses(shop) for loss in row["losses"]}
    assert lost == {"unit_price", "created"}


def losses(shop: Cli) -> list[Any]:
    return rows(shop.folder / "moved" / "job.losses.jsonl")


@pytest.mark.parametrize(
    ("source", "target"), [("sklep", "acme"), ("loja", "acme"), ("acme", "loja"), ("acme", "sklep")]
)
@SOME
def test_carts_arrive_but_for_what_the_loss_report_names(shop: Cli, source: str, target: str, some: int) -> None:
    brought(shop, source, some)
    write_map(shop.folder / "map.csv", PLATFORMS[source], PLATFORMS[target])
    migrate(shop, source, target, "--ids", "in.results.jsonl")
    assert wrong_after(shop, shop.folder / "moved", target) == []
    assert {row["status"] for row in rows(shop.folder / "moved" / "parity.jsonl")} == {"equal"}


def test_one_cart_is_told_as_one(shop: Cli) -> None:
    brought(shop, "loja", 1)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    ended = migrate(shop, "loja", "acme", "--ids", "in.results.jsonl")
    assert "export   1 cart with " in ended.out
    assert re.search(r"convert  1 cart in \d+ lines?, (0 lose|1 loses) something", ended.out)
    assert "verify   1 cart: 1 equal" in ended.out


def test_a_product_that_is_not_mapped_stops_its_cart_and_no_other(shop: Cli) -> None:
    brought(shop, "loja", FEW)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    text = (shop.folder / "map.csv").read_text().splitlines()
    (shop.folder / "map.csv").write_text("\n".join(text[:-1]))
    ended = migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", code=1)
    found = [row["status"] for row in rows(shop.folder / "moved" / "parity.jsonl")]
    assert set(found) == {"equal", "missing"}
    assert f"{found.count('missing')} cannot be converted" in ended.out
    assert len(shop.endpoint("acme").shop.carts) == found.count("equal")


# Going on


def killing(shop: Cli, account: str, route: str, nth: int, victim: list[int]) -> None:
    """Kill the migration when the account's shop gets its n-th call of this kind."""
    seen: list[str] = []

    def decide(call: Call) -> str:
        seen.append(call.route)
        if seen.count(route) == nth:
            os.kill(victim[0], signal.SIGKILL)
        return ""

    shop.hook(account, decide)


def kill_in_export(shop: Cli, victim: list[int]) -> None:
    killing(shop, "sklep", "GET carts", 2, victim)


def kill_in_run(shop: Cli, victim: list[int]) -> None:
    killing(shop, "loja", "POST carts", 20, victim)


def kill_in_verify(shop: Cli, victim: list[int]) -> None:
    killing(shop, "loja", "GET carts/{session_id}/complete", 10, victim)


def start_and_kill(shop: Cli, step: int, hook: Callable[[Cli, list[int]], None] | None) -> None:
    victim: list[int] = []
    if hook is not None:
        hook(shop, victim)
    with shop.started(*words("sklep", "loja")) as process:
        victim.append(process.pid)
        assert process.stderr is not None
        if hook is None:
            assert any(f"step {step} of 4" in said.decode() for said in process.stderr), "it ended before that step"
            process.kill()
        assert process.wait(60) == -signal.SIGKILL
    shop.hook("sklep", "")
    shop.hook("loja", "")


def test_killed_in_each_step_it_goes_on_and_ends_the_same(shop: Cli) -> None:
    shop.configure(loja={"currency": "PLN"})
    brought(shop, "sklep", 2 * FEW)
    write_map(shop.folder / "map.csv", "shoplo", "tray")
    for step, hook in enumerate((kill_in_export, None, kill_in_run, kill_in_verify), 1):
        start_and_kill(shop, step, hook)
    listed = shop.endpoint("sklep").saw.requests["GET carts"]
    ended = migrate(shop, "sklep", "loja")
    assert f"{2 * FEW} carts: {2 * FEW} equal" in ended.out
    assert "export\n" not in ended.err, "a finished step is not done again"
    assert shop.endpoint("sklep").saw.requests["GET carts"] == listed
    assert len(shop.endpoint("loja").shop.carts) == 2 * FEW
    assert wrong_after(shop, shop.folder / "moved", "loja") == []
    texts = b"".join(path.read_bytes() for path in (shop.folder / "moved").iterdir())
    assert not [
        secret for secret in ("an-access-token", "a-bearer-token", "a-refresh-token") if secret.encode() in texts
    ]
    left = {path.name for path in (shop.folder / "moved").iterdir()} - {"new.jsonl"}
    assert left == {
        *("carts.jsonl", "job.jsonl", "job.losses.jsonl", "migration.json", "parity.jsonl"),
        *("report.csv", "report.html", "results.jsonl", "results.jsonl.journal"),
    }


@pytest.mark.storm
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("source", "target"), [("sklep", "loja"), ("loja", "sklep"), ("acme", "loja")])
def test_a_storm_of_kills_loses_no_cart_and_makes_none_twice(shop: Cli, source: str, target: str, seed: int) -> None:
    shop.configure(loja={"currency": "PLN"})
    brought(shop, source, 150, seed)
    write_map(shop.folder / "map.csv", PLATFORMS[source], PLATFORMS[target])
    more = () if source == "sklep" else ("--ids", "in.results.jsonl")
    rng, kills, code, out, err = random.Random(seed), 0, -signal.SIGKILL, b"", b""
    shop.hook(source, lambda _call: rng.choice(("", "", "", "", "", "", "reset-after", "429", "500-before")))
    while code == -signal.SIGKILL:
        with shop.started(*words(source, target, *more)) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.3, 1.5 + kills / 8))
            process.kill()
            out, err = process.communicate()
            code = process.returncode
            kills += 1
    assert code == 0, (out, err)
    assert b"150 equal" in out
    shop.hook(source, "")
    assert kills > 3
    assert wrong_after(shop, shop.folder / "moved", target) == []
    assert len(shop.endpoint(target).shop.carts) == 150


def test_a_finished_migration_says_so_and_asks_no_shop(shop: Cli) -> None:
    brought(shop, "acme", 3)
    write_map(shop.folder / "map.csv", "3dcart", "tray")
    first = migrate(shop, "acme", "loja", "--ids", "in.results.jsonl")
    before = shop.requests()
    assert migrate(shop, "acme", "loja", "--ids", "in.results.jsonl").out == first.out
    assert shop.requests() == before


def test_a_target_that_is_down_stops_it_and_the_same_command_goes_on(shop: Cli) -> None:
    brought(shop, "acme", 3)
    write_map(shop.folder / "map.csv", "3dcart", "tray")
    shop.hook("loja", "refuse")
    assert "unreachable" in migrate(shop, "acme", "loja", "--ids", "in.results.jsonl", "--patience", "0.01", code=3).out
    shop.hook("loja", "")
    assert "3 equal" in migrate(shop, "acme", "loja", "--ids", "in.results.jsonl").out


@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "by migrate"])
def test_lines_that_failed_are_run_again_and_the_migration_takes_them_in(shop: Cli, *, by_hand: bool) -> None:
    brought(shop, "loja", 3)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    store, hidden = shop.endpoint("acme").shop, dict[str, Any]()

    def decide(call: Call) -> str:
        if call.route == "POST Cart/{OrderKey}/Item" and not hidden:
            hidden[call.keys[0]] = store.carts.pop(call.keys[0])
        return ""

    shop.hook("acme", decide)
    first = migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", code=1)
    again = "--folder moved --ids in.results.jsonl --allow-unused --retry-failed"
    assert f"  batchcart migrate --from loja --to acme --map map.csv {again}\n" in f"{first.out}\n"
    assert "1 missing" in first.out

    shop.hook("acme", "")
    store.carts.update(hidden)
    if by_hand:
        words = ("moved/job.jsonl", "-o", "moved/results.jsonl", "--retry-failed", "--progress", "none")
        command("run", *words, folder=shop.folder, code=0)
        assert "3 equal" in migrate(shop, "loja", "acme", "--ids", "in.results.jsonl").out
    else:
        assert "3 equal" in migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", "--retry-failed").out
    assert len(store.carts) == 3


def test_a_cart_in_doubt_is_told_with_what_settles_it_and_then_goes_on(shop: Cli) -> None:
    brought(shop, "loja", 3)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    lose_first_create(shop, "reset-before")
    first = migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", code=1)
    assert "1 cannot be read" in first.out
    assert "1 line in doubt: nobody could say whether it happened. Settle it first:\n" in first.out
    assert "  batchcart settle moved/results.jsonl\n" in first.out

    doubtful = next(one["line"] for one in rows(shop.folder / "moved" / "results.jsonl") if one["status"] == "in_doubt")
    command("settle", "moved/results.jsonl", "--line", str(doubtful), "--not-done", folder=shop.folder)
    again = ("moved/job.jsonl", "-o", "moved/results.jsonl", "--retry-failed", "--progress", "none")
    command("run", *again, folder=shop.folder, code=0)
    assert "3 equal" in migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", code=0).out


# What is refused


@pytest.fixture
def stopped(shop: Cli) -> Cli:
    """A migration from 3dcart to Tray that was begun and waits for its target."""
    brought(shop, "acme", 3)
    write_map(shop.folder / "map.csv", "3dcart", "tray")
    shop.hook("loja", "refuse")
    migrate(shop, "acme", "loja", "--ids", "in.results.jsonl", "--patience", "0.001", code=3)
    return shop


def test_a_map_that_does_not_fit_the_target_is_refused_before_anything_is_made(stopped: Cli) -> None:
    write_map(stopped.folder / "map.csv", "3dcart", "elsewhere")
    assert "map.csv:2: target_product: " in migrate(stopped, "acme", "loja", "--ids", "in.results.jsonl", code=2).err
    assert stopped.endpoint("loja").shop.carts == {}


def test_other_options_than_it_was_begun_with_are_refused(stopped: Cli) -> None:
    (stopped.folder / "ids.txt").write_text("6F027F81ggx48to\n")
    assert "another --ids" in migrate(stopped, "acme", "loja", "--ids", "ids.txt", code=2).err
    write_map(stopped.folder / "map.csv", "3dcart", "shoplo")
    assert "another --to" in migrate(stopped, "acme", "sklep", "--ids", "in.results.jsonl", code=2).err


def test_carts_that_changed_since_their_export_are_refused(stopped: Cli) -> None:
    with (stopped.folder / "moved" / "carts.jsonl").open("a") as file:
        file.write("\n")
    ended = migrate(stopped, "acme", "loja", "--ids", "in.results.jsonl", code=2)
    assert "carts.jsonl changed since export was done" in ended.err


def test_strict_makes_no_cart_where_something_would_be_lost(shop: Cli) -> None:
    brought(shop, "loja", 3)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    ended = migrate(shop, "loja", "acme", "--ids", "in.results.jsonl", "--strict", code=2)
    assert "--strict" in ended.out
    assert shop.endpoint("acme").shop.carts == {}


@pytest.mark.parametrize(
    ("source", "target", "more", "said"),
    [
        ("loja", "acme", (), "tray has no list of all carts; name them with --ids FILE"),
        ("sklep", "sklep", (), "are one shop"),
        ("sandbox-shoplo", "loja", (), "lives only within one run"),
        ("sklep", "nowhere", (), "'nowhere' is not in batchcart.toml"),
        ("sklep", "loja", ("--map", "broken.csv"), "broken.csv:3: source_variant: '10' is mapped on line 2 already"),
        ("sklep", "loja", ("--map", "none.csv"), "none.csv does not exist"),
        ("sklep", "loja", ("--folder", "taken"), "holds other work"),
        ("sklep", "loja", ("--folder", "map.csv"), "map.csv"),
    ],
)
def test_bad_input_is_refused_in_words_and_nothing_is_sent(
    shop: Cli, source: str, target: str, more: tuple[str, ...], said: str
) -> None:
    write_map(shop.folder / "map.csv", "shoplo", "tray")
    (shop.folder / "broken.csv").write_text("source_variant,target_product\n10,1\n10,2\n")
    (shop.folder / "taken").mkdir()
    (shop.folder / "taken" / "carts.jsonl").write_text("")
    assert said in migrate(shop, source, target, *more, code=2).err
    assert shop.requests() == 0
