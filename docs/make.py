"""Owns making the pages that are the program's own words: commands, operations, the manual page.

``python docs/make.py`` writes them; ``--check`` says which are stale instead.
"""

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from msgspec import inspect

from batchcart import __version__
from batchcart.cli import COMMANDS, cli
from batchcart.cli.commands.platforms import markdown_text
from batchcart.jobs.checks import describe_route
from batchcart.migration.support_matrix import support_matrix
from batchcart.model.adapter import Adapter
from batchcart.model.operation import OperationKind
from batchcart.model.validation import describe_type
from batchcart.platforms import load_adapters

HERE = Path(__file__).resolve().parent
_MADE = "<!-- Made by docs/make.py: change the program, not this page. -->"
_TABLE_BEGINS = "<!-- Made by docs/make.py from here: change the program, not this table. -->"
_TABLE_ENDS = "<!-- Made by docs/make.py up to here. -->"
_OPERATIONS = (
    "`{cart_id}` and `{item_id}` are the platform's own keys, as in results; a dash means that the platform has no "
    "such operation. What the platforms' documents leave open, and where live shops differ from them, is in "
    "[platforms.md](platforms.md)."
)
_WIDTH = 96
_EXIT_CODES = {
    "0": "Every line ended ok; or all checks passed.",
    "1": "Every line ended, some of them not ok; or something needs fixing.",
    "2": "Nothing was sent: usage, config or job file is wrong, or somebody else holds the run.",
    "3": "Stopped before the end; run the same command again to resume.",
}
_FILES = {
    "batchcart.toml": "The accounts, where --config and BATCHCART_CONFIG name no other file.",
    "JOB.results.jsonl": "The results of a job, in the current folder.",
    "JOB.results.jsonl.journal": "What makes going on possible, an SQLite file.",
    "~/.local/state/batchcart": "What accounts remember between runs: limits used, tokens renewed.",
}
_ENVIRONMENT = {
    "BATCHCART_CONFIG": "The config file.",
    "NO_COLOR": "Anything but empty: no colours.",
    "XDG_STATE_HOME": "The folder above the state folder.",
}


def commands() -> dict[str, click.Command]:
    """All commands by name, in the order of --help."""
    return {name: importlib.import_module(f"batchcart.cli.commands.{name}").command for name in COMMANDS}


def commands_page() -> str:
    """Each command's --help."""
    parts = ["# Commands", _MADE, "`batchcart COMMAND --help` shows the same.", _help(cli, "batchcart")]
    for name, command in commands().items():
        parts += [f"## {name}", _help(command, f"batchcart {name}")]
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, called: str) -> str:
    context = _context(command, called)
    return f"```text\n{command.get_help(context)}\n```"


def _context(command: click.Command, called: str) -> click.Context:
    """A context as the program has it, of a width that does not change with the terminal's."""
    settings = {**cli.context_settings, **command.context_settings}
    return click.Context(command, info_name=called, terminal_width=_WIDTH, **settings)


def operations_page() -> str:
    """The operations of each platform and the fields they take."""
    adapters = list(load_adapters().values())
    rows = [("operation", *(adapter.name for adapter in adapters)), ("---",) * (1 + len(adapters))]
    rows += [(kind.value, *(describe_route(kind, adapter) for adapter in adapters)) for kind in OperationKind]
    rows.append(("limits", *(", ".join(adapter.limits) for adapter in adapters)))
    parts = [
        "# Operations and their fields",
        _MADE,
        _OPERATIONS,
        _table(rows),
    ]
    for adapter in adapters:
        parts.append(f"## {adapter.name}")
        for kind, cell in adapter.operations.items():
            for key, table in (("data", cell.data_schema), ("query", cell.query_schema)):
                if table is not None:
                    parts += [f"### {kind.value} on {adapter.name}: {key}", _fields(table)]
    return "\n\n".join(parts) + "\n"


def _fields(table: type[msgspec.Struct]) -> str:
    return _table([("field", "needed", "takes"), ("---",) * 3, *_rows(table, "")])


def _rows(table: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str, str]]:
    """A row for each field, and for each field of an object in it."""
    for field in msgspec.structs.fields(table):
        info = inspect.type_info(field.type)
        yield (f"`{prefix}{field.name}`", "yes" if field.required else "", describe_type(info))
        for inner in _objects(info):
            yield from _rows(inner, f"{prefix}{field.name}.")


def _objects(kind: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    match kind:
        case inspect.StructType(cls=cls):
            yield cls
        case inspect.UnionType(types=kinds):
            for one in kinds:
                yield from _objects(one)
        case inspect.ListType(item_type=inner) | inspect.Metadata(type=inner):
            yield from _objects(inner)
        case _:
            return


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def manual_page() -> str:
    """The manual page, in the macros of man(7)."""
    lines = [f'.TH BATCHCART 1 "" "batchcart {__version__}" "User commands"', ".SH NAME"]
    lines += ["batchcart \\- run a file of shopping-cart operations against 3dcart, Tray and Shoplo shops"]
    lines += [".SH SYNOPSIS", ".B batchcart", "COMMAND [OPTIONS] [ARGUMENTS]", ".SH DESCRIPTION"]
    lines += _paragraphs(cli.help or "")
    lines.append(".SH COMMANDS")
    for name, command in commands().items():
        lines += _command_section(name, command)
    for title, words in {"EXIT STATUS": _EXIT_CODES, "FILES": _FILES, "ENVIRONMENT": _ENVIRONMENT}.items():
        lines.append(f".SH {title}")
        lines += [line for term, text in words.items() for line in (".TP", f".B {_plain(term)}", _plain(text))]
    return "\n".join(lines) + "\n"


def _command_section(name: str, command: click.Command) -> Iterator[str]:
    context = _context(command, f"batchcart {name}")
    yield f".SS batchcart {name} {_plain(' '.join(command.collect_usage_pieces(context)))}"
    yield from _paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            yield from (".TP", f".B {_plain(record[0])}", _plain(record[1]) or "\\&")
    yield from _paragraphs(command.epilog or "")


def _paragraphs(text: str) -> Iterator[str]:
    r"""The help text as man(7): click's ``\b`` keeps a paragraph's lines."""
    for paragraph in text.strip().split("\n\n"):
        kept = paragraph.startswith("\b")
        lines = [line.rstrip() for line in paragraph.removeprefix("\b").strip("\n").splitlines()]
        yield ".PP"
        if kept:
            yield from (".nf", *map(_plain, lines), ".fi")
        else:
            yield _plain(" ".join(line.strip() for line in lines))


def _plain(text: str) -> str:
    """Text that no macro or escape of man(7) is hidden in."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("\n", " ")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def platforms_page() -> str:
    """The page as it stands, with the table of what makes an operation ok made anew."""
    text = (HERE / "platforms.md").read_text()
    head, _, rest = text.partition(_TABLE_BEGINS)
    _, _, tail = rest.partition(_TABLE_ENDS)
    return "\n\n".join((head + _TABLE_BEGINS, *map(_evidence, load_adapters().values()), _TABLE_ENDS)) + tail


def _evidence(adapter: Adapter) -> str:
    """What makes each operation of a platform ok, and which errors are taken for the platform's."""
    rows = [(f"on {adapter.name}", "its answer has", "or a read shows"), ("---",) * 3]
    for kind, cell in adapter.operations.items():
        reads = kind.endswith((".get", ".list", ".count"))
        shown = cell.evidence.shown or ("–" if reads else "nothing shows it: `in_doubt`")
        rows.append((f"`{kind.value}`", cell.evidence.said, shown))
    return f"{_table(rows)}\n\n{adapter.name}'s errors: {adapter.errors.described}."


def migration_page() -> str:
    """The page as it stands, with the table of what survives a move made anew."""
    rows = support_matrix(list(load_adapters().values()))
    old = re.compile(rf"^\| {rows[0][0]} \| \w+ → .*?(?=\n\n)", re.MULTILINE | re.DOTALL)
    return old.sub(lambda _: markdown_text(rows), (HERE / "migration.md").read_text(), count=1)


PAGES = {
    "commands.md": commands_page,
    "operations.md": operations_page,
    "platforms.md": platforms_page,
    "migration.md": migration_page,
    "batchcart.1": manual_page,
}


def main() -> int:
    """Write the pages, or say which are stale; the exit code is 1 where one is."""
    stale = []
    for name, made in PAGES.items():
        path, text = HERE / name, made()
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run: python docs/make.py")
        return 1
    print(f"{len(PAGES)} pages are fresh")
    return 0


if __name__ == "__main__":
    sys.exit(main())
