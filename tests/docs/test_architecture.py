"""The rules of the house that no type checker sees: layers, sizes, names, and what may not be imported."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import batchcart

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "batchcart").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 350, 60
BANNED = {"util", "utils", "helper", "helpers", "manager", "common", "base", "core", "handler", "processor", "service"}
PURE = (
    "platforms/",
    "sandbox/faults.py",
    "model/operation.py",
    "model/http.py",
    "model/outcome.py",
    "model/cart.py",
)
CALLBACKS = {"eof_received", "connection_lost", "buffer_updated"}
PARTICIPLE = re.compile(
    "_*(begun|bound|broken|brought|built|chosen|done|drawn|found|given|gone|heard|held|kept|known|laid|left|lost|made|"
    "meant|met|said|seen|sent|shown|sold|spent|taken|told|understood|written|[a-z]+[^e]ed)"
)
CLASS = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")
FILE = re.compile(r"\b\w+\.py\b")
SQL = {"execute", "executemany", "executescript"}
IO = {"asyncio", "time", "socket", "logging", "aiohttp", "sqlite3", "os"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
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


def test_a_module_opens_with_its_sentence() -> None:
    sentences = {named(path): (ast.get_docstring(parsed(path)) or "").split("\n\n")[0] for path in [*MODULES, *TESTS]}

    assert not {
        name: sentence
        for name, sentence in sentences.items()
        if not sentence.endswith((".", "::", ":")) or len(sentence.split()) < 4
    }


def docstrings(path: Path) -> Iterator[str]:
    """What a module says of itself, its classes, functions and constants."""
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield ast.get_docstring(node) or ""
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
            case _:
                pass


def test_a_docstring_names_only_classes_and_modules_that_are_there() -> None:
    """What was renamed keeps its old name longest where no type checker reads."""
    words = {
        word for path in MODULES for node in ast.walk(parsed(path)) for word in names_in(node) if CLASS.fullmatch(word)
    }
    files = {path.name for path in [*MODULES, *TESTS]}

    assert not {
        f"{named(path)}: {found}"
        for path in MODULES
        for text in docstrings(path)
        for found in {*CLASS.findall(text), *FILE.findall(text)} - words - files
    }


def names_in(node: ast.AST) -> Iterator[str]:
    """What a piece of code is called, imports or asks of something."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            yield name
        case ast.alias(name=name):
            yield from name.split(".")
        case ast.Constant(value=str(text)):
            yield from text.split()
        case _:
            pass


def test_no_module_grows_too_long() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in MODULES}

    assert not {name: length for name, length in lengths.items() if length > LONGEST_MODULE}


def test_no_function_grows_too_long() -> None:
    lengths = {
        f"{named(path)}: {function.name}": (function.end_lineno or 0) - function.lineno
        for path in MODULES
        for function in functions(path)
    }

    assert not {name: length for name, length in lengths.items() if length >= LONGEST_FUNCTION}


def words_of(path: Path) -> set[str]:
    """The words that a module and its classes are named with."""
    classes = [node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
    return {path.stem.lower()} | {word.lower() for name in classes for word in re.findall("[A-Z][a-z]+", name)}


def classes(path: Path) -> Iterator[ast.ClassDef]:
    yield from (node for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef))


def types_named(path: Path) -> Iterator[str]:
    """The names of a module's classes, and of its types that have a name alone: aliases and variables."""
    yield from (node.name for node in classes(path))
    for node in parsed(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if re.match("[A-Z]+[a-z]", name):
                yield name


def test_no_name_of_a_type_stands_for_two_things() -> None:
    """A platform's own package is left out: platforms know nothing of one another."""
    places: dict[str, set[str]] = {}
    for path in MODULES:
        own = re.match(r"batchcart/platforms/(?!toolkit)\w+/", named(path))
        for name in types_named(path):
            places.setdefault(name, set()).add(own.group() if own else named(path))

    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not {name: found for name, found in twice.items() if not all("platforms/" in place for place in found)}


def test_a_function_is_named_by_what_it_does_and_not_by_what_was_done() -> None:
    """``opened`` and ``made`` are what a thing is; a function opens and makes. The event loop's own callbacks stay."""
    assert not {
        f"{named(path)}: {function.name}"
        for path in MODULES
        for function in functions(path)
        if function.name not in CALLBACKS
        and PARTICIPLE.fullmatch(function.name)
        and not any(ast.unparse(mark) == "property" for mark in function.decorator_list)
    }


def test_nothing_is_named_after_no_idea() -> None:
    assert not {named(path): found for path in MODULES if (found := words_of(path) & BANNED)}


def test_no_test_mocks_what_it_tests() -> None:
    assert not [
        f"{named(path)} imports {name}"
        for path in TESTS
        for name in imported(path)
        if name.startswith(("unittest", "mock"))
    ]


def test_test_names_state_a_behaviour() -> None:
    names = [(path, function.name) for path in TESTS for function in functions(path)]

    assert not [
        f"{named(path)}: {name}" for path, name in names if name.startswith("test_") and len(name.split("_")) < 4
    ]


def test_what_is_pure_imports_no_io() -> None:
    files = [path for path in MODULES if path.relative_to(ROOT / "batchcart").as_posix().startswith(PURE)]
    waits = [f"{named(path)}: {one.name}" for path in files for one in functions(path) if _waits(one)]

    assert len(files) > len(PURE)
    assert not [f"{named(path)} imports {name}" for path in files for name in sorted(imported(path) & IO)]
    assert not waits


def _waits(function: Function) -> bool:
    return isinstance(function, ast.AsyncFunctionDef)


def methods_called(path: Path) -> set[str]:
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    return {call.attr for call in calls if isinstance(call, ast.Attribute)}


def test_sql_is_said_in_the_journals_room_alone() -> None:
    others = [path for path in MODULES if path.parent.name != "journal"]

    assert not [named(path) for path in others if "sqlite3" in imported(path) or methods_called(path) & SQL]


def test_no_text_names_a_place_on_somebodys_machine() -> None:
    places = re.compile(r"/(?:home|Users|root|work|workspace|mnt)/[\w.-]+")
    kinds = ("*.py", "*.md", "*.toml", "*.jsonl", "*.json")
    folders = ["batchcart", "tests", "jobs", "docs", "benchmarks"]
    files = [path for folder in folders for kind in kinds for path in (ROOT / folder).rglob(kind)]
    files += [path for kind in kinds for path in ROOT.glob(kind)]

    assert not [named(path) for path in files if path != Path(__file__) and places.search(path.read_text())]


def test_every_error_a_person_meets_is_one_of_three() -> None:
    allowed = {"BatchcartError", "UsageError", "BadLines", "Stopped"}
    raised = [
        (f"{named(path)}:{node.lineno}", node.exc.func.id)
        for path in sorted((ROOT / "batchcart" / "cli").rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    ]

    assert raised
    assert not [(place, name) for place, name in raised if name not in allowed]


OF_A_PLATFORM = re.compile(
    r"3dcart|threedcart|shift4shop|\btray\b|shoplo|OrderKey|CartItemID|\bsession_id\b|\buser_key\b|secure_url|api_address",
    re.IGNORECASE,
)


def test_what_only_one_platform_has_stands_in_its_own_folders() -> None:
    elsewhere = [
        path for path in MODULES if not named(path).startswith(("batchcart/platforms/", "batchcart/sandbox/platforms/"))
    ]
    offenders = {
        f"{named(path)}:{number}": line.strip()
        for path in elsewhere
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if OF_A_PLATFORM.search(line)
    }
    assert not offenders


def test_platforms_know_nothing_of_one_another() -> None:
    shared = {
        "batchcart/platforms": ("batchcart.model.", "batchcart.platforms.toolkit"),
        "batchcart/sandbox/platforms": ("batchcart.model.", "batchcart.sandbox."),
    }
    offenders = []
    for room, others in shared.items():
        package = room.replace("/", ".")
        for folder in (found for found in (ROOT / room).iterdir() if found.is_dir() and found.name != "toolkit"):
            own = f"{package}.{folder.name}"
            for path in folder.rglob("*.py"):
                names = {name for name in imported(path) if name.startswith("batchcart")}
                offenders += [
                    f"{named(path)}: {name}"
                    for name in names
                    if not name.startswith(own)
                    and (not name.startswith(others) or name.startswith(f"{package}."))
                    and not name.startswith("batchcart.platforms.toolkit")
                ]
    assert not offenders


MOST_FIELDS = 12
CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear"}


def mutable_fields(node: ast.ClassDef) -> set[str]:
    """The fields of a dataclass that is not frozen; none of any other class."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    if not any(mark.startswith("dataclass") and "frozen=True" not in mark for mark in marks):
        return set()
    return {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}


def fields_written(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """What is changed by ``x.field = …``, ``x.field[…] = …``, ``x.field.append(…)``: owner, field, line."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets):
                written = list(targets)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                written = [target]
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in CHANGING:
                written = [value]
            case _:
                continue
        while written:
            match written.pop():
                case ast.Tuple(elts=parts):
                    written += parts
                case ast.Subscript(value=inner):
                    written.append(inner)
                case ast.Attribute(value=owner, attr=attr, lineno=line):
                    yield ast.unparse(owner), attr, line
                case _:
                    pass


def test_what_changes_in_the_engine_is_small_and_changed_by_its_owner_alone() -> None:
    watched: set[str] = set()
    owners: dict[str, set[str]] = {"quiet": {"batchcart/engine/http/pool.py"}}  # it means a connection, no dataclass
    for path in MODULES:
        for node in classes(path):
            fields = mutable_fields(node)
            for name in fields:
                owners.setdefault(name, set()).add(named(path))
            if named(path).startswith("batchcart/engine/") or named(path) == "batchcart/runs/monitor.py":
                own = {field for owner, field, _ in fields_written(node) if owner == "self"}
                assert len(fields & own) <= MOST_FIELDS, f"{named(path)}: {node.name}"
                watched |= fields

    rooms = ("batchcart/engine/", "batchcart/runs/", "batchcart/migration/", "batchcart/undo/", "batchcart/cli/")
    assert not [
        f"{named(path)}:{line}: {owner}.{field}"
        for path in MODULES
        if named(path).startswith(rooms)
        for owner, field, line in fields_written(parsed(path))
        if owner != "self" and field in watched and named(path) not in owners[field]
    ]


def test_nothing_below_runs_takes_the_time_or_a_number_from_elsewhere() -> None:
    """They come from ``runs/deps.py``; a default that the run overrides, as in ``clock=time.monotonic``, is no call."""
    calls = re.compile(r"(?<!\.)\b(?:time\.(?:time|monotonic|perf_counter)|random\.\w+|secrets\.\w+|open_client)\(")
    rooms = ("batchcart/engine/", "batchcart/runs/")
    apart = {"batchcart/runs/deps.py", "batchcart/runs/probe.py", "batchcart/engine/http/client.py"}
    files = [path for path in MODULES if named(path).startswith(rooms) and named(path) not in apart]

    assert not [f"{named(path)}: {found.group()}" for path in files for found in calls.finditer(path.read_text())]


OF_THE_MACHINE = {
    "accounts": "shows the config itself",
    "bench": "measures the program",
    "completion": "is a shell's",
    "doctor": "looks at the machine",
    "init": "asks a person for an account",
    "help": "shows what --help shows",
    "platforms": "lists what is installed",
    "sandbox": "serves a simulator",
    "seat": "belongs to a run that was begun elsewhere",
    "schema": "prints what an editor reads",
    "template": "writes an empty sheet",
}
"""Commands that have no function in Python, and why: they are not about a job, a run or carts."""


def test_a_command_calls_the_function_of_its_name_and_nothing_below_it() -> None:
    rooms = ("batchcart.api", "batchcart.cli", "batchcart.model")
    commands = [path for path in (ROOT / "batchcart/cli/commands").glob("*.py") if path.stem not in OF_THE_MACHINE]

    assert len(commands) > 10
    assert not [
        f"{named(path)} imports {name}"
        for path in commands
        for name in imported(path)
        if name.startswith("batchcart") and not name.startswith(rooms)
    ]
    assert not {path.stem for path in commands if path.stem != "__init__"} - set(batchcart.__all__)


def test_the_page_on_the_architecture_has_every_module_from_a_jobs_line_to_its_result() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = ("batchcart/accounts/", "batchcart/jobs/", "batchcart/journal/", "batchcart/engine/", "batchcart/runs/")

    assert not [
        named(path)
        for path in MODULES
        if named(path).startswith(rooms)
        if path.stem != "__init__" and not re.search(rf"[`/]{path.stem}(\.py)?`", text)
    ]
