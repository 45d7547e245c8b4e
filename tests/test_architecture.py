"""The rules of the house that no type checker sees: layers, sizes, names, and what may not be imported."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchcart

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "batchcart").rglob("*.py"))
TESTS = sorted((ROOT / "tests").glob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60
BANNED = {"util", "utils", "helper", "helpers", "manager", "common", "base", "core", "handler", "processor", "service"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    yield from (node for node in ast.walk(parsed(path)) if isinstance(node, Function))


def imported(path: Path) -> set[str]:
    """All modules that a file imports, those inside functions too."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_import_rules_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_module_can_be_imported() -> None:
    for module in pkgutil.walk_packages(batchcart.__path__, "batchcart."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=named)
def test_a_module_opens_with_its_sentence(path: Path) -> None:
    text = ast.get_docstring(parsed(path)) or ""
    sentence = text.split("\n\n")[0]
    assert sentence.endswith((".", "::", ":")), f"{named(path)}: {sentence!r}"
    assert len(sentence.split()) >= 4


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_module_and_no_function_grows_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    for function in functions(path):
        assert (function.end_lineno or 0) - function.lineno < LONGEST_FUNCTION, function.name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_is_named_after_no_idea(path: Path) -> None:
    names = {node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)}
    words = {path.stem.lower()} | {word.lower() for name in names for word in re.findall("[A-Z][a-z]+", name)}
    assert not words & BANNED


def test_no_test_mocks_what_it_tests() -> None:
    for path in TESTS:
        assert not {name for name in imported(path) if name.startswith(("unittest", "mock"))}, named(path)


def test_test_names_state_a_behaviour() -> None:
    for path in TESTS:
        for function in functions(path):
            if function.name.startswith("test_"):
                assert len(function.name.split("_")) >= 4, f"{named(path)}: {function.name}"


@pytest.mark.parametrize(
    "room",
    ["platforms", "sandbox/faults.py", "model/operation.py", "model/http.py", "model/outcome.py", "model/cart.py"],
)
def test_what_is_pure_imports_no_io(room: str) -> None:
    place = ROOT / "batchcart" / room
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        for banned in ("asyncio", "time", "socket", "logging", "aiohttp", "sqlite3", "os"):
            assert banned not in imported(path), f"{named(path)} imports {banned}"
        assert not [node for node in functions(path) if isinstance(node, ast.AsyncFunctionDef)]


def test_sql_is_said_in_the_journals_room_alone() -> None:
    for path in MODULES:
        if path.parent.name != "journal":
            assert "sqlite3" not in imported(path), named(path)
            calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
            said = {call.attr for call in calls if isinstance(call, ast.Attribute)}
            assert not said & {"execute", "executemany", "executescript"}, named(path)


def test_no_text_names_a_place_on_somebodys_machine() -> None:
    places = re.compile(r"/(?:home|Users|root|work|workspace|mnt)/[\w.-]+")
    kinds = ("*.py", "*.md", "*.toml", "*.jsonl", "*.json")
    own = Path(__file__)
    folders = ["batchcart", "tests", "jobs", "docs", "benchmarks"]
    files = [path for folder in folders for kind in kinds for path in (ROOT / folder).rglob(kind)]
    files += [path for kind in kinds for path in ROOT.glob(kind)]
    for path in files:
        if path != own:
            assert not places.search(path.read_text()), named(path)


def test_every_error_a_person_meets_is_one_of_three() -> None:
    allowed = {"BatchcartError", "UsageError", "BadLines", "Stopped"}
    for path in sorted((ROOT / "batchcart" / "cli").rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                assert node.exc.func.id in allowed, f"{named(path)}:{node.lineno}"
