"""Owns checking a whole job before anything is sent, and laying down its plan; it does not know sockets."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from batchcart.accounts.config import AccountConfig, Accounts
from batchcart.jobs.bad_lines import LineProblems
from batchcart.jobs.chains import ChainAssigner
from batchcart.jobs.checks import cart_key, validate
from batchcart.jobs.job_file import InvalidLine, JobSource, RawLine, link_of, parse_line, partial_names
from batchcart.journal.changes import add_account, append_lines, appending, begin_plan, complete_plan, join_chains
from batchcart.journal.queries import PlannedAccount, accounts, last_line
from batchcart.journal.remaining import add_links
from batchcart.journal.schema import Connection, DatabaseError, set_meta
from batchcart.journal.spill import SpillDict
from batchcart.model.errors import UsageError, quote
from batchcart.model.operation import Operation

_TOLD_EVERY = 4096
_LINKS = 1024  # that are noted at a time

_GoodLine = tuple[RawLine, int, int, str]
"""A line with the number of its account, its chain and its kind."""


@dataclass(slots=True)
class PlanStats:
    """What a job asks for: lines by account and kind, and the accounts' numbers in order of first appearance."""

    lines: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    accounts: dict[str, int] = field(default_factory=dict)

    def count(self, account: str, kind: str) -> int:
        """Count one operation in; its account's number."""
        self.lines += 1
        self.kinds[account, kind] += 1
        return self.accounts.get(account) or self.accounts.setdefault(account, len(self.accounts) + 1)


def check_account(account: str | None, entries: Accounts) -> None:
    """Raises UsageError if --account names none, even if every line of the job names its own."""
    if account is not None and account not in entries:
        raise UsageError(f"--account: {quote(account)} {entries.absence(account)}")


class Planner(msgspec.Struct, frozen=True):
    """Checks a job line by line against the accounts of a config; ``checking`` is told of a line now and then."""

    source: JobSource
    entries: Accounts
    default_account: str | None
    allow_unknown: bool
    checking: Callable[[int], None] | None = None

    def build_plan(self, connection: Connection | None = None) -> PlanStats:
        """Check every line, and with a ``connection`` lay the plan down in the journal.

        Raises BadLines with all that is wrong; then nothing may be sent.
        """
        check_account(self.default_account, self.entries)
        planned, bad = PlanStats(), LineProblems(self.source.name, self.source.sheet)
        try:
            with closing(SpillDict[tuple[int, str]](tuple[int, str])) as names:
                chains = ChainAssigner(names)
                good = self._good(chains, planned, bad)
                if connection is None:
                    deque(good, maxlen=0)
                else:
                    begin_plan(connection, _rows(connection, good))
            bad.check(planned.lines)
            if not planned.lines:
                raise UsageError(f"{self.source.name}: there is no operation in it; put at least one line into it")
            if connection is not None:
                self._complete(connection, chains, planned)
        except DatabaseError as error:
            raise UsageError(f"the plan of {self.source.name} cannot be written: {error}; nothing was sent") from None
        except OSError as error:
            raise UsageError(f"{self.source.name} cannot be read: {error.strerror}; nothing was sent") from None
        return planned

    def extend_plan(self, connection: Connection) -> None:
        """Check the whole job, and add those of its lines to its plan that are behind the plan's last one.

        Raises BadLines with all that is wrong; then nothing is added.
        """
        check_account(self.default_account, self.entries)
        planned, bad = PlanStats(), LineProblems(self.source.name, self.source.sheet)
        known, last = {account.name for account in accounts(connection)}, last_line(connection)
        with appending(connection), closing(SpillDict[tuple[int, str]](tuple[int, str])) as names:
            chains = ChainAssigner(names)
            good = self._good(chains, planned, bad)
            append_lines(connection, _rows(connection, (line for line in good if line[0].number > last)))
            bad.check(planned.lines)
            join_chains(connection, _parts(chains))
            for name, number in planned.accounts.items():
                if name not in known:
                    add_account(connection, self._account(name, number))
            set_meta(connection, "account", self.default_account or "")
            set_meta(connection, "sha256", self.source.digest())
            set_meta(connection, "planned", str(planned.lines))

    def _good(self, chains: ChainAssigner, planned: PlanStats, bad: LineProblems) -> Iterator[_GoodLine]:
        """The lines that can be done."""
        for raw in self.source.lines():
            if self.checking is not None and not raw.number % _TOLD_EVERY:
                self.checking(raw.number)
            try:
                operation, chain = self._place(raw, chains)
            except InvalidLine as error:
                bad.add(raw, error)
                continue
            kind = str(operation.kind)  # a plain string, as the database has it
            yield raw, planned.count(operation.account, kind), chain, kind

    def _place(self, raw: RawLine, chains: ChainAssigner) -> tuple[Operation, int]:
        try:
            operation = self._parse(raw)
            entry = self._entry(operation.account)
        except InvalidLine:
            chains.mark_invalid(raw.number, *partial_names(raw, self.default_account))
            raise
        found = validate(operation, entry.adapter, allow_unknown=self.allow_unknown)
        key, contradiction = cart_key(operation, entry.adapter)
        # A line with mistakes of its own still makes the names it makes, so that later lines are not blamed.
        placed = chains.assign(operation, key)
        if found or contradiction or placed.problems:
            raise InvalidLine(*found, *contradiction, *placed.problems)
        return operation, placed.chain

    def _parse(self, raw: RawLine) -> Operation:
        if self.source.sheet is not None and (flaws := self.source.sheet.flaws.get(raw.number)):
            raise InvalidLine(*flaws)
        return parse_line(raw, self.default_account)

    def _entry(self, account: str) -> AccountConfig:
        entry = self.entries.get(account)
        if entry is None:
            raise InvalidLine(f"account: {quote(account)} {self.entries.absence(account)}")
        return entry

    def _complete(self, connection: Connection, chains: ChainAssigner, planned: PlanStats) -> None:
        entries = (self._account(name, number) for name, number in planned.accounts.items())
        complete_plan(connection, _parts(chains), entries)

    def _account(self, name: str, number: int) -> PlannedAccount:
        entry = self.entries[name]
        return PlannedAccount(number, name, entry.adapter.name, entry.place)


def _parts(chains: ChainAssigner) -> Iterator[tuple[int, int]]:
    """Each chain that turned out to be a part of another, after that one.

    A chain's number is that of its first line. The last parts come first, since a part may itself have been joined to.
    """
    return ((chains.joined[part], part) for part in sorted(chains.joined, reverse=True))


def _rows(connection: Connection, good: Iterable[_GoodLine]) -> Iterator[tuple[int, int, int, str, int, int, int]]:
    """The lines as the plan has them; what they do again of earlier runs is noted on the way, a few at a time."""
    links: list[tuple[int, str, int]] = []
    for raw, number, chain, kind in good:
        if (link := link_of(raw)) is not None:
            links.append((raw.number, link.run, link.line))
        if len(links) >= _LINKS:
            add_links(connection, links)
            links.clear()
        yield raw.number, number, chain, kind, raw.offset, len(raw.text), raw.digest
    add_links(connection, links)
