"""Owns the file that names the carts to read: keys one a line, or the result file of a run; it reads no shop."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.jobs.checks import validate
from batchcart.jobs.file_kind import HEAD, binary_kind, kind_sentence, packing_of
from batchcart.journal.spill import SpillDict
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.files import lines_of
from batchcart.model.ids import LONGEST_ID, id_problem, usable_id
from batchcart.model.json_text import UNDECODABLE
from batchcart.model.operation import Operation, OperationKind

_MOST_LISTED = 1000
_HEADER = re.compile(rb"(?i)(?:^|[,;\t|])\W*(?:cart_?id|order_?key|session_?id|user_?key)\W*(?:[,;\t|]|$)")


class _NamedCart(msgspec.Struct):
    """What a result line says about the cart it names; lines of other kinds leave all but the key out."""

    cart_id: str | int | None = None
    account: str | None = None
    op: str = ""
    status: str = "ok"


_decode_named = msgspec.json.Decoder(_NamedCart).decode


@dataclass(slots=True)
class _KeyProblems:
    problems: list[str] = field(default_factory=list)
    total: int = 0

    def add(self, problem: str) -> None:
        self.total += 1
        if self.total <= _MOST_LISTED:
            self.problems.append(problem)


def read_cart_keys(path: Path, entry: AccountConfig) -> Iterator[str]:
    """The keys of the account's carts that the file names, each once, in order of first appearance.

    Of a result file these are the carts that its run knew in the end: neither those it deleted nor those of other
    accounts; what a shop named that can be no key is ``unusable``. The keys are kept on disk, so a file may name any
    number. Raises BadLines with every line that names no cart of this platform, and UsageError where there is none.
    """
    _check_kind(path)
    with contextlib.closing(SpillDict[bool](bool)) as found:
        bad = _KeyProblems()
        for number, text in _lines(path):
            try:
                _take(found, number, text, entry)
            except ValueError as error:
                bad.add(f"{path}:{number}: {error}")
        if bad.total:
            raise BadLines(bad.problems, bad.total)
        if not found and next(unusable(path, entry), None) is None:
            raise UsageError(f"{path}: it names no cart of account {entry.name!r}; nothing was read")
        yield from found


def unusable(path: Path, entry: AccountConfig) -> Iterator[tuple[str, str]]:
    """What the result file names as the account's carts and can be no key, each once, cut short, with the reason."""
    reported: set[str] = set()
    for _, text in _lines(path):
        if text.startswith(b"{") and (key := _cart_key(_read(text), entry)) is not None:
            problem, short = id_problem(key, "a key", entry.adapter.keys.max_length), key[:LONGEST_ID]
            if problem and short not in reported:
                reported.add(short)
                yield short, problem


def _check_kind(path: Path) -> None:
    """Raises UsageError where the file is neither keys one a line nor a result file."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return  # it is told where the lines are read
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    # What is no JSON may be keys, whatever it looks like; but no key is called as a column of a table is.
    is_foreign = first.startswith((b"{", b"[", b"<")) or _HEADER.search(first) or packing_of(head) or binary_kind(head)
    if is_foreign and (kind := kind_sentence(head, "the keys")):
        raise UsageError(f"{path} is {kind}. It takes keys, one a line, or the result file of a run")


def _take(keys: SpillDict[bool], number: int, text: bytes, entry: AccountConfig) -> None:
    key: str | None
    if not text.startswith(b"{"):
        key = text.decode()
    else:
        found = _read(text)
        key = _cart_key(found, entry)
        if key is None or not usable_id(key, entry.adapter.keys.max_length):
            return
        if found.op == OperationKind.CART_DELETE.value and found.status == "ok":
            keys.pop(key, None)
            return
    view = entry.adapter.operations[OperationKind.CART_GET].views[:1]
    operation = Operation(number, OperationKind.CART_GET, entry.name, cart_id=key, view=view[0] if view else None)
    if problems := validate(operation, entry.adapter):
        raise ValueError("; ".join(problems))
    keys[key] = True


def _cart_key(found: _NamedCart, entry: AccountConfig) -> str | None:
    """The cart that a result line names, if it is one of the account's."""
    if found.account not in {None, entry.name} or found.cart_id is None:
        return None
    return str(found.cart_id)


def _read(text: bytes) -> _NamedCart:
    try:
        return _decode_named(text)
    except UNDECODABLE as error:
        raise ValueError(f"not a result line: {error}") from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        for number, line in enumerate(lines_of(path), 1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if text:
                yield number, text
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
