"""An operation is done only with evidence, whatever a shop answers.

What counts as evidence is written down here once more, from the documents alone and without the adapters' own code.
"""

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Succeeded, Throttled, Unauthorized, Unavailable
from batchcart.platforms import load_adapters

KEY = "6F027F81ggx48to"
KNOWN = CartContext(KEY, "n" * 32, {"i1": "123"}, {"lines": "known", "line:123": "7 2", "line:7/0": "7/0 2"})
WRITES = {
    ("3dcart", OperationKind.CART_CREATE): {"BillingCity": "Tampa"},
    ("3dcart", OperationKind.CART_UPDATE): {"BillingCity": "Tampa"},
    ("3dcart", OperationKind.CART_DELETE): None,
    ("3dcart", OperationKind.ITEM_ADD): {"CatalogID": 7, "ItemQuantity": 3},
    ("3dcart", OperationKind.ITEM_UPDATE): {"ItemQuantity": 3},
    ("3dcart", OperationKind.ITEM_DELETE): None,
    ("tray", OperationKind.ITEM_ADD): {"product_id": 7, "quantity": 3},
    ("tray", OperationKind.CART_UPDATE): {"email": "a@b.example"},
    ("tray", OperationKind.CART_DELETE): None,
    ("shoplo", OperationKind.ITEM_ADD): {"variant_id": 7, "quantity": 3},
    ("shoplo", OperationKind.ITEM_UPDATE): {"quantity": 3},
    ("shoplo", OperationKind.ITEM_DELETE): None,
    ("shoplo", OperationKind.DISCOUNT_SET): {"discount_type": "2", "discount_value": "30"},
    ("shoplo", OperationKind.DISCOUNT_DELETE): None,
}
READS = [
    ("3dcart", OperationKind.CART_GET),
    ("tray", OperationKind.CART_GET),
    ("shoplo", OperationKind.CART_GET),
    ("shoplo", OperationKind.CART_LIST),
    ("shoplo", OperationKind.CART_COUNT),
    ("shoplo", OperationKind.ITEM_GET),
]


# ---- the documents once more: what a yes looks like, and what a read must show


def _number(value: Any) -> Decimal | None:
    text = value if isinstance(value, str) else json.dumps(value)
    return Decimal(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else None


def _is(value: Any, text: str) -> bool:
    return not isinstance(value, bool) and str(value) == text


def _row(value: Any, key: str, own: str | None) -> bool:
    """S000: an array of one object, or the object; its key, its value, and a status of 200 or 201."""
    row = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(row, dict):
        return False
    named = {name.lower(): entry for name, entry in row.items()}
    right = str(named.get("key", "")).lower() == key.lower() and str(named.get("status")) in {"200", "201"}
    told = named.get("value")
    return right and isinstance(told, str | int) and (own is None or str(told).lower() == own.lower())


def _items(value: Any) -> list[dict[str, Any]]:
    cart = value[0] if isinstance(value, list) and len(value) == 1 else value
    rows = cart.get("CartItemList") if isinstance(cart, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _item(value: Any) -> dict[str, Any]:
    return next((row for row in _items(value) if _is(row.get("CartItemID", row.get("CartItemId")), "123")), {})


def _shows_items(value: Any) -> bool:
    cart = value[0] if isinstance(value, list) and len(value) == 1 else value
    return isinstance(cart, dict) and isinstance(cart.get("CartItemList"), list)


def _tray_yes(value: Any) -> bool:
    """S003: the cart's session_id; no causes, and no code but 200 or 201."""
    if not isinstance(value, dict) or value.get("session_id") != KEY:
        return False
    return not value.get("causes") and str(value.get("code", 200)) in {"200", "201"}


def _tray_rows(value: Any) -> list[dict[str, Any]]:
    carts = [one.get("Cart") for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    flat = [row for cart in carts for row in (cart if isinstance(cart, list) else [cart])]
    return [row for row in flat if isinstance(row, dict)]


def _line(value: Any) -> dict[str, Any]:
    """S004: the object in ``cart``, where no error stands beside it."""
    line = value.get("cart") if isinstance(value, dict) else None
    clean = isinstance(value, dict) and not value.get("error") and not value.get("errors")
    return line if isinstance(line, dict) and clean else {}


def _rows(value: Any) -> list[dict[str, Any]]:
    rows = value.get("carts") if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _shoplo_ok(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("status")).lower() == "ok" and not value.get("error")


def _shoplo_lines(value: Any) -> list[dict[str, Any]]:
    return [_line(value)] if _line(value) else _rows(value)


Oracle = Callable[[Any], bool]
SAYS: dict[tuple[str, OperationKind], Oracle] = {
    ("3dcart", OperationKind.CART_CREATE): lambda value: _row(value, "OrderKey", None),
    ("3dcart", OperationKind.CART_UPDATE): lambda value: _row(value, "OrderKey", KEY),
    ("3dcart", OperationKind.CART_DELETE): lambda value: _row(value, "OrderKey", KEY),
    ("3dcart", OperationKind.ITEM_ADD): lambda value: _row(value, "CartItemID", None),
    ("3dcart", OperationKind.ITEM_UPDATE): lambda value: _row(value, "CartItemID", "123"),
    ("3dcart", OperationKind.ITEM_DELETE): lambda value: _row(value, "CartItemID", "123"),
    ("tray", OperationKind.ITEM_ADD): _tray_yes,
    ("tray", OperationKind.CART_UPDATE): _tray_yes,
    ("tray", OperationKind.CART_DELETE): _tray_yes,
    ("shoplo", OperationKind.ITEM_ADD): lambda value: (
        bool(_line(value).get("id"))
        and _line(value).get("user_key", KEY) == KEY
        and _is(_line(value).get("variant_id", 7), "7")
    ),
    ("shoplo", OperationKind.ITEM_UPDATE): lambda value: (
        _is(_line(value).get("id"), "123") and _number(_line(value).get("quantity")) == 3
    ),
    ("shoplo", OperationKind.ITEM_DELETE): _shoplo_ok,
    ("shoplo", OperationKind.DISCOUNT_SET): _shoplo_ok,
    ("shoplo", OperationKind.DISCOUNT_DELETE): _shoplo_ok,
}
SHOWS: dict[tuple[str, OperationKind], Oracle] = {
    ("3dcart", OperationKind.CART_UPDATE): lambda value: '"BillingCity": "Tampa"' in json.dumps(value),
    ("3dcart", OperationKind.ITEM_ADD): lambda value: (
        sum(_number(row.get("ItemQuantity")) or 0 for row in _items(value)) == 5
    ),
    ("3dcart", OperationKind.ITEM_UPDATE): lambda value: _number(_item(value).get("ItemQuantity")) == 3,
    ("3dcart", OperationKind.ITEM_DELETE): lambda value: _shows_items(value) and not _item(value),
    ("tray", OperationKind.ITEM_ADD): lambda value: (
        sum(_number(row.get("quantity")) or 0 for row in _tray_rows(value)) == 5
    ),
    ("tray", OperationKind.CART_UPDATE): lambda value: '"email": "a@b.example"' in json.dumps(value),
    ("tray", OperationKind.CART_DELETE): lambda value: (
        value == [] or (isinstance(value, dict) and "Cart" in value and not _tray_rows(value))
    ),
    ("shoplo", OperationKind.ITEM_ADD): lambda value: (
        sum(_number(row.get("quantity")) or 0 for row in _rows(value)) == 5
    ),
    ("shoplo", OperationKind.ITEM_UPDATE): lambda value: any(
        _is(row.get("id"), "123") and _number(row.get("quantity")) == 3 for row in _shoplo_lines(value)
    ),
    ("shoplo", OperationKind.ITEM_DELETE): lambda value: (
        isinstance(value, dict)
        and (
            value.get("cart", 0) in (None, [])
            or "count" in value
            or ("carts" in value and not any(_is(row.get("id"), "123") for row in _rows(value)))
            or value == {"carts": []}
        )
    ),
}


def _says_missing(name: str, response: Response, value: Any) -> bool:
    """Whether the shop says in a documented form that there is no such thing."""
    match name:
        case "3dcart":
            told = "404" in str(value) and "Status" in json.dumps(value)
            return (response.status == 404 and (not response.body.strip() or told)) or told or value == []
        case "tray":
            return isinstance(value, dict) and (str(value.get("code")) == "404" or response.status == 404)
        case _:
            told = isinstance(value, dict) and (response.status == 404 and value.get("status") == "err")
            return told or (isinstance(value, dict) and ("error" in value or value.get("cart", 0) in (None, [])))


# ---- answers: the documents' own, and each of them bent a little

LINE = {"id": 123, "user_key": KEY, "variant_id": 7, "quantity": 3}
OWN: list[Any] = [
    [{"Key": "OrderKey", "Value": KEY, "Status": "200", "Message": "Updated successfully"}],
    [{"Key": "CartItemID", "Value": "123", "Status": "201", "Message": "Created successfully"}],
    [
        {
            "OrderKey": KEY,
            "BillingCity": "Tampa",
            "CartItemList": [{"CartItemID": 123, "CatalogID": 7, "ItemQuantity": 3}],
        }
    ],
    [
        {
            "OrderKey": KEY,
            "CartItemList": [
                {"CartItemID": 123, "CatalogID": 7, "ItemQuantity": 2},
                {"CartItemID": 9, "CatalogID": 7, "ItemQuantity": 3},
            ],
        }
    ],
    [{"OrderKey": KEY, "BillingCity": "Miami", "CartItemList": []}],
    {"message": "Created", "id": "5", "session_id": KEY, "code": 201},
    {"message": "Saved", "code": 200},
    {"code": 404, "name": "Not Found", "causes": ["Not Found"]},
    [{"Cart": {"session_id": KEY, "product_id": "7", "variant_id": "0", "quantity": "5", "email": "a@b.example"}}],
    [{"Cart": {"session_id": KEY, "product_id": "7", "variant_id": "0", "quantity": "2", "email": ""}}],
    {"Cart": {"session_id": KEY, "Products": [{"id": "7", "variant_id": "0", "quantity": "5", "cart_id": "237"}]}},
    {"cart": LINE},
    {"cart": {**LINE, "quantity": 2}},
    {"carts": [{**LINE, "quantity": 2}, {**LINE, "id": 124}]},
    {"carts": [{**LINE, "quantity": 2}]},
    {"carts": []},
    {"cart": None},
    {"count": 0},
    {"status": "ok"},
    {"status": "err", "error": 404, "error_msg": "Not found"},
    {"status": "err", "error": 99, "error_msg": "No"},
    [],
    None,
]
STRANGE: list[Any] = [
    {},
    {"ok": True},
    {"success": True},
    {"status": "success"},
    {"status": "error", "code": 500, "message": "x"},
    {"result": "ok"},
    {"message": "OK"},
    {"code": 200},
    {"error": None},
    {"errors": []},
    True,
    "ok",
    200,
    [{}],
    {"message": "Forbidden"},
    {"error": "not_found"},
    {"message": "no Route matched with those values"},
]
VALUES: list[Any] = ["", "OTHER", 0, 1, 2, 3, "3", "404", 500, None, True, [], {}, "err", "ok", "causes"]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a JSON value."""
    yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from _places(value[key], (*path, key))


def _bent(value: Any, place: tuple[Any, ...], given: Any, *, leave: bool) -> Any:
    """The value with something else in one place, or with nothing there."""
    if not place:
        return given
    bent = copy.deepcopy(value)
    inner = bent
    for key in place[:-1]:
        inner = inner[key]
    if leave:
        del inner[place[-1]]
    else:
        inner[place[-1]] = given
    return bent


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    value = draw(st.sampled_from(OWN))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        place = draw(st.sampled_from(list(_places(value))))
        value = _bent(value, place, draw(st.sampled_from(VALUES)), leave=draw(st.booleans()))
    return json.dumps(value).encode()


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


RAW = [b"", b"OK", b"<html>blocked</html>", b'{"cart":{"id":1', b"\xff", b" "]
answers = st.one_of(
    st.tuples(st.sampled_from([200, 200, 200, 201, 400, 404]), bodies()),
    st.tuples(st.sampled_from([200, 204, 302, 403, 404, 500]), st.sampled_from(STRANGE).map(_encoded)),
    st.tuples(st.sampled_from([200, 204, 301, 400, 403, 404]), st.sampled_from(RAW)),
    st.none(),
)  # fmt: skip


def _ending(name: str, operation: Operation, script: list[tuple[int, bytes] | None]) -> tuple[Step, History]:
    """The step that the conversation has come to at the end of the script, led as the engine does, and its past."""
    cell = load_adapters()[name].operations[operation.kind]
    past: History = ()
    step: Step = cell.build(operation, KNOWN)
    for answer in script:
        match step.then if isinstance(step, Unavailable | Foreign) else step:
            case Request() as request:
                pass
            case _:
                return step, past
        if answer is None:
            past = (*past, LostWrite(request, "cut", 0.0)) if request.writes else past
            step = cell.recover(operation, KNOWN, past) if request.writes else request
            continue
        exchange = Exchange(request, Response(*answer))
        step = cell.interpret(operation, KNOWN, (*past, exchange))
        kept = request.writes and not (isinstance(step, Foreign) and step.void)
        if kept or not isinstance(step, Unavailable | Foreign | Throttled | Unauthorized):
            past = (*past, exchange)
        if isinstance(step, Throttled | Unauthorized):
            past, step = past[:-1] if kept else past, request
    return step, past


def _operation(kind: OperationKind, data: dict[str, Any] | None) -> Operation:
    item = "i1" if kind.targets_item else None
    cart = None if kind.is_shop_wide else "c1"
    return Operation(1, kind, "acme", cart=cart, item=item, data=json.dumps(data).encode() if data else b"")


def _value(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _is_earned(name: str, kind: OperationKind, past: History) -> bool:
    """Whether the last write was answered by a yes, or what was read since shows that it was done."""
    last_write = max(index for index, step in enumerate(past) if step.request.writes)
    write, reads = past[last_write], [step for step in past[last_write + 1 :] if isinstance(step, Exchange)]
    if isinstance(write, Exchange) and not reads:
        good, value = 200 <= write.response.status < 300, _value(write.response)
        deleted = "delete" in kind and last_write > 0 and _says_missing(name, write.response, value)
        return (good and SAYS[name, kind](value)) or deleted
    shows = SHOWS.get((name, kind), lambda _value: False)
    deletes = "delete" in kind
    return any(
        (read.response.status < 300 and shows(_value(read.response)))
        or (deletes and _says_missing(name, read.response, _value(read.response)))
        for read in reads
    )


@pytest.mark.parametrize(("name", "kind"), list(WRITES))
@given(script=st.lists(answers, min_size=1, max_size=5))
def test_a_write_is_done_only_if_the_shop_said_or_showed_so(
    name: str, kind: OperationKind, script: list[tuple[int, bytes] | None]
) -> None:
    step, past = _ending(name, _operation(kind, WRITES[name, kind]), script)
    assert not isinstance(step, Succeeded) or _is_earned(name, kind, past), (step, past)


@pytest.mark.parametrize(("name", "kind"), list(WRITES))
@given(script=st.lists(answers, min_size=1, max_size=5))
def test_a_write_fails_only_if_its_last_answer_or_a_read_says_that_it_did_not_happen(
    name: str, kind: OperationKind, script: list[tuple[int, bytes] | None]
) -> None:
    step, past = _ending(name, _operation(kind, WRITES[name, kind]), script)
    if isinstance(step, Failed) and any(write.request.writes for write in past):
        last = past[-1]
        assert isinstance(last, Exchange)
        unsaid = [one for one in past if one.request.writes and not _is_no(one)]
        assert not last.request.writes or not unsaid or _says_missing(name, last.response, _value(last.response))


def _is_no(step: Exchange | LostWrite) -> bool:
    """Whether the write was answered as an error, in whatever form."""
    if not isinstance(step, Exchange):
        return False
    value = _value(step.response)
    words = json.dumps(value)
    return 400 <= step.response.status < 500 or "err" in words or "causes" in words or "40" in words or "500" in words


@pytest.mark.parametrize(("name", "kind"), READS)
@given(answer=answers.filter(lambda answer: answer is not None))
def test_a_read_is_done_only_with_an_answer_in_a_form_of_that_read(
    name: str, kind: OperationKind, answer: tuple[int, bytes]
) -> None:
    step, _ = _ending(name, _operation(kind, None), [answer])
    if not isinstance(step, Succeeded):
        return
    value = json.loads(answer[1])
    assert 200 <= answer[0] < 300
    match name, kind:
        case "3dcart", _:
            assert any(field in json.dumps(value) for field in ("OrderKey", "BillingCity", "CartItemList"))
            assert "OTHER" not in json.dumps(value).split('"OrderKey"')[-1][:12]
        case "tray", _:
            assert value == [] or "Cart" in json.dumps(value)
            assert all(row.get("session_id", KEY) == KEY for row in _tray_rows(value))
        case _, OperationKind.CART_COUNT:
            assert _number(value["count"]) is not None
        case _, OperationKind.ITEM_GET:
            assert _is(_line(value).get("id", "123"), "123")
            assert _line(value)
        case _:
            assert value in (None, []) or isinstance(value["carts"], list | None)


@pytest.mark.parametrize(("name", "kind"), [key for key in WRITES if "delete" not in key[1]])
@pytest.mark.parametrize("strange", STRANGE, ids=json.dumps)
def test_a_yes_in_a_form_that_no_document_knows_makes_nothing_ok(name: str, kind: OperationKind, strange: Any) -> None:
    script: list[tuple[int, bytes] | None] = [(200, json.dumps(strange).encode())]
    step, _ = _ending(name, _operation(kind, WRITES[name, kind]), script)
    assert isinstance(step, Unavailable | Foreign | Request | InDoubt)


@pytest.mark.parametrize(("length", "believed"), [(32, True), (33, False)])
def test_a_session_that_a_tray_shop_chose_for_a_new_cart_is_believed_up_to_the_length_of_one(
    length: int, *, believed: bool
) -> None:
    cell = load_adapters()["tray"].operations[OperationKind.CART_CREATE]
    operation, known = _operation(OperationKind.CART_CREATE, {"product_id": "5", "quantity": 2}), CartContext(None, "k")
    request, session = cell.build(operation, known), "s" * length
    assert isinstance(request, Request)
    body = json.dumps({"message": "Created", "code": 201, "id": 7, "session_id": session}).encode()

    step = cell.interpret(operation, known, (Exchange(request, Response(201, body)),))

    assert (isinstance(step, Succeeded) and step.cart_id == session) is believed
    assert isinstance(step, Succeeded) is believed


def test_every_cell_says_what_its_evidence_is() -> None:
    for name, adapter in load_adapters().items():
        assert adapter.errors.described
        for kind, cell in adapter.operations.items():
            assert cell.evidence.said, (name, kind)
            reads = kind.value.partition(".")[2] in {"get", "list", "count"}
            unseen = {OperationKind.DISCOUNT_SET, OperationKind.DISCOUNT_DELETE} if name == "shoplo" else set()
            unseen |= {OperationKind.CART_CREATE} if name == "3dcart" else set()
            assert bool(cell.evidence.shown) is not (reads or kind in unseen), (name, kind)
