"""Owns checking a whole job before anything is sent, and laying down its plan; it does not know sockets."""

import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from batchcart.accounts import Entry
from batchcart.chains import Chains
from batchcart.checking import check_operation, chosen_key
from batchcart.errors import BadLines, UsageError, suggestion
from batchcart.jobfile import BadLine, JobSource, RawLine, read_operation
from batchcart.journal.names import Names
from batchcart.journal.schema import PLAN_INDEX
from batchcart.operation import Operation

MOST_LISTED = 1000
"""How many bad lines are listed; the rest is counted."""

_INSERT = "INSERT INTO plan (line, account, chain, kind, offset, length, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Planned:
    """What a job asks for: lines by account and kind, and the accounts' numbers in order of first appearance."""

    lines: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    accounts: dict[str, int] = field(default_factory=dict)

    def count(self, operation: Operation) -> int:
        """Count one operation in; its account's number."""
        self.lines += 1
        self.kinds[operation.account, operation.kind.value] += 1
        return self.accounts.setdefault(operation.account, len(self.accounts) + 1)


@dataclass(frozen=True, slots=True)
class Planner:
    """Checks a job line by line against the accounts of a config."""

    source: JobSource
    entries: Mapping[str, Entry]
    config_name: str
    default_account: str | None
    allow_unknown: bool

    def plan(self, connection: sqlite3.Connection | None = None) -> Planned:
        """Check every line, and with a ``connection`` lay the plan down in the journal.

        Raises BadLines with all that is wrong; then nothing may be sent.
        """
        planned, bad = Planned(), _Bad()
        with closing(Names()) as names:
            chains = Chains(names)
            rows = self._rows(chains, planned, bad)
            if connection is None:
                deque(rows, maxlen=0)
            else:
                connection.execute("BEGIN")
                connection.executemany(_INSERT, rows)
        if bad.lines:
            raise BadLines(bad.problems, len(bad.problems) + bad.lines - min(bad.lines, MOST_LISTED))
        if not planned.lines:
            raise UsageError(f"{self.source.name}: there is no operation in it")
        if connection is not None:
            self._complete(connection, chains, planned)
        return planned

    def _rows(self, chains: Chains, planned: Planned, bad: "_Bad") -> Iterator[tuple[int | str, ...]]:
        for raw in self.source.lines():
            try:
                operation, chain = self._place(raw, chains)
            except BadLine as error:
                bad.add(f"{self.source.name}:{raw.number}", error)
                continue
            number = planned.count(operation)
            yield raw.number, number, chain, operation.kind.value, raw.offset, len(raw.text), raw.digest

    def _place(self, raw: RawLine, chains: Chains) -> tuple[Operation, int]:
        operation = read_operation(raw, self.default_account)
        entry = self.entries.get(operation.account)
        if entry is None:
            hint = suggestion(operation.account, self.entries)
            raise BadLine(f"account: {operation.account!r} is not in {self.config_name}; {hint}")
        found = check_operation(operation, entry.adapter, allow_unknown=self.allow_unknown)
        key, contradiction = chosen_key(operation, entry.adapter)
        # A line with mistakes of its own still makes the names it makes, so that later lines are not blamed.
        placed = chains.place(operation, key)
        if found or contradiction or placed.problems:
            raise BadLine(*found, *contradiction, *placed.problems)
        return operation, placed.chain

    def _complete(self, connection: sqlite3.Connection, chains: Chains, planned: Planned) -> None:
        connection.execute(PLAN_INDEX)
        for part in sorted(chains.joined, reverse=True):
            connection.execute("UPDATE plan SET chain = ? WHERE chain = ?", (chains.joined[part], part))
        for name, number in planned.accounts.items():
            entry = self.entries[name]
            place = "the embedded sandbox" if entry.embedded else entry.place
            values = (number, name, entry.adapter.name, place)
            connection.execute("INSERT INTO account (id, name, platform, place) VALUES (?, ?, ?, ?)", values)


@dataclass(slots=True)
class _Bad:
    """The bad lines so far: all counted, the first of them in words."""

    lines: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, where: str, error: BadLine) -> None:
        self.lines += 1
        if self.lines <= MOST_LISTED:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
