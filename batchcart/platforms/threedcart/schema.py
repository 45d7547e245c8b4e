"""Owns 3dcart's field tables and the account's own keys, as S000 prints them; it does not know routes or answers.

- a12 (S000 §Create a cart): CustomerId may be negative, so its sign is not checked.
- a15 (S000 §Create a cart): BillingPhoneNumber but ShipmentPhone; the names are taken as printed.
"""

import msgspec

from batchcart.model.adapter import SecretText
from batchcart.platforms.toolkit.field_types import Id, Quantity, Text, Whole


class ThreedcartSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys: the three headers of S000, or ``access_token`` for a Bearer token."""

    secure_url: str | None = None
    private_key: SecretText | None = None
    token: SecretText | None = None
    access_token: SecretText | None = None
    base_url: str = "https://apirest.3dcart.com"

    def __post_init__(self) -> None:
        headers = (self.secure_url, self.private_key, self.token)
        if self.access_token is None and None in headers:
            raise ValueError("3dcart needs secure_url, private_key and token, or access_token")


class CartFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart, §Update a cart: the request body."""

    CustomerId: Whole | msgspec.UnsetType = msgspec.UNSET
    BillingFirstName: Text | msgspec.UnsetType = msgspec.UNSET
    BillingLastName: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCompany: Text | msgspec.UnsetType = msgspec.UNSET
    BillingAddress: Text | msgspec.UnsetType = msgspec.UNSET
    BillingAddress2: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCity: Text | msgspec.UnsetType = msgspec.UNSET
    BillingState: Text | msgspec.UnsetType = msgspec.UNSET
    BillingZipCode: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCountry: Text | msgspec.UnsetType = msgspec.UNSET
    BillingPhoneNumber: Text | msgspec.UnsetType = msgspec.UNSET
    BillingEmail: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentFirstName: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentLastName: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCompany: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentAddress: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentAddress2: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCity: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentState: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentZipCode: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCountry: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentPhone: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentEmail: Text | msgspec.UnsetType = msgspec.UNSET


class ItemOption(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart item: one of ItemOptions."""

    OptionSetID: Id
    OptionID: Id
    OptionValue: Text | msgspec.UnsetType = msgspec.UNSET


class ItemFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart item. a11: ItemQuantity may be a fraction, and goes out as written."""

    CatalogID: Id
    ItemQuantity: Quantity
    ItemOptions: list[ItemOption] | msgspec.UnsetType = msgspec.UNSET


class QuantityFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Update a cart item. a18: options cannot be changed; delete the item and add it again."""

    ItemQuantity: Quantity
