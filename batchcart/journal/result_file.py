"""Owns the result file as a whole: repaired, rewritten and sorted from its journal; it sends nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from batchcart.journal.changes import IN_ORDER, clear_notes, recompute_offsets
from batchcart.journal.rows import legible, select
from batchcart.journal.schema import Connection, get_meta, set_meta
from batchcart.journal.settlement import REWRITE
from batchcart.model.errors import UsageError
from batchcart.model.files import in_place_of, replacing

_CHUNK = 1 << 20

_Row = tuple[int, str, bytes]
"""A result line as the journal has it: its number, how it ended, its text."""


class _ResultClaim(msgspec.Struct):
    """What a result line says that it is of: a line, and how that ended."""

    line: int
    status: str


def repair_result_file(connection: Connection, path: Path) -> None:
    """Make the result file say what the journal says: cut back what is torn, fill up what is missing.

    A line is in the journal before it is in the file, so after a crash the file is a beginning of what the journal
    holds, with perhaps a torn last line. Raises UsageError if the file holds something else, and JournalFailed if the
    journal holds a result line that is none.
    """
    if get_meta(connection, REWRITE):
        rewrite_result_file(connection, path)
        recompute_offsets(connection)
        return
    if not path.exists():
        rewrite_result_file(connection, path)
        clear_notes(connection, IN_ORDER)
        return
    size = path.stat().st_size
    end = connection.execute("SELECT coalesce((SELECT until FROM result ORDER BY seq DESC LIMIT 1), 0)").fetchone()[0]
    in_order = get_meta(connection, IN_ORDER)
    if in_order == "sorting":
        sort_result_file(connection, path)
        return
    if in_order and size == end:
        return
    row = connection.execute(
        "SELECT seq, until FROM result WHERE until <= ? ORDER BY seq DESC LIMIT 1", (size,)
    ).fetchone()
    seq, whole = row or (0, 0)
    following = _lines(connection, f"WHERE seq > {seq:d} ORDER BY seq")
    with _open(path) as file:
        file.seek(whole)
        rest, first = file.read(min(size - whole, _CHUNK)), next(following, b"")
        if not (_begins(rest, first.removesuffix(b"\n")) and _line_before(file, connection, seq, whole)):
            raise _not_ours(path)
        if not (_has_holes(file) if in_order else _differs(file, connection, seq, path)):
            if size == whole and not first:
                return  # it is whole: not even its time changes
            file.truncate(whole)
            file.seek(whole)
            file.write(first)
            file.writelines(following)
            return
    rewrite_result_file(connection, path)


def _lines(connection: Connection, which: str) -> Iterator[bytes]:
    """The result lines of the journal that are asked for, as the file has them.

    Raises JournalFailed at one that no reader of results could take.
    """
    decode = msgspec.json.Decoder(_ResultClaim).decode
    rows: Iterable[_Row] = select(connection, _Row, f"SELECT line, status, text FROM result {which}")  # noqa: S608  # words of our own
    for line, status, text in rows:
        with legible(connection, "result"):
            said = decode(text)
            text.decode()
            if (said.line, said.status) != (line, status) or b"\n" in text:
                raise ValueError(f"what it says of line {line} is about something else")
        yield text + b"\n"


def _not_ours(path: Path) -> UsageError:
    return UsageError(
        f"{path} does not hold the results of this run: its journal has other lines. Put the file back, "
        "or remove it to have it rebuilt from the journal"
    )


def _differs(file: BinaryIO, connection: Connection, seq: int, path: Path) -> bool:
    """Whether a power cut took pages away from the lines up to that one; raises UsageError if they are others."""
    holes = False
    file.seek(0)
    for expected in _stretches(connection, seq):
        found = file.read(len(expected))
        if found != expected:
            if not _begins(found, expected):
                raise _not_ours(path)
            holes = True
    return holes


def _stretches(connection: Connection, seq: int) -> Iterator[bytes]:
    """The result lines up to that one, as the file should have them, in pieces that are compared at a time."""
    stretch = bytearray()
    for (text,) in connection.execute("SELECT text FROM result WHERE seq <= ? ORDER BY seq", (seq,)):
        stretch += text + b"\n"
        if len(stretch) >= _CHUNK:
            yield bytes(stretch)
            stretch.clear()
    yield bytes(stretch)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("r+b")
    except (PermissionError, IsADirectoryError) as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; nothing was sent") from None


def _begins(found: bytes, line: bytes) -> bool:
    """Whether ``found`` is a beginning of ``line``; a page that a power cut took away reads as zeros."""
    expected = line[: len(found)].ljust(len(found), b"\0")
    return found == expected or all(byte in (wanted, 0) for byte, wanted in zip(found, expected, strict=True))


def _line_before(file: BinaryIO, connection: Connection, seq: int, whole: int) -> bool:
    """Whether the file's last whole line is the one that the journal has there."""
    if not seq:
        return True
    text: bytes = connection.execute("SELECT text FROM result WHERE seq = ?", (seq,)).fetchone()[0]
    file.seek(whole - len(text) - 1)
    return _begins(file.read(len(text) + 1), text + b"\n")


def _has_holes(file: BinaryIO) -> bool:
    """Whether a power cut took pages away anywhere: no result line holds a zero. For a file that was sorted."""
    file.seek(0)
    return any(b"\0" in chunk for chunk in iter(lambda: file.read(_CHUNK), b""))


def rewrite_result_file(connection: Connection, path: Path, *, in_order: bool = False) -> None:
    """Write the whole result file from the journal, in one step; raises JournalFailed if a line there is none."""
    with replacing(in_place_of(path)) as file:
        file.writelines(_lines(connection, f"ORDER BY {'line' if in_order else 'seq'}"))


def sort_result_file(connection: Connection, path: Path) -> None:
    """Sort the result file by line; a crash in between is made good by the next start."""
    set_meta(connection, IN_ORDER, "sorting")
    rewrite_result_file(connection, path, in_order=True)
    set_meta(connection, IN_ORDER, "sorted")
