"""Owns an interrupted run whose files somebody else changes, one thing at a time, and a guard at its shops' doors.

The guard knows which requests the job's lines can lead to, from a run whose files nobody touched.
"""

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cli_harness import PLATFORMS, Cli, Ended, Line, add, create, get, line, until
from neutral_carts import command

from batchcart.sandbox.messages import Call

Change = Callable[[sqlite3.Connection], object]
"""What somebody does to a journal."""

JOB = "job.jsonl"
RESULTS = "job.results.jsonl"
LINES: Sequence[Line] = (
    create("acme", "c1"),
    add("acme", "c1", item="i1"),
    line("acme", "item.update", "c1", item="i1", data={"ItemQuantity": 3}),
    create("acme", "c2"),
    add("acme", "c2"),
    line("acme", "cart.delete", "c2"),
    {"op": "cart.update", "account": "acme", "cart_id": "NOSUCHCART", "data": {"BillingCity": "Miami"}},
    create("acme", "c3"),
    get("acme", "c1"),
    create("loja", "c1"),
    add("loja", "c1"),
    get("loja", "c1"),
    create("loja", "c2", data={"product_id": "6", "quantity": 1}),
    create("sklep", "c1", item="i1"),
    line("sklep", "item.update", "c1", item="i1", data={"quantity": 4}),
    create("sklep", "c2"),
    line("sklep", "discount.set", "c1", item="i1", data={"discount_type": 2, "discount_value": 10}),
)
_IN_FLIGHT = 5


def _trouble(call: Call) -> str | None:
    """What the first run meets: an add is looked for, writes are under way, and one create is lost without a trace."""
    document = json.dumps(call.document())
    match call.platform, call.method, call.route:
        case "3dcart", "PUT", "PUT Cart/{OrderKey}/Item/{CartItemID}":
            return "hang"
        case "3dcart", "POST", "POST Cart" if '"c2"' in document:
            return "hang-after"
        case "3dcart", "POST", "POST Cart" if '"c3"' in document:
            return "reset-after"
        case "tray", "POST", _ if '"6"' in document:
            return "reset-after"
        case "shoplo", "PUT", _:
            return "hang"
        case _:
            return ""


@dataclass
class Guard:
    """What the shops were asked for, each request without the keys of carts and items in it."""

    keys: set[str] = field(default_factory=set)
    asked: set[tuple[str, ...]] = field(default_factory=set)

    def see(self, call: Call) -> str:
        said = json.dumps(call.document() if call.body else None, sort_keys=True)
        for key in sorted({*call.keys, *_keys_in(call.document())}, key=len, reverse=True):
            said = said.replace(json.dumps(key), '"KEY"')
        self.asked.add((call.platform, call.shop, call.route, said))
        return ""


def _keys_in(document: Any) -> Iterator[str]:
    """The keys of carts and items that a body names."""
    match document:
        case dict():
            for name, value in document.items():
                if name in {"session_id", "user_key"} and isinstance(value, str):
                    yield value
                else:
                    yield from _keys_in(value)
        case _:
            pass


@dataclass(frozen=True)
class Interrupted:
    """A run that was killed with writes under way, as it lay there, with what its shops held."""

    cli: Cli
    origin: Path
    shops: Mapping[str, Any]
    legitimate: frozenset[tuple[str, ...]]

    @contextmanager
    def copy(self) -> Iterator[tuple[Path, Guard]]:
        """A folder with the run's files as they lay there, its shops as they were, and a guard at their doors."""
        folder, guard = self.cli.folder / "copy", Guard()
        shutil.copytree(self.origin, folder)
        for account in PLATFORMS:
            self.cli.endpoint(account).shop = deepcopy(self.shops[account])
            self.cli.hook(account, guard.see)
        try:
            yield folder, guard
        finally:
            shutil.rmtree(folder)

    def try_all(self, change: Callable[[Path], object], *, also: Sequence[Sequence[str]] = ()) -> str:
        """Change the run's files and use them in every way; what was wrong, "" if nothing."""
        with self.copy() as (folder, guard):
            change(folder)
            wrong = [f"{words}: {said}" for words in (*also, *USES) if (said := _trouble_of(folder, words))]
        wrong += [f"asked for {asked}" for asked in guard.asked - self.legitimate if not _reads(asked)]
        return "; ".join(wrong)


USES: Sequence[Sequence[str]] = (
    ("status", RESULTS),
    ("status", RESULTS, "--json"),
    ("report", RESULTS),
    ("undo", RESULTS, "-o", "undo.jsonl", "--progress", "none"),
    ("settle", RESULTS, "--line", "8", "--not-done"),
    ("settle", RESULTS),
    ("run", JOB, "--progress", "none"),
    ("run", JOB, "--progress", "none", "--retry-failed"),
    ("rest", RESULTS, "-o", "rest.jsonl"),
    ("settle", RESULTS, "--todo", "doubts.csv"),
)
"""Every command that reads a run's files."""


def _reads(asked: tuple[str, ...]) -> bool:
    return asked[2].startswith("GET ")


def _trouble_of(folder: Path, words: Sequence[str]) -> str:
    ended = command(*words, folder=folder)
    said = ended.out + ended.err
    if ended.code not in {0, 1, 2, 3}:
        return f"exit code {ended.code}"
    for bad in ("fault of its own", "Traceback", "make room"):
        if bad in said:
            return said.strip()[-400:]
    if ended.code == 2:
        return "" if ended.err.strip() else "it does not say why"
    return _loss_of(folder, ended) if words[0] == "run" else ""


def _loss_of(folder: Path, run: Ended) -> str:
    """Which lines a run that went on leaves without a word about them, "" if none."""
    try:
        ended = [json.loads(text)["line"] for text in (folder / RESULTS).read_bytes().splitlines()]
    except (ValueError, TypeError, KeyError) as error:
        return f"a result that is none: {error}"
    if len({*ended}) < len(ended):
        return f"lines with two results: {ended}"
    if strange := {*ended} - {*range(1, len(LINES) + 1)}:
        return f"results of lines that are not in the job: {strange}"
    if run.code in {0, 1}:
        lost = {*range(1, len(LINES) + 1)} - {*ended}
        return f"lines that are lost: {lost}" if lost else ""
    if "is damaged" in run.out + run.err:
        return ""  # the sentence is about all lines, and the result file stays as it was
    told = command("status", RESULTS, "--json", folder=folder)
    if told.code == 2:
        return f"status of a run that went on: {told.err}"
    said = json.loads(told.out)
    open_ones = said["not_attempted"]
    if said["lines"] != len(LINES) or open_ones != len(LINES) - len(ended):
        return f"{len(ended)} results, and {open_ones} of {said['lines']} lines are told as pending"
    return ""


def interrupted(cli: Cli) -> Interrupted:
    """A run that is killed while five writes are under way."""
    hung: list[Call] = []

    def see(call: Call) -> str | None:
        fault = _trouble(call)
        if fault:
            hung.append(call)
        return fault

    cli.configure(**{account: {"timeout": 20} for account in PLATFORMS})
    cli.job(LINES)
    for account in PLATFORMS:
        cli.hook(account, see)
    with cli.started("run", JOB, "--progress", "none") as process:
        until(lambda: len(hung) >= _IN_FLIGHT and _has_ended(cli.folder / RESULTS, 8))
        process.kill()
        process.wait()
    with closing(sqlite3.connect(cli.folder / f"{RESULTS}.journal")) as journal:
        journal.execute("PRAGMA journal_mode = DELETE")
    origin = cli.folder / "origin"
    origin.mkdir()
    shutil.copy(cli.folder / JOB, origin / JOB)  # the journal names the one that stays
    for name in (RESULTS, f"{RESULTS}.journal", "batchcart.toml"):
        shutil.move(cli.folder / name, origin / name)
    shops = {account: deepcopy(cli.endpoint(account).shop) for account in PLATFORMS}
    with Interrupted(cli, origin, shops, frozenset()).copy() as (folder, guard):
        for words in (*USES, ("run", JOB, "--progress", "none", "--fresh")):
            command(*words, folder=folder)
    return Interrupted(cli, origin, shops, frozenset(guard.asked))


def _has_ended(results: Path, line: int) -> bool:
    return results.exists() and any(json.loads(text)["line"] == line for text in results.read_bytes().splitlines())


# ---- what somebody may do to a journal

TABLES: Mapping[str, Sequence[str]] = {
    "meta": ("key", "value"),
    "account": ("id", "name", "platform", "place"),
    "plan": ("line", "account", "chain", "kind", "offset", "length", "digest"),
    "send": ("line", "n", "at", "state", "request", "status", "headers", "body", "why"),
    "result": ("seq", "line", "status", "learnt", "text", "until"),
    "event": ("seq", "at", "account", "kind", "until", "message", "fields"),
}
VALUES = (
    "NULL", "0", "-1", "7", "9223372036854775807", "-9223372036854775808", "1e300", "-1.5", "''", "'x'", "'ok'", "'12'",
    "x'00ff'", "CAST(x'ff41' AS TEXT)", "'{}'", "'[]'", "'[\"GET\"'", "'{\"cart_id\":\"..\"}'",
    "'{\"cart_id\":\"4711/Item/1\",\"item_id\":\"?\"}'", "'{\"facts\":{\"lines\":[]}}'", "printf('%.*c', 300000, '[')",
    "char(10) || char(0)",
)  # fmt: skip
"""SQL for what is put in the place of a value."""

REQUESTS: Sequence[Sequence[object]] = (
    ["DELETE", "/3dCartWebAPI/v1/Orders/4711", [], ""],
    ["DELETE", "/3dCartWebAPI/v1/Orders/4711", [], None],
    ["POST", "/3dCartWebAPI/v1/Cart", [], '{"BillingFirstName":"other"}'],
    ["POST", "/3dCartWebAPI/v1/Cart", [["a", "b"]], None],
    ["PUT", "/3dCartWebAPI/v1/Cart/SOMEBODYS/Item/4", [], None],
    ["PUT", "/3dCartWebAPI/v1/Cart/x/../../Orders/4711", [], '{"OrderStatusID":5}'],
    ["GET", "/3dCartWebAPI/v1/Customers", [], ""],
    ["POST", "/auth", [], ""],
    ["PUT", "http://evil.example/services/carts/1", [], "{}"],
    ["PUT", "//evil.example/", [], "{}"],
    ["DELETE", "/services/carts/1", [], ""],
    ["BREW", "/", [], ""],
    ["", "", [], ""],
    ["POST", "/carts\r\nX-Evil: 1", [], "{}"],
)
STEPS = (
    ("sent", None, None, None, None),
    ("lost", None, None, None, "no answer"),
    ("failing", 500, "{}", b"", None),
    ("answered", 200, "{}", b"{}", None),
    ("answered", 404, "{}", b"", None),
    (
        "answered",
        201,
        '{"location":"/x"}',
        b'[{"Key":"OrderKey","Value":"4711","Status":"201","Message":"Created"}]',
        None,
    ),
    ("void", 200, "{}", b"{}", None),
)
"""What a row of the past may say became of its request: state, status, headers, body, why."""


def values() -> Iterator[tuple[str, Change]]:
    """One value of one row, or of all rows, changed to something else."""
    for table, columns in TABLES.items():
        for column in columns:
            for value in VALUES:
                yield f"{table}.{column} = {value}", partial(_set, table, column, value)


def requests() -> Iterator[tuple[str, Change]]:
    """The request of a row of the past replaced by another, with each thing that may have become of it."""
    for request in REQUESTS:
        for step in STEPS:
            for number in (1, 2):
                yield f"{request} {step[0]} as number {number}", partial(_say, request, step, number)


def rows() -> Iterator[tuple[str, Change]]:
    """Rows that are gone, or there twice, and facts about the run that are gone or others."""
    for table, columns in TABLES.items():
        yield f"{table} is empty", _do(f"DELETE FROM {table}")
        for which in ("min", "max"):
            where = f"{columns[0]} = (SELECT {which}({columns[0]}) FROM {table})"
            yield f"{table} without {which}", _do(f"DELETE FROM {table} WHERE {where}")
            yield f"{table} twice {which}", partial(_double, table, columns, where)
    for key in ("account", "job", "planned", "run", "sha256", "version"):
        yield f"no {key}", _do(f"DELETE FROM meta WHERE key = '{key}'")
        for value in VALUES:
            yield f"{key} = {value}", _do(f"UPDATE meta SET value = {value} WHERE key = '{key}'")
    for row in (
        "chosen VALUES (1)",
        "chosen VALUES (99)",
        "taken_up VALUES (1, 'x', 4)",
        "taken_up VALUES (99, '', -1)",
        "ended_before VALUES (1, 'ok', 1e300, -1)",
        "ended_before VALUES (99, 'x', 0, 0)",
    ):
        yield row, _do(f"INSERT INTO {row}")
    for key, value in (("state:acme", "[1]"), ("rewrite", "1"), ("in_order", "sorting")):
        yield f"{key} = {value}", _do(f"INSERT INTO meta VALUES ('{key}', '{value}')")


def schemas() -> Iterator[tuple[str, Change]]:
    """Tables that are missing, others, or no tables."""
    for table, columns in TABLES.items():
        view = f"CREATE VIEW {table} AS SELECT {', '.join(columns)} FROM of_old"
        trigger = f"CREATE TRIGGER evil AFTER INSERT ON {table} BEGIN UPDATE send SET state = 'void'; END"
        yield f"no {table}", _do(f"DROP TABLE {table}")
        yield f"{table} is a view", _do(f"ALTER TABLE {table} RENAME TO of_old", view)
        yield f"{table} with a column more", _do(f"ALTER TABLE {table} ADD COLUMN more TEXT")
        yield f"{table} without its last column", _do(f"ALTER TABLE {table} DROP COLUMN {columns[-1]}")
        yield f"{table} with a trigger", _do(trigger)
    endless = (
        "CREATE VIEW result AS WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n) "
        "SELECT seq, seq AS line, 'ok' AS status, '{}' AS learnt, x'7b7d' AS text, seq * 3 AS until FROM n"
    )
    yield "endless view", _do("DROP TABLE result", endless)
    yield "a table more", _do("CREATE TABLE more (a)")
    yield "an index more", _do("CREATE INDEX more ON result (status)")
    yield "another index", _do("DROP INDEX plan_order", "CREATE INDEX plan_order ON plan (kind)")
    yield "no index", _do("DROP INDEX plan_order")
    yield "statistics", _do("ANALYZE")
    yield "a foreign file", _do("PRAGMA application_id = 7")
    yield "nonsense", _do("UPDATE sqlite_schema SET sql = 'CREATE TABLE x(' WHERE name = 'send'")


def _do(*statements: str) -> Change:
    def change(journal: sqlite3.Connection) -> None:
        for statement in statements:
            journal.execute(statement)

    return change


def in_journal(change: Change) -> Callable[[Path], None]:
    """The change of a journal as one of a folder, also where its tables would not take it."""

    def at(folder: Path) -> None:
        path = folder / f"{RESULTS}.journal"
        with loose(path) as connection:
            change(connection)

    return at


@contextmanager
def loose(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal with tables that take everything; afterwards they say again what they said before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        said = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in said:
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (_loosened(sql), name))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        yield connection
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in said:
            words = (sql, name, _loosened(sql))
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ? AND sql = ?", words)


def _loosened(sql: str) -> str:
    bare = re.sub(r"--[^\n]*", "", sql)
    bare = re.sub(r"NOT NULL|(?<!INTEGER PRIMARY) (?:TEXT|REAL|BLOB)\b", "", bare)
    bare = re.sub(r" INTEGER(?! PRIMARY)", "", bare)
    return re.sub(r",\s*STRICT|\bSTRICT\s*,?", "", bare)


def _set(table: str, column: str, value: str, journal: sqlite3.Connection) -> None:
    """Change the column in one row of the table, if that is possible; which one follows from the words."""
    key = TABLES[table][0]
    count = journal.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    row = random.Random(f"{table}{column}{value}").randrange(count)
    pair = f"{key}, {TABLES[table][1]}"
    where = f"({pair}) = (SELECT {pair} FROM {table} ORDER BY 1, 2 LIMIT 1 OFFSET {row})"
    with suppress(sqlite3.IntegrityError):
        journal.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")


def _say(request: object, step: Sequence[object], number: int, journal: sqlite3.Connection) -> None:
    """Have the past of every line that has one say this as its first request, or as one after it."""
    for (begun,) in journal.execute("SELECT DISTINCT line FROM send WHERE line > 0").fetchall():
        row = (begun, number, 1_700_000_000.0, step[0], json.dumps(request, separators=(",", ":")), *step[1:])
        journal.execute("INSERT OR REPLACE INTO send VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _double(table: str, columns: Sequence[str], where: str, journal: sqlite3.Connection) -> None:
    others = ", ".join(columns[1:])
    with suppress(sqlite3.IntegrityError):
        journal.execute(f"INSERT INTO {table} SELECT {columns[0]} || '9', {others} FROM {table} WHERE {where}")


def as_format_2(folder: Path) -> None:
    """Make the journal one of the format before this one, whose tables take values of any type."""
    with closing(sqlite3.connect(folder / f"{RESULTS}.journal", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA application_id = 0")
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'version'")
        for ending in (", STRICT", " STRICT"):
            connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, '')", (ending,))


def damages(path: str) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Bytes of a file that are gone or others, at places that follow from a number."""
    for number in range(120):
        yield f"{path} cut short, {number}", partial(_cut, path, number)
        yield f"{path} with a hole, {number}", partial(_spoil, path, number, 0)
        for count in (1, 8, 200):
            yield f"{path} with {count} other bytes, {number}", partial(_spoil, path, number, count)


def _cut(path: str, number: int, folder: Path) -> None:
    content = (folder / path).read_bytes()
    (folder / path).write_bytes(content[: random.Random(number).randrange(len(content))])


def _spoil(path: str, number: int, count: int, folder: Path) -> None:
    content, rng = bytearray((folder / path).read_bytes()), random.Random(f"{number} {count}")
    if not count:
        first = rng.randrange(len(content))
        content[first : first + 512] = bytes(len(content[first : first + 512]))
    for _ in range(count):
        content[rng.randrange(len(content))] = rng.randrange(256)
    (folder / path).write_bytes(content)
