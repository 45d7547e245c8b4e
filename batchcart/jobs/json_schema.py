"""Owns the JSON Schemas of a job line and of a neutral cart, made from the same types that check them.

The schema of a job line says all that `check` says of a line by itself, as far as JSON Schema has words for it; what
it refuses `check` refuses too. Names that other lines make, and rules between two fields, are left to `check`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from batchcart.jobs.job_file import JobLine
from batchcart.model.adapter import Adapter, OperationSpec
from batchcart.model.cart import VERSION, Cart
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_USABLE = r"^(?!\s)(?!\.*$)[^/\\?#%]+(?<!\s)$"  # as model/ids.py says it, but for characters that cannot be seen
_NEVER = False
_ABOUT = {
    "op": "what to do",
    "account": "an account of the config; lines without one take --account",
    "cart": "your name for the cart in this job; its lines are done in file order",
    "cart_id": "the platform's own key of a cart that exists",
    "item": "your name for the item in its cart, given on the line that adds it",
    "item_id": "the platform's own id of an item that exists",
    "data": "what a write says, in the platform's own field names and units",
    "query": "what narrows a read, in the platform's own parameters",
    "view": "a fuller answer, where the platform has one",
    "id": "a text or whole number of yours, which the result repeats",
    "why": "why the line is here, as `batchcart rest` writes it; nothing is sent of it",
}

Schema = dict[str, Any]


def job_line_schema(accounts: Mapping[str, Adapter] | None = None, *, only: bool = False) -> Schema:
    """The schema of one line: its keys, and what each operation takes on each platform.

    With ``accounts`` a line names one of them and is held to its platform; ``only`` makes it a schema for the lines of
    the one account there is, which need not name it.
    """
    adapters = load_adapters() if accounts is None else {one.name: one for one in accounts.values()}
    keys, refs, tables = _components(adapters)
    properties = keys["properties"]
    kinds = [kind for kind in OperationKind if any(kind in adapter.operations for adapter in adapters.values())]
    properties["op"] = {"enum": [kind.value for kind in kinds]}
    properties["data"], properties["query"], properties["why"] = {"type": "object"}, {"type": "object"}, {}
    if accounts is not None:
        properties["account"] = {"enum": list(accounts)}
    for name, text in _ABOUT.items():
        properties[name]["description"] = text
    needed = ["op"] if accounts is None or only else ["op", "account"]
    title = {"$schema": _DIALECT, "title": "A line of a batchcart job file"}
    rest = {name: value for name, value in keys.items() if name not in {"title", "required"}}
    rules = list(_rules(adapters, accounts, kinds, refs, only=only))
    return {**title, **rest, "required": needed, "allOf": rules, "$defs": tables}


def cart_schema() -> Schema:
    """The schema of a line of a carts file."""
    (line,), components = msgspec.json.schema_components([Cart], ref_template="#/$defs/{name}")
    keys = components.pop(line["$ref"].rpartition("/")[2])
    keys["properties"]["version"] = {"const": VERSION}
    title = {"$schema": _DIALECT, "title": "A line of a batchcart carts file"}
    return {**title, **{name: value for name, value in keys.items() if name != "title"}, "$defs": components}


_Refs = Mapping[type[msgspec.Struct], Schema]


def _components(adapters: Mapping[str, Adapter]) -> tuple[Schema, _Refs, Schema]:
    """The schema of a line's own keys, where the schema of each field table is, and those schemas."""
    tables = list(dict.fromkeys(_tables(adapters)))
    # The author's own bytes stay undecoded under data and query, so their types stand in the tables instead.
    plain = [field for field in msgspec.structs.fields(JobLine) if field.name not in {"data", "query", "why"}]
    own = msgspec.defstruct(
        "Line",
        [(field.name, field.type) if field.required else (field.name, field.type, None) for field in plain],
        kw_only=True,
        forbid_unknown_fields=True,
    )
    (line, *refs), components = msgspec.json.schema_components([own, *tables], ref_template="#/$defs/{name}")
    keys = components.pop(line["$ref"].rpartition("/")[2])
    for key in keys["properties"].values():
        key.pop("default", None)  # a key that is not meant is left out: null is refused
    return keys, dict(zip(tables, refs, strict=True)), components


def _tables(adapters: Mapping[str, Adapter]) -> Iterator[type[msgspec.Struct]]:
    for adapter in adapters.values():
        for spec in adapter.operations.values():
            yield from (table for table in (spec.data_schema, spec.query_schema) if table is not None)


def _rules(
    adapters: Mapping[str, Adapter],
    accounts: Mapping[str, Adapter] | None,
    kinds: Iterable[OperationKind],
    refs: _Refs,
    *,
    only: bool,
) -> Iterator[Schema]:
    if accounts is None:
        for kind in kinds:
            rules = [_rule(kind, adapter, refs) for adapter in adapters.values() if kind in adapter.operations]
            yield _if({"op": {"const": kind.value}}, rules[0] if len(rules) == 1 else {"anyOf": rules})
        return
    for adapter in adapters.values():
        names = [name for name, its in accounts.items() if its.name == adapter.name]
        of_account = {} if only else {"account": {"enum": names}}
        if not only:
            yield _if(of_account, {"properties": {"op": {"enum": [kind.value for kind in adapter.operations]}}})
        for kind in adapter.operations:
            yield _if({**of_account, "op": {"const": kind.value}}, _rule(kind, adapter, refs))


def _if(condition: Schema, then: Schema) -> Schema:
    return {"if": {"properties": condition, "required": list(condition)}, "then": then}


def _rule(kind: OperationKind, adapter: Adapter, refs: _Refs) -> Schema:
    """What a line of the operation has to have, may have and must not have on the platform."""
    spec = adapter.operations[kind]
    properties: Schema = {**_values(kind, spec, refs), **_names(kind, adapter)}
    rule: Schema = {"properties": properties, "required": ["data"] if _needs_data(spec) else []}
    if wants := _wants_cart(kind, adapter):
        rule["anyOf"] = wants
    if kind.targets_item:
        rule["oneOf"] = [{"required": ["item"]}, {"required": ["item_id"]}]
    return rule


def _values(kind: OperationKind, spec: OperationSpec, refs: _Refs) -> Schema:
    data = _NEVER if spec.data_schema is None or not kind.writes else refs[spec.data_schema]
    query = _NEVER if spec.query_schema is None or kind.writes else refs[spec.query_schema]
    view = {"enum": list(spec.views)} if spec.views else _NEVER
    return {"data": {"allOf": [data], "minProperties": 1} if _needs_data(spec) else data, "query": query, "view": view}


def _needs_data(spec: OperationSpec) -> bool:
    return spec.data_schema is not None and spec.data_required


def _names(kind: OperationKind, adapter: Adapter) -> Schema:
    """Which of the keys that name a cart or an item may stand on the line, and what can be a key."""
    names: Schema = {}
    if kind.is_shop_wide:
        names["cart"] = names["cart_id"] = _NEVER
    elif kind is OperationKind.CART_CREATE and not adapter.keys.client_chooses:
        names["cart_id"] = _NEVER
    else:
        names["cart_id"] = {"pattern": _USABLE, "maxLength": adapter.keys.max_length}
    if kind.targets_item:
        names["item_id"] = {"pattern": _USABLE, "maxLength": 200}
        return names
    names["item_id"] = _NEVER
    adds = kind is OperationKind.ITEM_ADD or (kind is OperationKind.CART_CREATE and adapter.create_adds_item)
    return names if adds else {**names, "item": _NEVER}


def _wants_cart(kind: OperationKind, adapter: Adapter) -> list[Schema]:
    if kind.is_shop_wide or kind is OperationKind.CART_CREATE:
        return []
    wants: list[Schema] = [{"required": ["cart"]}, {"required": ["cart_id"]}]
    return wants if adapter.item_needs_cart else [*wants, {"required": ["item_id"]}]
