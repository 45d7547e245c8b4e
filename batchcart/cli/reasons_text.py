"""Owns the sentences that say why lines are not ok, and what to do next; the causes are report/'s."""

from collections.abc import Iterable, Iterator, Mapping

from batchcart.cli.folding import fold
from batchcart.journal.summary import AccountSummary, Summary
from batchcart.model.reasons import without
from batchcart.model.text import plural
from batchcart.report.error_groups import ErrorGroup, ErrorGroups, ErrorKey, hint
from batchcart.runs.commands import RunCommands, next_steps

_GONE = "It is gone already, so there is nothing to delete"
_SENT_THEN = " (first sent …)"  # of many lines this says nothing
_MOST_REASONS = 5
_MOST_ACCOUNTS = 8
_LINES_NAMED = 5


def reasons_text(
    groups: ErrorGroups, accounts: Mapping[str, AccountSummary], commands: RunCommands, runs: int = 1
) -> list[str]:
    """Why lines are not ok: accounts that were closed, then root causes with what was skipped because of them."""
    parts = [fold(text, "  ") for text in _accounts_text(accounts)]
    roots = groups.roots()
    hinted: set[str] = set()
    for cause, reason in roots[:_MOST_REASONS]:
        parts.append(fold(reason_text(cause, reason, several=len(accounts) > 1, run_known=runs == 1), "  "))
        what_to_do = _GONE if _is_gone(cause, reason) else hint(cause)
        if cause.status != "in_doubt" and what_to_do not in hinted:  # of doubts the next steps tell
            hinted.add(what_to_do)
            parts.append(fold(what_to_do, "    ", ""))
    if (hidden := len(roots) - _MOST_REASONS) > 0:
        report = commands.report("--json") if runs == 1 else "--json"
        parts.append(fold(f"… and {plural(hidden, 'more reason')}: {report}", "  "))
    return ["Why lines are not ok:", *parts] if parts else []


def next_text(summary: Summary, commands: RunCommands, groups: ErrorGroups, pid: int | None = None) -> list[str]:
    """What to do next, each command on a line of its own, as it can be copied.

    ``pid`` is the run's that is at work; then its end is the next step.
    """
    if pid:
        return [f"A run is at work on it (pid {pid}); it continues by itself"]
    steps = next_steps(summary, commands, final=groups.is_final())
    return [part for step in steps for part in (fold(f"{step.purpose}:"), f"  {step.command}")]


def _accounts_text(accounts: Mapping[str, AccountSummary]) -> Iterator[str]:
    """Accounts that ended with a reason of their own; those of one reason are told together."""
    alike: dict[str, list[str]] = {}
    for name, one in accounts.items():
        if one.reason:
            alike.setdefault(without(one.reason, [name]), []).append(name)
    for names in alike.values():
        left = sum(accounts[name].counts["not_attempted"] for name in names)
        lines = f"{left:,} not attempted: " if left else ""
        yield f"{lines}{_join(names)}: {accounts[names[0]].reason}"


def only_gone(groups: ErrorGroups) -> bool:
    """Whether all lines that failed were to delete what the shop does not have any more."""
    failed = [(cause, reason) for cause, reason in groups.rank() if cause.status == "failed"]
    return bool(failed) and all(_is_gone(cause, reason) for cause, reason in failed)


def _is_gone(cause: ErrorKey, reason: ErrorGroup) -> bool:
    return cause.http_status in {404, 410} and all(place.op.endswith(".delete") for place in reason.first)


def _join(names: list[str]) -> str:
    hidden = len(names) - _MOST_ACCOUNTS
    return ", ".join(names[:_MOST_ACCOUNTS]) + (f" and {plural(hidden, 'more account')}" if hidden > 0 else "")


def reason_text(cause: ErrorKey, reason: ErrorGroup, *, several: bool, run_known: bool = True) -> str:
    """One reason as a sentence: how many lines, what was said, where, and what was skipped because of them."""
    count = reason.count - reason.explained
    message = reason.first[0].message if reason.alike else cause.message.replace(_SENT_THEN, "")
    where = _lines(sorted(place.line for place in reason.first)[:_LINES_NAMED], reason.count) if run_known else ""
    found = ", ".join(filter(None, (_account(reason) if several else "", where)))
    told = f"{count:,} {cause.status.replace('_', ' ')}: {message}" + (f" ({found})" if found else "")
    if reason.skipped:
        told += f". {reason.skipped:,} skipped because of {'it' if count == 1 else 'these'}"
    return told


def _account(reason: ErrorGroup) -> str:
    names = list(reason.accounts)
    return names[0] if len(names) == 1 else f"{len(names):,} accounts"


def _lines(numbers: Iterable[int], count: int) -> str:
    named = ", ".join(str(number) for number in numbers)
    return f"line {named}" if count == 1 else f"lines {named}{', …' if count > _LINES_NAMED else ''}"
