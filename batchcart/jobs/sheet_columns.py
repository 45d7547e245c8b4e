"""Owns which columns a job's sheet may have, and what each takes in a cell, by the platforms' field tables.

A sheet may be for shops of several platforms, so a field takes what any platform's table has for it under the row's
operation; which of them it has to be is checked with the line.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import msgspec
from msgspec import inspect

from batchcart.jobs.job_file import JobLine
from batchcart.model.adapter import OperationSpec
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters
from batchcart.sheets.table import ColumnKind

OWN_KEYS = tuple(field.name for field in msgspec.structs.fields(JobLine) if field.name not in {"data", "query"})
"""The keys of a job line that are columns as they stand; those of `data` and `query` have their name in front."""


class CellType(msgspec.Struct, frozen=True):
    """What a cell may become: any text, a whole number, a fraction, true or false, or JSON; ``forms`` of dates."""

    text: bool = False
    whole: bool = False
    fraction: bool = False
    boolean: bool = False
    json: bool = False
    forms: tuple[str, ...] = ()


@cache
def field_columns() -> tuple[str, ...]:
    """All columns for fields, such as data.quantity, data.Shipping.price and data.ItemOptions.1.OptionID."""
    found = (
        path
        for kind in OperationKind
        for key, table in tables_of(kind)
        for path in _paths(key, inspect.type_info(table))
    )
    return tuple(dict.fromkeys(found))


def columns_of(operation: OperationSpec) -> Iterator[str]:
    """The columns for one operation's fields in the document's order."""
    for key, table in (("data", operation.data_schema), ("query", operation.query_schema)):
        if table is not None:
            yield from _paths(key, inspect.type_info(table))


def tables_of(kind: OperationKind) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The tables of an operation on all platforms, each with the key it is for, data or query."""
    for adapter in load_adapters().values():
        if (spec := adapter.operations.get(kind)) is not None:
            if spec.data_schema is not None:
                yield "data", spec.data_schema
            if spec.query_schema is not None:
                yield "query", spec.query_schema


@cache
def cell_type(operation: str, column: str) -> CellType | None:
    """What a cell of the column takes in a row of the operation; None if no document says it."""
    if column in OWN_KEYS or column.startswith("why."):
        return CellType(text=column != "why.line", whole=column == "why.line")
    if operation not in list(OperationKind):
        return None
    key, *path = column.split(".")
    tables = [table for own, table in tables_of(OperationKind(operation)) if own == key]
    found = [kind for table in tables for kind in _at(path, inspect.type_info(table))]
    return _merge(found) if found else None


def column_kind(column: str, operations: Iterable[str]) -> ColumnKind:
    """A number where it may have decimals, so that the spreadsheet's own comma does no harm; else a text."""
    takes = [found for operation in operations if (found := cell_type(operation, column)) is not None]
    return ColumnKind.DECIMAL if any(found.fraction and not found.text for found in takes) else ColumnKind.TEXT


def options_of(kind: inspect.Type) -> Iterator[inspect.Type]:
    """The types that a field takes one of."""
    match kind:
        case inspect.UnionType(types=types):
            for option in types:
                yield from options_of(option)
        case inspect.Metadata(type=inner):
            yield from options_of(inner)
        case _:
            yield kind


def _paths(where: str, kind: inspect.Type) -> Iterator[str]:
    nested = False
    for option in options_of(kind):
        match option:
            case inspect.StructType(fields=fields):
                nested = True
                for field in fields:
                    yield from _paths(f"{where}.{field.encode_name}", field.type)
            case inspect.ListType(item_type=item) if any(isinstance(o, inspect.StructType) for o in options_of(item)):
                nested = True
                yield from _paths(f"{where}.1", item)
    if not nested:
        yield where


def _at(path: list[str], kind: inspect.Type) -> Iterator[inspect.Type]:
    """The types at a path inside a type; whatever stands in an object without a table may be anything."""
    for option in options_of(kind):
        match option:
            case _ if not path:
                yield option
            case inspect.StructType(fields=fields):
                for field in fields:
                    if field.encode_name == path[0]:
                        yield from _at(path[1:], field.type)
            case inspect.ListType(item_type=item) if path[0].isdecimal():
                yield from _at(path[1:], item)


def _merge(options: list[inspect.Type]) -> CellType:
    texts = [option for option in options if isinstance(option, inspect.StrType)]
    return CellType(
        text=any(option.pattern is None for option in texts),
        whole=any(isinstance(option, inspect.IntType) for option in options),
        fraction=any(isinstance(option, inspect.FloatType) for option in options),
        boolean=any(isinstance(option, inspect.BoolType) for option in options),
        json=any(isinstance(option, inspect.StructType | inspect.ListType | inspect.DictType) for option in options),
        forms=tuple(option.pattern for option in texts if option.pattern is not None),
    )
