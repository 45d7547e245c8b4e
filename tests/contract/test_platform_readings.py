"""Whichever way a shop reads the documents, and whatever gets lost: what an adapter says of it is what it holds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from examples import divide_examples
from hypothesis import given
from hypothesis import strategies as st
from platform_parts import CLOSELY_KNOWN, SIMULATED, SOLD, ask_shop, snapshot_of

from batchcart.engine.chain_state import ChainState, chain_update
from batchcart.journal.result_line import Completion
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import (
    ErrorKind,
    Failed,
    Foreign,
    InDoubt,
    Status,
    Step,
    Succeeded,
    Throttled,
    Unauthorized,
    Unavailable,
)
from batchcart.platforms import load_adapters
from batchcart.sandbox import Sandbox
from batchcart.sandbox.readings import READINGS

ELSEWHERE = {("request_form", "form"), ("write_slash", "needed")}
"""What needs another setting of the account, or cannot be served at all: nothing is done there."""
READ = {
    reading.name: [value for value in reading.values if (reading.point, value) not in ELSEWHERE]
    for reading in READINGS.values()
    if reading.platform in CLOSELY_KNOWN
}
DEVIATIONS = [(name.partition(".")[0], name, value) for name, values in READ.items() for value in values]
MISHAPS = (
    "fine", "fine", "fine", "lost before", "lost after", "500 before", "500 after", "nothing before", "nothing after",
    "half before", "half after", "page before", "page after", "unknown yes after", "moved",
)  # fmt: skip
PAGE = Response(403, b"<html><title>Attention Required!</title></html>")
MOST_TRIES = 10


@dataclass
class Shop:
    """A simulated shop without sockets, to which each send meets the next mishap of the script."""

    name: str
    script: list[str]
    sandbox: Sandbox
    done: list[str] = field(default_factory=list)

    def hear(self, request: Request) -> Response | None:
        """The answer; None where it was lost."""
        mishap = self.script.pop(0) if self.script else "fine"
        what, _, when = mishap.rpartition(" ")
        answer = None if when == "before" or mishap == "moved" else self._treat(request)
        match what or mishap:
            case "fine":
                return answer
            case "moved":
                return Response(301, b"", {"location": "https://www.shop.example"})
            case "lost":
                return None
            case "500":
                return Response(500)
            case "nothing":
                return Response(200)
            case "half":
                body = answer.body if answer else b'{"code":404,"name":"Not Found"}'
                return Response(answer.status if answer else 404, body[:-1])
            case "page":
                return PAGE
            case _:
                return Response(200, b'{"success":true}')

    def _treat(self, request: Request) -> Response:
        answer = ask_shop(self.sandbox, self.name, request)
        if answer.effect:
            self.done.append(answer.effect.verb)
        return Response(answer.status, answer.body)

    def lines(self, key: str) -> dict[str, tuple[str, str]] | None:
        """Product and quantity of each line of a cart; None where there is no cart."""
        cart = self.sandbox.state()[self.name][""]["carts"].get(key)
        product, quantity = SOLD[self.name]
        return cart and {number: (str(line[product]), str(line[quantity])) for number, line in cart["items"].items()}


def conversed(shop: Shop, chain: ChainState, operation: Operation) -> Succeeded | Failed | InDoubt:
    """One operation led as the engine leads it, an account's troubles waited out."""
    cell = load_adapters()[shop.name].operations[operation.kind]
    known, tries = chain.context(operation), 0
    past: History = ()
    step: Step = cell.build(operation, known)
    while not isinstance(step, Succeeded | Failed | InDoubt):
        assert isinstance(step, Request)
        request = step
        response = shop.hear(request)
        tries += response is None
        if response is None and request.writes:
            past = (*past, LostWrite(request, "cut", 0.0))
            step = cell.recover(operation, known, past)
        elif response is not None:
            step, past, failed = _answered(cell.interpret, operation, known, past, Exchange(request, response))
            tries += failed
        if tries >= MOST_TRIES and not isinstance(step, Succeeded | Failed | InDoubt):
            step = _given_up(past, repeatable=cell.idempotent)
    status = {Succeeded: Status.OK, Failed: Status.FAILED, InDoubt: Status.IN_DOUBT}[type(step)]
    chain.apply(operation, status, chain_update(operation, Completion(step, attempts=tries + 1)), operation.line)
    return step


def _answered(
    interpret: Any, operation: Operation, known: Any, past: History, exchange: Exchange
) -> tuple[Step, History, bool]:
    """The next step, the past with what is kept of the answer, and whether the try failed."""
    step = interpret(operation, known, (*past, exchange))
    match step:
        case Throttled() | Unauthorized():
            return exchange.request, past, True
        case Unavailable(_, then):
            return then, (*past, exchange) if exchange.request.writes else past, True
        case Foreign(_, then, void):
            return then, (*past, exchange) if exchange.request.writes and not void else past, True
        case _:
            return step, (*past, exchange), False


def _given_up(past: History, *, repeatable: bool) -> Failed | InDoubt:
    wrote = any(step.request.writes for step in past)
    return InDoubt("given up") if wrote and not repeatable else Failed(ErrorKind.PLATFORM, "given up")


def began(platform: str, readings: dict[str, str], *, crowded: bool) -> tuple[Shop, ChainState]:
    """A shop with a cart that was made without mishap; a crowded one has many lines of other carts as well."""
    shop = Shop(platform, [], Sandbox(readings=readings))
    if crowded:
        for number in range(60):
            product = {"variant_id": 5 + number % 3, "quantity": 1, "user_key": f"u{number}"}
            shop.hear(Request("POST", "/services/carts", body=json.dumps({"cart": product}).encode()))
    chain = ChainState("run", 1)
    data = b"" if platform == "3dcart" else _data(platform, 7, 1)
    made = conversed(shop, chain, Operation(1, OperationKind.CART_CREATE, "a", cart="c", item="i1", data=data))
    assert isinstance(made, Succeeded)
    shop.done.clear()
    return shop, chain


def _data(platform: str, product: int, quantity: int) -> bytes:
    return json.dumps(dict(zip(SOLD[platform], (product, quantity), strict=True))).encode()


def operations(platform: str, wanted: list[tuple[str, int, int]]) -> Iterator[Operation]:
    """The lines of a job: adds, and changes of what the add before brought where the platform has them."""
    for line, (what, product, quantity) in enumerate(wanted, 2):
        add = Operation(
            line * 2, OperationKind.ITEM_ADD, "a", cart="c", item=f"i{line}", data=_data(platform, product, quantity)
        )
        yield add
        kind = {
            "update": OperationKind.ITEM_UPDATE,
            "delete": OperationKind.ITEM_DELETE,
            "read": OperationKind.CART_GET,
        }.get(what)
        if kind in load_adapters()[platform].operations and kind is not None:
            name = SOLD[platform][1]
            data = json.dumps({name: quantity + 1}).encode() if kind is OperationKind.ITEM_UPDATE else b""
            item = None if kind is OperationKind.CART_GET else f"i{line}"
            yield Operation(line * 2 + 1, kind, "a", cart="c", item=item, data=data)


def check(
    shop: Shop, chain: ChainState, operation: Operation, outcome: Succeeded | Failed | InDoubt, before: Any
) -> None:
    """Hold the outcome against what the shop holds and did."""
    key = chain.context(operation).cart_id or ""
    now, did = shop.lines(key), list(shop.done)
    match operation.kind:
        case OperationKind.ITEM_ADD:
            times = did.count("add") + did.count("create")
            # A shop that replaces may be told twice, and holds the same.
            replaces = shop.sandbox.readings.get("tray.same_product") == "replace"
            assert times <= 1 or replaces, "an add was done twice"
            assert not isinstance(outcome, Succeeded) or times
            assert not isinstance(outcome, Failed) or not times or (replaces and now == before)
        case OperationKind.ITEM_UPDATE:
            number = chain.context(operation).items.get(operation.item or "", "")
            asked = json.loads(operation.data).popitem()[1]
            held = (now or {}).get(number)
            assert not isinstance(outcome, Succeeded) or (held is not None and float(held[1]) == asked)
            unasked = held is None or float(held[1]) != asked or (before or {}).get(number) == held
            assert not isinstance(outcome, Failed) or unasked or outcome.message == "given up"
        case OperationKind.ITEM_DELETE:
            number = chain.context(operation).items.get(operation.item or "", "")
            assert not isinstance(outcome, Succeeded) or number not in (now or {})
        case OperationKind.CART_GET if isinstance(outcome, Succeeded):
            shown = snapshot_of(load_adapters()[shop.name]).read(outcome.body).lines
            assert shown is None or sorted(map(float, shown.values())) == _sums(shop.name, now or {})


def _sums(platform: str, lines: dict[str, tuple[str, str]]) -> list[float]:
    """The quantities that a read shows: Tray's plain view is summed up by product."""
    if platform != "tray":
        return sorted(float(quantity) for _, quantity in lines.values())
    sums: dict[str, float] = {}
    for product, quantity in lines.values():
        sums[product] = sums.get(product, 0) + float(quantity)
    return sorted(sums.values())


wanted_lines = st.lists(
    st.tuples(st.sampled_from(["add", "update", "delete", "read"]), st.sampled_from([7, 7, 8]), st.integers(1, 2)),
    min_size=1,
    max_size=3,
)
scripts = st.lists(st.sampled_from(MISHAPS), max_size=12)


def held_true(platform: str, readings: dict[str, str], wanted: Any, script: list[str], *, crowded: bool) -> None:
    """Run the operations against such a shop, and hold every outcome against it."""
    shop, chain = began(platform, readings, crowded=crowded)
    shop.script = script
    for operation in operations(platform, wanted):
        if chain.missing_dependency(operation):
            continue
        before = shop.lines(chain.context(operation).cart_id or "")
        shop.done.clear()
        check(shop, chain, operation, conversed(shop, chain, operation), before)


@pytest.mark.parametrize(("platform", "name", "value"), DEVIATIONS)
@divide_examples(4)  # there are many readings
@given(wanted=wanted_lines, script=scripts, crowded=st.booleans())
def test_outcomes_are_true_under_every_reading(
    platform: str, name: str, value: str, wanted: Any, script: list[str], crowded: Any
) -> None:
    held_true(platform, {name: value}, wanted, script, crowded=crowded and platform == "shoplo")


combinations = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in READ.items()})


@pytest.mark.parametrize("platform", SIMULATED)
@given(readings=combinations, wanted=wanted_lines, script=scripts, crowded=st.booleans())
def test_outcomes_are_true_under_any_combination_of_readings(
    platform: str, readings: dict[str, str], wanted: Any, script: list[str], crowded: Any
) -> None:
    held_true(platform, readings, wanted, script, crowded=crowded and platform == "shoplo")
