"""Owns Tray's field tables and the account's own keys, as S003 prints them; it does not know routes or answers.

- b6 (S003, samples): prices, taxes and postcodes differ between samples of one call; they are taken as examples only.
- b7 (S003 §Criar Novo Carrinho): Shipping's `name` is called the recipient's but shows "Sedex": any text.
- b8 (S003, type columns): email is a Number, weight a Date …; the types below follow the samples.
"""

from typing import Annotated

import msgspec

from batchcart.model.adapter import SecretText
from batchcart.platforms.toolkit.field_types import Count, Date, Id, Money, OptionalId, Text, TimeOfDay

_UNSET = msgspec.UNSET
KEY_LENGTH = 32  # PLATFORMS §2.4: session_id holds at most 32 characters


class TraySettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys; ``refresh_token`` lets an expired access token be renewed.

    Some shops renew only for an application that names itself by ``consumer_key`` and ``consumer_secret``.
    """

    api_address: str
    access_token: SecretText
    refresh_token: SecretText | None = None
    consumer_key: SecretText | None = None
    consumer_secret: SecretText | None = None


class ShippingFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S003 §Criar Novo Carrinho: the shipping choice."""

    id_shipping: OptionalId | msgspec.UnsetType = _UNSET
    name: Text | msgspec.UnsetType = _UNSET
    min_period: OptionalId | msgspec.UnsetType = _UNSET
    max_period: OptionalId | msgspec.UnsetType = _UNSET
    zip_code: Text | int | msgspec.UnsetType = _UNSET
    price: Money | msgspec.UnsetType = _UNSET
    tax_name: Text | msgspec.UnsetType = _UNSET
    tax_value: Money | msgspec.UnsetType = _UNSET
    city: Text | msgspec.UnsetType = _UNSET
    state: Text | msgspec.UnsetType = _UNSET


class TrayAddFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S003 §Criar Novo Carrinho. b23: price is a field of the document that shops may ignore; sent only if given."""

    product_id: Id
    quantity: Count
    session_id: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_LENGTH)] | msgspec.UnsetType = _UNSET
    variant_id: OptionalId | msgspec.UnsetType = _UNSET
    price: Money | msgspec.UnsetType = _UNSET
    additional_information: Text | msgspec.UnsetType = _UNSET
    Shipping: ShippingFields | msgspec.UnsetType = _UNSET


class UpdateFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S003 §Atualizar Dados do Carrinho. b5: user_cod as in JSON and table, not user_code as in the samples.

    b12: these are the document's fields; changing an item's quantity by the same route is not in it.
    """

    email: Text | msgspec.UnsetType = _UNSET
    variants_kit: OptionalId | msgspec.UnsetType = _UNSET
    additional_info_kit: Text | int | msgspec.UnsetType = _UNSET
    date: Date | msgspec.UnsetType = _UNSET
    hour: TimeOfDay | msgspec.UnsetType = _UNSET
    user_id: OptionalId | msgspec.UnsetType = _UNSET
    user_cod: OptionalId | msgspec.UnsetType = _UNSET
    Shipping: ShippingFields | msgspec.UnsetType = _UNSET
