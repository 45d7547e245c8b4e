"""Owns opening a job: plain, compressed, from standard input, or a sheet; it does not know what its lines say."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from batchcart.jobs.file_kind import HEAD, binary_kind, text_kind
from batchcart.jobs.job_file import JobSource
from batchcart.jobs.packing import check_decompressed, describe_damage, open_decompressed
from batchcart.jobs.sheet_places import is_sheet
from batchcart.model.errors import UsageError
from batchcart.model.files import check_ends

_CHUNK = 1 << 20
_ENDLESS = 64 << 20  # bytes without a line end after which no more of a stream is kept
_AS_SHEET = {
    "a table": "give it as a file whose name ends in .csv",
    "a ZIP archive": "take the job out of it, or save a workbook as .xlsx",
    "a document of an old Excel": "save it as .xlsx",
}
_NO_PLACE = "no room to decompress"


@contextmanager
def open_job(path: str, *, spool_folder: Path | None = None) -> Iterator[JobSource]:
    """The job at ``path``: a plain file as it is; all others spooled to a nameless file first.

    Those are `-`, pipes, `.gz`, `.zst`, and sheets, whose rows are spooled as lines.
    """
    name = "<stdin>" if path == "-" else path
    with ExitStack() as stack:
        # Only opening and reading it to the end are guarded: an error of the work on it is not the job file's.
        yield _open(path, name, spool_folder, stack)


def _open(path: str, name: str, spool_folder: Path | None, stack: ExitStack) -> JobSource:
    damage: tuple[type[Exception], ...] = ()
    try:
        stream, damage = _stdin() if path == "-" else open_decompressed(path, stack)
        check_ends(stream)
        if path == "-" or damage or not Path(path).is_file():
            stream = stack.enter_context(_spool(stream, name, spool_folder))
        head = stream.read(HEAD)
    except FileNotFoundError:
        raise UsageError(f"job file {path} does not exist; give the path of a job, or - for standard input") from None
    except IsADirectoryError:
        raise UsageError(f"job file {path} is a folder; give a file") from None
    except damage as error:
        raise UsageError(f"job file {path} {describe_damage(error)}") from None
    except OSError as error:
        raise UsageError(f"job file {name} cannot be read: {error.strerror or error}") from None
    check_decompressed(name, head)
    if is_sheet(path):
        stream.seek(0)
        return _open_sheet(stream, name, spool_folder, stack)
    if found := binary_kind(head) or text_kind(head):
        kind, then = found
        sheet = next((words for begin, words in _AS_SHEET.items() if kind.startswith(begin)), then)
        raise UsageError(f"job file {name} is {kind}; {sheet}")
    return JobSource(name, stream)


def _open_sheet(stream: IO[bytes], name: str, spool_folder: Path | None, stack: ExitStack) -> JobSource:
    from batchcart.jobs.sheet_job import sheet_rows, write_lines  # noqa: PLC0415  # few jobs are sheets

    where = spool_folder or Path(tempfile.gettempdir())
    lines = stack.enter_context(_new_spool(where, name))
    complaint = f"{where}: {_NO_PLACE} {name}"
    with closing(sheet_rows(stream, name)) as rows:
        places = write_lines(rows, name, lambda text: write_spool(lines, text, complaint))
    return JobSource(name, lines, places)


def _stdin() -> tuple[IO[bytes], tuple[type[Exception], ...]]:
    if sys.stdin is None:  # so it is in a process that was started with it closed
        raise UsageError("job file -: standard input is closed")
    return sys.stdin.buffer, ()


def _spool(stream: IO[bytes], name: str, folder: Path | None) -> IO[bytes]:
    where = folder or Path(tempfile.gettempdir())
    spool = _new_spool(where, name)
    try:
        unended = 0
        while chunk := stream.read(_CHUNK):
            unended = len(chunk) - chunk.rfind(b"\n") - 1 if b"\n" in chunk else unended + len(chunk)
            _check_line_ends(unended, name)
            write_spool(spool, chunk, f"{where}: {_NO_PLACE} {name}")
        write_spool(spool, b"", f"{where}: {_NO_PLACE} {name}")
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _new_spool(where: Path, name: str) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=where)
    except OSError as error:
        raise UsageError(f"{where}: {_NO_PLACE} {name}: {error.strerror}; nothing was sent") from None


def _check_line_ends(unended: int, name: str) -> None:
    if unended > _ENDLESS:
        raise UsageError(f"job file {name}: it has a line of more than {_ENDLESS >> 20} MiB; is it a job?")


def write_spool(spool: IO[bytes], chunk: bytes, complaint: str) -> None:
    """Write and flush.

    Where the disk does not take it: closes the spool and raises UsageError, which begins with the ``complaint``.
    """
    try:
        spool.write(chunk)
        spool.flush()
    except OSError as error:
        with suppress(OSError):  # closing tries once more to write what was not taken
            spool.close()
        raise UsageError(f"{complaint}: {error.strerror}; nothing was sent") from None
