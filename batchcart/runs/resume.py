"""Owns taking up a run that was begun: is it the same job, and for the same accounts; it sends nothing."""

from collections.abc import Container
from pathlib import Path

import msgspec

from batchcart.accounts.config import Accounts
from batchcart.jobs.job_file import JobSource
from batchcart.journal.changes import REPLACED, set_place
from batchcart.journal.queries import accounts, is_untouched, line_digests
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.errors import UsageError


class JobChange(msgspec.Struct, frozen=True):
    """How a job differs from what its run began with: the first line that does, or the lines that were appended."""

    first: str = ""
    before: int = 0
    appended: tuple[int, ...] = ()


def check_same_job(connection: Connection, source: JobSource, journal: Path) -> None:
    """Raises UsageError with what differs from the job that the journal was begun with."""
    if source.digest() == get_meta(connection, "sha256"):
        return
    change, noun = _compare(connection, source), _noun(source)
    if change.appended:
        raise UsageError(
            f"{source.name}: {_as_before(change.before, noun)} as before, {_are_new(change.appended, noun)} new. Run "
            "with --append to do the new ones too, joined to the same results"
        )
    if source.name == "<stdin>":
        raise UsageError(
            f"standard input is another job than the one that {journal} belongs to (the first difference is "
            f"{change.first}). Give each job results of its own with -o, or start over with --fresh"
        )
    raise UsageError(
        f"{source.name}: the job changed since this run began; the first difference is {change.first}. Restore the "
        f"original job file to resume, or start over with --fresh, or choose other results with -o (journal: {journal})"
    )


def check_not_replaced(connection: Connection, results: Path) -> None:
    """Raises UsageError if another job does what is left of the run, so that nothing is created twice."""
    if job := get_meta(connection, REPLACED):
        raise UsageError(
            f"{results}: {job} took the place of what was left of this run; nothing was sent. Run the same "
            "`batchcart migrate` again to go on, with --retry-failed for what failed"
        )


def is_longer(connection: Connection, source: JobSource) -> bool:
    """Whether the job is the one that the journal was begun with, with lines appended."""
    return source.digest() != get_meta(connection, "sha256") and bool(_compare(connection, source).appended)


def _compare(connection: Connection, source: JobSource) -> JobChange:
    planned = line_digests(connection)
    noun = _noun(source)
    before = 0
    for raw in source.lines():
        line, digest = next(planned, (None, None))
        if line is None:
            return JobChange(before=before, appended=_ends(raw.number, source))
        if line != raw.number or digest != raw.digest:
            return JobChange(f"{noun} {min(line, raw.number)}")
        before = line
    if (missing := next(planned, None)) is not None:
        return JobChange(f"{noun} {missing[0]}, which is not there any more")
    return JobChange("a blank line or a line end")


def _ends(first: int, source: JobSource) -> tuple[int, ...]:
    """The first appended line and, if it is another, the last."""
    last = first
    for raw in source.lines():
        last = raw.number
    return (first,) if first == last else (first, last)


def _noun(source: JobSource) -> str:
    return "line" if source.sheet is None else "row"


def _as_before(last: int, noun: str) -> str:
    return f"{noun} 1 is" if last == 1 else f"{noun}s 1-{last:,} are"


def _are_new(lines: tuple[int, ...], noun: str) -> str:
    return f"{noun} {lines[0]:,} is" if len(lines) == 1 else f"{noun}s {lines[0]:,}-{lines[1]:,} are"


def check_same_accounts(connection: Connection, entries: Accounts, chosen: Container[str] | None = None) -> None:
    """Raises UsageError if one of the run's accounts, or of the ``chosen``, left the config or is another shop now.

    An account of which no shop did anything yet may point elsewhere: so a wrong or old address is corrected.
    """
    for account in accounts(connection):
        if chosen is not None and account.name not in chosen:
            continue
        entry = entries.get(account.name)
        if entry is None:
            why = (
                entries.unusable.get(account.name) or f"is not in {entries.config_name} any more; restore it to resume"
            )
            raise UsageError(f"account {account.name!r} of this run {why}")
        platform, place = entry.adapter.name, entry.place
        moved = (
            f"account {account.name!r} pointed to {account.platform} at {account.place} when this run began, and "
            f"to {platform} at {place} now ({entries.config_name})"
        )
        if account.platform != platform:
            raise UsageError(f"{moved}; its lines were checked for {account.platform}. Restore it to resume")
        if account.place != place and not is_untouched(connection, account.number):
            raise UsageError(
                f"{moved}, and lines of it were begun there. Restore it to resume. If the same shop has a new address, "
                "write what is left as a job of its own, with `batchcart rest`"
            )


def follow_accounts(connection: Connection, entries: Accounts) -> None:
    """Note where the accounts point that ``check_same_accounts`` let point elsewhere."""
    for account in accounts(connection):
        if (place := entries[account.name].place) != account.place:
            set_place(connection, account.number, place)
