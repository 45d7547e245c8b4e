"""Whatever gets lost on the way: what an adapter says of an add is what the shop holds."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platform_parts import SIMULATED, SOLD, ask_shop

from batchcart.engine.chain_state import ChainState, chain_update
from batchcart.journal.result_line import Completion
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Failed, InDoubt, Status, Succeeded, Unavailable
from batchcart.platforms import load_adapters
from batchcart.sandbox import Sandbox

MISHAPS = ("fine", "fine", "lost before", "lost after", "500 before", "500 after", "nothing after")


@dataclass
class Shop:
    """A simulated shop without sockets, to which each send meets the next mishap of the script."""

    name: str
    script: list[str]
    sloppy: bool = False
    sandbox: Sandbox = field(default_factory=Sandbox)

    def hear(self, request: Request) -> Response | None:
        """The answer; None where it was lost."""
        mishap = self.script.pop(0) if self.script else "fine"
        if mishap == "lost before":
            return None
        if mishap == "500 before":
            return Response(500)
        answer = self._treat(request)
        return {"lost after": None, "500 after": Response(500), "nothing after": Response(200)}.get(mishap, answer)

    def _treat(self, request: Request) -> Response:
        answer = ask_shop(self.sandbox, self.name, request, sloppy=self.sloppy)
        return Response(answer.status, answer.body)

    def holds(self) -> dict[str, Decimal]:
        """How many of each product are in all carts."""
        product, quantity = SOLD[self.name]
        held: dict[str, Decimal] = {}
        for cart in self.sandbox.state()[self.name][""]["carts"].values():
            for line in cart["items"].values():
                held[str(line[product])] = held.get(str(line[product]), Decimal(0)) + Decimal(str(line[quantity]))
        return held


def _converse(shop: Shop, chain: ChainState, operation: Operation) -> Succeeded | Failed | InDoubt:
    """One operation led as the engine leads it, a write's failing answers and losses kept in its past."""
    cell = load_adapters()[shop.name].operations[operation.kind]
    known = chain.context(operation)
    past: History = ()
    request = cell.build(operation, known)
    while True:
        response = shop.hear(request)
        if response is None and not request.writes:
            continue
        if response is None:
            past = (*past, LostWrite(request, "cut", 0.0))
            step = cell.recover(operation, known, past)
        else:
            exchange = Exchange(request, response)
            step = cell.interpret(operation, known, (*past, exchange))
            past = past if isinstance(step, Unavailable) and not request.writes else (*past, exchange)
        step = step.then if isinstance(step, Unavailable) else step
        if isinstance(step, Succeeded | Failed | InDoubt):
            status = {Succeeded: Status.OK, Failed: Status.FAILED, InDoubt: Status.IN_DOUBT}[type(step)]
            chain.apply(operation, status, chain_update(operation, Completion(step)), operation.line)
            return step
        assert isinstance(step, Request)
        request = step


def _data(platform: str, product: int, quantity: int) -> bytes:
    fields = dict(zip(SOLD[platform], (product, quantity), strict=True))
    return json.dumps(fields).encode()


def _began(shop: Shop) -> tuple[ChainState, dict[str, Decimal]]:
    """A cart made without mishap, and what it holds."""
    chain, waiting = ChainState("run", 1), shop.script
    shop.script = []
    data = b"" if not load_adapters()[shop.name].create_adds_item else _data(shop.name, 7, 1)
    assert isinstance(
        _converse(shop, chain, Operation(1, OperationKind.CART_CREATE, "a", cart="c", data=data)), Succeeded
    )
    shop.script = waiting
    return chain, shop.holds()


adds = st.lists(st.tuples(st.sampled_from([7, 7, 8]), st.integers(1, 3)), min_size=1, max_size=5)
scripts = st.lists(st.sampled_from(MISHAPS), max_size=14)


@pytest.mark.parametrize("platform", SIMULATED)
@pytest.mark.parametrize("printed", ["cleanly", "as in the documents"])
@given(wanted=adds, script=scripts)
def test_adds_that_got_lost_are_done_exactly_once(
    platform: str, printed: str, wanted: list[tuple[int, int]], script: list[str]
) -> None:
    shop = Shop(platform, script, sloppy=printed != "cleanly")
    chain, held = _began(shop)
    for line, (product, quantity) in enumerate(wanted, 2):
        operation = Operation(
            line, OperationKind.ITEM_ADD, "a", cart="c", item=f"i{line}", data=_data(platform, product, quantity)
        )
        outcome = _converse(shop, chain, operation)
        assert isinstance(outcome, Succeeded), "the shop shows its lines, so nothing stays in doubt"
        held[str(product)] = held.get(str(product), Decimal(0)) + quantity
    assert shop.holds() == held


@pytest.mark.parametrize("platform", ["3dcart", "shoplo"])
@given(wanted=adds, script=scripts, change=st.sampled_from(["update", "delete"]))
def test_adds_after_changed_and_deleted_items_are_exact(
    platform: str, wanted: list[tuple[int, int]], script: list[str], change: str
) -> None:
    shop = Shop(platform, script)
    chain, held = _began(shop)
    for line, (product, quantity) in enumerate(wanted * 2, 2):
        add = Operation(
            line * 2, OperationKind.ITEM_ADD, "a", cart="c", item=f"i{line}", data=_data(platform, product, quantity)
        )
        assert isinstance(_converse(shop, chain, add), Succeeded)
        now = 0 if change == "delete" else quantity + 1
        kind = OperationKind.ITEM_DELETE if change == "delete" else OperationKind.ITEM_UPDATE
        data = json.dumps({SOLD[platform][1]: now}).encode() if now else b""
        assert isinstance(
            _converse(shop, chain, Operation(line * 2 + 1, kind, "a", cart="c", item=f"i{line}", data=data)), Succeeded
        )
        held[str(product)] = held.get(str(product), Decimal(0)) + now
    assert shop.holds() == {product: quantity for product, quantity in held.items() if quantity}


@pytest.mark.parametrize("platform", ["shoplo", "tray"])
@given(script=scripts)
def test_a_lost_create_of_a_chosen_cart_is_done_once(platform: str, script: list[str]) -> None:
    shop = Shop(platform, script)
    create = Operation(1, OperationKind.CART_CREATE, "a", cart="c", item="i", data=_data(platform, 7, 2))
    outcome = _converse(shop, ChainState("run", 1), create)
    assert isinstance(outcome, Succeeded)
    assert outcome.item_id == "1"
    assert shop.holds() == {"7": Decimal(2)}


@given(script=scripts)
def test_a_3dcart_create_is_never_sent_twice(script: list[str]) -> None:
    shop = Shop("3dcart", script)
    outcome = _converse(shop, ChainState("run", 1), Operation(1, OperationKind.CART_CREATE, "a", cart="c"))
    carts: dict[str, Any] = shop.sandbox.state()["3dcart"][""]["carts"]
    assert len(carts) <= 1
    assert isinstance(outcome, InDoubt) or set(carts) == {outcome.cart_id if isinstance(outcome, Succeeded) else None}


@pytest.mark.parametrize("platform", ["shoplo", "tray"])
@given(script=scripts, again=st.integers(1, 3))
def test_a_cart_that_was_deleted_is_filled_anew_exactly(platform: str, script: list[str], again: int) -> None:
    shop = Shop(platform, script)
    chain, _ = _began(shop)
    assert isinstance(_converse(shop, chain, Operation(2, OperationKind.CART_DELETE, "a", cart="c")), Succeeded)
    assert shop.holds() == {}
    add = Operation(3, OperationKind.ITEM_ADD, "a", cart="c", item="i", data=_data(platform, 7, again))
    assert isinstance(_converse(shop, chain, add), Succeeded)
    assert shop.holds() == {"7": Decimal(again)}
