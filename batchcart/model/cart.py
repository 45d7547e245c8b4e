"""Owns the neutral cart: a cart in words that belong to no platform; it does not know platforms, files or shops."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from batchcart.model.excerpt import shorten
from batchcart.model.operation import OperationKind

VERSION = 1
"""What ``version`` says on every line; a later version means other fields."""

Amount = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]+(\.[0-9]+)?$(?!\n)",
        max_length=60,
        description='an exact decimal in quotes such as "19.90"',
    ),
]
"""Money or another exact decimal, as a text, so that nothing on the way makes a float of it."""

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)", description='an ISO 4217 code such as "PLN"')]

Moment = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?$(?!\n)",
        max_length=40,
        description='a time such as "2026-11-21T18:00:00", with "Z" or "+01:00" where its zone is known',
    ),
]
"""A time as the source wrote it. Without an offset it is the source shop's own clock, whose zone nobody knows."""

Name = Annotated[str, Meta(min_length=1)]


class Customer(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who shops. ``id`` is a key of the source shop and means nothing in another."""

    id: str = ""
    email: str = ""


class Address(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A billing or shipment address; "" if the source says nothing or says it is empty.

    ``email`` is filled where the address has one beside the customer's.
    """

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    street: str = ""
    street2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""


class Shipping(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The shipping choice. ``id`` is a key of the source shop; ``price`` and ``tax_value`` are in the cart's currency.

    ``min_days`` and ``max_days`` are how long it takes, ``tax_name`` and ``tax_value`` a charge on top.
    """

    id: str = ""
    name: str = ""
    price: Amount | None = None
    min_days: str = ""
    max_days: str = ""
    tax_name: str = ""
    tax_value: Amount | None = None


class Option(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A choice that makes an item what it is: ``set`` and ``id`` are keys of the source shop, ``value`` is text."""

    set: str = ""
    id: str = ""
    value: str = ""


class Item(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of a cart. ``line`` is the source's id of it, ``tax_rate`` is in percent, ``unit_price`` for one.

    ``source`` holds what the source says of the line and no other field has a place for.
    """

    quantity: Amount
    line: str = ""
    product: str = ""
    variant: str = ""
    sku: str = ""
    name: str = ""
    unit_price: Amount | None = None
    tax_rate: Amount | None = None
    options: tuple[Option, ...] = ()
    note: str = ""
    added: Moment | None = None
    source: dict[str, Any] = msgspec.field(default_factory=dict)


class Discount(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is taken off: an amount in the cart's currency or a percentage; of one line where ``line`` names it."""

    kind: Literal["amount", "percent"]
    value: Amount
    code: str = ""
    title: str = ""
    line: str = ""


class Cart(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A cart as its source has it, and where it comes from: ``account``, ``platform`` and the platform's key ``id``.

    ``unread`` names the fields (``items``, ``customer.email`` …) which the source may have filled but whose answer
    does not show; they are unknown, not empty. ``source`` holds what has no neutral place, so that nothing is lost.
    """

    version: int
    account: Name
    platform: Name
    id: Name
    currency: Currency | None = None
    customer: Customer = Customer()
    billing: Address = Address()
    shipment: Address = Address()
    shipping: Shipping = Shipping()
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()
    created: Moment | None = None
    updated: Moment | None = None
    expires: Moment | None = None
    unread: tuple[str, ...] = ()
    source: dict[str, Any] = msgspec.field(default_factory=dict)


def item_name(item: Item, index: int) -> str:
    """What the item is called in the job: the source's id of it, or its number from 1."""
    return item.line or f"#{index + 1}"


class CartSource(msgspec.Struct, frozen=True):
    """Where an answer comes from: the account's name, its currency (None if nobody said), and the cart's key.

    ``cart_id`` may be "" if the answer itself names its carts (a list of several).
    """

    account: str
    currency: str | None
    cart_id: str = ""


class NotACart(ValueError):
    """The answer does not show a cart; says why, as a sentence without its subject."""

    def __init__(self, why: str) -> None:
        super().__init__(shorten(why))


class Loss(msgspec.Struct, frozen=True):
    """What a target cannot hold: the field's path in the source cart (``items[0].note``), its value, and why."""

    field: str
    value: str
    why: str


class OperationTemplate(msgspec.Struct, frozen=True):
    """A line of a job without its account and cart: the operation, its ``data`` as JSON, and the item's name."""

    kind: OperationKind
    data: bytes = b""
    item: str | None = None


class CartPlan(msgspec.Struct, frozen=True):
    """How a platform makes a cart: the ``operations`` lines in order, and what they do not carry.

    ``expected`` is the cart as the target will have it: the given one without what was lost; a read of the new cart
    shows it, but for the fields that are ``unread`` there. ``inexact`` are values that have no exact form in the
    target. ``blocked`` says why no cart can be made at all, "" if one can.
    """

    operations: Sequence[OperationTemplate]
    losses: Sequence[Loss]
    expected: Cart
    inexact: Sequence[Loss] = ()
    blocked: str = ""
