"""Owns the job file: where it comes from, its lines, and what a line may say; it does not know platforms."""

import gzip
import hashlib
import json
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec

from batchcart.errors import UsageError, suggestion
from batchcart.fieldcheck import problems
from batchcart.operation import Kind, Operation

LONGEST_LINE = 1 << 20
"""Bytes a job line may have at the most, its line end not counted."""

_BOM = b"\xef\xbb\xbf"
_LONE_SURROGATE = re.compile(rb"\\u[dD]([89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F])")
_SURROGATE_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")

Name = msgspec.Meta(min_length=1)


class JobLine(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a job line (CONTRACT §2)."""

    op: str
    account: str | None = None
    cart: str | None = None
    cart_id: str | int | None = None
    item: str | None = None
    item_id: str | int | None = None
    data: msgspec.Raw = msgspec.Raw()
    query: msgspec.Raw = msgspec.Raw()
    view: str | None = None
    id: str | int | None = None


class BadLine(Exception):
    """A line that is wrong, with each of its problems as a sentence."""

    def __init__(self, *found: str) -> None:
        self.problems = found
        super().__init__(*found)


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line as it stands in the file: number from 1, place in bytes, its bytes without the line end."""

    number: int
    offset: int
    text: bytes
    too_long: bool = False

    @property
    def digest(self) -> int:
        """A checksum that tells a changed line."""
        return zlib.crc32(self.text)


@dataclass(frozen=True, slots=True)
class JobSource:
    """A job that can be read again at any place: the file itself, or its spooled plain text."""

    name: str
    file: IO[bytes]

    def lines(self) -> Iterator[RawLine]:
        """All lines that are not blank, in file order; a line that is too long comes cut short."""
        self.file.seek(0)
        number = offset = 0
        while raw := self.file.readline(LONGEST_LINE + 3):
            number, start, size = number + 1, offset, len(raw)
            too_long = False
            while not raw.endswith(b"\n") and (rest := self.file.readline(LONGEST_LINE)):
                too_long = too_long or len(raw) > LONGEST_LINE
                size += len(rest)
                raw = raw[:LONGEST_LINE] + (b"\n" if rest.endswith(b"\n") else b"")
                if rest.endswith(b"\n"):
                    break
            offset += size
            skipped = len(_BOM) if number == 1 and raw.startswith(_BOM) else 0
            text = raw[skipped:].rstrip(b"\r\n")
            if text.strip():
                yield RawLine(number, start + skipped, text, too_long or len(text) > LONGEST_LINE)

    def digest(self) -> str:
        """SHA-256 of the whole plain text."""
        self.file.seek(0)
        return hashlib.file_digest(cast("BinaryIO", self.file), "sha256").hexdigest()

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at one place."""
        self.file.seek(offset)
        return self.file.read(length)


@contextmanager
def open_job(path: str, *, spool_folder: Path | None = None) -> Iterator[JobSource]:
    """The job at ``path``: a plain file as it is; `-`, pipes, `.gz` and `.zst` spooled to a nameless file first."""
    name = "<stdin>" if path == "-" else path
    try:
        with _opened(path) as stream:
            if not path.endswith((".gz", ".zst")) and path != "-" and Path(path).is_file():
                yield JobSource(name, stream)
                return
            with tempfile.TemporaryFile(dir=spool_folder) as spool:
                shutil.copyfileobj(stream, spool, 1 << 20)
                spool.seek(0)
                yield JobSource(name, spool)
    except FileNotFoundError as error:
        if error.filename not in {path, None}:
            raise
        raise UsageError(f"job file {path} does not exist") from None
    except IsADirectoryError:
        raise UsageError(f"job file {path} is a folder") from None
    except PermissionError as error:
        if error.filename != path:
            raise
        raise UsageError(f"job file {path} cannot be read: {error.strerror}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"job file {path} is not whole gzip data: {error}") from None


def _opened(path: str) -> IO[bytes]:
    if path == "-":
        return open(sys.stdin.fileno(), "rb", closefd=False)  # a descriptor, not a path
    if path.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.endswith(".zst"):
        return _zstd(path)
    return Path(path).open("rb")


def _zstd(path: str) -> IO[bytes]:
    try:
        from backports import zstd  # noqa: PLC0415  # an extra: only those who have .zst jobs need it
    except ImportError:
        raise UsageError(f"job file {path}: reading .zst needs the extra: pip install 'batchcart[zstd]'") from None
    return cast("IO[bytes]", zstd.open(path, "rb"))


_decoder = msgspec.json.Decoder(JobLine)


def read_operation(raw: RawLine, default_account: str | None) -> Operation:
    """The line as an operation; raises BadLine with every problem that the line shows by itself."""
    if raw.too_long:
        raise BadLine(f"longer than {LONGEST_LINE:,} bytes")
    _check_text(raw.text)
    try:
        line = _decoder.decode(raw.text)
    except msgspec.ValidationError:
        found = problems(raw.text, JobLine, "line") or ["not a job line"]
        raise BadLine(*(problem.removeprefix("line.").removeprefix("line: ") for problem in found)) from None
    found = list(_in_line(line, default_account))
    if found:
        raise BadLine(*found)
    return Operation(
        line=raw.number,
        kind=Kind(line.op),
        account=line.account or default_account or "",
        cart=line.cart,
        cart_id=None if line.cart_id is None else str(line.cart_id),
        item=line.item,
        item_id=None if line.item_id is None else str(line.item_id),
        data=bytes(line.data),
        query=bytes(line.query),
        view=line.view,
        id=line.id,
    )


def _check_text(text: bytes) -> None:
    """Everything about a line that is JSON's business and not a job line's."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8 at byte {error.start + 1} of the line") from None
    if b"\\u" in text and _LONE_SURROGATE.search(_SURROGATE_PAIR.sub(b"", text)):
        raise BadLine("a lone surrogate (\\ud800 to \\udfff without its other half) is not a character")
    try:
        value = msgspec.json.decode(text)
    except msgspec.ValidationError:
        raise BadLine("a number is out of range") from None
    except msgspec.DecodeError as error:
        raise BadLine(f"not JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    except RecursionError:
        raise BadLine("nested too deeply") from None
    if not isinstance(value, dict):
        raise BadLine("expected an object with the key op")
    # A key given twice is one colon lost in decoding; only then is the exact, slow look needed.
    if text.count(b":") != msgspec.json.encode(value).count(b":") and (twice := _key_given_twice(text)):
        raise BadLine(f"the key {twice!r} is given twice in one object")


def _key_given_twice(text: bytes) -> str | None:
    twice: list[str] = []

    def see(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice.extend(key for key in keys if keys.count(key) > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=see)
    return twice[0] if twice else None


def _in_line(line: JobLine, default_account: str | None) -> Iterator[str]:
    if line.op not in set(Kind):
        yield f"op: {line.op!r} is not an operation; {suggestion(line.op, Kind)}"
        return
    kind = Kind(line.op)
    if not (line.account or default_account):
        yield "account: missing; name one on the line, or give --account NAME for the lines without"
    for name in ("account", "cart", "cart_id", "item", "item_id", "view"):
        if getattr(line, name) == "":
            yield f"{name}: it is empty"
    reads = kind.value.endswith((".get", ".list", ".count"))
    for name, raw, wrong in (("data", bytes(line.data), reads), ("query", bytes(line.query), not reads)):
        if raw and wrong:
            yield f"{name}: {kind} is a {'read' if reads else 'write'} and takes no {name}"
        elif raw and not raw.startswith(b"{"):
            yield f"{name}: expected an object, found {raw[:40].decode(errors='replace')}"
