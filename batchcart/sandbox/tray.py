"""Owns how a simulated Tray shop answers (S003); it does not know sockets, limits, faults or tokens.

Where S003 is silent: POST adds to the line of the same product and variant, an unknown cart is a 404, a price
that the client does not give is 100.00. Every value of an answer is a string.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from batchcart.sandbox import tray_tokens
from batchcart.sandbox.messages import Answer, Call, Effect, said
from batchcart.sandbox.shop import Document, Platform, Shop
from batchcart.sandbox.tray_views import as_complete, as_lines

_LONGEST_KEY = 32
_QUANTITY = re.compile(r"[1-9]\d*")
# S003 §Atualizar Dados do Carrinho: what an update may change, beside Shipping.
_HEAD_FIELDS = ("email", "variants_kit", "additional_info_kit", "date", "user_id", "user_cod", "hour")


def _bad(call: Call, *causes: str) -> Answer:
    document = {"code": 400, "url": f"/{call.path}", "name": "Bad Request", "causes": list(causes)}
    return said(400, document)


def _missing(call: Call) -> Answer:
    return said(404, {"code": 404, "url": f"/{call.path}", "name": "Not Found", "causes": ["Not Found"]})


def _written(status: int, message: str, shop: Shop, effect: Effect) -> Answer:
    key = effect.cart
    address = f"http://{shop.name or 'loja'}.commercesuite.com.br/loja/carrinho.php?loja=123123&transID={key}&hash="
    written = {"message": message, "session_id": key, "cart_url": address, "code": status}
    if effect.verb in {"create", "add"}:
        written = {"message": message, "id": effect.item, **written}
    return said(status, written, effect)


def _cart_body(call: Call) -> Document | None:
    document = call.document()
    cart = document.get("Cart") if isinstance(document, dict) else None
    return cart if isinstance(cart, dict) else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _causes(cart: Document) -> list[str]:
    causes = []
    if len(_text(cart.get("session_id"))) > _LONGEST_KEY:
        causes.append(f"session_id has more than {_LONGEST_KEY} characters")
    if not _text(cart.get("product_id")).isdigit():
        causes.append("product_id is not the number of a product")
    if not _QUANTITY.fullmatch(_text(cart.get("quantity", "1"))):
        causes.append("quantity is not a whole number of at least 1")
    if "price" in cart and not _is_amount(_text(cart["price"])):
        causes.append("price is not an amount")
    if not isinstance(cart.get("Shipping", {}), dict):
        causes.append("Shipping is not an object")
    return causes


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _add(shop: Shop, call: Call) -> Answer:
    given = _cart_body(call)
    if given is None:
        return _bad(call, "Cart is missing")
    if causes := _causes(given):
        return _bad(call, *causes)
    key = _text(given.get("session_id")) or f"sandbox{int(shop.new_id()):019d}"
    verb = "add" if key in shop.carts else "create"
    cart = shop.carts.setdefault(key, {"head": {}, "shipping": {}, "items": {}})
    number = _line_of(shop, cart, str(given["product_id"]), _text(given.get("variant_id")) or "0")
    line, quantity = cart["items"][number], _text(given.get("quantity", "1"))
    line["quantity"] = str(int(line["quantity"]) + int(quantity))
    line.update({name: _text(given[name]) for name in ("price", "additional_information") if name in given})
    cart["shipping"].update({name: _text(value) for name, value in given.get("Shipping", {}).items()})
    return _written(201, "Created", shop, Effect(verb, key, number, line["product_id"], quantity))


def _line_of(shop: Shop, cart: Document, product: str, variant: str) -> str:
    """The cart's line of that product and variant, a new one of quantity 0 where there is none."""
    for number, line in cart["items"].items():
        if (line["product_id"], line["variant_id"]) == (product, variant):
            return str(number)
    number = shop.new_id()
    cart["items"][number] = _new_line(shop, product, variant)
    return number


def _new_line(shop: Shop, product: str, variant: str) -> Document:
    now = shop.wall()
    return {
        "product_id": product,
        "variant_id": variant,
        "quantity": "0",
        "price": "100.00",
        "additional_information": "",
        "date": f"{now:%Y-%m-%d}",
        "hour": f"{now:%H:%M:%S}",
    }


def _read(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    return said(200, as_lines(key, shop.carts[key])) if key in shop.carts else _missing(call)


def _read_complete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    return said(200, as_complete(shop.name, key, shop.carts[key])) if key in shop.carts else _missing(call)


def _update(shop: Shop, call: Call) -> Answer:
    key = _cart(shop, call)
    given = _cart_body(call)
    if given is None:
        return _bad(call, "Cart is missing")
    if not isinstance(given.get("Shipping", {}), dict):
        return _bad(call, "Shipping is not an object")
    if key not in shop.carts:
        return _missing(call)
    cart = shop.carts[key]
    cart["head"].update({name: _text(given[name]) for name in _HEAD_FIELDS if name in given})
    cart["shipping"].update({name: _text(value) for name, value in given.get("Shipping", {}).items()})
    # S003 §Atualizar, Retorno: an update answers "Created" and code 201.
    return _written(201, "Created", shop, Effect("update", key))


def _delete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if shop.carts.pop(key, None) is None:
        return _missing(call)
    return _written(200, "Deleted", shop, Effect("delete", key))


def _pattern(segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    match segments:
        case ("carts", key):
            return "carts/{session_id}", (key,)
        case ("carts", key, "complete"):
            return "carts/{session_id}/complete", (key,)
        case _:
            return "/".join(segments), ()


def _throttled(call: Call) -> Answer:
    return said(
        429,
        {"code": 429, "url": f"/{call.path}", "name": "Too Many Requests", "causes": ["Too many requests"]},
    )


def _account(_call: Call) -> str:
    # The limit is the shop's, whichever token of its family a call carries.
    return ""


def _cart(_shop: Shop, call: Call) -> str:
    if call.keys:
        return call.keys[0]
    if call.route in {"POST carts", "PUT carts"}:
        return _text((_cart_body(call) or {}).get("session_id"))
    return ""


def _as_printed(call: Call, answer: Answer) -> Answer:
    """S003 prints a cart's lines without their brackets, and an update's answer without its first comma."""
    if call.route == "GET carts/{session_id}" and answer.body.startswith(b"["):
        return Answer(answer.status, answer.body[1:-1])
    if call.method == "PUT" and answer.effect:
        return Answer(answer.status, answer.body.replace(b'"Created",', b'"Created"\n', 1), answer.effect)
    return answer


TRAY = Platform(
    name="tray",
    hours=-3,
    door="web_api",
    versions=0,
    pattern=_pattern,
    routes={
        "POST carts": _add,
        "GET carts/{session_id}": _read,
        "GET carts/{session_id}/complete": _read_complete,
        "PUT carts/{session_id}": _update,
        "PUT carts": _update,
        "DELETE carts/{session_id}": _delete,
        "GET auth": tray_tokens.renew,
    },
    account=_account,
    refusal=tray_tokens.refusal,
    denied=tray_tokens.denied,
    missing=_missing,
    throttled=_throttled,
    cart=_cart,
    as_printed=_as_printed,
)
