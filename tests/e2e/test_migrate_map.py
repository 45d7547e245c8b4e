"""The product map of a migration: written where there is none, mended in the same folder; and the owner's report."""

import csv
import json
import re
import stat
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cli_harness import PLATFORMS, Cli, Ended
from neutral_carts import brought, command, lose_first_create, number_on, refuse_after, write_map

from batchcart.migration.folder import MigrateOptions, State, StepResult
from batchcart.migration.owner_report import write_owner_report
from batchcart.sandbox.messages import Call
from batchcart.sheets.cell_text import read_text


def rows(path: Path) -> list[Any]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def migrate(shop: Cli, *more: str, source: str = "loja", target: str = "acme", code: int = 0) -> Ended:
    words = ("migrate", "--from", source, "--to", target, "--folder", "moved", "--ids", "in.results.jsonl")
    return command(*words, "--progress", "none", *more, folder=shop.folder, code=code)


def fill_in(path: Path, source: str, target: str, leave_out: str = "") -> None:
    """Fill in the template as a person does; the rows of one product stay empty."""
    lines = table(path)
    numbers = {number_on(PLATFORMS[source], n)[0]: number_on(PLATFORMS[target], n) for n in range(1, 13)}
    for line in lines:
        if line["source_product"].lstrip("'") != leave_out:
            line["target_product"], line["target_variant"] = numbers[line["source_product"].lstrip("'")]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)


def made_in(shop: Cli, account: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.endpoint(account).shop.carts
    return found


def most_frequent(shop: Cli, source: str) -> str:
    """A product that some carts have and others have not."""
    found = [line["items"] for line in rows(shop.folder / "moved" / "carts.jsonl")]
    products: set[str] = {item["product"] for items in found for item in items}
    return max(products, key=lambda one: -abs(len(found) / 2 - sum(any(i["product"] == one for i in x) for x in found)))


def test_without_a_map_it_writes_one_to_fill_in_and_goes_on_with_it(shop: Cli) -> None:
    brought(shop, "loja", 6)
    first = migrate(shop, code=2)
    template = shop.folder / "moved" / "products.csv"

    assert "The product map is missing: moved/products.csv now lists the" in first.out
    assert "  batchcart migrate --from loja --to acme --folder moved --ids in.results.jsonl\n" in f"{first.out}\n"
    assert {row["target_product"] for row in table(template)} == {""}
    assert stat.S_IMODE(template.stat().st_mode) == 0o600
    assert made_in(shop, "acme") == {}

    again = migrate(shop, code=2)
    assert "moved/products.csv: no product has a target yet; fill in target_product" in again.err

    fill_in(template, "loja", "acme")
    assert "6 carts: 6 equal" in migrate(shop).out
    assert len(made_in(shop, "acme")) == 6


def test_a_mended_map_makes_the_carts_that_were_stopped_and_no_other_twice(shop: Cli) -> None:
    brought(shop, "loja", 8)
    migrate(shop, code=2)
    template = shop.folder / "moved" / "products.csv"
    product = most_frequent(shop, "loja")
    fill_in(template, "loja", "acme", leave_out=product)
    first = migrate(shop, code=1)
    made = set(made_in(shop, "acme"))
    assert 0 < len(made) < 8
    assert re.search(
        rf"has nothing for, so that their carts are not made:\n +carts +product.*\n +\d+ +{product} ", first.out
    )
    assert (
        "Fill in the rows of these products in moved/products.csv, then run again; carts that are made stay:"
        in first.out
    )

    fill_in(template, "loja", "acme")
    second = migrate(shop)
    assert "8 carts: 8 equal" in second.out
    assert made < set(made_in(shop, "acme"))
    assert len(made_in(shop, "acme")) == 8
    asked = shop.requests()
    assert "8 carts: 8 equal" in migrate(shop).out
    assert shop.requests() == asked


@pytest.mark.parametrize("mended", [True, False], ids=["as mended", "changed back and mended again"])
def test_killed_before_it_knows_that_it_began_another_round_it_goes_on_and_makes_nothing_twice(
    shop: Cli, *, mended: bool
) -> None:
    brought(shop, "loja", 6)
    migrate(shop, code=2)
    folder = shop.folder / "moved"
    product = most_frequent(shop, "loja")
    fill_in(folder / "products.csv", "loja", "acme", leave_out=product)
    migrate(shop, code=1)
    old_map, state = ((folder / name).read_bytes() for name in ("products.csv", "migration.json"))
    made = set(made_in(shop, "acme"))
    fill_in(folder / "products.csv", "loja", "acme")
    shop.hook("acme", "refuse")
    migrate(shop, "--patience", "0.001", code=3)
    shop.hook("acme", "")
    (folder / "migration.json").write_bytes(state)  # as if a kill had come just before
    for later in folder.glob("*results.2.jsonl*"):
        later.unlink()

    if not mended:
        new_map = (folder / "products.csv").read_bytes()
        (folder / "products.csv").write_bytes(old_map)
        migrate(shop, code=1)
        assert set(made_in(shop, "acme")) == made
        (folder / "products.csv").write_bytes(new_map)
    assert "6 carts: 6 equal" in migrate(shop).out
    assert made < set(made_in(shop, "acme"))
    assert len(made_in(shop, "acme")) == 6


def test_what_failed_of_a_cart_is_made_with_the_mended_map_in_the_cart_that_is_there(shop: Cli) -> None:
    brought(shop, "loja", 4)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    store, hidden = made_in(shop, "acme"), dict[str, Any]()

    def decide(call: Call) -> str:
        if call.route == "POST Cart/{OrderKey}/Item" and not hidden:
            hidden[call.keys[0]] = store.pop(call.keys[0])
        return ""

    shop.hook("acme", decide)
    migrate(shop, "--map", "map.csv", "--allow-unused", code=1)
    shop.hook("acme", "")
    store.update(hidden)
    with (shop.folder / "map.csv").open("a") as file:
        file.write("99999,,7,\n")
    second = migrate(shop, "--map", "map.csv", "--allow-unused")

    assert "4 carts: 4 equal" in second.out
    assert len(store) == 4
    lines = rows(shop.folder / "moved" / "job.2.jsonl")
    assert {line["op"] for line in lines} == {"item.add"}
    assert {line["cart_id"] for line in lines} == set(hidden)

    asked = shop.requests()
    for words in (("run", "moved/job.jsonl", "-o", "moved/results.jsonl"), ("rest", "moved/results.jsonl", "-o", "x")):
        said = command(*words, folder=shop.folder, code=2).err
        assert "moved/job.2.jsonl took the place of what was left of this run; nothing was sent" in said
    assert shop.requests() == asked

    back = ("undo", "moved/results.jsonl", "-o", "back.jsonl", "--progress", "none")
    told = command(*back, folder=shop.folder, code=1).out
    first = "batchcart undo moved/results.2.jsonl -o results.2.undo.jsonl"
    assert "moved/results.2.jsonl is of a later run that did what was left of this one" in " ".join(told.split())
    assert f"Take that back first, then this again: {first}" in " ".join(told.split())
    last = command(*first.split()[1:], "--progress", "none", folder=shop.folder, code=0).out
    assert "later run" not in last


def test_a_mended_map_is_refused_where_the_old_job_was_changed(shop: Cli) -> None:
    brought(shop, "loja", 3)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    migrate(shop, "--map", "map.csv", "--allow-unused")
    job = shop.folder / "moved" / "job.jsonl"
    with (shop.folder / "map.csv").open("a") as file:
        file.write("99999,,7,\n")
    for text, said in (
        (job.read_text().replace("cart", "carT", 1), "moved/job.jsonl:1: the line is not what it was"),
        ("", ":1:"),
    ):
        job.write_text(text)
        assert said in migrate(shop, "--map", "map.csv", "--allow-unused", code=2).err
    job.unlink()
    assert "moved/job.jsonl does not exist" in migrate(shop, "--map", "map.csv", "--allow-unused", code=2).err
    assert len(made_in(shop, "acme")) == 3


def test_what_a_stopped_run_had_not_tried_is_made_with_the_mended_map(shop: Cli) -> None:
    brought(shop, "acme", 4)
    write_map(shop.folder / "map.csv", "3dcart", "tray")
    options = ("--map", "map.csv", "--allow-unused")
    refuse_after(shop, "loja", 4)
    migrate(shop, *options, "--patience", "0.001", "--concurrency", "1", source="acme", target="loja", code=3)
    shop.hook("loja", "")
    with (shop.folder / "map.csv").open("a") as file:
        file.write("99999,,7,\n")
    assert "4 carts: 4 equal" in migrate(shop, *options, source="acme", target="loja").out
    assert len(made_in(shop, "loja")) == 4


def test_a_cart_in_doubt_is_not_made_again_with_a_mended_map(shop: Cli) -> None:
    brought(shop, "loja", 4)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    lose_first_create(shop, "reset-after")
    migrate(shop, "--map", "map.csv", "--allow-unused", code=1)
    with (shop.folder / "map.csv").open("a") as file:
        file.write("99999,,7,\n")
    second = migrate(shop, "--map", "map.csv", "--allow-unused", code=1)

    assert "1 cannot be read" in second.out
    assert len(made_in(shop, "acme")) == 4
    assert "  batchcart settle moved/results.jsonl\n" in second.out


def test_a_cart_that_was_in_doubt_is_made_on_demand_once_it_is_settled_and_a_mended_map_had_nothing_to_do(
    shop: Cli,
) -> None:
    brought(shop, "loja", 3)
    write_map(shop.folder / "map.csv", "tray", "3dcart")
    lose_first_create(shop, "reset-before")
    words = ("--map", "map.csv", "--allow-unused")
    migrate(shop, *words, code=1)
    with (shop.folder / "map.csv").open("a") as file:
        file.write("99999,,7,\n")
    migrate(shop, *words, code=1)
    doubtful = next(one["line"] for one in rows(shop.folder / "moved" / "results.jsonl") if one["status"] == "in_doubt")
    command("settle", "moved/results.jsonl", "--line", str(doubtful), "--not-done", folder=shop.folder)

    assert "3 carts: 3 equal" in migrate(shop, *words, "--retry-failed").out
    assert len(made_in(shop, "acme")) == 3


@pytest.fixture
def reported(shop: Cli) -> Path:
    """The folder of a migration in which one cart was stopped and others lost something."""
    brought(shop, "loja", 8)
    migrate(shop, code=2)
    template = shop.folder / "moved" / "products.csv"
    fill_in(template, "loja", "acme", leave_out=most_frequent(shop, "loja"))
    migrate(shop, code=1)
    return shop.folder / "moved"


def test_the_owner_reads_in_plain_words_what_became_of_each_cart(reported: Path) -> None:
    text = (reported / "report.html").read_text()
    plain = " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)).split())
    made = [row for row in rows(reported / "parity.jsonl") if row["status"] == "equal"]

    assert f"{len(made)} of 8 carts are in the new shop." in plain
    assert "Carts moved from loja to acme" in plain
    assert "the price of an item 3dcart takes the price of the product" in plain
    assert re.search(r"not moved \d+ all carts of the old shop that were to move 8", plain)
    assert all(f"{row['cart']} {row['cart_id']} moved" in plain for row in made)
    assert "name, signature" in plain
    assert re.search(r"made in the new shop \d{4}-\d\d-\d\d", plain)
    assert "<script" not in text
    assert "default-src 'none'; style-src 'sha256-" in unescape(text)


def test_the_owners_table_has_the_old_and_the_new_key_of_every_cart(reported: Path) -> None:
    found = table(reported / "report.csv")
    made = {row["cart"]: row.get("cart_id", "") for row in rows(reported / "parity.jsonl")}

    assert {row["old_key"].lstrip("'"): row["new_key"].lstrip("'") for row in found} == made
    assert {row["outcome"] for row in found} <= {"moved", "moved with losses", "not moved"}
    assert any("the price of an item" in row["lost"] for row in found)
    assert all(row["why"] for row in found if row["outcome"] == "not moved")
    for name in ("report.csv", "report.html"):
        assert stat.S_IMODE((reported / name).stat().st_mode) == 0o600


def test_what_shops_and_their_customers_wrote_is_text_in_the_owners_page_and_table(tmp_path: Path) -> None:
    hostile = (
        "<script>x()</script>",
        "=HYPERLINK(1)",
        "\t+1",
        "'=1",
        "@SUM(1)",
        '"><img src=x>',
        "a\r\n=2",
        "{{ 7 * 7 }}",
    )
    lost = [{"field": "items[0].note", "value": text, "why": text} for text in hostile]
    records = [
        {"cart": text, "account": "loja", "status": "missing", "cart_id": text, "why": text, "not_carried": lost}
        for text in hostile
    ]
    (tmp_path / "parity.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = {name: StepResult(0, "") for name in ("export", "convert", "run", "verify")}
    task = {"--from": "loja https://<b>.example", "--to": "acme https://acme.example"}
    made = write_owner_report(MigrateOptions("loja", "acme", None, tmp_path), State(task, done))

    page = made.page.read_text()
    assert not re.search(r"<(script|img|b)\b", page)
    assert page.count("{{ 7 * 7 }}") > 2
    with made.table.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if re.match(r"\s*[=+@\t\r-]", cell)] == []
    assert [read_text(row["old_key"]) for row in table(made.table)] == [text.strip() for text in hostile]
