"""Owns neutral carts for tests: varied ones, and making one in a simulated shop without sockets and reading it back."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from platform_parts import ask_shop

from batchcart.engine.chain_state import ChainState, chain_update
from batchcart.journal.result_line import Completion
from batchcart.migration.parts import require_migration
from batchcart.model.cart import (
    Address,
    Cart,
    CartSource,
    Customer,
    Discount,
    Item,
    OperationTemplate,
    Option,
    Shipping,
)
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Status, Step, Succeeded
from batchcart.platforms import load_adapters
from batchcart.sandbox import Sandbox

NOTES = (
    "",
    "",
    "Embrulhar para presente, por favor – é surpresa!",
    "Proszę zapakować na prezent; dzięki za żółtą wstążkę",
    'nome: asas\n"entre aspas", ação & reação <b>',
    "Zażółć gęślą jaźń 🎁",
)


@dataclass
class Shelf:
    """A simulated shop that is called directly."""

    platform: str
    sloppy: bool = False
    sandbox: Sandbox = field(default_factory=Sandbox)
    items: dict[str, str] = field(default_factory=dict)

    def make(self, wanted: Sequence[OperationTemplate]) -> str:
        """Do what the lines of one cart say; the cart's key. ``items`` learns item names by the shop's ids."""
        chain = ChainState("run", 1)
        key = ""
        for number, line in enumerate(wanted, 1):
            operation = Operation(number, line.kind, "a", cart="c", item=line.item, data=line.data)
            done = self._converse(chain, operation)
            key = done.cart_id or key
            if line.kind.creates_item and line.item and done.item_id:
                self.items[done.item_id] = line.item
        return key

    def read(self, key: str, currency: str | None, views: Sequence[str | None] | None = None) -> Cart:
        """The cart as its answers mean it, from all views that the platform has."""
        adapter = load_adapters()[self.platform]
        cell = adapter.operations[OperationKind.CART_GET]
        bodies = []
        for view in (None, *cell.views) if views is None else views:
            operation = Operation(1, OperationKind.CART_GET, "a", cart_id=key, view=view)
            bodies.append(self._converse(ChainState("run", 1), operation).body)
        (cart,) = require_migration(adapter).to_neutral(CartSource("a", currency, key), bodies)
        return cart

    def _converse(self, chain: ChainState, operation: Operation) -> Succeeded:
        cell = load_adapters()[self.platform].operations[operation.kind]
        known = chain.context(operation)
        past: History = ()
        step: Step = cell.build(operation, known)
        while isinstance(step, Request):
            past = (*past, Exchange(step, self._hear(step)))
            step = cell.interpret(operation, known, past)
        assert isinstance(step, Succeeded), step
        chain.apply(operation, Status.OK, chain_update(operation, Completion(step)), operation.line)
        return step

    def _hear(self, request: Request) -> Response:
        answer = ask_shop(self.sandbox, self.platform, request, sloppy=self.sloppy)
        return Response(answer.status, answer.body)


PLACES = {"PLN": 2, "BRL": 2, "USD": 2, "JPY": 0, "KWD": 3}
"""Currencies with the number of their decimals."""
_TRAPS = {0: ("100", "1999"), 2: ("0.30", "0.10", "19.90", "4.35", "1005.00"), 3: ("0.300", "1.005", "19.999")}
_WORDS = (
    "",
    "",
    "",
    "São João",
    "Łódź",
    "O'Brien & Söhne",
    "x" * 80,
    "0",
    " a ",
    '""',
    "\u202eabc",
    "ɐ\U0001f381",
    "a\tb",
)
_QUANTITIES = ("1.0", "2.5", "0.1", "0.3", "74216946.47779638", "0", "-1", "3.00")
_MOMENTS = (None, "2026-11-21T18:00:00", "2011-09-22T01:15:35", "2026-01-02T03:04:05+01:00")


def varied(chance: random.Random, number: int = 0) -> Cart:
    """A cart with anything in it that a neutral cart can say, in one of several currencies, or in none."""
    currency = chance.choice([*PLACES, "PLN", "BRL", None])
    places = PLACES.get(currency or "", 2)
    items = tuple(_item(chance, places, str(70 + place)) for place in range(chance.randint(1, 4)))
    return Cart(
        version=1,
        account="stary-sklep",
        platform="shoplo",
        id=f"cart-{number}",
        currency=currency,
        customer=Customer(
            id=chance.choice(("", "17")), email=chance.choice(("", "anna@example.com", "żółw@example.pl"))
        ),
        billing=_address(chance),
        shipment=_address(chance),
        shipping=_shipping(chance, places) if chance.random() < 0.5 else Shipping(),
        items=items,
        discounts=tuple(_discount(chance, places, items) for _ in range(chance.choice((0, 0, 1, 2)))),
        created=chance.choice(_MOMENTS),
        source={"weight": 500},
    )


def carts() -> st.SearchStrategy[Cart]:
    """Varied carts, each from its seed."""
    return st.integers(0, 1 << 32).map(lambda seed: varied(random.Random(seed)))


def money(chance: random.Random, places: int) -> str:
    """A price, often one that a float would spoil."""
    if chance.random() < 0.5:
        return chance.choice(_TRAPS[places])
    digits = str(chance.choice((0, 1, 7, 30, 19990, chance.randint(0, 10**12)))).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _some(chance: random.Random, places: int) -> str | None:
    return money(chance, places) if chance.random() < 0.7 else None


def _item(chance: random.Random, places: int, line: str) -> Item:
    return Item(
        quantity=chance.choice((str(chance.randint(1, 9)), chance.choice(_QUANTITIES))),
        line=line,
        product=str(chance.randint(1, 6)),
        variant=str(chance.randint(1, 6)),
        sku=chance.choice(_WORDS),
        name=chance.choice(_WORDS),
        unit_price=_some(chance, places),
        tax_rate=chance.choice((None, "23", "8.5")),
        options=tuple(
            Option(set=str(chance.randint(1, 99)), id=chance.choice(("5", "99", "red")), value=chance.choice(_WORDS))
            for _ in range(chance.choice((0, 0, 1, 2)))
        ),
        note=chance.choice(NOTES),
        added=chance.choice(_MOMENTS),
    )


def _address(chance: random.Random) -> Address:
    return Address(**{name: chance.choice(_WORDS) for name in Address.__struct_fields__})


def _shipping(chance: random.Random, places: int) -> Shipping:
    days = ("", "3", "12", "soon")
    return Shipping(
        id=chance.choice(("", "4")),
        name=chance.choice(("", "Sedex", "Paczkomat")),
        price=_some(chance, places),
        min_days=chance.choice(days),
        max_days=chance.choice(days),
        tax_name=chance.choice(("", "Emissão de Nota Fiscal")),
        tax_value=_some(chance, places),
    )


def _discount(chance: random.Random, places: int, items: Sequence[Item]) -> Discount:
    percent = chance.random() < 0.5
    return Discount(
        kind="percent" if percent else "amount",
        value=chance.choice(("30", "12.5", "100", "101")) if percent else money(chance, places),
        code=chance.choice(("", "DISCOUNT20XX")),
        title=chance.choice(("", "Wyprzedaż letnia")),
        line=chance.choice(("", "", items[0].line)),
    )
