"""Owns taking up a run that was begun: is it the same job, do its files fit together; it sends nothing."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from batchcart.accounts import Entry
from batchcart.errors import UsageError
from batchcart.jobfile import JobSource
from batchcart.journal.schema import get_meta


def begun(connection: sqlite3.Connection) -> bool:
    """Whether anything was sent or ended, so that the plan must be kept."""
    if get_meta(connection, "planned") is None:
        return False
    query = "SELECT EXISTS (SELECT 1 FROM send) OR EXISTS (SELECT 1 FROM result)"
    return bool(connection.execute(query).fetchone()[0])


def check_same_job(connection: sqlite3.Connection, source: JobSource, journal: Path) -> None:
    """Raises UsageError with the first line that differs from the job that the journal was begun with."""
    if source.digest() == get_meta(connection, "sha256"):
        return
    planned = iter(connection.execute("SELECT line, digest FROM plan ORDER BY line"))
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


def check_same_accounts(connection: sqlite3.Connection, entries: Mapping[str, Entry], config_name: str) -> None:
    """Raises UsageError where an account of the run is gone from the config or points elsewhere now."""
    for name, platform, place in connection.execute("SELECT name, platform, place FROM account"):
        entry = entries.get(name)
        if entry is None:
            raise UsageError(f"account {name!r} of this run is not in {config_name} any more; put it back to go on")
        now = "the embedded sandbox" if entry.embedded else entry.place
        if (entry.adapter.name, now) != (platform, place):
            raise UsageError(
                f"account {name!r} pointed to {platform} at {place} when this run began, and to {entry.adapter.name} "
                f"at {now} now ({config_name}); put it back to go on, or start over with --fresh"
            )


def mend_results(connection: sqlite3.Connection, path: Path) -> None:
    """Cut the result file back to whole lines that the journal knows, and fill up what it lacks.

    A line is in the journal before it is in the file, so after a crash the file is a beginning of what the journal
    holds, with perhaps a torn last line. Raises UsageError where it is the result file of something else.
    """
    size = path.stat().st_size if path.exists() else 0
    row = connection.execute("SELECT until FROM result WHERE until <= ? ORDER BY seq DESC LIMIT 1", (size,)).fetchone()
    whole: int = row[0] if row else 0
    _check_own(connection, path, whole)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(whole)
        file.seek(whole)
        for (text,) in connection.execute("SELECT text FROM result WHERE until > ? ORDER BY seq", (whole,)):
            file.write(text + b"\n")


def _check_own(connection: sqlite3.Connection, path: Path, whole: int) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        for order, where in (("ASC", 0), ("DESC", whole)):
            row = connection.execute(
                f"SELECT text FROM result WHERE until <= ? ORDER BY seq {order} LIMIT 1",  # noqa: S608
                (max(whole, path.stat().st_size),),
            ).fetchone()
            if row is None:
                return
            text: bytes = row[0]
            file.seek(where - len(text) - 1 if where else 0)
            if file.read(len(text)) != text[: max(0, path.stat().st_size)]:
                raise UsageError(
                    f"{path} does not hold the results of this run: its journal has other lines. Put the file back, "
                    "or remove it to have it rebuilt from the journal"
                )
