"""Owns the counts at the end of a run, and the exit code they mean; it does not know how they came about."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchcart.model.html_table import html_table
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status

STATUSES = (*(status.value for status in Status), "not_attempted")


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """One account's lines by status and by operation and status, and how its session ended."""

    counts: Mapping[str, int]
    kinds: Mapping[tuple[str, str], int]
    state: str = "done"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's figures: all accounts, and what this process did.

    ``seconds`` and ``sent`` are this process's own, and so are ``retries`` after failures and ``refusals``, the answers
    that asked to wait, as 429 does.
    ``chosen`` is how many open lines this process was to do, if not all of them.
    """

    accounts: Mapping[str, AccountSummary]
    results: str
    seconds: float = 0.0
    sent: int = 0
    retries: int = 0
    refusals: int = 0
    stopped: str = ""
    nothing_to_do: bool = False
    chosen: int | None = None
    totals: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        totals: Counter[str] = Counter()
        for account in self.accounts.values():
            totals.update(account.counts)
        object.__setattr__(self, "totals", {status: totals[status] for status in STATUSES})

    @property
    def lines(self) -> int:
        """All lines of the job."""
        return sum(self.totals.values())

    @property
    def exit_code(self) -> int:
        """Exit codes: 0 all ok, 1 all ended, 3 stopped before the end."""
        if self.totals["not_attempted"] or self.stopped:
            return 3
        return 0 if self.totals["ok"] == self.lines else 1

    @property
    def writes_done(self) -> Mapping[str, int]:
        """How many writes ended ok, by operation."""
        done: Counter[str] = Counter()
        for account in self.accounts.values():
            for (kind, status), count in account.kinds.items():
                if status == Status.OK.value and OperationKind(kind).writes:
                    done[kind] += count
        return done

    def _repr_html_(self) -> str:
        """What a notebook shows: lines by account and status."""
        rows = [(name, *(str(one.counts[status]) for status in STATUSES)) for name, one in self.accounts.items()]
        total = ("all", *(str(self.totals[status]) for status in STATUSES))
        return html_table(("account", *STATUSES), [*rows, total])

    def as_dict(self) -> dict[str, object]:
        """What `run --json` prints."""
        accounts = {
            name: {"lines": sum(one.counts.values()), **one.counts, "state": one.state, "reason": one.reason}
            for name, one in self.accounts.items()
        }
        return {"lines": self.lines, **self.totals, "accounts": accounts}


def aggregate(
    rows: Iterable[tuple[str, str, str | None, int]], states: Mapping[str, tuple[str, str]]
) -> dict[str, AccountSummary]:
    """Rows of account, kind, status (None: open) and count, with each account's state and reason, as summaries."""
    kinds: dict[str, Counter[tuple[str, str]]] = {}
    for account, kind, status, count in rows:
        kinds.setdefault(account, Counter())[kind, status or "not_attempted"] += count
    folded = {}
    for account, found in kinds.items():
        counts = {status: sum(n for (_, other), n in found.items() if other == status) for status in STATUSES}
        state, reason = states.get(account, ("", ""))
        if not state or (state in {"running", "down", "lost"} and not counts["not_attempted"]):
            state, reason = "open" if counts["not_attempted"] else "done", ""
        folded[account] = AccountSummary(counts, found, state, reason)
    return folded
