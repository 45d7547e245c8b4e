"""Owns how a simulated Tray shop answers (S003); it does not know sockets, limits, faults or tokens.

Where S003 is silent or contradicts itself, the shop's readings decide. A price that the client does not give is
100.00.
"""

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from batchcart.model.limits import Window
from batchcart.sandbox.messages import Answer, Call, Effect
from batchcart.sandbox.platforms.tray import NAME, tokens
from batchcart.sandbox.platforms.tray.answers import NOTHING, as_done, as_error, as_shown, as_throttled
from batchcart.sandbox.platforms.tray.views import as_complete, as_lines, cart_number, number
from batchcart.sandbox.shop import Document, Platform, Shop

_LONGEST_KEY = 32
_QUANTITY = re.compile(r"[1-9]\d*")
# S003 §Atualizar Dados do Carrinho: what an update may change, beside Shipping.
_HEAD_FIELDS = ("email", "variants_kit", "additional_info_kit", "date", "user_id", "user_cod", "hour")


def _bad(shop: Shop, call: Call, *causes: str) -> Answer:
    return as_error(shop.readings, call, 400, "Bad Request", *causes)


def _missing(shop: Shop, call: Call) -> Answer:
    return as_error(shop.readings, call, 404, "Not Found", "Not Found")


def _write_answer(status: int, message: str, shop: Shop, effect: Effect) -> Answer:
    key = effect.cart
    address = f"http://{shop.name or 'loja'}.commercesuite.com.br/loja/carrinho.php?loja=123123&transID={key}&hash="
    written = {"message": message, "session_id": key, "cart_url": address, "code": status}
    if effect.verb in {"create", "add"}:
        own = cart_number(shop.carts[key]) if shop.readings["create_id"] == "cart" else effect.item
        written = {"message": message, "id": number(shop.readings, own), **written}
    return as_done(shop.readings, written, effect)


def _cart_body(shop: Shop, call: Call) -> Document | None:
    document = call.document(shop.readings["request_form"])
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
    given = None if _lacks_slash(shop, call) else _cart_body(shop, call)
    if given is None:
        return _missing(shop, call) if _lacks_slash(shop, call) else _bad(shop, call, "Cart is missing")
    if causes := _causes(given):
        return _bad(shop, call, *causes)
    key = _text(given.get("session_id")) or f"sandbox{int(shop.new_id()):019d}"
    verb = "add" if key in shop.carts else "create"
    cart = shop.carts.setdefault(key, {"head": {}, "shipping": {}, "items": {}})
    number = _line_of(shop, cart, given)
    line, quantity = cart["items"][number], _text(given.get("quantity", "1"))
    before = 0 if shop.readings["same_product"] == "replace" else int(line["quantity"])
    line["quantity"] = str(before + int(quantity))
    taken = ("price", "additional_information")[shop.readings["price"] == "ignored" :]
    line.update({name: _text(given[name]) for name in taken if name in given})
    cart["shipping"].update({name: _text(value) for name, value in given.get("Shipping", {}).items()})
    return _write_answer(201, "Created", shop, Effect(verb, key, number, line["product_id"], quantity))


def _lacks_slash(shop: Shop, call: Call) -> bool:
    return shop.readings["write_slash"] == "needed" and not call.url.partition("?")[0].endswith("/")


def _line_of(shop: Shop, cart: Document, given: Document) -> str:
    """The cart's line that the product goes to, a new one of quantity 0 where there is none."""
    names = ("product_id", "variant_id", "additional_information")
    product, variant = str(given["product_id"]), _text(given.get("variant_id")) or "0"
    wanted = (product, variant, _text(given.get("additional_information")))
    told = names if shop.readings["same_line"] == "information" else names[:2]
    if shop.readings["same_product"] != "line":
        for number, line in cart["items"].items():
            if all(line[name] == text for name, text in zip(told, wanted, strict=False)):
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
    if key not in shop.carts:
        return _not_shown(shop, call)
    return as_shown(shop.readings, as_lines(shop.readings, key, shop.carts[key]))


def _read_complete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if key not in shop.carts:
        return _not_shown(shop, call)
    return as_done(shop.readings, as_complete(shop.readings, shop.name, key, shop.carts[key]))


def _not_shown(shop: Shop, call: Call) -> Answer:
    """What a read of a cart that is not there is answered."""
    nothing = NOTHING.get(shop.readings["missing_cart"])
    return _missing(shop, call) if nothing is None else as_shown(shop.readings, nothing)


def _update(shop: Shop, call: Call) -> Answer:
    if _lacks_slash(shop, call) or shop.readings["update_route"] == ("body" if call.keys else "path"):
        return _missing(shop, call)
    key = _cart(shop, call)
    given = _cart_body(shop, call)
    if given is None:
        return _bad(shop, call, "Cart is missing")
    if not isinstance(given.get("Shipping", {}), dict):
        return _bad(shop, call, "Shipping is not an object")
    if key not in shop.carts:
        return _missing(shop, call)
    cart = shop.carts[key]
    cart["head"].update({name: _text(given[name]) for name in _HEAD_FIELDS if name in given})
    cart["shipping"].update({name: _text(value) for name, value in given.get("Shipping", {}).items()})
    if shop.readings["update_lines"] == "drop":
        cart["items"].clear()
    # S003 §Atualizar, Retorno: an update answers "Created" and code 201.
    return _write_answer(201, "Created", shop, Effect("update", key))


def _delete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if shop.carts.pop(key, None) is not None:
        return _write_answer(200, "Deleted", shop, Effect("delete", key))
    if shop.readings["delete_missing"] == "ok":
        return replace(_write_answer(200, "Deleted", shop, Effect("delete", key)), effect=None)
    return _missing(shop, call)


def _pattern(segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    match segments:
        case ("carts", key):
            return "carts/{session_id}", (key,)
        case ("carts", key, "complete"):
            return "carts/{session_id}/complete", (key,)
        case _:
            return "/".join(segments), ()


def _throttle_answer(shop: Shop, call: Call) -> Answer:
    return as_throttled(shop.readings, call)


def _account(_call: Call) -> str:
    # The limit is the shop's, whichever token of its family a call carries.
    return ""


def _cart(shop: Shop, call: Call) -> str:
    if call.keys:
        return call.keys[0]
    if call.route in {"POST carts", "PUT carts"}:
        return _text((_cart_body(shop, call) or {}).get("session_id"))
    return ""


def _print_as_documented(call: Call, answer: Answer) -> Answer:
    """S003 prints a cart's lines without their brackets, and an update's answer without its first comma."""
    if call.route == "GET carts/{session_id}" and answer.body.startswith(b"["):
        return Answer(answer.status, answer.body[1:-1])
    if call.method == "PUT" and answer.effect:
        return Answer(answer.status, answer.body.replace(b'"Created",', b'"Created"\n', 1), answer.effect)
    return answer


PLATFORM = Platform(
    name=NAME,
    limits=(Window(180, 60.0), Window(10_000, 86_400.0)),
    hours=-3,
    door="web_api",
    versions=0,
    address_has_door=True,
    pattern=_pattern,
    routes={
        "POST carts": _add,
        "GET carts/{session_id}": _read,
        "GET carts/{session_id}/complete": _read_complete,
        "PUT carts/{session_id}": _update,
        "PUT carts": _update,
        "DELETE carts/{session_id}": _delete,
        "GET auth": tokens.renew,
    },
    account=_account,
    refusal=tokens.refusal,
    denied=tokens.denied_answer,
    missing=_missing,
    throttled=_throttle_answer,
    cart=_cart,
    as_printed=_print_as_documented,
)
