"""Owns Shoplo's field tables and the account's own keys, as S004 prints them; it does not know routes or answers."""

from typing import Annotated, Any

import msgspec

from batchcart.model.adapter import SecretText
from batchcart.platforms.toolkit.field_types import Count, DateTime, Id, Key, Money, Text

_UNSET = msgspec.UNSET

WAYS = {
    "bearer": ("access_token", "app_id"),
    "oauth1": ("consumer_key", "consumer_secret", "token", "token_secret"),
}
"""What ``auth`` may be, and the keys that each needs (PLATFORMS §3.1)."""


class ShoploSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys: a Bearer token with ``app_id``, or the four keys of OAuth 1.0a (PLATFORMS §3.1)."""

    auth: str = "bearer"
    access_token: SecretText | None = None
    app_id: str | None = None
    consumer_key: SecretText | None = None
    consumer_secret: SecretText | None = None
    token: SecretText | None = None
    token_secret: SecretText | None = None
    base_url: str = "https://api.shoplo.com"

    def __post_init__(self) -> None:
        if self.auth not in WAYS:
            raise ValueError(f'auth is "bearer" or "oauth1", not {self.auth!r}')
        missing = [name for name in WAYS[self.auth] if getattr(self, name) is None]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {", ".join(missing)}')


class ShoploAddFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Create a Cart/Add variant to cart; user_key is filled in from the line's cart."""

    variant_id: Id
    quantity: Count
    user_key: Key | msgspec.UnsetType = _UNSET


class LineQuantityFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Update an existing Cart Item."""

    quantity: Count


class DiscountFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Add/update cart item discount.

    c9: discount_type 1 is an amount in the shop's minor unit, 2 a percentage. c11: properties is a JSON text inside a
    string; an object is taken too and encoded once.
    """

    discount_type: (
        Annotated[int, msgspec.Meta(ge=1, le=2)]
        | Annotated[str, msgspec.Meta(pattern=r"^[12]$(?!\n)", description='"1" or "2"')]
    )
    discount_value: Money
    discount_code: Text | msgspec.UnsetType = _UNSET
    discount_title: Text | msgspec.UnsetType = _UNSET
    properties: str | dict[str, Any] | msgspec.UnsetType = _UNSET

    def __post_init__(self) -> None:
        if str(self.discount_type) == "2" and float(self.discount_value) > 100:
            raise ValueError("a discount_type of 2 is a percentage, so discount_value is at most 100")


class FieldsQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Receive a single Cart: ``fields`` is a list, or its names joined by commas."""

    fields: str | list[str] | msgspec.UnsetType = _UNSET


class CountQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Receive a count of all carts. c13: neither page, limit nor since_id."""

    user_key: Key | msgspec.UnsetType = _UNSET
    created_at_min: DateTime | msgspec.UnsetType = _UNSET
    created_at_max: DateTime | msgspec.UnsetType = _UNSET


class ListQuery(CountQuery, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Receive a list of all carts. c2: user_key is called a product id there and a user key for the count."""

    fields: str | list[str] | msgspec.UnsetType = _UNSET
    limit: Count | msgspec.UnsetType = _UNSET
    page: Count | msgspec.UnsetType = _UNSET
    since_id: Id | msgspec.UnsetType = _UNSET


class CartQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The list's filters that make sense for one cart, whose pages and user_key are filled in."""

    fields: str | list[str] | msgspec.UnsetType = _UNSET
    since_id: Id | msgspec.UnsetType = _UNSET
    created_at_min: DateTime | msgspec.UnsetType = _UNSET
    created_at_max: DateTime | msgspec.UnsetType = _UNSET
