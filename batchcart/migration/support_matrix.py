"""Owns the table of what survives a move between two platforms, made by asking the platforms to make carts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from batchcart.model.adapter import Adapter, Migration
from batchcart.model.cart import Address, Cart, Customer, Discount, Item, Shipping

_EURO, _OTHER = "EUR", "USD"
_ITEM = Item(quantity="2", line="1", product="1")
_CART = Cart(version=1, account="a", platform="a", id="a", currency=_EURO, items=(_ITEM,))
_TWO = (_ITEM, structs.replace(_ITEM, line="2", product="2"))

YES, NO, NONE, BY_MAP = "yes", "no", "–", "by the map"


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table: its name, the neutral fields it is about, and a cart for each case that may differ.

    The row is carried in the cases whose cart loses nothing; with several fields a case is one of them.
    ``within_source`` leaves out the cases that the source's own platform cannot hold.
    """

    name: str
    fields: tuple[str, ...]
    cases: Mapping[str, Cart]
    within_source: bool = False


def _one(item: Item, currency: str = _EURO) -> Cart:
    return structs.replace(_CART, items=(item,), currency=currency)


def _off(kind: str, items: Sequence[Item]) -> Cart:
    discount = Discount(kind="percent" if kind == "percent" else "amount", value="5.00")
    return structs.replace(_CART, items=tuple(items), discounts=(discount,))


def _with_charge(currency: str) -> Cart:
    return structs.replace(_CART, currency=currency, shipping=Shipping(tax_name="x", tax_value="1.00"))


def _each(group: str, example: Callable[[str], Cart], names: Sequence[str]) -> _Row:
    return _Row(group, tuple(f"{group}.{name}" for name in names), {name: example(name) for name in names})


_ADDRESS = Address.__struct_fields__
_PRICED = structs.replace(_ITEM, unit_price="19.90")
_ROWS = (
    _Row(
        "quantity",
        ("items.quantity",),
        {"whole numbers": _CART, "": _one(structs.replace(_ITEM, quantity="2.5"))},
        within_source=True,
    ),
    _Row("unit price", ("items.unit_price",), {"in the same currency": _one(_PRICED), "": _one(_PRICED, _OTHER)}),
    _Row("item note", ("items.note",), {YES: _one(structs.replace(_ITEM, note="x"))}),
    _Row("customer's id", ("customer.id",), {YES: structs.replace(_CART, customer=Customer(id="1"))}),
    _Row("customer's e-mail", ("customer.email",), {YES: structs.replace(_CART, customer=Customer(email="a@b"))}),
    _each("billing", lambda name: structs.replace(_CART, billing=Address(**{name: "x"})), _ADDRESS),
    _each("shipment", lambda name: structs.replace(_CART, shipment=Address(**{name: "x"})), _ADDRESS),
    _Row(
        "charge",
        ("shipping.tax_value",),
        {"in the same currency": _with_charge(_EURO), "": _with_charge(_OTHER)},
    ),
    _Row("discounts", ("discounts",), {"with one item": _off("amount", (_ITEM,)), "": _off("amount", _TWO)}),
    _Row("created", ("created",), {YES: structs.replace(_CART, created="2026-11-21T18:00:00")}),
)
_CHOSEN = ("product", "variant", "options")


def support_matrix(adapters: Sequence[Adapter]) -> list[tuple[str, ...]]:
    """The table, its header first: a row for each neutral field, a column for each direction, same platform included.

    A cell is "yes", "no", the condition, or "–" where the source's answers show no such field. Products, variants and
    options are the map's to choose. Platforms that cannot move carts are left out.
    """
    movable = {adapter.name: adapter.migration for adapter in adapters if adapter.migration is not None}
    directions = [(source, target) for source in movable.values() for target in movable.values()]
    header = ("field", *(f"{source} → {target}" for source in movable for target in movable))
    chosen = [
        (name, *(BY_MAP if f"items.{name}" in source.readable_fields else NONE for source, _ in directions))
        for name in _CHOSEN
    ]
    return [header, *chosen, *((row.name, *(_cell(row, *direction) for direction in directions)) for row in _ROWS)]


def _cell(row: _Row, source: Migration, target: Migration) -> str:
    shown = [field for field in row.fields if field in source.readable_fields]
    if not shown:
        return NONE
    cases = row.cases
    if len(row.fields) > 1:
        cases = {name: cases[name] for name in (field.rpartition(".")[2] for field in shown)}
    if row.within_source:
        cases = {name: cart for name, cart in cases.items() if _carries(source, cart)}
    carried = [name for name, cart in cases.items() if _carries(target, cart)]
    if len(carried) == len(cases):
        return YES
    return ", ".join(carried) or NO


def _carries(target: Migration, cart: Cart) -> bool:
    making = target.from_neutral(cart, _EURO)
    return not (making.losses or making.inexact or making.blocked)
