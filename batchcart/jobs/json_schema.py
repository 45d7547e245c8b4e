"""Owns the JSON Schemas of a job line and of a neutral cart, made from the same types that check them."""

from typing import Any

import msgspec

from batchcart.jobs.job_file import JobLine
from batchcart.model.cart import VERSION, Cart
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def job_line_schema() -> dict[str, Any]:
    """The schema of one line: its keys, and per operation the `data` or `query` of each platform that has it."""
    tables = [table for _, _, _, table in _tables()]
    # The author's own bytes stay undecoded under data and query, so their types stand in the tables instead.
    plain = [field for field in msgspec.structs.fields(JobLine) if field.name not in {"data", "query", "why"}]
    own = msgspec.defstruct(
        "Line",
        [(field.name, field.type) if field.required else (field.name, field.type, None) for field in plain],
        kw_only=True,
        forbid_unknown_fields=True,
    )
    (line, *names), components = msgspec.json.schema_components([own, *tables], ref_template="#/$defs/{name}")
    refs = dict(zip(((name, kind, key) for name, kind, key, _ in _tables()), names, strict=True))
    keys = components.pop(line["$ref"].rpartition("/")[2])
    for key in keys["properties"].values():
        key.pop("default", None)  # a key that is not meant is left out: null is refused
    keys["properties"]["op"] = {"enum": [kind.value for kind in OperationKind]}
    keys["properties"]["data"] = keys["properties"]["query"] = {"type": "object"}
    keys["properties"]["why"] = {"description": "why the line is here, as `batchcart rest` writes it; nothing is sent"}
    rules = []
    for kind in OperationKind:
        for key in ("data", "query"):
            found = [refs[name, kind, key] for name in load_adapters() if (name, kind, key) in refs]
            if found:
                condition = {"properties": {"op": {"const": kind.value}}, "required": ["op"]}
                rules.append({"if": condition, "then": {"properties": {key: {"anyOf": found}}}})
    title = {"$schema": _DIALECT, "title": "A line of a batchcart job file"}
    return {
        **title,
        **{name: value for name, value in keys.items() if name != "title"},
        "allOf": rules,
        "$defs": components,
    }


def cart_schema() -> dict[str, Any]:
    """The schema of a line of a carts file."""
    (line,), components = msgspec.json.schema_components([Cart], ref_template="#/$defs/{name}")
    keys = components.pop(line["$ref"].rpartition("/")[2])
    keys["properties"]["version"] = {"const": VERSION}
    title = {"$schema": _DIALECT, "title": "A line of a batchcart carts file"}
    return {**title, **{name: value for name, value in keys.items() if name != "title"}, "$defs": components}


def _tables() -> list[tuple[str, OperationKind, str, type[msgspec.Struct]]]:
    return [
        (adapter.name, kind, key, table)
        for adapter in load_adapters().values()
        for kind, cell in adapter.operations.items()
        for key, table in (("data", cell.data_schema), ("query", cell.query_schema))
        if table is not None
    ]
