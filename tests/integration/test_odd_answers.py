"""Odd answers in every cell of every platform: each is taken for what it shows; none raises, none grows without end."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
import pytest
from oddities import BROKEN, ENCODED, VALUES, with_odd_parts
from platform_parts import CLOSELY_KNOWN, snapshot_of

from batchcart.engine.chain_state import chain_update
from batchcart.engine.http.form_encoding import encode_body
from batchcart.journal.result_line import Completion, encode_result, read_result
from batchcart.model.adapter import Adapter, CartContext, Credentials
from batchcart.model.excerpt import MOST_SHOWN
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.ids import LONGEST_ID
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Succeeded, Throttled, Unauthorized, Unavailable
from batchcart.platforms import load_adapters
from batchcart.sandbox.routing import read_call
from batchcart.sandbox.server import Sandbox

ADAPTERS = {name: load_adapters()[name] for name in CLOSELY_KNOWN}
CELLS = [(name, kind) for name, adapter in ADAPTERS.items() for kind in adapter.operations]
READS = {OperationKind.CART_GET, OperationKind.CART_LIST, OperationKind.CART_COUNT, OperationKind.ITEM_GET}
LONGEST_ADDRESS = 2000
MOST_STEPS = 14

_ADD: dict[str, dict[str, Any]] = {
    "3dcart": {"CatalogID": 5, "ItemQuantity": 2},
    "tray": {"product_id": "5", "quantity": 2},
    "shoplo": {"variant_id": 5, "quantity": 2},
}
_DATA: dict[tuple[str, OperationKind], dict[str, Any]] = {
    ("3dcart", OperationKind.CART_CREATE): {"BillingFirstName": "Ana"},
    ("3dcart", OperationKind.CART_UPDATE): {"BillingFirstName": "Zoë"},
    ("3dcart", OperationKind.ITEM_UPDATE): {"ItemQuantity": 3},
    ("tray", OperationKind.CART_UPDATE): {"user_cod": "7"},
    ("shoplo", OperationKind.ITEM_UPDATE): {"quantity": 3},
    ("shoplo", OperationKind.DISCOUNT_SET): {"discount_type": "1", "discount_value": "10"},
}

Mangle = Callable[[Request, Response], Response]


class Shop:
    """A simulated shop with a cart of one item in it, which is asked as the engine asks, step by step."""

    def __init__(self, platform: str) -> None:
        self.adapter: Adapter = ADAPTERS[platform]
        self._front = Sandbox(limits=dict.fromkeys(ADAPTERS, ())).shop(platform, "x")
        self._credentials = Credentials(dict(self.adapter.account.sandbox_settings))
        self.known = CartContext(None, "newkey")
        made = self.ended(self._operation(OperationKind.CART_CREATE))
        assert isinstance(made, Succeeded)
        self.known = CartContext(made.cart_id, "", {"i": made.item_id} if made.item_id else {}, {})
        if OperationKind.ITEM_ADD in self.adapter.operations and not made.item_id:
            added = self.ended(self._operation(OperationKind.ITEM_ADD))
            assert isinstance(added, Succeeded)
            assert added.item_id
            self.known = msgspec.structs.replace(self.known, items={"i": added.item_id})

    def _operation(self, kind: OperationKind) -> Operation:
        name = self.adapter.name
        given = _DATA.get((name, kind)) or (_ADD[name] if kind.creates_item else None)
        return Operation(
            1,
            kind,
            "a",
            cart=None if kind.is_shop_wide else "c",
            item="i" if kind.targets_item else "new" if kind.creates_item else None,
            data=json.dumps(given).encode() if given else b"",
        )

    def asked(self, request: Request) -> Response:
        request = encode_body(request, "json")
        signed = self.adapter.auth.sign(request, self._credentials, 1.8e9, "nonce")
        query = "&".join(f"{name}={value}" for name, value in signed.query)
        prefix = f"/{self.adapter.name}/x" + ("/web_api" if self.adapter.name == "tray" else "")
        call = read_call(signed.method, f"{prefix}{signed.path}?{query}", [("host", "h"), *signed.headers], signed.body)
        assert call is not None
        answer = self._front.handle(call, 0.0, "").answer
        return Response(answer.status, answer.body, {"content-type": answer.content_type})

    def operation(self, kind: OperationKind) -> Operation:
        return self._operation(kind)

    def ended(self, operation: Operation, mangle: Mangle = lambda _request, response: response) -> Step:
        """How the operation ends, or where it has got to, if each answer comes mangled."""
        cell = self.adapter.operations[operation.kind]
        past: History = ()
        step: Step = cell.build(operation, self.known)
        for _ in range(MOST_STEPS):
            if isinstance(step, Unavailable | Foreign):
                step = step.then
            if not isinstance(step, Request):
                break
            exchange = Exchange(step, mangle(step, self.asked(step)), 1.8e9)
            self.adapter.errors.classify(exchange)
            snapshot_of(self.adapter).is_missing(exchange.response)
            step = cell.interpret(operation, self.known, (*past, exchange))
            if not isinstance(step, Throttled | Unauthorized | Unavailable | Foreign) or exchange.request.writes:
                past = (*past, exchange)
        for number, said in enumerate(past):  # a run that was killed after any of these writes goes on as well
            if said.request.writes:
                cell.recover(operation, self.known, (*past[:number], LostWrite(said.request, "killed", 1.8e9)))
        return step


@cache
def _shop(platform: str) -> Shop:
    return Shop(platform)


def _fresh(platform: str, kind: OperationKind) -> Shop:
    """A shop in which the operation can be tried: what writes gets one of its own."""
    return _shop(platform) if kind in READS else Shop(platform)


def _check(operation: Operation, adapter: Adapter, step: Step) -> None:
    """What is shown or kept of a step is bounded, and a result line with it can be read by everybody."""
    if isinstance(step, Unavailable | Foreign | Throttled | Unauthorized):
        assert len(step.message.encode()) <= MOST_SHOWN
    if not isinstance(step, Succeeded | Failed | InDoubt):
        return
    text = encode_result(operation, adapter.name, ending := Completion(step, 1, 200, 1.8e9, 0.1))
    assert b"\n" not in text
    line = json.loads(text)
    assert read_result(text).line == 1
    assert len(line.get("error", {}).get("message", "").encode()) <= MOST_SHOWN
    assert len(line.get("error", {}).get("body", "").encode()) <= MOST_SHOWN
    if isinstance(step, Succeeded):
        assert all(len(key) <= LONGEST_ID for key in (step.cart_id or "", step.item_id or ""))
        assert all(len(name) <= LONGEST_ADDRESS for name in step.names.values())
    assert len(msgspec.json.encode(chain_update(operation, ending))) < 64 << 10


# ---- what nobody can read


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_nothing_is_done_where_no_answer_can_be_read(platform: str, kind: OperationKind) -> None:
    for status in (200, 201, 204, 302, 404, 500):
        shop = _fresh(platform, kind)
        operation = shop.operation(kind)
        for body in BROKEN.values():
            step = shop.ended(operation, lambda _request, _response: Response(status, body))  # noqa: B023
            _check(operation, shop.adapter, step)
            assert not isinstance(step, Succeeded), (status, body[:60], step)


# ---- what is JSON, and odd


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_of_one_odd_value_never_raises(platform: str, kind: OperationKind) -> None:
    for value in VALUES.values():
        shop = _fresh(platform, kind)
        operation = shop.operation(kind)
        for status in (200, 400, 404, 500):
            body = value.encode()
            step = shop.ended(operation, lambda _request, _response: Response(status, body))  # noqa: B023
            _check(operation, shop.adapter, step)


def _documents(shop: Shop, operation: Operation) -> list[Any]:
    """What the shop's answers to an operation say."""
    found: list[bytes] = []

    def listen(_request: Request, response: Response) -> Response:
        found.append(response.body)
        return response

    shop.ended(operation, listen)
    return [json.loads(body) for body in found if body]


def _one_of_them(place: int, body: bytes) -> Mangle:
    """The answer at that place comes with another body."""
    number = iter(range(MOST_STEPS))
    return lambda _request, response: Response(response.status, body) if next(number) == place else response


def _odd_parts(platform: str, kind: OperationKind, values: Iterable[str]) -> None:
    shop = _fresh(platform, kind)
    operation = shop.operation(kind)
    for place, document in enumerate(_documents(shop, operation)):
        for value in values:
            for body in with_odd_parts(document, value):
                _check(operation, shop.adapter, _fresh(platform, kind).ended(operation, _one_of_them(place, body)))


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_with_an_odd_part_never_raises(platform: str, kind: OperationKind) -> None:
    """Each value goes through every fifth cell here, and through all of them on demand."""
    _odd_parts(platform, kind, list(VALUES.values())[CELLS.index((platform, kind)) % 5 :: 5])


@pytest.mark.storm
@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_with_any_odd_part_never_raises(platform: str, kind: OperationKind) -> None:
    _odd_parts(platform, kind, list(VALUES.values()))


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_in_another_encoding_is_read_like_any_other(
    platform: str, kind: OperationKind, encoding: str
) -> None:
    def mangle(_request: Request, response: Response) -> Response:
        body, content_type = ENCODED[encoding](response.body)
        return Response(response.status, body, {"content-type": content_type})

    shop, plain = Shop(platform), Shop(platform)
    operation = shop.operation(kind)
    one, other = shop.ended(operation, mangle), plain.ended(operation)
    assert type(one) is type(other)
    if isinstance(one, Succeeded) and isinstance(other, Succeeded):
        assert one.item_id is None or one.item_id.isdigit()
        assert set(one.names) == set(other.names)
    _check(operation, shop.adapter, one)
