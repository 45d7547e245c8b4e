"""Owns taking up a run that was begun: is it the same job, do its files fit together; it sends nothing."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from batchcart.accounts.config import Entry
from batchcart.jobs.job_file import JobSource
from batchcart.journal.schema import get_meta, set_meta
from batchcart.model.errors import UsageError

_CHUNK = 1 << 20
REWRITE = "rewrite"
"""Set in the journal while the result file must be written anew."""

IN_ORDER = "in_order"
"""Set in the journal once the result file has been sorted by line."""


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


def reopen(connection: sqlite3.Connection, statuses: Sequence[str]) -> int:
    """Open the lines that ended so, as if they had never been tried; how many. The result file follows on mending."""
    marks = ", ".join("?" * len(statuses))
    connection.execute("BEGIN")
    found = connection.execute(f"DELETE FROM result WHERE status IN ({marks})", tuple(statuses))  # noqa: S608
    recount(connection)
    connection.execute("COMMIT")
    return found.rowcount


def recount(connection: sqlite3.Connection) -> None:
    """Note anew where each result line ends in the file, after some were changed; the file is to be rewritten."""
    until = 0
    lengths = connection.execute("SELECT seq, length(text) FROM result ORDER BY seq").fetchall()
    for seq, length in lengths:
        until += length + 1
        connection.execute("UPDATE result SET until = ? WHERE seq = ?", (until, seq))
    set_meta(connection, REWRITE, "1")


def mend_results(connection: sqlite3.Connection, path: Path) -> None:
    """Make the result file say what the journal says: cut back what is torn, fill up what is missing.

    A line is in the journal before it is in the file, so after a crash the file is a beginning of what the journal
    holds, with perhaps a torn last line. Raises UsageError where the file holds something else.
    """
    if get_meta(connection, REWRITE) or not path.exists():
        rewrite_results(connection, path, by="seq")
        connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (REWRITE, IN_ORDER))
        return
    size = path.stat().st_size
    end = connection.execute("SELECT coalesce(max(until), 0) FROM result").fetchone()[0]
    in_order = get_meta(connection, IN_ORDER)
    if in_order == "sorting":
        sort_results(connection, path)
        return
    if in_order and size == end:
        return
    row = connection.execute(
        "SELECT seq, until FROM result WHERE until <= ? ORDER BY seq DESC LIMIT 1", (size,)
    ).fetchone()
    seq, whole = row or (0, 0)
    following = connection.execute("SELECT text FROM result WHERE seq > ? ORDER BY seq", (seq,))
    with _opened(path) as file:
        file.seek(whole)
        rest = file.read(min(size - whole, _CHUNK))
        first = following.fetchone()
        if not _begins(rest, first[0] if first else b"") or not _line_before(file, connection, seq, whole):
            raise UsageError(
                f"{path} does not hold the results of this run: its journal has other lines. Put the file back, "
                "or remove it to have it rebuilt from the journal"
            )
        if not _has_holes(file):
            if size == whole and not first:
                return  # it is whole: not even its time changes
            file.truncate(whole)
            file.seek(whole)
            while first:
                file.write(first[0] + b"\n")
                first = following.fetchone()
            return
    rewrite_results(connection, path, by="seq")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("r+b")
    except (PermissionError, IsADirectoryError) as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; nothing was sent") from None


def _begins(found: bytes, line: bytes) -> bool:
    """Whether ``found`` is a beginning of ``line``; a page that a power cut took away reads as zeros."""
    expected = line[: len(found)].ljust(len(found), b"\0")
    return found == expected or all(byte in (wanted, 0) for byte, wanted in zip(found, expected, strict=True))


def _line_before(file: BinaryIO, connection: sqlite3.Connection, seq: int, whole: int) -> bool:
    """Whether the file's last whole line is the one that the journal has there."""
    if not seq:
        return True
    text: bytes = connection.execute("SELECT text FROM result WHERE seq = ?", (seq,)).fetchone()[0]
    file.seek(whole - len(text) - 1)
    return _begins(file.read(len(text) + 1), text + b"\n")


def _has_holes(file: BinaryIO) -> bool:
    """Whether a power cut took pages away anywhere: no result line holds a zero."""
    file.seek(0)
    return any(b"\0" in chunk for chunk in iter(lambda: file.read(_CHUNK), b""))


def rewrite_results(connection: sqlite3.Connection, path: Path, *, by: Literal["seq", "line"]) -> None:
    """Write the whole result file from the journal, in one step."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        for (text,) in connection.execute(f"SELECT text FROM result ORDER BY {by}"):  # noqa: S608
            file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def sort_results(connection: sqlite3.Connection, path: Path) -> None:
    """Sort the result file by line; a crash in between is made good by the next start."""
    set_meta(connection, IN_ORDER, "sorting")
    rewrite_results(connection, path, by="line")
    set_meta(connection, IN_ORDER, "sorted")
