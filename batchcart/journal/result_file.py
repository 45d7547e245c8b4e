"""Owns the result file as a whole: repaired, rewritten and sorted from its journal; it sends nothing."""

from pathlib import Path
from typing import BinaryIO

from batchcart.journal.changes import IN_ORDER, clear_notes, recompute_offsets
from batchcart.journal.queries import result_texts
from batchcart.journal.schema import Connection, get_meta, set_meta
from batchcart.journal.settlement import REWRITE
from batchcart.model.errors import UsageError
from batchcart.model.files import in_place_of, replacing

_CHUNK = 1 << 20


def repair_result_file(connection: Connection, path: Path) -> None:
    """Make the result file say what the journal says: cut back what is torn, fill up what is missing.

    A line is in the journal before it is in the file, so after a crash the file is a beginning of what the journal
    holds, with perhaps a torn last line. Raises UsageError if the file holds something else.
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
    following = connection.execute("SELECT text FROM result WHERE seq > ? ORDER BY seq", (seq,))
    with _open(path) as file:
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
    rewrite_result_file(connection, path)


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
    """Whether a power cut took pages away anywhere: no result line holds a zero."""
    file.seek(0)
    return any(b"\0" in chunk for chunk in iter(lambda: file.read(_CHUNK), b""))


def rewrite_result_file(connection: Connection, path: Path, *, in_order: bool = False) -> None:
    """Write the whole result file from the journal, in one step."""
    with replacing(in_place_of(path)) as file:
        file.writelines(text + b"\n" for text in result_texts(connection, in_order=in_order))


def sort_result_file(connection: Connection, path: Path) -> None:
    """Sort the result file by line; a crash in between is made good by the next start."""
    set_meta(connection, IN_ORDER, "sorting")
    rewrite_result_file(connection, path, in_order=True)
    set_meta(connection, IN_ORDER, "sorted")
