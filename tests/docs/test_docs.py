"""Owns holding the pages in docs/ against the program: every block of every page is run, checked or visibly excepted.

How a page is read: each page has a folder of its own, with the `jobs` folder, a config with the accounts acme (3dcart),
loja (Tray) and sklep (Shoplo), whose shops are simulated, and `batchcart` and `python` on the path. Its blocks come in
their order:

- ```console: each `$ command` must end with exit code 0, or N where the line ends in `# exit N`. Output below it is
  compared, without figures; a line `…` stands for any lines. On a busy machine a request may come late and meet a
  429 that the page does not show: the lines that tell of such a pause are no part of what is compared.
- ```sh, ```bash: run as a script that stops at the first error.
- ```python: run as a script.
- ```toml: understood as a config. ```jsonl: passes `batchcart check`, or is lines of results.
- ```json: is JSON. ```text, and a block without a name: is shown, not run, and holds no command.

A block that cannot be run has "not run by the tests" in the paragraph above it.
"""

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from cli_harness import ShopServer, batchcart, environment, open_cli
from report_samples import T0, busy_report

from batchcart import __all__ as public_names
from batchcart import run as batchcart_run
from batchcart.accounts.options import AccountOptions
from batchcart.cli import COMMANDS
from batchcart.cli.report_text import report_text
from batchcart.jobs.job_file import JobLine
from batchcart.journal.result_line import Result
from batchcart.journal.summary import STATUSES
from batchcart.model.events import Paused, ShopDown, ThrottlingEnded
from batchcart.model.outcome import ErrorKind
from batchcart.platforms import load_adapters

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
EXCEPTION = "not run by the tests"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^(?:\$ |(?:\S+/)?(?:batchcart|python3?|pip) [a-z-])", flags=re.MULTILINE)
_PAUSE = re.compile(
    r"^(?:account '[\w-]+': the shop asks to wait until .*HTTP 429.*"
    r"|account '[\w-]+': the pauses that the shop asked for are over: .* × 429, .*"
    r"|[\w-]+: the shop answered 429, .* waited)(?:\n|\Z)",
    flags=re.MULTILINE,
)
_LINK = re.compile(r"\]\(([^)#]+)?(?:#([\w-]+))?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the number of its first line and whether the page says that it is not run."""

    language: str
    text: str
    line: int
    excepted: bool


def blocks(page: str) -> list[Block]:
    text = (DOCS / page).read_text()
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()].rstrip()
        paragraph = before[before.rfind("\n\n") :]
        found.append(Block(fence[1], fence[2], text.count("\n", 0, fence.start()) + 2, EXCEPTION in paragraph))
    return found


@pytest.fixture
def folder(shop_server: ShopServer, tmp_path: Path) -> Path:
    """A page's folder, as the head of this module says."""
    open_cli(shop_server, tmp_path)
    (tmp_path / "batchcart.toml").chmod(0o600)
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    (tmp_path / "bin").mkdir()
    for name, words in {"batchcart": "-m batchcart", "python": ""}.items():
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    return tmp_path


def done(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    own = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment(folder), **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )


def without_figures(line: str) -> str:
    """The line with # for each number and key, and for each duration in whatever units."""
    plain = re.sub(r"\s+", " ", re.sub(r"[0-9a-f]{12,}|[\d.,:-]*\d", "#", line)).strip()
    return re.sub(r"# (?:ms|s|min|h)\b(?: # (?:ms|s|min|h)\b)?", "# s", plain)


def without_pauses(said: str) -> str:
    """What was said without the lines about pauses after a 429: those at their time, and those of a report."""
    return _PAUSE.sub("", said)


def fits(shown: list[str], said: list[str]) -> bool:
    """Whether what a page shows is what was said: line by line, with `…` for any lines."""
    if not shown:
        return not said
    if shown[0].strip() == "…":
        return any(fits(shown[1:], said[count:]) for count in range(len(said) + 1))
    return bool(said) and without_figures(shown[0]) == without_figures(said[0]) and fits(shown[1:], said[1:])


def run_console(block: Block, folder: Path, where: str) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        expected = re.search(r"# exit (\d)$", command)
        ended = done(["bash", "-c", command], folder)
        assert ended.returncode == int(expected[1] if expected else 0), (where, command, ended.stdout)
        if shown := output.strip().splitlines():
            said = without_pauses(ended.stdout).strip().splitlines()
            assert fits(shown, said), (where, command, ended.stdout)


def check_lines(block: Block, folder: Path, where: str) -> None:
    lines = [json.loads(line) for line in block.text.splitlines()]
    if all("status" in line or "op" not in line for line in lines):
        return  # results, or carts of an export
    (folder / "shown.jsonl").write_text(block.text)
    ended = batchcart("check", "shown.jsonl", folder=folder)
    assert ended.code == 0, (where, ended.err)


def run_block(block: Block, folder: Path, where: str) -> None:
    match block.language:
        case "console":
            run_console(block, folder, where)
        case "sh" | "bash":
            ended = done(["bash", "-euo", "pipefail", "-c", block.text], folder)
            assert ended.returncode == 0, (where, ended.stdout)
        case "python":
            (folder / "script.py").write_text(block.text)
            ended = done(["python", "script.py"], folder)
            assert ended.returncode == 0, (where, ended.stdout)
        case "toml":
            (folder / "shown.toml").write_text(block.text)
            read = batchcart("doctor", "--offline", "--config", "shown.toml", "sandbox-tray", folder=folder)
            assert read.code == 0, (where, read.err, read.out)
        case "jsonl":
            check_lines(block, folder, where)
        case "json":
            json.loads(block.text)
        case _:
            assert block.language in {"", "text"}, f"{where}: nobody knows how to run {block.language}"
            assert not _COMMAND.search(block.text), f"{where}: a command; call the block console or sh"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_it_shows(page: str, folder: Path) -> None:
    for block in blocks(page):
        if not block.excepted:
            run_block(block, folder, f"docs/{page}:{block.line}")


def test_only_few_blocks_are_not_run() -> None:
    found = [block for page in PAGES for block in blocks(page)]

    assert sum(block.excepted for block in found) <= len(found) / 4


def anchors(text: str) -> set[str]:
    """What the headings of a page can be linked by."""
    heads = re.findall(r"^#+ (.*)$", re.sub(_FENCE, "", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, "../README.md", "../CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    text = re.sub(_FENCE, "", (DOCS / page).read_text())
    for place, anchor in _LINK.findall(text):
        if not place.startswith(("http:", "https:")):
            target = (DOCS / page).parent / place if place else DOCS / page
            assert target.exists(), (page, place)
            assert not anchor or anchor in anchors(target.read_text()), (page, place, anchor)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("job-file.md", set(JobLine.__struct_fields__)),
        ("results.md", {field.name for field in fields(Result)} - {"names"} | set(STATUSES) | {*ErrorKind}),
        ("config.md", set(AccountOptions.__struct_fields__)),
        ("config.md", {key for one in load_adapters().values() for key in one.account.settings.__struct_fields__}),
        ("python-api.md", {*inspect.signature(batchcart_run).parameters, *(field.name for field in fields(Result))}),
        ("python-api.md", {name for name in public_names if not name.startswith("_")}),
        ("commands.md", {f"## {name}\n" for name in COMMANDS}),
    ],
)
def test_a_page_leaves_no_name_out(page: str, names: set[str]) -> None:
    text = (DOCS / page).read_text()

    assert not {name for name in names if name not in text}


def test_every_command_that_can_end_in_several_ways_says_how_in_its_help() -> None:
    for section in re.split(r"^## ", (DOCS / "commands.md").read_text(), flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        assert "xit codes" in section or name in {"platforms", "schema", "help", "completion", "sandbox"}, name


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text()

    for page in PAGES:
        assert page == "README.md" or f"({page})" in index, page


def test_the_generated_pages_are_fresh() -> None:
    made = subprocess.run(
        [sys.executable, "docs/make.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert made.returncode == 0, made.stdout + made.stderr


def test_a_429_of_a_busy_machine_is_no_part_of_what_is_compared_and_all_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = report_text(busy_report(tmp_path))
    why = "the shop answered HTTP 429 (too many requests)"
    began, over = Paused("loja", T0, why), ThrottlingEnded("loja", T0, T0 + 2, 1, 2.0)
    told = [line for line in report.splitlines() if "the shop answered 429" in line]

    assert len(told) == 1
    assert without_pauses(report) == report.replace(f"{told[0]}\n", "")
    assert without_pauses(f"{began}\nstep 1\n{over}\nall 3\n{told[0]}") == "step 1\nall 3\n"
    for other in (ShopDown("loja", why, T0, T0, T0), Paused("loja", T0, "Retry-After"), f"loja: {why}"):
        assert without_pauses(f"{other}\n") == f"{other}\n"


def test_what_a_page_shows_is_compared_without_figures_and_with_gaps() -> None:
    assert fits(["2 requests in 0.3 s", "…", "Results: a"], ["7 requests in 12 s", "x", "y", "Results: a"])
    assert not fits(["Results: a"], ["Results: b"])
    assert not fits(["a"], ["a", "b"])
    assert fits(["a", "…"], ["a", "b"])


def test_the_page_on_the_architecture_names_only_what_is_there() -> None:
    text = (DOCS / "architecture.md").read_text()
    named = {path for path in re.findall(r"`([\w/]+\.py)`", text) if "/" in path and "<" not in path}

    assert len(named) > 30
    places = (ROOT / "batchcart", ROOT)
    assert not {path for path in named if not any((place / path).exists() for place in places)}
