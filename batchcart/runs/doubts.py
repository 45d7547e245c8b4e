"""Owns lines in doubt as a table that a person fills in: written with what helps to look them up, and read again."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec

from batchcart.jobs.csv_table import read_table
from batchcart.jobs.job_file import JobSource, RawLine
from batchcart.jobs.opening import open_job
from batchcart.jobs.sheet_cells import name_text
from batchcart.journal.changes import Settlement, settle
from batchcart.journal.queries import PlannedLine, doubt_fields, result_of
from batchcart.journal.remaining import lines_of_status
from batchcart.journal.result_file import repair_result_file
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.errors import AlikeLines, BadLines, UsageError, quote
from batchcart.model.files import writing_new
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.platforms import load_adapters
from batchcart.runs.deps import WORLD
from batchcart.runs.settle import open_settling, settlement_by_hand
from batchcart.runs.status import open_journal_readonly
from batchcart.sheets.cell_text import write_text

COLUMNS = (
    "answer", "cart_id", "item_id", "line", "account", "platform", "op", "id", "cart", "item", "known_cart_id",
    "email", "names", "sent_at", "evidence", "run",
)  # fmt: skip
"""The columns of the table; the first three are the person's."""

_NEEDED = ("answer", "cart_id", "item_id", "line", "run")
_FREE = tuple(name for name in COLUMNS if name not in _NEEDED)
_YES, _NO = {"yes", "y", "done", "1", "true"}, {"no", "n", "not done", "0", "false"}
_LONGEST_CELL = 2000


class TableAnswers(msgspec.Struct, frozen=True):
    """What came of a table of answers: rows read, lines settled, those that were settled before, and those left."""

    read: int
    settled: int
    before: int
    remaining: int


class _Settled(msgspec.Struct, frozen=True):
    settled: str = ""


_LONGEST_NUMBER = 15  # digits of a line number


class _Line(msgspec.Struct, frozen=True):
    data: dict[str, Any] = {}


def write_todo(results: Path, table: Path) -> int:
    """Write the lines in doubt as a CSV file to be filled in; how many. Raises UsageError if the file is there."""
    with ExitStack() as stack:
        connection = stack.enter_context(open_journal_readonly(results))
        run, job = get_meta(connection, "run") or "", get_meta(connection, "job") or ""
        source = stack.enter_context(open_job(job)) if Path(job).is_file() else None
        text = io.StringIO()
        rows = csv.DictWriter(text, COLUMNS)
        rows.writeheader()
        count = 0
        for line in lines_of_status(connection, Status.IN_DOUBT):
            count += 1
            row = _row(doubt_fields(connection, line.text), _data_of(source, line.planned), run)
            rows.writerow({name: write_text(value) for name, value in row.items()})
    if count:
        try:
            with writing_new(table) as file:
                file.write(b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "backslashreplace"))
        except FileExistsError:
            fill_in = f"fill it in, then `batchcart settle {results} --from {table}`"
            raise UsageError(
                f"{table} already exists and was not overwritten; {fill_in}, or choose another name"
            ) from None
        except OSError as error:
            raise UsageError(f"{table} cannot be written: {error.strerror}; choose another place") from None
    return count


def name_key_columns(results: Path) -> list[str]:
    """Which of the shops' own words for what the lines in doubt may have made goes into which column of the table."""
    with open_journal_readonly(results) as connection:
        made = (doubt_fields(connection, line.text) for line in lines_of_status(connection, Status.IN_DOUBT))
        return key_columns((fields["platform"], fields["op"]) for fields in made)


def key_columns(made: Iterable[tuple[str, str]]) -> list[str]:
    """The same, of platforms each with an operation of it."""
    adapters, found = load_adapters(), {}
    for platform, op in set(made):
        keys = adapters[platform].keys if platform in adapters else None
        if keys is not None and op == OperationKind.CART_CREATE and not keys.client_chooses:
            found[platform, "cart_id"] = keys.cart
        if keys is not None and op == OperationKind.ITEM_ADD and keys.item:
            found[platform, "item_id"] = keys.item
    return [f"{platform}'s {word} goes under {column}" for (platform, column), word in sorted(found.items())]


def settle_from_table(results: Path, table: Path) -> TableAnswers:
    """Settle the lines that the table has answers for, all or none.

    Raises BadLines with every row that cannot be used; then nothing is settled.
    """
    if not table.is_file():
        raise UsageError(f"--from {table} does not exist; `batchcart settle {results} --todo {table}` writes it")
    with open_settling(results) as connection:
        rows = read_table(table, "table of answers", COLUMNS, _FREE)
        if missing := [name for name in _NEEDED if name not in rows.columns]:
            raise UsageError(f"{table}:{rows.line}: the column {missing[0]} is missing; keep all columns of --todo")
        run = get_meta(connection, "run") or ""
        read = before = 0
        settled: dict[int, Settlement] = {}
        wrong: list[tuple[int, str]] = []
        for number, row in rows.rows:
            read += 1
            try:
                match _read_answer(connection, results, row, run):
                    case Settlement() as one if one.line in settled:
                        wrong.append((number, f"line {one.line} has an answer in an earlier row; keep one of the rows"))
                    case Settlement() as one:
                        settled[one.line] = one
                    case "settled before":
                        before += 1
                    case "no answer":
                        pass
            except UsageError as error:
                wrong.append((number, str(error)))
        if wrong:
            raise _bad_rows(table, wrong)
        settle(connection, list(settled.values()), WORLD.wall())
        repair_result_file(connection, results)
        remaining = sum(1 for _ in lines_of_status(connection, Status.IN_DOUBT))
        return TableAnswers(read, len(settled), before, remaining)


def _bad_rows(table: Path, wrong: Sequence[tuple[int, str]]) -> BadLines:
    alike = [AlikeLines(words, [number]) for number, words in wrong]
    sentences = [f"{table}:{number}: {words}" for number, words in wrong]
    rows_to_correct = "this row" if len(wrong) == 1 else "these rows"
    verdict = f"nothing was settled; correct {rows_to_correct}, and give the table again"
    return BadLines(sentences, len(wrong), alike, verdict)


def _read_answer(
    connection: Connection, results: Path, row: Mapping[str, str], run: str
) -> Settlement | Literal["settled before", "no answer"]:
    """What a row says; raises UsageError where that cannot be."""
    answer = row["answer"].strip().lower()
    ids = {name: _key(row, name) for name in ("cart_id", "item_id") if row[name].strip()}
    if not answer:
        if ids:
            raise UsageError("an id is given without an answer; write yes or no under answer")
        return "no answer"
    if answer not in _YES | _NO:
        raise UsageError(f"answer: {quote(answer)} is neither yes nor no")
    if not (row["line"].strip().isdecimal() and len(row["line"].strip()) <= _LONGEST_NUMBER):
        raise UsageError(f"line: {quote(row['line'])} is not a line number")
    line = int(row["line"])
    if row["run"].strip() != run:
        raise UsageError(f"the row is of another run than {results}")
    if answer in _NO and ids:
        raise UsageError("it did not happen, so there is no id; leave cart_id and item_id empty")
    ended = result_of(connection, line)
    if ended is not None and decode_value(connection, "result", ended.text, _Settled).settled == "by hand":
        if ended.status == (Status.OK if answer in _YES else Status.FAILED):
            return "settled before"
        raise UsageError(f"line {line} was settled as {ended.status} before, which stays so; clear its answer")
    return settlement_by_hand(connection, results, line, ids if answer in _YES else None, in_table=True)


def _key(row: Mapping[str, str], name: str) -> str:
    """The key or id that the cell holds, as the cell of a job's sheet does."""
    try:
        return name_text(row[name].strip())
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _row(result: Mapping[str, Any], data: Mapping[str, Any], run: str) -> dict[str, str]:
    row = {name: str(result[name]) for name in COLUMNS if name in result and name not in {"cart_id", "item_id"}}
    found = _people(data)
    return {
        **row,
        "known_cart_id": str(result.get("cart_id", "")),
        "email": found["email"],
        "names": found["name"],
        "evidence": result["error"]["message"][:_LONGEST_CELL],
        "run": run,
    }


def _people(data: Mapping[str, Any]) -> dict[str, str]:
    """Whom the line's data names, by the words that its fields have in common."""
    found: dict[str, list[str]] = {"email": [], "name": []}
    for key, value in data.items():
        for word, values in found.items():
            if word in key.lower() and isinstance(value, str) and value and value not in values:
                values.append(value)
    return {word: " ".join(values) for word, values in found.items()}


def _data_of(source: JobSource | None, planned: PlannedLine) -> Mapping[str, Any]:
    """What the line of the job says under ``data``; nothing if the job is not there any more, or not what it was."""
    if source is None:
        return {}
    text = source.read(planned.offset, planned.length)
    if RawLine(planned.line, planned.offset, text).digest != planned.digest:
        return {}
    return msgspec.json.decode(text, type=_Line).data
