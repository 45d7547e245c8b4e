"""Owns checking a whole job before anything is sent, and laying down its plan; it does not know sockets."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from batchcart.accounts.config import AccountConfig, Accounts
from batchcart.jobs.chains import ChainAssigner
from batchcart.jobs.checks import cart_key, validate
from batchcart.jobs.job_file import InvalidLine, JobSource, RawLine, parse_line, partial_names
from batchcart.journal.changes import begin_plan, complete_plan
from batchcart.journal.queries import PlannedAccount
from batchcart.journal.schema import Connection, DatabaseError
from batchcart.journal.spill import SpillDict
from batchcart.model.errors import BadLines, UsageError, quote
from batchcart.model.operation import Operation

MOST_LISTED = 1000
"""How many bad lines are listed; the rest is counted."""

_TOLD_EVERY = 4096

# How many bad lines, and not one good one, make a file that is no job: lines that lack a job's keys, and lines that are
# no JSON for more than one reason.
_FEW, _MANY = 3, 20


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
    """Raises UsageError where --account names none, even if every line of the job names its own."""
    if account is not None and account not in entries:
        raise UsageError(f"--account: {quote(account)} {entries.absence(account)}")


@dataclass(frozen=True, slots=True)
class Planner:
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
        planned, bad = PlanStats(), _LineProblems(self.source.name)
        try:
            with closing(SpillDict[tuple[int, str]](tuple[int, str])) as names:
                chains = ChainAssigner(names)
                good = self._good(chains, planned, bad)
                if connection is None:
                    deque(good, maxlen=0)
                else:
                    begin_plan(connection, map(_row, good))
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

    def _good(
        self, chains: ChainAssigner, planned: PlanStats, bad: "_LineProblems"
    ) -> Iterator[tuple[RawLine, int, int, str]]:
        """The good lines, each with the number of its account, its chain and its kind."""
        for raw in self.source.lines():
            if self.checking is not None and not raw.number % _TOLD_EVERY:
                self.checking(raw.number)
            try:
                operation, chain = self._place(raw, chains)
            except InvalidLine as error:
                bad.add(raw.number, error)
                continue
            kind = operation.kind._value_
            yield raw, planned.count(operation.account, kind), chain, kind

    def _place(self, raw: RawLine, chains: ChainAssigner) -> tuple[Operation, int]:
        try:
            operation = parse_line(raw, self.default_account)
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

    def _entry(self, account: str) -> AccountConfig:
        entry = self.entries.get(account)
        if entry is None:
            raise InvalidLine(f"account: {quote(account)} {self.entries.absence(account)}")
        return entry

    def _complete(self, connection: Connection, chains: ChainAssigner, planned: PlanStats) -> None:
        # A chain's number is that of its first line. The last parts first, since a part may itself have been joined to.
        parts = ((chains.joined[part], part) for part in sorted(chains.joined, reverse=True))
        accounts = (self._account(name, number) for name, number in planned.accounts.items())
        complete_plan(connection, parts, accounts)

    def _account(self, name: str, number: int) -> PlannedAccount:
        entry = self.entries[name]
        place = "the embedded sandbox" if entry.embedded else entry.identity
        return PlannedAccount(number, name, entry.adapter.name, place)


def _row(good: tuple[RawLine, int, int, str]) -> tuple[int, int, int, str, int, int, int]:
    raw, number, chain, kind = good
    return raw.number, number, chain, kind, raw.offset, len(raw.text), raw.digest


@dataclass(slots=True)
class _LineProblems:
    """The bad lines so far: all counted, the first of them in words, with the kinds they are of."""

    name: str
    lines: int = 0
    problems: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    json: bool = False

    def add(self, line: int, error: InvalidLine) -> None:
        self.lines += 1
        self.kinds.add(error.kind)
        self.json = self.json or error.json
        if self.lines <= MOST_LISTED:
            self.problems += [f"{self.name}:{line}: {problem}" for problem in error.problems]

    def check(self, good: int) -> None:
        """Raises BadLines if there was one; UsageError, once, where the ``good`` lines show that it is no job at all.

        The last of an array's lines has no comma behind it, and the first mark of a file is no mistake.
        """
        if not self.lines:
            return
        kind = next(iter(self.kinds)) if len(self.kinds) == 1 else ""
        alike = good == 0 or (good == 1 and kind in {"commas", "mark"})
        if alike and kind and not self.json and self.lines > 1:
            raise UsageError(f"{self.problems[0]}; so it is with {_all_of(self.lines, good)} lines")
        if alike and kind and self.lines > _FEW:
            raise UsageError(f"job file {self.name} is {kind}")
        if alike and not self.json and self.lines > _MANY:
            raise UsageError(f"{self.problems[0]}; none of the file's {self.lines:,} lines is a JSON object")
        not_listed = max(0, self.lines - MOST_LISTED)
        raise BadLines(self.problems, len(self.problems) + not_listed)


def _all_of(bad: int, good: int) -> str:
    return f"{bad:,} of {bad + good:,}" if good else f"all {bad:,}"
