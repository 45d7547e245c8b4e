"""Odd answers in every cell of every platform: each is taken for what it shows; none raises, none grows without end."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
import pytest
from oddities import BROKEN, ENCODED, VALUES, with_odd_parts

from batchcart.engine.chain_state import learnt_from
from batchcart.engine.http.form_encoding import encoded
from batchcart.journal.result_line import Ending, read_result, result_text
from batchcart.model.adapter import Adapter, Credentials, Known
from batchcart.model.excerpt import MOST_SHOWN
from batchcart.model.http import Exchange, Lost, Past, Request, Response
from batchcart.model.ids import LONGEST_ID
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Busy, Denied, Done, Failing, Foreign, Refused, Step, Unknown
from batchcart.platforms import platforms
from batchcart.sandbox.routing import read_call
from batchcart.sandbox.server import Sandbox

ADAPTERS = platforms()
CELLS = [(name, kind) for name, adapter in ADAPTERS.items() for kind in adapter.cells]
READS = {Kind.CART_GET, Kind.CART_LIST, Kind.CART_COUNT, Kind.ITEM_GET}
LONGEST_ADDRESS = 2000
MOST_STEPS = 14

_ADD: dict[str, dict[str, Any]] = {
    "3dcart": {"CatalogID": 5, "ItemQuantity": 2},
    "tray": {"product_id": "5", "quantity": 2},
    "shoplo": {"variant_id": 5, "quantity": 2},
}
_DATA: dict[tuple[str, Kind], dict[str, Any]] = {
    ("3dcart", Kind.CART_CREATE): {"BillingFirstName": "Ana"},
    ("3dcart", Kind.CART_UPDATE): {"BillingFirstName": "Zoë"},
    ("3dcart", Kind.ITEM_UPDATE): {"ItemQuantity": 3},
    ("tray", Kind.CART_UPDATE): {"user_cod": "7"},
    ("shoplo", Kind.ITEM_UPDATE): {"quantity": 3},
    ("shoplo", Kind.DISCOUNT_SET): {"discount_type": "1", "discount_value": "10"},
}

Mangle = Callable[[Request, Response], Response]


class Shop:
    """A simulated shop with a cart of one item in it, which is asked as the engine asks, step by step."""

    def __init__(self, platform: str) -> None:
        self.adapter: Adapter = ADAPTERS[platform]
        self._front = Sandbox(limits=dict.fromkeys(ADAPTERS, ())).shop(platform, "x")
        self._credentials = Credentials(dict(self.adapter.sample))
        self.known = Known(None, "newkey")
        made = self.ended(self._operation(Kind.CART_CREATE))
        assert isinstance(made, Done)
        self.known = Known(made.cart_id, "", {"i": made.item_id} if made.item_id else {}, {})
        if Kind.ITEM_ADD in self.adapter.cells and not made.item_id:
            added = self.ended(self._operation(Kind.ITEM_ADD))
            assert isinstance(added, Done)
            assert added.item_id
            self.known = msgspec.structs.replace(self.known, items={"i": added.item_id})

    def _operation(self, kind: Kind) -> Operation:
        name = self.adapter.name
        given = _DATA.get((name, kind)) or (_ADD[name] if kind.makes_item else None)
        return Operation(
            1,
            kind,
            "a",
            cart=None if kind.of_account else "c",
            item="i" if kind.uses_item else "new" if kind.makes_item else None,
            data=json.dumps(given).encode() if given else b"",
        )

    def asked(self, request: Request) -> Response:
        request = encoded(request, "json")
        signed = self.adapter.sign(request, self._credentials, 1.8e9, "nonce")
        query = "&".join(f"{name}={value}" for name, value in signed.query)
        prefix = f"/{self.adapter.name}/x" + ("/web_api" if self.adapter.name == "tray" else "")
        call = read_call(signed.method, f"{prefix}{signed.path}?{query}", [("host", "h"), *signed.headers], signed.body)
        assert call is not None
        answer = self._front.treat(call, 0.0, "").answer
        return Response(answer.status, answer.body, {"content-type": answer.content_type})

    def operation(self, kind: Kind) -> Operation:
        return self._operation(kind)

    def ended(self, operation: Operation, mangle: Mangle = lambda _request, response: response) -> Step:
        """How the operation ends, or where it has got to, if each answer comes mangled."""
        cell = self.adapter.cells[operation.kind]
        past: Past = ()
        step: Step = cell.build(operation, self.known)
        for _ in range(MOST_STEPS):
            if isinstance(step, Failing | Foreign):
                step = step.then
            if not isinstance(step, Request):
                break
            exchange = Exchange(step, mangle(step, self.asked(step)), 1.8e9)
            self.adapter.trouble(exchange)
            self.adapter.looking.gone(exchange.response)
            step = cell.interpret(operation, self.known, (*past, exchange))
            if not isinstance(step, Busy | Denied | Failing | Foreign) or exchange.request.writes:
                past = (*past, exchange)
        for number, said in enumerate(past):  # a run that was killed after any of these writes goes on as well
            if said.request.writes:
                cell.recover(operation, self.known, (*past[:number], Lost(said.request, "killed", 1.8e9)))
        return step


@cache
def _shop(platform: str) -> Shop:
    return Shop(platform)


def _fresh(platform: str, kind: Kind) -> Shop:
    """A shop in which the operation can be tried: what writes gets one of its own."""
    return _shop(platform) if kind in READS else Shop(platform)


def _check(operation: Operation, adapter: Adapter, step: Step) -> None:
    """What is shown or kept of a step is bounded, and a result line with it can be read by everybody."""
    if isinstance(step, Failing | Foreign | Busy | Denied):
        assert len(step.message.encode()) <= MOST_SHOWN
    if not isinstance(step, Done | Refused | Unknown):
        return
    text = result_text(operation, adapter.name, ending := Ending(step, 1, 200, 1.8e9, 0.1))
    assert b"\n" not in text
    line = json.loads(text)
    assert read_result(text).line == 1
    assert len(line.get("error", {}).get("message", "").encode()) <= MOST_SHOWN
    assert len(line.get("error", {}).get("body", "").encode()) <= MOST_SHOWN
    if isinstance(step, Done):
        assert all(len(key) <= LONGEST_ID for key in (step.cart_id or "", step.item_id or ""))
        assert all(len(name) <= LONGEST_ADDRESS for name in step.names.values())
    assert len(msgspec.json.encode(learnt_from(operation, ending))) < 64 << 10


# ---- what nobody can read


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_nothing_is_done_where_no_answer_can_be_read(platform: str, kind: Kind) -> None:
    for status in (200, 201, 204, 302, 404, 500):
        shop = _fresh(platform, kind)
        operation = shop.operation(kind)
        for body in BROKEN.values():
            step = shop.ended(operation, lambda _request, _response: Response(status, body))  # noqa: B023
            _check(operation, shop.adapter, step)
            assert not isinstance(step, Done), (status, body[:60], step)


# ---- what is JSON, and odd


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_of_one_odd_value_never_raises(platform: str, kind: Kind) -> None:
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


def _odd_parts(platform: str, kind: Kind, values: Iterable[str]) -> None:
    shop = _fresh(platform, kind)
    operation = shop.operation(kind)
    for place, document in enumerate(_documents(shop, operation)):
        for value in values:
            for body in with_odd_parts(document, value):
                _check(operation, shop.adapter, _fresh(platform, kind).ended(operation, _one_of_them(place, body)))


@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_with_an_odd_part_never_raises(platform: str, kind: Kind) -> None:
    """Each value goes through every fifth cell here, and through all of them on demand."""
    _odd_parts(platform, kind, list(VALUES.values())[CELLS.index((platform, kind)) % 5 :: 5])


@pytest.mark.storm
@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_with_any_odd_part_never_raises(platform: str, kind: Kind) -> None:
    _odd_parts(platform, kind, list(VALUES.values()))


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize(("platform", "kind"), CELLS)
def test_an_answer_in_another_encoding_is_read_like_any_other(platform: str, kind: Kind, encoding: str) -> None:
    def mangle(_request: Request, response: Response) -> Response:
        body, content_type = ENCODED[encoding](response.body)
        return Response(response.status, body, {"content-type": content_type})

    shop, plain = Shop(platform), Shop(platform)
    operation = shop.operation(kind)
    one, other = shop.ended(operation, mangle), plain.ended(operation)
    assert type(one) is type(other)
    if isinstance(one, Done) and isinstance(other, Done):
        assert one.item_id is None or one.item_id.isdigit()
        assert set(one.names) == set(other.names)
    _check(operation, shop.adapter, one)
