"""What commands leave is for its owner alone, goes through no link, and an endless file ends with a sentence."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import PLATFORMS, Cli, add, argv, batchcart, create, get, line, until


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Nothing but the program itself keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made_by(folder: Path) -> dict[str, str]:
    """The modes of all files in the folder but those that the test put there."""
    given = {"batchcart.toml", "job.jsonl", "inside.jsonl", "map.csv"}
    return {str(path.relative_to(folder)): f"{mode(path):o}" for path in folder.rglob("*") if path.name not in given}


def test_no_file_that_a_run_leaves_can_be_read_by_others(shop: Cli) -> None:
    shop.job([one for name in PLATFORMS for one in (create(name), add(name), get(name))])
    shop.job([{"op": "cart.get", "account": "sandbox-3dcart", "cart_id": "none"}], "inside.jsonl")
    shop.run("--log", "log", "--metrics", "metrics", code=0)
    shop.run("--fresh", code=0)
    shop.run("-o", "again.jsonl", "--in-order", code=0)
    shop.run(job="inside.jsonl", code=1)
    for words in (
        ("report", "job.results.jsonl", "--html", "page.html"),
        ("undo", "job.results.jsonl", "-o", "undo.jsonl"),
        ("export", "sklep", "-o", "carts.jsonl"),
        ("convert", "carts.jsonl", "--to", "loja", "--map-template", "template.csv"),
    ):
        batchcart(*words, folder=shop.folder)
    (shop.folder / "map.csv").write_text("source_product,source_variant,target_product\n,5,9\n")
    batchcart("convert", "carts.jsonl", "--to", "loja", "--map", "map.csv", "-o", "new.jsonl", folder=shop.folder)
    batchcart("migrate", "--from", "sklep", "--to", "loja", "--map", "map.csv", "--folder", "m", folder=shop.folder)
    made = made_by(shop.folder)

    assert {"log", "metrics", "page.html", "undo.jsonl", "carts.jsonl", "template.csv", "new.jsonl"} <= set(made)
    assert {"job.results.jsonl.1", "job.results.jsonl.journal.1", "inside.results.jsonl.sandbox"} <= set(made)
    assert any(name.startswith("m/") for name in made)
    assert {name: found for name, found in made.items() if int(found, 8) & 0o077} == {}


def test_files_of_a_run_under_way_can_be_read_by_nobody_else(shop: Cli) -> None:
    shop.hook("acme", "delay")
    shop.job([create("acme", f"c{number}") for number in range(300)])
    with shop.started("run", "job.jsonl") as process:
        wal = shop.folder / "job.results.jsonl.journal-wal"
        until(lambda: wal.exists() or process.poll() is not None)
        made = made_by(shop.folder)

    assert any(name.endswith("-shm") for name in made)
    assert {name: found for name, found in made.items() if int(found, 8) & 0o077} == {}


def test_results_keep_the_mode_that_their_owner_gave_them(shop: Cli) -> None:
    shop.job([create("acme"), get("acme"), line("acme", "cart.get", "x", cart_id="none")])
    shop.run(code=1)
    (shop.folder / "job.results.jsonl").chmod(0o640)
    shop.run("--retry-failed", "--in-order", code=1)

    assert mode(shop.folder / "job.results.jsonl") == 0o640


HELPERS = [".lock", ".journal.new", ".journal.reserve", ".journal-wal", ".journal", ".new"]


@pytest.mark.parametrize("dangling", [True, False], ids=["dangling", "leading"])
@pytest.mark.parametrize("ending", HELPERS)
def test_a_link_laid_under_a_helpers_name_harms_no_other_file(shop: Cli, ending: str, *, dangling: bool) -> None:
    shop.job([create("acme"), line("acme", "cart.get", "x", cart_id="none")])
    victim, link = shop.folder / "victim", shop.folder / f"job.results.jsonl{ending}"
    if not dangling:
        victim.write_text("mine")
    link.symlink_to(victim)
    ended = shop.run("--in-order")

    assert victim.exists() is not dangling
    assert dangling or victim.read_text() == "mine"
    assert ended.code in {1, 2}
    assert ended.code == 1 or "remove it" in ended.err or "choose another place" in ended.err


@pytest.mark.parametrize("option", ["-o", "--log"])
def test_an_output_that_is_a_dangling_link_is_refused(shop: Cli, option: str) -> None:
    shop.job([create("acme")])
    (shop.folder / "link").symlink_to(shop.folder / "elsewhere")
    ended = shop.run(option, "link", code=2)

    assert not (shop.folder / "elsewhere").exists()
    assert "link" in ended.err
    assert shop.requests() == 0


def test_endless_files_end_with_a_sentence(shop: Cli) -> None:
    config = shop.folder / "batchcart.toml"
    shop.job([create("acme")])
    (shop.folder / "results.jsonl").write_text("")
    secret = config.read_text().replace('"a-private-key"', '{ file = "/dev/zero" }')
    (shop.folder / "secret.toml").write_text(secret)
    for words in (
        ("run", "/dev/zero"),
        ("check", "/dev/zero"),
        ("run", "job.jsonl", "--config", "/dev/zero"),
        ("doctor", "--config", "/dev/zero"),
        ("run", "job.jsonl", "--config", "secret.toml"),
        ("convert", "/dev/zero", "--to", "loja", "--map-template", "t.csv"),
        ("convert", "/dev/zero", "--to", "loja", "--map", "/dev/zero", "-o", "x.jsonl"),
        ("export", "acme", "--from", "/dev/zero", "-o", "x.jsonl"),
        ("migrate", "--from", "sklep", "--to", "loja", "--map", "/dev/zero", "--folder", "m"),
        ("verify", "/dev/zero", "/dev/zero", "--map", "/dev/zero"),
        ("report", "/dev/zero"),
        ("status", "/dev/zero"),
    ):
        ended = batchcart(*words, folder=shop.folder, code=2)
        assert "/dev/zero" in ended.err, words
    assert shop.requests() == 0


def test_an_endless_standard_input_ends_with_a_sentence(shop: Cli) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        done = subprocess.run(
            argv("run", "-", "-o", "r.jsonl"),
            cwd=shop.folder,
            stdin=zeros,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert b"<stdin>" in done.stderr


def test_a_run_says_once_which_files_with_secrets_others_can_read(shop: Cli) -> None:
    config = shop.folder / "batchcart.toml"
    for name in ("one.key", "two.key"):
        (shop.folder / name).write_text("a-secret-in-a-file\n")
    (shop.folder / "one.key").chmod(0o640)
    (shop.folder / "two.key").chmod(0o600)
    text = config.read_text().replace('"an-access-token"', '{ file = "one.key" }')
    config.write_text(text.replace('"a-bearer-token"', '{ file = "two.key" }'))
    shop.job([create(name, cart) for name in PLATFORMS for cart in ("c1", "c2")])
    ended = shop.run(code=0)

    assert f"others can read secrets in {shop.folder / 'one.key'}; keep them out with: " in ended.err
    assert ended.err.count("others can read") == 1
    (shop.folder / "one.key").chmod(0o600)

    assert "others can read" not in shop.run("--fresh", code=0).err
