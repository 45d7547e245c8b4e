"""Owns which new key each cart got by a migration, as a table of a parity report; it does not know what is in them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from batchcart.migration.verify import ComparisonRecord
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.sheets.table import Column, ColumnKind, Value, write_table

COLUMNS = (
    Column("old_key", width=34),
    Column("new_key", width=34),
    Column("account"),
    Column("status", width=14),
    Column("why", width=50),
    Column("different", ColumnKind.WHOLE, 9),
    Column("not_carried", ColumnKind.WHOLE, 11),
    Column("not_shown", ColumnKind.WHOLE, 9),
)
"""The last three count fields; the report has them in words."""

_decode = msgspec.json.Decoder(ComparisonRecord).decode


def is_parity(path: Path) -> bool:
    """Whether the file is a parity report, by its first line."""
    try:
        first = next(lines_of(path), b"")
        return "cart" in msgspec.json.decode(first, type=dict[str, msgspec.Raw]) and bool(_decode(first))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False


def write_keys(parity: Path, table: Path) -> int:
    """Write the table of old and new keys; how many carts it has. Raises UsageError where that cannot be."""
    return write_table(table, COLUMNS, _rows(parity))


def _rows(parity: Path) -> Iterator[list[Value]]:
    try:
        for number, line in enumerate(lines_of(parity), 1):
            try:
                one = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UsageError(f"{parity}:{number}: not a line of a parity report: {error}") from None
            counts = (len(one.different), len(one.not_carried), len(one.not_shown))
            yield [one.cart, one.cart_id, one.account, one.status, one.why or None, *counts]
    except OSError as error:
        raise UsageError(f"{parity} cannot be read: {error.strerror}") from None
