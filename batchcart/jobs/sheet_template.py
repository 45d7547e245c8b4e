"""Owns the empty sheet that a job begins with: columns, what each takes, and rows that show it; it reads no job."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from batchcart.jobs.sheet_columns import column_kind, columns_of, options_of
from batchcart.jobs.sheet_places import without_quotes
from batchcart.jobs.sheet_writing import cell_text, cells_of
from batchcart.model.adapter import Adapter
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.model.operation import OperationKind
from batchcart.model.validation import describe_type
from batchcart.sandbox.platforms import list_simulated
from batchcart.sheets.table import Column, ColumnKind, Value, write_table

_CREATE, _ADD = OperationKind.CART_CREATE, OperationKind.ITEM_ADD
_KEY, _NUMBER, _CART = "KEY-OF-A-CART", "123", "cart-1"
_ABOUT = {
    "op": "what to do",
    "account": "the shop",
    "cart": "your name for the cart",
    "cart_id": "the shop's key of the cart",
    "item": "your name for the item",
    "item_id": "the shop's id of the item",
    "view": "may be complete",
    "id": "your own number of the row, which its result repeats",
}


def write_template(path: Path, adapter: Adapter, operations: Sequence[str]) -> Sequence[OperationKind]:
    """Write the sheet for these operations of a platform; the operations in the order of its rows.

    Raises UsageError where the platform lacks one, or the file is there.
    """
    kinds = _in_order(adapter, operations)
    own = list(_own_columns(kinds, adapter))
    fields = list(dict.fromkeys(column for kind in kinds for column in columns_of(adapter.operations[kind])))
    types = {column: kind for operation in kinds for column, kind in _types(operation, adapter)}
    columns = [Column(name, column_kind(name, kinds), max(14, len(name) + 2)) for name in (*own, *fields)]
    about = [*(_ABOUT[name] for name in own), *(types[name] for name in fields)]
    rows: list[list[Value]] = [[f"# {about[0]}", *about[1:]]]
    for kind in kinds:
        example = _example(kind, kinds, adapter)
        rows.append([_cell(example.get(column.name), column) for column in columns])
    write_table(path, columns, rows)
    return kinds


def _in_order(adapter: Adapter, operations: Sequence[str]) -> list[OperationKind]:
    """The operations, what makes something first, what deletes it last."""
    for word in operations:
        if word not in list(adapter.operations):
            raise UsageError(f"--op: {adapter.name} has no {quote(word)}; {suggest(word, adapter.operations)}")
    order = [_CREATE, _ADD, *(kind for kind in OperationKind if kind not in {_CREATE, _ADD})]
    chosen = [kind for kind in order if kind.value in operations]
    return sorted(chosen, key=lambda kind: (kind.value.endswith(".delete"), kind.value == OperationKind.CART_DELETE))


def _own_columns(kinds: Sequence[OperationKind], adapter: Adapter) -> Iterator[str]:
    yield from ("op", "account")
    of_carts = [kind for kind in kinds if not kind.is_shop_wide]
    if of_carts:
        yield "cart" if _CREATE in kinds else "cart_id"
    if any(kind.targets_item for kind in kinds):
        yield "item" if _makes_item(kinds, adapter) else "item_id"
    if any(adapter.operations[kind].views for kind in kinds):
        yield "view"
    yield "id"


def _makes_item(kinds: Sequence[OperationKind], adapter: Adapter) -> OperationKind | None:
    """The operation that brings the item of the example, None where it has to be there."""
    if _ADD in kinds:
        return _ADD
    return _CREATE if _CREATE in kinds and adapter.create_adds_item else None


def _types(kind: OperationKind, adapter: Adapter) -> Iterator[tuple[str, str]]:
    """What each column of the operation takes, in words; needed ones say so."""
    spec = adapter.operations[kind]
    for key, table in (("data", spec.data_schema), ("query", spec.query_schema)):
        for column, field in _fields(key, table):
            yield column, without_quotes(describe_type(field.type)) + (", needed" if field.required else "")


def _fields(where: str, table: Any) -> Iterator[tuple[str, inspect.Field]]:
    for option in options_of(inspect.type_info(table)) if table is not None else ():
        yield from _inside(where, option)


def _inside(where: str, kind: inspect.Type) -> Iterator[tuple[str, inspect.Field]]:
    if not isinstance(kind, inspect.StructType):
        return
    for field in kind.fields:
        place = f"{where}.{field.encode_name}"
        yield place, field
        for option in options_of(field.type):
            yield from _inside(place, option)
            if isinstance(option, inspect.ListType):
                for entry in options_of(option.item_type):
                    yield from _inside(f"{place}.1", entry)


def _example(kind: OperationKind, kinds: Sequence[OperationKind], adapter: Adapter) -> dict[str, str]:
    name = f"sandbox-{adapter.name}" if adapter.name in list_simulated() else adapter.examples.account[0]
    row = {"op": kind.value, "account": name}
    if not kind.is_shop_wide:
        row |= {"cart": _CART} if _CREATE in kinds else {"cart_id": _KEY}
    maker = _makes_item(kinds, adapter)
    if kind.targets_item:
        row |= {"item": "item-1"} if maker else {"item_id": _NUMBER}
    elif kind is maker and any(other.targets_item for other in kinds):
        row["item"] = "item-1"
    return row | _example_fields(kind, adapter)


def _example_fields(kind: OperationKind, adapter: Adapter) -> dict[str, str]:
    spec = adapter.operations[kind]
    lines = [msgspec.json.decode(line, type=dict[str, msgspec.Raw]) for line in adapter.examples.job]
    shown = next((line for line in lines if msgspec.json.decode(line["op"]) == kind.value), {})
    found = {column: cell_text(raw) for column, raw in cells_of("data", shown["data"])} if "data" in shown else {}
    fields = [(column, field) for column, field in _fields("data", spec.data_schema) if column.count(".") == 1]
    for column, field in fields:
        if field.required:
            found.setdefault(column, "1")
    if spec.data_required and fields and not found:
        found[fields[0][0]] = "1"
    return found


def _cell(text: str | None, column: Column) -> Value:
    return Decimal(text) if text is not None and column.kind is ColumnKind.DECIMAL else text
