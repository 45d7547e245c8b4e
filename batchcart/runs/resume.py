"""Owns taking up a run that was begun: is it the same job, and for the same accounts; it sends nothing."""

from pathlib import Path

from batchcart.accounts.config import Accounts
from batchcart.jobs.job_file import JobSource
from batchcart.journal.queries import accounts, line_digests
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.errors import UsageError


def check_same_job(connection: Connection, source: JobSource, journal: Path) -> None:
    """Raises UsageError with the first line that differs from the job that the journal was begun with."""
    if source.digest() == get_meta(connection, "sha256"):
        return
    planned = line_digests(connection)
    where = "a blank line or a line end"
    for raw in source.lines():
        line, digest = next(planned, (None, None))
        if line != raw.number or digest != raw.digest:
            where = f"line {min(line or raw.number, raw.number)}"
            break
    else:
        if (missing := next(planned, None)) is not None:
            where = f"line {missing[0]}, which is not there any more"
    raise UsageError(
        f"{source.name}: the job changed since this run began; the first difference is {where}. Put the old text "
        f"back to go on, or start over with --fresh, or choose other results with -o (journal: {journal})"
    )


def check_same_accounts(connection: Connection, entries: Accounts) -> None:
    """Raises UsageError where an account of the run is gone from the config or points elsewhere now."""
    for account in accounts(connection):
        name, platform, place = account.name, account.platform, account.place
        entry = entries.get(name)
        if entry is None:
            why = entries.unusable.get(name) or f"is not in {entries.config_name} any more; put it back to go on"
            raise UsageError(f"account {name!r} of this run {why}")
        now = "the embedded sandbox" if entry.embedded else entry.identity
        if (entry.adapter.name, now) != (platform, place):
            raise UsageError(
                f"account {name!r} pointed to {platform} at {place} when this run began, and to {entry.adapter.name} "
                f"at {now} now ({entries.config_name}); put it back to go on, or start over with --fresh"
            )
