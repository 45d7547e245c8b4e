"""Files of a command that somebody else wrote or damaged: a sentence says so, and only the command's requests leave.

The long form, `pytest -m long`, tries every change.
"""

import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_harness import PLATFORMS, Cli, Ended, ShopServer, create, get, open_cli, until
from file_changes import Change, changes
from neutral_carts import brought, command, refuse_after, write_map

from batchcart.sandbox.messages import Call

FEW = 37
"""CI tries one change in so many, and others for each file."""
EXPORTED = ("carts.jsonl", "carts.unread.jsonl")
ALWAYS = ("is a link to itself", "line 0 has a deep field more")
"""Changes that CI tries with every file."""


@dataclass(frozen=True)
class Scene:
    """A folder as a command left it, which files of it somebody changes, and the commands that read them then.

    Whatever is changed in a file, the rows of the ``outputs`` name all that they do where nothing is; or, where it is
    one of the ``inputs``, all that this file names. They name it by ``key``, carts by themselves by their id.
    """

    cli: Cli
    files: Sequence[str]
    uses: Sequence[Sequence[str]]
    outputs: Sequence[str]
    key: str = "cart_id"
    inputs: Sequence[str] = ()

    def told(self, folder: Path) -> set[object]:
        """What the outputs name."""
        return {name for output in self.outputs for name in read_names(folder / output, self.key)}


def read_names(path: Path, key: str) -> set[object]:
    """What the rows of a file name, as far as it has such rows; nothing if it is not there."""
    found: set[object] = set()
    with suppress(ValueError, OSError, RecursionError):
        for text in path.read_text().splitlines():
            row = json.loads(text)
            if isinstance(row, dict) and isinstance(name := row.get(key, row.get("id")), str | int):
                found.add(name)
    return found


def of_carts_files(shop: Cli) -> Scene:
    brought(shop, "loja", 3)
    command("verify", "origin.jsonl", "in.results.jsonl", "--map", "in.csv", folder=shop.folder, code=0)
    words = ("origin.jsonl", "--map", "in.csv")
    return Scene(
        shop,
        ("origin.jsonl",),
        (
            ("convert", *words, "--to", "loja", "-o", "again.jsonl", "--allow-unused"),
            ("verify", words[0], "in.results.jsonl", *words[1:], "--progress", "none"),
        ),
        ("in.parity.jsonl",),
        "cart",
        ("origin.jsonl",),
    )


def of_account_states(shop: Cli) -> Scene:
    shop.configure(loja={"limits": ["30/s", "bucket 5 leak 20/s"]})
    used = {"up": False}

    def expire(call: Call) -> str:
        if used["up"] or "auth" in call.route:
            return ""
        used["up"] = True
        return "401"

    shop.hook("loja", expire)
    shop.job([create("loja"), get("loja")])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    (state,) = (shop.folder / "state" / "batchcart").glob("loja-*")
    learnt = {
        "most": 30.0,
        "seconds": 1.0,
        "allowed": 12.0,
        "at": 1.7e9,
        "spread_until": 1.7e9,
        "paused_until": 1.7e9,
        "pause": 30.0,
    }
    (state / "limit.json").write_text(json.dumps(learnt) + "\n")
    shutil.copy(state / "tokens.json", state / "tokens.json.new")
    own = [state / name for name in ("tokens.json", "tokens.json.new", "limit.json")]
    files = [*own, state.parent / "sends", state.parent / "locks"]
    uses = (("run", "job.jsonl", "--fresh", "--progress", "none"), ("doctor",))
    changed = [str(path.relative_to(shop.folder)) for path in files]
    return Scene(shop, changed, uses, ("job.results.jsonl",), "line")


def of_migrations(shop: Cli) -> Scene:
    brought(shop, "acme", 3)
    write_map(shop.folder / "map.csv", "3dcart", "tray")
    shop.hook("loja", "refuse")
    words = ("migrate", "--from", "acme", "--to", "loja", "--map", "map.csv", "--folder", "moved", "--allow-unused")
    more = ("--ids", "in.results.jsonl", "--patience", "0.001", "--progress", "none")
    command(*words, *more, folder=shop.folder, code=3)
    kept = ("migration.json", "carts.jsonl", "job.jsonl", "job.losses.jsonl", "results.jsonl")
    return Scene(shop, tuple(f"moved/{name}" for name in kept), ((*words, *more),), ("moved/results.jsonl",), "cart")


def of_exports(shop: Cli) -> Scene:
    shop.job([create("loja", f"c{number}") for number in range(6)])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    refuse_after(shop, "loja", 6)
    words = ("export", "loja", "-o", "carts.jsonl", "--from", "job.results.jsonl", "--patience", "0.001")
    command(*words, "--progress", "none", folder=shop.folder, code=3)
    changed = ("job.results.jsonl", *_helpers(shop.folder))
    return Scene(shop, changed, ((*words, "--progress", "none"),), EXPORTED, inputs=("job.results.jsonl",))


def of_lists(shop: Cli) -> Scene:
    shop.job([create("sklep", f"c{number}") for number in range(60)])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    refuse_after(shop, "sklep", 1)
    words = ("export", "sklep", "-o", "carts.jsonl", "--patience", "0.001", "--progress", "none")
    command(*words, folder=shop.folder, code=3)
    return Scene(shop, _helpers(shop.folder), (words,), EXPORTED)


def of_undone_runs(shop: Cli) -> Scene:
    shop.job([create("loja"), *(create("sklep", f"c{number}") for number in range(12))])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    words = ("undo", "job.results.jsonl", "-o", "undo.jsonl", "--progress", "none")
    read = shop.folder / "undo.jsonl.work" / "reads.results.jsonl"
    asked = itertools.count()
    shop.hook("sklep", lambda _call: "hang" if next(asked) > 4 else "")  # it does not come to its end by itself
    with shop.started(*words) as process:
        until(lambda: read.exists() and read.stat().st_size)
        process.kill()
        process.wait()
    shop.hook("sklep", "")
    changed = ("job.results.jsonl", *_helpers(shop.folder))
    return Scene(shop, changed, (words,), ("undo.jsonl", "undo.jsonl.kept.jsonl"))


def _helpers(folder: Path) -> list[str]:
    """The files of a command that was stopped, in a folder beside its output."""
    found = [path for work in folder.glob("*.work") for path in work.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in found if not path.name.endswith(("-shm", "-wal")))


SCENES = (of_carts_files, of_account_states, of_migrations, of_exports, of_lists, of_undone_runs)


def trouble_of(ended: Ended) -> str:
    """What is wrong with how a command ended, "" if nothing."""
    said = ended.out + ended.err
    if ended.code not in {0, 1, 2, 3} or "fault of its own" in said or "Traceback" in said:
        return said.strip()[-600:]
    return "it does not say why" if ended.code == 2 and not ended.err.strip() else ""


def chosen(files: Sequence[str], folder: Path, step: int) -> Iterator[tuple[str, str, Change]]:
    """Every ``step``-th change of each file as it is in the folder, and those that are always tried."""
    for number, file in enumerate(files):
        for place, (name, change) in enumerate(changes(folder / file), number):
            if not place % step or name.endswith(ALWAYS):
                yield name, file, change


def make_old(folder: Path) -> None:
    """Have its files be from an hour ago, when no shop lags any more behind what was written then."""
    then = time.time() - 3600
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then), follow_symlinks=False)


def wrong(scene: Scene, step: int) -> dict[str, str]:
    """What went wrong, by change."""
    folder = scene.cli.folder
    kept = folder.with_name(f"{folder.name}-kept")
    shutil.copytree(folder, kept, symlinks=True)
    shops = {account: deepcopy(scene.cli.endpoint(account).shop) for account in PLATFORMS}
    asked: set[tuple[str, str]] = set()

    def see(call: Call) -> str:
        asked.add((call.platform, call.route))
        return ""

    for account in PLATFORMS:
        scene.cli.hook(account, see)
    found: dict[str, str] = {}

    def use(name: str, file: str, change: Change, whole: set[object]) -> set[object]:
        for account in PLATFORMS:
            scene.cli.endpoint(account).shop = deepcopy(shops[account])
        shutil.rmtree(folder)
        shutil.copytree(kept, folder, symlinks=True)
        change(folder / file)
        make_old(folder)
        named = read_names(folder / file, scene.key) if file in scene.inputs else whole
        ended = [command(*words, folder=folder) for words in scene.uses]
        for words, one in zip(scene.uses, ended, strict=True):
            if said := trouble_of(one):
                found[f"{name}: {words[0]}"] = said
        told = scene.told(folder)
        if all(one.code in {0, 1} for one in ended) and (lost := named - told):
            found[f"{name}: lost"] = str(lost)
        return told

    whole = use("nothing", scene.files[0], lambda _path: None, set())
    own = {*asked}
    assert whole
    assert not found, found
    for name, file, change in chosen(scene.files, kept, step):
        use(name, file, change, whole)
        if strange := {one for one in asked - own if not one[1].startswith("GET ")}:
            found[f"{name}: asked"] = str(strange)
            asked -= strange
    return found


def open_own_cli(shop_server: ShopServer, folder: Path) -> Cli:
    """A command line in a folder that a copy can lie beside."""
    own = folder / folder.name
    own.mkdir()
    return open_cli(shop_server, own)


def test_reads_of_an_export_that_somebody_emptied_are_asked_anew(shop_server: ShopServer, tmp_path: Path) -> None:
    scene = of_exports(open_own_cli(shop_server, tmp_path))
    (scene.cli.folder / "carts.jsonl.work" / "reads.jsonl").write_bytes(b"")
    scene.cli.hook("loja", "")
    command(*scene.uses[0], folder=scene.cli.folder, code=0)
    assert len((scene.cli.folder / "carts.jsonl").read_text().splitlines()) == 6


@pytest.mark.parametrize("scene", SCENES)
def test_files_that_somebody_changed_end_in_sentences(
    scene: Callable[[Cli], Scene], shop_server: ShopServer, tmp_path: Path
) -> None:
    assert wrong(scene(open_own_cli(shop_server, tmp_path)), FEW) == {}


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", SCENES)
def test_no_change_of_a_file_ends_in_anything_but_sentences(
    scene: Callable[[Cli], Scene], shop_server: ShopServer, tmp_path: Path
) -> None:
    assert wrong(scene(open_own_cli(shop_server, tmp_path)), 1) == {}
