"""Owns which new cart a result file has for each cart of a carts file; it does not know what is in them."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.model.errors import UsageError, quoted
from batchcart.model.operation import Kind

_CREATED = Kind.CART_CREATE.value


class _Error(msgspec.Struct):
    message: str = ""


class _Result(msgspec.Struct):
    line: int
    account: str
    op: str
    status: str
    cart: str | None = None
    cart_id: str | None = None
    error: _Error | None = None


_result = msgspec.json.Decoder(_Result).decode


@dataclass(frozen=True, slots=True)
class Target:
    """A new cart's key; None with the reason, where there is none or, if ``doubtful``, nobody knows of one."""

    key: str | None = None
    why: str = ""
    doubtful: bool = False


class Targets:
    """The new carts by the names that `convert` gave them, which are the source carts' ids; kept on disk."""

    def __init__(self, connection: sqlite3.Connection, results: Path) -> None:
        self._connection = connection
        self._results = results
        connection.execute(
            "CREATE TABLE target (name TEXT PRIMARY KEY, line INTEGER NOT NULL, key TEXT, "
            "why TEXT NOT NULL DEFAULT '', doubtful INTEGER NOT NULL DEFAULT 0, known INTEGER NOT NULL DEFAULT 0)"
        )
        self.account = self._learn()

    def of(self, name: str) -> Target:
        """The new cart of that name."""
        row = self._connection.execute("SELECT key, why, doubtful FROM target WHERE name = ?", (name,)).fetchone()
        if row is None or row[:2] == (None, ""):
            return Target(why="the result file has no line that made it: it was not sent, or has not ended")
        return Target(row[0], row[1], bool(row[2]))

    def check(self, names: Iterable[str], carts: Path) -> None:
        """Raises UsageError where the result file is of other carts than these."""
        self._connection.execute("BEGIN")
        self._connection.executemany("UPDATE target SET known = 1 WHERE name = ?", ((name,) for name in names))
        self._connection.execute("COMMIT")
        row = self._connection.execute("SELECT name, line FROM target WHERE NOT known ORDER BY line").fetchone()
        if row is not None:
            raise UsageError(
                f"{self._results}:{row[1]}: cart: {quoted(row[0])} is no cart of {carts}; is it the result file of "
                "another job?"
            )

    def _learn(self) -> str:
        account = ""
        self._connection.execute("BEGIN")
        for number, result in _read(self._results):
            account = account or result.account
            if result.account != account:
                raise UsageError(
                    f"{self._results}:{number}: account: {quoted(result.account)} after {quoted(account)}; a job that "
                    "`batchcart convert` wrote has one account"
                )
            if result.cart is None:
                raise UsageError(
                    f"{self._results}:{number}: cart: missing; every line of a job that `batchcart convert` wrote "
                    "names one"
                )
            self._take(number, result)
        self._connection.execute("COMMIT")
        if not account:
            raise UsageError(f"{self._results}: there is no result in it")
        return account

    def _take(self, number: int, result: _Result) -> None:
        said = result.error.message if result.error else ""
        self._connection.execute("INSERT OR IGNORE INTO target (name, line) VALUES (?, ?)", (result.cart, number))
        if result.op == _CREATED and result.status == "ok":
            self._connection.execute("UPDATE target SET key = ? WHERE name = ?", (result.cart_id, result.cart))
        elif result.op == _CREATED:
            doubtful = result.status == "in_doubt"
            why = f"line {result.line} of the job did not make it ({result.status}): {said}"
            if doubtful:
                why = f"line {result.line} of the job is in doubt, settle it with `batchcart settle`: {said}"
            self._connection.execute(
                "UPDATE target SET why = ?, doubtful = ? WHERE name = ?", (why, doubtful, result.cart)
            )


@contextlib.contextmanager
def targets(results: Path) -> Iterator[Targets]:
    """The new carts that a result file knows.

    Raises UsageError, naming the line, where it is not the result file of a job that `convert` wrote.
    """
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as connection:
        yield Targets(connection, results)


def _read(path: Path) -> Iterator[tuple[int, _Result]]:
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                try:
                    yield number, _result(text)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise UsageError(f"{path}:{number}: not a result line: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"result file {path} does not exist; `batchcart run` writes one") from None
    except OSError as error:
        raise UsageError(f"result file {path} cannot be read: {error.strerror}") from None
