"""Owns the lines of a job file, and what a line may say; it does not know where it comes from, nor platforms."""

import hashlib
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from batchcart.jobs.sheet_places import SheetPlaces
from batchcart.jobs.strict_json import StrictJsonError, check_strictly
from batchcart.model.errors import quote, suggest
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.system import read_at
from batchcart.model.validation import validation_errors

LONGEST_LINE = 1 << 20
"""Bytes a job line may have at most, its line end not counted."""

_BOM = b"\xef\xbb\xbf"
_ENOUGH = len(_BOM) + LONGEST_LINE + len(b"\r\n")
_CHUNK = 1 << 20
_BLOCK, _BLOCKS = 1 << 14, 32

_Name = Annotated[str, Meta(min_length=1)] | UnsetType
_Key = Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=0)] | UnsetType
_Echoed = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]  # what every JSON reader of the results can take


class JobLine(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a job line. None of them may be null: a key that says nothing is left out."""

    op: str
    account: _Name = UNSET
    cart: _Name = UNSET
    cart_id: _Key = UNSET
    item: _Name = UNSET
    item_id: _Key = UNSET
    data: msgspec.Raw = msgspec.Raw()
    query: msgspec.Raw = msgspec.Raw()
    view: _Name = UNSET
    id: str | _Echoed | UnsetType = UNSET
    why: msgspec.Raw = msgspec.Raw()  # why the line is here, as `batchcart rest` writes it: nothing is sent of it


class InvalidLine(Exception):
    """A line that is wrong, with each of its problems as a sentence.

    ``kind`` is what a whole file of such lines has in common, "" for mistakes of one line; ``json`` is False where the
    line is no JSON at all.
    """

    def __init__(self, *found: str, kind: str = "", json: bool = True) -> None:
        self.problems, self.kind, self.json = found, kind, json
        super().__init__(*found)


class Link(msgspec.Struct, frozen=True):
    """Which line of which earlier run a line does again, as its ``why`` says; ``run`` is that run's own name."""

    run: str
    line: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]


class _Linked(msgspec.Struct, frozen=True):
    why: Link | None = None


_linked = msgspec.json.Decoder(_Linked).decode


def link_of(raw: "RawLine") -> Link | None:
    """The line of an earlier run that a good job line does again; None if it says nothing of one."""
    if b'"why"' not in raw.text:
        return None
    try:
        return _linked(raw.text).why
    except msgspec.ValidationError:  # an author's own words
        return None


class RawLine(msgspec.Struct, frozen=True):
    """One line as it stands in the file: number from 1, place in bytes, its bytes without the line end."""

    number: int
    offset: int
    text: bytes
    too_long: bool = False

    @property
    def digest(self) -> int:
        """A checksum that tells a changed line."""
        return zlib.crc32(self.text)


class JobSource:
    """A job that can be read again at any place: the file itself, or its spooled plain text.

    ``sheet`` is there where the lines were made of the rows of a sheet.
    """

    def __init__(self, name: str, file: IO[bytes], sheet: SheetPlaces | None = None) -> None:
        self.name = name
        self.file = file
        self.sheet = sheet
        # Lines are asked for one by one, and mostly stand near those that were asked for lately.
        self._block = lru_cache(maxsize=_BLOCKS)(lambda number: read_at(file.fileno(), _BLOCK, number * _BLOCK))

    def lines(self) -> Iterator[RawLine]:
        """All lines that are not blank, in file order; a line that is too long comes cut short."""
        self.file.seek(0)
        readline = self.file.readline
        number = offset = 0
        while raw := readline(_ENOUGH):
            number += 1
            start = offset
            offset += len(raw)
            if len(raw) == _ENOUGH and not raw.endswith(b"\n"):
                offset += self._skip_line()
            text = raw.rstrip(b"\r\n")
            if number == 1 and text.startswith(_BOM):
                text, start = text[len(_BOM) :], start + len(_BOM)
            if text and not text.isspace():
                yield RawLine(number, start, text, len(text) > LONGEST_LINE)

    def digest(self) -> str:
        """SHA-256 of the whole plain text."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at one place."""
        first = offset // _BLOCK
        if first == (offset + length - 1) // _BLOCK:
            start = offset - first * _BLOCK
            return self._block(first)[start : start + length]
        return read_at(self.file.fileno(), length, offset)

    def _skip_line(self) -> int:
        skipped = 0
        while rest := self.file.readline(_CHUNK):
            skipped += len(rest)
            if rest.endswith(b"\n"):
                break
        return skipped


_KINDS = {kind.value: kind for kind in OperationKind}
_READS = frozenset(op for op in _KINDS if op.endswith((".get", ".list", ".count")))
_line_of = msgspec.json.Decoder(JobLine).decode


def parse_line(raw: RawLine, default_account: str | None) -> Operation:
    """The line as an operation; raises InvalidLine with every problem that the line shows by itself."""
    if raw.too_long:
        raise InvalidLine(f"longer than {LONGEST_LINE:,} bytes")
    try:
        check_strictly(raw.text)
    except StrictJsonError as error:
        raise InvalidLine(str(error), kind=error.kind, json=error.json) from None
    return parse_trusted_line(raw, default_account)


def parse_trusted_line(raw: RawLine, default_account: str | None) -> Operation:
    """As ``parse_line``, of a line that is known to be strict JSON."""
    try:
        line = _line_of(raw.text)
    except msgspec.ValidationError:
        raise InvalidLine(*validation_errors(raw.text, JobLine, ""), kind=_other_kind(raw.text)) from None
    kind = _KINDS.get(line.op)
    account = line.account or default_account
    data, query = bytes(line.data), bytes(line.query)
    if kind is None or not account or not _fits(line.op, data, query):
        raise InvalidLine(*_in_line(line.op, account, data, query))
    # By place, which takes half the time of names (0.3 and 0.6 µs): line, kind, account, cart, cart_id, item, item_id …
    return Operation(
        raw.number,
        kind,
        account,
        line.cart or None,
        None if line.cart_id is UNSET else str(line.cart_id),
        line.item or None,
        None if line.item_id is UNSET else str(line.item_id),
        data,
        query,
        line.view or None,
        None if line.id is UNSET else line.id,
    )


def _other_kind(text: bytes) -> str:
    """What a line of batchcart's other files, or of none of them, is that was taken for a job line."""
    keys = msgspec.json.decode(text).keys()
    if keys >= {"line", "status", "op"}:
        return "result lines, as a run writes them; give the job"
    if keys >= {"version", "platform", "items"}:
        return "neutral carts, as batchcart export writes them; batchcart convert turns them into a job"
    return "" if "op" in keys else "JSON Lines without the key op, so not a job; batchcart init writes a first job"


class _Names(msgspec.Struct):
    account: str = ""
    cart: str | None = None
    item: str | None = None


_names_of = msgspec.json.Decoder(_Names).decode


def partial_names(raw: RawLine, default_account: str | None) -> tuple[str, str | None, str | None]:
    """Account, cart and item that a bad line names, as far as it can be read."""
    try:
        names = _names_of(raw.text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None, None
    return names.account or default_account or "", names.cart, names.item


def _fits(op: str, data: bytes, query: bytes) -> bool:
    given, other = (query, data) if op in _READS else (data, query)
    return not other and (not given or given.startswith(b"{"))


def _in_line(op: str, account: str | None, data: bytes, query: bytes) -> Iterator[str]:
    if op not in _KINDS:
        yield f"op: {quote(op)} is not an operation; {suggest(op, _KINDS)}"
        return
    if not account:
        yield "account: missing; name one on the line, or give --account NAME for the lines without"
    if data:
        if op in _READS:
            yield f"data: {op} is a read and takes no data; what narrows a read stands in query"
        elif not data.startswith(b"{"):
            yield f"data: expected an object, found {data[:40].decode(errors='replace')}"
    if query:
        if op not in _READS:
            yield f"query: {op} is a write and takes no query; what is written stands in data"
        elif not query.startswith(b"{"):
            yield f"query: expected an object, found {query[:40].decode(errors='replace')}"
