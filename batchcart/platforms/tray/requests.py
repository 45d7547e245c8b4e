"""Owns what is said to a Tray shop: addresses, routes and bodies of S003; it does not know what answers mean."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from batchcart.model.adapter import CartContext, Credentials
from batchcart.model.http import Request
from batchcart.model.json_text import has_member
from batchcart.model.operation import Operation


def address(settings: Mapping[str, str]) -> str:
    """The base address with one `/web_api`, whatever form the author copied.

    b9 (S003, every URL): `https://{api_address}` there, while Tray's own callback delivers an address with scheme and
    `/web_api`; doubling either breaks writes (PLATFORMS §2.1).
    """
    text = settings["api_address"].strip().rstrip("/")
    if "://" not in text:
        text = f"https://{text}"
    while text.endswith("/web_api"):
        text = text.removesuffix("/web_api").rstrip("/")
    return f"{text}/web_api"


def session(known: CartContext) -> str:
    """The cart's session_id."""
    return known.cart_id or known.generated_key


def add(operation: Operation, known: CartContext) -> Request:
    """S003 §Criar Novo Carrinho.

    b13: creating a cart and adding an item are one call, one product each. It adds to the quantity that is there
    (PLATFORMS §2.7). b10: POST and PUT have a slash after carts, GET and DELETE have none; none is sent. b2: the text
    says JSON, the samples send an odd form; JSON goes out, and `encoding = "form"` makes a proper form of it.
    """
    if has_member(operation.data, "session_id"):
        return Request("POST", "/carts", body=b'{"Cart":' + operation.data + b"}")
    key = msgspec.json.encode(session(known))
    return Request("POST", "/carts", body=b'{"Cart":{"session_id":' + key + b"," + operation.data.lstrip()[1:] + b"}")


def look(operation: Operation, known: CartContext) -> Request:
    """S003 §Consultar Dados do Carrinho."""
    return Request("GET", _cart(known))


def look_closely(operation: Operation, known: CartContext) -> Request:
    """S003 §Consultar Carrinho Completo."""
    return Request("GET", f"{_cart(known)}/complete")


def get(operation: Operation, known: CartContext) -> Request:
    """One of the two views of a cart."""
    return look_closely(operation, known) if operation.view == "complete" else look(operation, known)


def update(operation: Operation, known: CartContext) -> Request:
    """S003 §Atualizar. b3: the URL names no cart at all; shops take PUT /carts/{session_id} (PLATFORMS §2.5)."""
    return Request("PUT", _cart(known), body=b'{"Cart":' + operation.data + b"}")


def delete(operation: Operation, known: CartContext) -> Request:
    """S003 §Excluir Carrinho."""
    return Request("DELETE", _cart(known))


def renew(credentials: Credentials) -> Request:
    """A fresh pair of tokens for the refresh token (PLATFORMS §2.1), with the application's keys if it has some."""
    names = ("refresh_token", "consumer_key", "consumer_secret")
    return Request("GET", "/auth", query=tuple((name, text) for name in names if (text := credentials.get(name))))


def _cart(known: CartContext) -> str:
    # b22 (S003): ":session_id" and "{{session_id}}" are the same placeholder.
    return f"/carts/{quote(session(known), safe='')}"
