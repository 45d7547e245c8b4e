"""Owns the field tables of Medusa's store carts and the account's own keys; it does not know routes or answers."""

from typing import Annotated

import msgspec

from batchcart.model.adapter import SecretText

_UNSET = msgspec.UNSET
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
"""An id such as variant_01J8…, which Medusa makes."""


class MedusaSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys: where the backend is, and the sales channel's publishable key."""

    base_url: str
    publishable_key: SecretText


class CartFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a cart is made with, and what an update of it changes."""

    email: str | msgspec.UnsetType = _UNSET
    region_id: Id | msgspec.UnsetType = _UNSET


class AddFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A variant that is put into a cart."""

    variant_id: Id
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class QuantityFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How many of it a line shall hold."""

    quantity: Annotated[int, msgspec.Meta(ge=1)]
