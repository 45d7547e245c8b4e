"""The schema of a job line is as strict as the check where JSON Schema can be, and never stricter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from batchcart.jobs.checks import validate
from batchcart.jobs.job_file import InvalidLine, RawLine, parse_line
from batchcart.jobs.json_schema import job_line_schema
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters

ADAPTERS = load_adapters()
ACCOUNTS = {f"shop-{name}": adapter for name, adapter in ADAPTERS.items()}
OF_ALL = Draft202012Validator(job_line_schema(ACCOUNTS))
OF_ONE = {name: Draft202012Validator(job_line_schema({name: ACCOUNTS[name]}, only=True)) for name in ACCOUNTS}
OF_NONE = Draft202012Validator(job_line_schema())
Line = dict[str, Any]

ODD: list[Any] = ["", "x", "0012", " k", "a/b", "..", "19,90", 0, 1, -1, 2.5, 10**20, True, [], {}, {"x": 1}, "k" * 40]
FIELDS = [
    "product_id",
    "quantity",
    "CatalogID",
    "ItemQuantity",
    "variant_id",
    "session_id",
    "Shipping",
    "limit",
    "fields",
]
KEYS = ["op", "account", "cart", "cart_id", "item", "item_id", "data", "query", "view", "id", "why", "extra"]


def is_right(line: Line) -> bool:
    """Whether the check accepts the line by itself."""
    text = json.dumps(line).encode()
    try:
        operation = parse_line(RawLine(1, 0, text), None)
    except InvalidLine:
        return False
    return operation.account in ACCOUNTS and not validate(operation, ACCOUNTS[operation.account])


@st.composite
def examples(draw: st.DrawFn) -> Line:
    """A line that a platform's documents would give, or nearly one."""
    name = draw(st.sampled_from(sorted(ACCOUNTS)))
    shown = [json.loads(text) for text in ACCOUNTS[name].examples.job]
    op = draw(st.sampled_from([kind.value for kind in OperationKind]))
    bare = {"op": op, "cart_id": "key", **({"item_id": "1"} if OperationKind(op).targets_item else {})}
    return {"account": name, **draw(st.sampled_from([*shown, *shown, bare]))}


@st.composite
def mutations(draw: st.DrawFn) -> Line:
    line = draw(examples())
    for _ in range(draw(st.integers(0, 3))):
        place = line
        key = draw(st.sampled_from(KEYS))
        if key in {"data", "query"} and draw(st.booleans()):
            place = line.setdefault(key, {}) if isinstance(line.get(key, {}), dict) else line
            key = draw(st.sampled_from(FIELDS))
        if draw(st.booleans()):
            place.pop(key, None)
        else:
            place[key] = draw(st.sampled_from(ODD))
    return line


@given(mutations())
def test_what_the_check_accepts_the_schema_accepts(line: Line) -> None:
    if is_right(line):
        for schema in (OF_ALL, OF_ONE[line["account"]], OF_NONE):
            assert not [error.message for error in schema.iter_errors(line)]


@given(mutations())
def test_what_the_schema_refuses_the_check_refuses(line: Line) -> None:
    if list(OF_ALL.iter_errors(line)):
        assert not is_right(line)


STRICT: dict[str, Line] = {
    "no data": {"op": "cart.create", "account": "shop-tray", "cart": "c"},
    "data without a field": {"op": "cart.update", "account": "shop-3dcart", "cart": "c", "data": {}},
    "a field of another platform": {"op": "item.add", "account": "shop-tray", "cart": "c", "data": {"CatalogID": 1}},
    "a missing field": {"op": "item.add", "account": "shop-tray", "cart": "c", "data": {"product_id": 1}},
    "an operation that the platform lacks": {"op": "item.update", "account": "shop-tray", "cart": "c", "item": "i"},
    "data on a read": {"op": "cart.get", "account": "shop-tray", "cart": "c", "data": {}},
    "query on a write": {"op": "cart.delete", "account": "shop-tray", "cart": "c", "query": {}},
    "no cart": {"op": "cart.get", "account": "shop-tray"},
    "a cart for the whole shop": {"op": "cart.list", "account": "shop-shoplo", "cart": "c"},
    "a key that 3dcart makes": {
        "op": "cart.create",
        "account": "shop-3dcart",
        "cart_id": "k",
        "data": {"CustomerId": 1},
    },
    "a key that can be none": {"op": "cart.get", "account": "shop-tray", "cart_id": "a/b"},
    "a key that is too long": {"op": "cart.get", "account": "shop-tray", "cart_id": "k" * 33},
    "no item": {"op": "item.delete", "account": "shop-3dcart", "cart": "c"},
    "two items": {"op": "item.delete", "account": "shop-3dcart", "cart": "c", "item": "i", "item_id": "1"},
    "an item for the whole cart": {"op": "cart.delete", "account": "shop-3dcart", "cart": "c", "item": "i"},
    "a view that there is not": {"op": "cart.get", "account": "shop-tray", "cart": "c", "view": "all"},
    "an unknown account": {"op": "cart.get", "account": "shop", "cart": "c"},
    "no account": {"op": "cart.get", "cart": "c"},
}


@pytest.mark.parametrize("line", STRICT.values(), ids=STRICT.keys())
def test_the_schema_of_a_config_is_as_strict_as_the_check(line: Line) -> None:
    assert not is_right(line)
    assert list(OF_ALL.iter_errors(line))


def test_the_schema_of_one_account_needs_no_account_on_a_line_and_has_only_its_operations() -> None:
    schema = OF_ONE["shop-tray"]
    assert not list(schema.iter_errors({"op": "cart.get", "cart": "c", "view": "complete"}))
    assert list(schema.iter_errors({"op": "cart.count"}))
    assert list(schema.iter_errors({"op": "cart.get", "cart": "c", "account": "shop-shoplo"}))


def test_every_key_is_described() -> None:
    properties = job_line_schema()["properties"]
    assert not [name for name, key in properties.items() if not key.get("description")]
