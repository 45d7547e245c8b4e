"""Field tables: what is wrong with a text, in words, with the place of each wrong field."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from batchcart.jobs.checks import preview_request
from batchcart.model.adapter import OperationSpec
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.validation import field_names, validation_errors
from batchcart.platforms import load_adapters


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)]
    name: Annotated[str, Meta(max_length=3)] | UnsetType = UNSET


class Table(msgspec.Struct, forbid_unknown_fields=True):
    number: int | Annotated[str, Meta(pattern="^[0-9]+$", description="a whole number in quotes")]
    price: Annotated[float, Meta(gt=0)] | Annotated[int, Meta(gt=0)] | UnsetType = UNSET
    inner: Inner | UnsetType = UNSET
    many: list[Inner] | UnsetType = UNSET
    mode: Literal["a", "b"] | UnsetType = UNSET
    flag: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("number is not 13")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"number":1}', []),
        (b'{"number":"1","price":2.5,"inner":{"size":1},"many":[],"mode":"a","flag":true}', []),
        (b"{}", ["data.number: missing; expected a whole number or a whole number in quotes"]),
        (b'{"number":true}', ["data.number: expected a whole number or a whole number in quotes, found true"]),
        (b'{"number":1.0}', ["data.number: expected a whole number or a whole number in quotes, found 1.0"]),
        (b'{"number":null}', ["data.number: expected a whole number or a whole number in quotes, found null"]),
        (b'{"number":1,"price":0}', ["data.price: expected a number above 0, found 0"]),
        (b'{"number":1,"numbr":2}', ["data.numbr: there is no such field; did you mean 'number'?"]),
        (b'{"number":1,"inner":3}', ["data.inner: expected an object, found 3"]),
        (b'{"number":1,"inner":{"size":0}}', ["data.inner.size: expected a whole number of at least 1, found 0"]),
        (b'{"number":1,"mode":"c"}', ['data.mode: expected "a" or "b", found "c"']),
        (b'{"number":1,"flag":1}', ["data.flag: expected true or false, found 1"]),
        (
            b'{"number":1,"many":[{"size":1},{"size":1,"name":"long"}]}',
            ['data.many[1].name: expected a string of at most 3 characters, found "long"'],
        ),
        (b'{"number":13}', ["data: number is not 13"]),
        (b"[]", ["data: expected an object, found []"]),
    ],
)
def test_each_wrong_field_is_told_with_its_place(text: bytes, found: list[str]) -> None:
    assert validation_errors(text, Table, "data") == found


def test_all_wrong_fields_are_told_at_once() -> None:
    assert len(validation_errors(b'{"price":0,"x":1,"inner":{}}', Table, "data")) == 4


def test_a_text_with_very_many_mistakes_is_told_the_first_of_them() -> None:
    text = msgspec.json.encode({"number": 1} | {f"x{index}": 1 for index in range(50_000)})

    assert len(validation_errors(text, Table, "data")) == 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"number":1,"x":{"y":[1]},"inner":{"size":1,"z":0}}', []),
        (b'{"number":13,"x":1}', ["data: number is not 13"]),
        (b'{"number":"x","y":1}', ['data.number: expected a whole number or a whole number in quotes, found "x"']),
        (b'{"many":[{"z":1}]}', None),
    ],
)
def test_unknown_fields_may_be_let_through_and_no_others(text: bytes, found: list[str] | None) -> None:
    told = validation_errors(text, Table, "data", allow_unknown=True)

    assert told == found if found is not None else len(told) == 2


def test_a_line_without_a_place_names_the_field_alone() -> None:
    assert validation_errors(b'{"number":1,"x":1}', Table, "")[0].startswith("x: there is no such field")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc1.", max_size=4)
    | st.sampled_from(["1", "0", "2.5", "2026-01-01", "13"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["size", "name", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*field_names(Table), "other"]), VALUES))
def test_words_and_decoder_agree_on_what_is_wrong(fields: dict[str, Any]) -> None:
    text = msgspec.json.encode(fields)
    try:
        msgspec.json.decode(text, type=Table)
        fits = True
    except msgspec.ValidationError:
        fits = False

    assert (validation_errors(text, Table, "data") == []) is fits


def cells() -> list[tuple[Any, OperationKind, OperationSpec]]:
    return [(adapter, kind, cell) for adapter in load_adapters().values() for kind, cell in adapter.operations.items()]


@given(st.data(), st.sampled_from(cells()))
def test_whatever_fits_a_platforms_table_can_be_said_to_it(
    data: st.DataObject, case: tuple[Any, OperationKind, OperationSpec]
) -> None:
    adapter, kind, cell = case
    texts = {}
    for name, table in (("data", cell.data_schema), ("query", cell.query_schema)):
        fields = {}
        for field in msgspec.structs.fields(table) if table is not None else ():
            if field.required or data.draw(st.booleans()):
                fitting = [value for value in SAMPLES if not told(field, value)]
                fields[field.encode_name] = data.draw(st.sampled_from(fitting))
        texts[name] = msgspec.json.encode(fields) if fields and not problems_of(fields, table) else b""
    if cell.data_schema is not None and cell.data_required and not texts["data"]:
        return

    request = preview_request(Operation(1, kind, "a", "c", None, "i", None, texts["data"], texts["query"]), adapter)
    assert request.path.startswith("/")


SAMPLES: list[Any] = [
    0, 1, 2, 10**20, -5, 0.5, 1e300, "0", "007", "1", "2.50", "", "text", 'a"b\\:é😀', "2026-01-31", "23:59:59",
    "2026-01-31 23:59:59", ["id", "x"], {}, {"OptionSetID": 1}, [{"OptionSetID": "1", "OptionID": 2}],
    {"price": "1.10", "zip_code": 123}, {"a": {"b": [1.5]}},
]  # fmt: skip


def told(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=field.type)
    except msgspec.ValidationError:
        return True
    return False


def problems_of(fields: dict[str, Any], table: type[msgspec.Struct] | None) -> list[str]:
    return validation_errors(msgspec.json.encode(fields), table, "data") if table is not None else []
