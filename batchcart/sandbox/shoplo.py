"""Owns how a simulated Shoplo shop answers (S004); it does not know sockets, limits or faults.

Where S004 is silent: errors come with HTTP 200, a discount that is not there is an error, rows do not vanish
when they expire. A "cart" of S004 is one line; here a cart is all lines of one user_key.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from batchcart.sandbox import shoplo_access
from batchcart.sandbox.messages import WHOLE, Answer, Call, Effect, said
from batchcart.sandbox.shop import Document, Platform, Shop

_LIFE = timedelta(minutes=20)  # S004: expire_at is 20 minutes after created_at in every sample
_STAMP = "%Y-%m-%d %H:%M:%S"
_DISCOUNT_FIELDS = ("discount_type", "discount_value", "discount_code", "discount_title", "properties")
_PRICE_OFF, _PERCENT_OFF = "1", "2"
_DEFAULT_LIMIT = 50


def failed(error: int, message: str) -> Answer:
    """Shoplo's form of an error."""
    return said(200, {"status": "err", "error": error, "error_msg": message})


def _missing(_call: Call) -> Answer:
    return failed(404, "Not found")


def _throttled(_call: Call) -> Answer:
    return said(429, {"status": "err", "error": 429, "error_msg": "Too many requests"})


_OK = {"status": "ok"}


def _wrapped(call: Call, wrapper: str) -> Document | None:
    document = call.document()
    inner = document.get(wrapper) if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else None


def _shown(line: Document, fields: str = "") -> Document:
    chosen = {name for name in fields.split(",") if name}
    return {name: value for name, value in line.items() if name != "discount" and (not chosen or name in chosen)}


def _line(shop: Shop, number: str) -> Document | None:
    owner = shop.owners.get(number)
    line: Document | None = shop.carts[owner]["items"].get(number) if owner else None
    return line


def _number(given: Any, least: int = 1) -> int | None:
    text = str(given)
    return int(text) if WHOLE.fullmatch(text) and int(text) >= least else None


def _create(shop: Shop, call: Call) -> Answer:
    given = _wrapped(call, "cart")
    if given is None:
        return failed(400, "cart is missing")
    variant, quantity = _number(given.get("variant_id")), _number(given.get("quantity"))
    if variant is None or quantity is None:
        return failed(400, "variant_id and quantity are whole numbers of at least 1")
    number = shop.new_id()
    key = str(given.get("user_key") or f"sandbox{int(number):025d}")
    verb = "add" if key in shop.carts else "create"
    now = shop.wall()
    line = {
        "id": int(number),
        "user_key": key,
        "product_id": variant // 10 + 1,
        "variant_id": variant,
        "price": 19900,
        "tax": 23,
        "quantity": quantity,
        "weight": 500,
        "sku": f"sku-{variant}",
        "require_shipping": 1,
        "created_at": now.strftime(_STAMP),
        "expire_at": (now + _LIFE).strftime(_STAMP),
    }
    shop.carts.setdefault(key, {"items": {}})["items"][number] = line
    shop.owners[number] = key
    return said(200, {"cart": line}, Effect(verb, key, number, str(variant), str(quantity)))


def _chosen(shop: Shop, call: Call) -> Iterator[Document] | Answer:
    """The lines that the filters of a list or count leave, in order of their ids."""
    query = call.query
    since = _number(query.get("since_id", "0"), 0)
    if since is None:
        return failed(400, "since_id is not a number")
    bounds = (query.get("created_at_min", ""), query.get("created_at_max", ""))
    for bound in filter(None, bounds):
        try:
            datetime.strptime(bound, _STAMP)  # noqa: DTZ007 - a shop's stamps name no zone
        except ValueError:
            return failed(400, f"{bound} is not a date: 2011-06-19 13:18:50")
    earliest, latest = bounds[0], bounds[1] or "9"
    lines: Iterable[Document]
    if "user_key" in query:
        lines = shop.carts.get(query["user_key"], {"items": {}})["items"].values()
    else:
        lines = (shop.carts[owner]["items"][number] for number, owner in shop.owners.items())
    return (line for line in lines if line["id"] > since and earliest <= line["created_at"] <= latest)


def _list(shop: Shop, call: Call) -> Answer:
    lines = _chosen(shop, call)
    if isinstance(lines, Answer):
        return lines
    limit, page = _number(call.query.get("limit", _DEFAULT_LIMIT)), _number(call.query.get("page", 1))
    if limit is None or page is None:
        return failed(400, "limit and page are whole numbers of at least 1")
    shown = islice(lines, (page - 1) * limit, page * limit)
    return said(200, {"carts": [_shown(line, call.query.get("fields", "")) for line in shown]})


def _count(shop: Shop, call: Call) -> Answer:
    lines = _chosen(shop, call)
    return lines if isinstance(lines, Answer) else said(200, {"count": sum(1 for _ in lines)})


def _read(shop: Shop, call: Call) -> Answer:
    line = _line(shop, call.keys[0])
    if line is None:
        return _missing(call)
    return said(200, {"cart": _shown(line, call.query.get("fields", ""))})


def _update(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _missing(call)
    quantity = _number((_wrapped(call, "cart") or {}).get("quantity"))
    if quantity is None:
        return failed(400, "cart with a quantity of at least 1 is missing")
    line["quantity"] = quantity
    effect = Effect("item-update", line["user_key"], number, str(line["variant_id"]), str(quantity))
    return said(200, {"cart": _shown(line)}, effect)


def _delete(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _missing(call)
    key = shop.owners.pop(number)
    items = shop.carts[key]["items"]
    del items[number]
    if not items:
        del shop.carts[key]
    return said(200, _OK, Effect("item-delete", key, number, str(line["variant_id"])))


def _discount_set(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _missing(call)
    given = _wrapped(call, "cart_discount")
    if given is None:
        return failed(400, "cart_discount is missing")
    discount = {name: str(given[name]) for name in _DISCOUNT_FIELDS if name in given}
    if discount.get("discount_type") not in {_PRICE_OFF, _PERCENT_OFF} or not discount.get("discount_value"):
        return failed(400, "discount_type (1 or 2) and discount_value are needed")
    # S004 §Add/update cart item discount: without properties it goes onto all line items.
    lines = [line] if "properties" in discount else shop.carts[line["user_key"]]["items"].values()
    for each in lines:
        each["discount"] = discount
    return said(200, _OK, Effect("discount-set", line["user_key"], number, discount["discount_type"]))


def _discount_delete(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None or line.pop("discount", None) is None:
        return _missing(call)
    return said(200, _OK, Effect("discount-delete", line["user_key"], number))


def _pattern(segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    match segments:
        case ("carts", "count"):
            return "carts/count", ()
        case (("carts" | "carts_discount") as word, number):
            return f"{word}/{{id}}", (number,)
        case _:
            return "/".join(segments), ()


def _cart(shop: Shop, call: Call) -> str:
    if call.keys:
        return shop.owners.get(call.keys[0], "")
    if call.route == "POST carts":
        return str((_wrapped(call, "cart") or {}).get("user_key") or "")
    return call.query.get("user_key", "")


def _denied(_shop: Shop, _call: Call) -> Answer:
    return failed(202, "Not authorised: a new token is needed")


def _refusal(shop: Shop, call: Call) -> Answer | None:
    return None if shoplo_access.allowed(shop, call) else _denied(shop, call)


def _as_printed(_call: Call, answer: Answer) -> Answer:
    """S004 prints a trailing comma in every answer but a count's."""
    for end, printed in ((b"}]}", b"},]}"), (b"}}", b"},}"), (b'"ok"}', b'"ok",}')):
        if answer.body.endswith(end):
            return Answer(answer.status, answer.body.removesuffix(end) + printed, answer.effect)
    return answer


SHOPLO = Platform(
    name="shoplo",
    hours=1,
    door="services",
    versions=0,
    pattern=_pattern,
    routes={
        "GET carts": _list,
        "POST carts": _create,
        "GET carts/count": _count,
        "GET carts/{id}": _read,
        "PUT carts/{id}": _update,
        "DELETE carts/{id}": _delete,
        "PUT carts_discount/{id}": _discount_set,
        "DELETE carts_discount/{id}": _discount_delete,
    },
    account=shoplo_access.account,
    refusal=_refusal,
    denied=_denied,
    missing=_missing,
    throttled=_throttled,
    cart=_cart,
    as_printed=_as_printed,
)
