"""Owns which lines of a run another run of the same report did again: they count once, as in the later run."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from batchcart.journal.remaining import lines_done_again, status_of_line
from batchcart.journal.schema import Connection
from batchcart.journal.summary import AccountSummary, Summary
from batchcart.model.errors import UsageError
from batchcart.runs.status import open_journal_readonly


@dataclass(slots=True)
class DoneAgain:
    """The lines of one run that other runs did again, and the result files of those."""

    lines: set[int] = field(default_factory=set)
    later: list[Path] = field(default_factory=list)


def find_done_again(results: Iterable[Path]) -> Mapping[str, DoneAgain]:
    """By the name of a run, its lines that any of these runs does again."""
    found: dict[str, DoneAgain] = {}
    for path in results:
        with suppress(UsageError), open_journal_readonly(path) as connection:
            for run, line in lines_done_again(connection):
                again = found.setdefault(run, DoneAgain())
                again.lines.add(line)
                if path not in again.later:
                    again.later.append(path)
    return found


def leave_out(summary: Summary, connection: Connection, lines: Collection[int]) -> Summary:
    """The figures of a run without these lines of it; an account that nothing is left of is done."""
    gone: dict[str, Counter[tuple[str, str]]] = {}
    for line in lines:
        if (found := status_of_line(connection, line)) is not None:
            account, kind, status = found
            gone.setdefault(account, Counter())[kind, status] += 1
    accounts = {name: _less(one, gone.get(name, Counter())) for name, one in summary.accounts.items()}
    return replace(summary, accounts=accounts)


def _less(account: AccountSummary, gone: Counter[tuple[str, str]]) -> AccountSummary:
    if not gone:
        return account
    kinds = {key: count - gone[key] for key, count in account.kinds.items()}
    counts = {
        status: count - sum(n for (_, other), n in gone.items() if other == status)
        for status, count in account.counts.items()
    }
    if not counts["not_attempted"] and account.counts["not_attempted"]:
        return AccountSummary(counts, kinds)
    return AccountSummary(counts, kinds, account.state, account.reason)
