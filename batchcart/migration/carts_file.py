"""Owns the carts file: neutral carts as JSON lines, written one by one and read strictly; it does not know shops."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec

from batchcart.jobs.file_kind import HEAD, kind_sentence
from batchcart.jobs.strict_json import StrictJsonError, check_strictly
from batchcart.model.cart import VERSION, Cart, item_name
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.files import LONGEST_RESULT, check_ends
from batchcart.model.validation import validation_errors

LONGEST_LINE = 16 << 20
"""Bytes that a cart's line may have at most."""

_SHOWN = 100  # bad lines that are told one by one
_BOM = b"\xef\xbb\xbf"


class _Version(msgspec.Struct):
    version: Any = None


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(Cart, float_hook=Decimal).decode
_version_of = msgspec.json.Decoder(_Version).decode


def cart_text(cart: Cart) -> bytes:
    """The cart as a line, without its line end; what the source wrote as numbers keeps its digits."""
    return _encode(cart)


def read_carts(path: Path) -> Iterator[tuple[int, Cart]]:
    """All carts with their line numbers, in file order; memory holds one at a time.

    Raises BadLines with all bad lines; after the first of them no cart comes any more.
    """
    found: list[str] = []
    total = 0
    with _open(path) as file:
        for number, text in _lines(path, file):
            wrong = cart_problems(text)
            if wrong:
                total += 1
                found += [f"{path}:{number}: {problem}" for problem in wrong][: _SHOWN - len(found)]
            elif not total:
                yield number, _decode(text)
    if total:
        raise BadLines(found, max(total, len(found)))


def _open(path: Path) -> IO[bytes]:
    try:
        file = path.open("rb")
        check_ends(file)
    except FileNotFoundError:
        raise UsageError(f"carts file {path} does not exist; `batchcart export` writes one") from None
    except IsADirectoryError:
        raise UsageError(f"carts file {path} is a folder; give a file") from None
    except OSError as error:
        raise UsageError(f"carts file {path} cannot be read: {error.strerror}") from None
    if kind := kind_sentence(file.read(HEAD), "the carts file"):
        file.close()
        raise UsageError(f"carts file {path} is {kind}; `batchcart export` writes one")
    file.seek(0)
    return file


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank; one that is too long comes cut short."""
    number = length = 0
    whole = True
    while raw := file.readline(LONGEST_LINE + 2):
        number += whole
        length = len(raw) if whole else length + len(raw)
        if length > LONGEST_RESULT:
            raise UsageError(f"{path}:{number}: this line has no end; is it a carts file?")
        began, whole = whole, raw.endswith(b"\n")
        text = raw.rstrip(b"\r\n")
        if number == 1 and began:
            text = text.removeprefix(_BOM)
        if began and text and not text.isspace():
            yield number, text


def cart_problems(text: bytes) -> list[str]:
    """What is wrong with a line of a carts file; empty where nothing is."""
    if len(text) > LONGEST_LINE:
        return [f"longer than {LONGEST_LINE:,} bytes"]
    try:
        check_strictly(text)
    except StrictJsonError as error:
        return [str(error)]
    version = _version_of(text).version
    if isinstance(version, int) and version is not True and version != VERSION:
        then = "use the batchcart that wrote the file, or export the carts again"
        return [f"version: {version} is not known, this batchcart reads {VERSION}; {then}"]
    return validation_errors(text, Cart, "") or _between_items(_decode(text))


def _between_items(cart: Cart) -> list[str]:
    """What is wrong with the names of items, which tell them apart in a job."""
    first: dict[str, int] = {}
    found = []
    for index, item in enumerate(cart.items):
        name = item_name(item, index)
        if first.setdefault(name, index) != index:
            found.append(f"items[{index}].line: {name!r} is the line of items[{first[name]}] too")
    return found + [
        f"discounts[{index}].line: {discount.line!r} is the line of no item"
        for index, discount in enumerate(cart.discounts)
        if discount.line and discount.line not in first
    ]
