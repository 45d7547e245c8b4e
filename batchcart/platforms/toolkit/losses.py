"""Owns taking out of a neutral cart what a target does not carry, field by field; it does not know which target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from msgspec import structs

from batchcart.model.cart import Cart, Discount, Item, Loss, Option
from batchcart.platforms.toolkit import money as amounts

GROUPS = ("customer", "billing", "shipment", "shipping")
ITEM_FIELDS = ("product", "variant", "unit_price", "options", "note")
"""What of an item a target may carry beside its quantity."""

# What every shop gives its carts and products itself, so that it is neither carried nor lost: the target has its own.
_OWN_OF_ITEM: Mapping[str, Any] = {"sku": "", "name": "", "tax_rate": None, "added": None, "source": {}}
_OWN_OF_CART: Mapping[str, Any] = {"updated": None, "expires": None, "unread": (), "source": {}}

CUSTOMER_KEY = "a customer's id is a key of the source shop"
SHIPPING_KEY = "the id of a shipping choice is a key of the source shop"
NO_CURRENCY = "nobody said what currency it is in; give the account a currency in the config"


@dataclass(slots=True)
class LossTracker:
    """A cart on its way to a target: ``held`` is what is left of it, ``losses`` what went."""

    held: Cart
    losses: list[Loss] = field(default_factory=list)
    refused: list[Loss] = field(default_factory=list)

    def lose(self, path: str, value: Any, why: str) -> None:
        """Note that a field is not carried."""
        self.losses.append(Loss(path, as_text(value), why))

    def refuse(self, path: str, value: Any, why: str) -> None:
        """Note that a field has no exact form in the target."""
        self.refused.append(Loss(path, as_text(value), why))


def track_losses(cart: Cart, never: Mapping[str, str]) -> LossTracker:
    """The cart without what its source gave it of its own, and without the fields in ``never``, each with its reason.

    ``never`` names fields as ``billing``, ``customer.id``, ``items.note``, ``discounts`` or ``created``.
    """
    bare = structs.replace(cart, items=tuple(structs.replace(item, **_OWN_OF_ITEM) for item in cart.items))
    on_the_way = LossTracker(structs.replace(bare, **_OWN_OF_CART))
    for group in GROUPS:
        drop_fields(on_the_way, group, never)
    drop_from_items(on_the_way, never)
    if why := never.get("discounts"):
        drop_discounts(on_the_way, why)
    if cart.created and (why := never.get("created")):
        on_the_way.lose("created", cart.created, why)
        on_the_way.held = structs.replace(on_the_way.held, created=None)
    return on_the_way


def drop_fields(on_the_way: LossTracker, group: str, never: Mapping[str, str]) -> None:
    """Take out of ``group`` (billing and so on) the fields that ``never`` names, or all where it names the group."""
    part: msgspec.Struct = getattr(on_the_way.held, group)
    gone = []
    for name, value in _list_filled(part):
        if why := never.get(group) or never.get(f"{group}.{name}"):
            on_the_way.lose(f"{group}.{name}", value, why)
            gone.append(name)
    if gone:
        defaults = _defaults(type(part))
        left = structs.replace(part, **{name: defaults[name] for name in gone})
        on_the_way.held = structs.replace(on_the_way.held, **{group: left})


def drop_from_items(on_the_way: LossTracker, never: Mapping[str, str]) -> None:
    """Take out of all items the fields that ``never`` names, as in ``items.note``."""
    gone = {name: why for name in ITEM_FIELDS if (why := never.get(f"items.{name}"))}
    if not gone:
        return
    defaults = {name: _defaults(Item)[name] for name in gone}
    for index, item in enumerate(on_the_way.held.items):
        for name, value in _list_filled(item):
            if name in gone:
                on_the_way.lose(f"items[{index}].{name}", value, gone[name])
    items = tuple(structs.replace(item, **defaults) for item in on_the_way.held.items)
    on_the_way.held = structs.replace(on_the_way.held, items=items)


def drop_discounts(on_the_way: LossTracker, why: str) -> None:
    """Take out all discounts."""
    for index, discount in enumerate(on_the_way.held.discounts):
        on_the_way.lose(f"discounts[{index}]", discount, why)
    on_the_way.held = structs.replace(on_the_way.held, discounts=())


def drop_fractional(on_the_way: LossTracker, platform: str) -> dict[int, Item]:
    """Take out the items whose quantity is no whole number of at least 1; the others by their index in the source."""
    kept: dict[int, Item] = {}
    for index, item in enumerate(on_the_way.held.items):
        count = amounts.whole(item.quantity)
        if count is None or int(count) < 1:
            why = f"{platform} counts in whole numbers from 1 on, so the item is left out"
            on_the_way.lose(f"items[{index}].quantity", item.quantity, why)
        else:
            kept[index] = structs.replace(item, quantity=count)
    on_the_way.held = structs.replace(on_the_way.held, items=tuple(kept.values()))
    return kept


def price(on_the_way: LossTracker, path: str, value: str, cart: Cart, currency: str | None) -> str | None:
    """The amount with the decimals of the target's currency; None if it is lost or refused, which is noted."""
    if why := other_currency(cart, currency) or negative(value):
        on_the_way.lose(path, value, why)
        return None
    assert currency is not None
    return exact(on_the_way, path, value, currency)


def exact(on_the_way: LossTracker, path: str, value: str, currency: str) -> str | None:
    """The amount with the currency's decimals; None if it is finer than its smallest coin, which is noted."""
    text = amounts.exact(value, currency)
    if text is None:
        on_the_way.refuse(path, value, f"{currency} has {amounts.decimals(currency)} decimals")
    return text


def negative(value: str) -> str | None:
    """Why an amount cannot go: no platform takes one below 0."""
    return "the target takes amounts of at least 0" if value.startswith("-") else None


def other_currency(cart: Cart, currency: str | None) -> str | None:
    """Why the cart's amounts mean nothing in a shop of that currency; None if they do."""
    if cart.currency is None or currency is None:
        return NO_CURRENCY
    return None if cart.currency == currency else f"it is in {cart.currency}, and the target counts in {currency}"


def lose_currency(on_the_way: LossTracker, currency: str | None) -> None:
    """Note that the cart's currency is not the target's."""
    cart = on_the_way.held
    if cart.currency is not None and cart.currency != currency:
        on_the_way.lose("currency", cart.currency, f"the target counts in {currency or 'a currency that nobody named'}")
    on_the_way.held = structs.replace(cart, currency=currency)


def as_text(value: Any) -> str:
    """A neutral value as a loss report says it."""
    match value:
        case Discount(kind=kind, value=amount, code=code, title=title):
            return " ".join(filter(None, (f"{amount}%" if kind == "percent" else amount, code, title)))
        case Option(set=group, id=key, value=text):
            return f"{group}:{key}" + (f"={text}" if text else "")
        case tuple():
            return " | ".join(as_text(each) for each in value)
        case _:
            return str(value)


def as_json(data: Mapping[str, Any]) -> bytes:
    """The data of a job line, decimals as the numbers they are."""
    return _encoder.encode(data)


_encoder = msgspec.json.Encoder(decimal_format="number")


def _list_filled(part: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if value not in (None, "", ()):
            yield name, value


@cache
def _defaults(table: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {info.name: info.default for info in structs.fields(table)}
