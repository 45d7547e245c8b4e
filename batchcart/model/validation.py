"""Owns checking JSON text against a document's field table, with all problems in words; it does not know platforms."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import msgspec
from msgspec import inspect

from batchcart.model.errors import quote, suggest

_MOST = 20  # problems that one text is told; who mends these sees the others

_PLAIN = re.compile(r"[\w.-]{1,60}")


@cache
def _decoding(table: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(table).decode


@cache
def _info(table: type[msgspec.Struct]) -> inspect.StructType:
    info = inspect.type_info(table)
    assert isinstance(info, inspect.StructType)
    return info


def validation_errors(
    text: bytes, table: type[msgspec.Struct], where: str, *, allow_unknown: bool = False
) -> list[str]:
    """What is wrong with ``text`` as a ``table``, one sentence per field; empty if nothing is.

    ``where`` is the place the sentences begin with, "" for none.
    """
    try:
        _decoding(table)(text)
    except msgspec.ValidationError as error:
        value = msgspec.json.decode(text)
        found = list(islice(_in_object(value, _info(table), where, allow_unknown=allow_unknown), _MOST))
        return found or _between_fields(value, table, where, error, allow_unknown=allow_unknown)
    return []


def _between_fields(
    value: object, table: type[msgspec.Struct], where: str, error: Exception, *, allow_unknown: bool
) -> list[str]:
    """Each field is right by itself, so what was wrong is an unknown one, or a rule of the table's own."""
    if allow_unknown:
        try:
            msgspec.convert(_without_unknown(value, _info(table)), table)
        except msgspec.ValidationError as remaining:
            error = remaining
        else:
            return []
    return [": ".join(filter(None, (where, str(error).partition(" - at `$")[0])))]


def _without_unknown(value: object, kind: inspect.Type) -> object:
    """The value without fields that the table lacks."""
    for option in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        match option:
            case inspect.StructType(fields=fields) if isinstance(value, dict):
                known = {field.encode_name: field.type for field in fields}
                return {name: _without_unknown(value[name], known[name]) for name in value if name in known}
            case inspect.ListType(item_type=item) if isinstance(value, list):
                return [_without_unknown(entry, item) for entry in value]
    return value


def field_names(table: type[msgspec.Struct]) -> list[str]:
    """The fields of a table in the document's order."""
    return [field.encode_name for field in msgspec.structs.fields(table)]


def describe_type(kind: inspect.Type) -> str:
    """A type in an operator's words, such as "a whole number of at least 1"."""
    match kind:
        case inspect.UnionType(types=types):
            return _describe_union([option for option in types if not isinstance(option, inspect.NoneType)])
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("description") or describe_type(inner))
        case inspect.IntType() | inspect.FloatType():
            return _describe_number(kind)
        case inspect.StrType():
            return _describe_text(kind)
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return f"an array, each entry {describe_type(inner)}"
        case inspect.LiteralType(values=values):
            return " or ".join(f'"{value}"' for value in values)
        case _:
            return "an object"


def _describe_text(kind: inspect.StrType) -> str:
    if kind.max_length is not None:
        return f"a string of at most {kind.max_length} characters"
    if kind.pattern is not None:
        return f"a string like {kind.pattern}"
    return "a string that is not empty" if kind.min_length else "a string"


def _describe_number(kind: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    if kind.ge is not None and kind.le is not None:
        return f"{noun} from {kind.ge} to {kind.le}"
    if kind.ge is not None:
        return f"{noun} of at least {kind.ge}"
    if kind.gt is not None:
        return f"{noun} above {kind.gt}"
    return noun


def _describe_union(options: list[inspect.Type]) -> str:
    floats = any(isinstance(option, inspect.FloatType) for option in options)
    # A union of int and float is one number to a reader.
    kept = [option for option in options if not (floats and isinstance(option, inspect.IntType))]
    return " or ".join(dict.fromkeys(describe_type(option) for option in kept))


def _in_object(value: object, info: inspect.StructType, where: str, *, allow_unknown: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected an object, found {_describe_value(value)}"
        return
    fields = {field.encode_name: field for field in info.fields}
    for name in value:
        if name not in fields and not allow_unknown:
            yield f"{_inside(where, name)}: there is no such field; {suggest(name, fields)}"
    for name, field in fields.items():
        if name in value:
            yield from _in_value(value[name], field.type, _inside(where, name), allow_unknown=allow_unknown)
        elif field.required:
            yield f"{_inside(where, name)}: missing; expected {describe_type(field.type)}"


def _inside(where: str, name: str) -> str:
    shown = name if _PLAIN.fullmatch(name) else quote(name)
    return f"{where}.{shown}" if where else shown


def _in_value(value: object, kind: inspect.Type, where: str, *, allow_unknown: bool) -> Iterator[str]:
    options = list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]
    for option in options:
        match option:
            case inspect.StructType() if isinstance(value, dict):
                yield from _in_object(value, option, where, allow_unknown=allow_unknown)
                return
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item) if isinstance(value, list):
                for index, entry in enumerate(value):
                    yield from _in_value(entry, item, f"{where}[{index}]", allow_unknown=allow_unknown)
                return
    if not _fits(value, options):
        yield f"{where}: expected {describe_type(kind)}, found {_describe_value(value)}"


def _fits(value: object, options: list[inspect.Type]) -> bool:
    return any(_fits_one(value, option) for option in options)


def _fits_one(value: object, option: inspect.Type) -> bool:
    match option:
        case inspect.Metadata(type=inner):
            return _fits_one(value, inner)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, option)
        case inspect.FloatType():
            return isinstance(value, float) and _in_range(value, option)
        case inspect.StrType(min_length=shortest, max_length=longest, pattern=pattern):
            return (
                isinstance(value, str)
                and (shortest or 0) <= len(value)
                and (longest is None or len(value) <= longest)
                and (pattern is None or re.search(pattern, value) is not None)
            )
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.DictType():
            return isinstance(value, dict)
        case inspect.LiteralType(values=values):
            return value in values
        case inspect.RawType() | inspect.AnyType():
            return True
        case inspect.NoneType():
            return value is None
        case _:
            return False


def _in_range(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
    )


def _describe_value(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
