"""Owns how a simulated Shoplo shop answers (S004); it does not know sockets, limits or faults.

Where S004 is silent or contradicts itself, the shop's readings decide. A "cart" of S004 is one line; here a cart is
all lines of one user_key.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from batchcart.model.limits import Window
from batchcart.sandbox.messages import WHOLE, Answer, Call, Effect, json_answer
from batchcart.sandbox.platforms.shoplo import NAME, access
from batchcart.sandbox.platforms.shoplo.answers import (
    MISSING,
    OK,
    UNAUTHORIZED,
    as_count,
    as_error,
    as_line,
    as_list,
    as_no_line,
    as_throttled,
)
from batchcart.sandbox.shop import Document, Platform, Shop

_LIFE = timedelta(minutes=20)  # S004: expire_at is 20 minutes after created_at in every sample
_STAMP = "%Y-%m-%d %H:%M:%S"
_DISCOUNT_FIELDS = ("discount_type", "discount_value", "discount_code", "discount_title", "properties")
_PRICE_OFF, _PERCENT_OFF = "1", "2"
_DEFAULT_LIMIT = 50


def _error_answer(shop: Shop, code: int, message: str) -> Answer:
    return as_error(shop.readings, code, message)


def _missing(shop: Shop, _call: Call) -> Answer:
    return _error_answer(shop, MISSING, "Not found")


def _not_deleted(shop: Shop, call: Call) -> Answer:
    """How a delete of what is not there is answered."""
    return json_answer(200, OK) if shop.readings["delete_missing"] == "ok" else _missing(shop, call)


def _throttle_answer(shop: Shop, _call: Call) -> Answer:
    return as_throttled(shop.readings)


def _unwrap(shop: Shop, call: Call, wrapper: str) -> Document | None:
    document = call.document(shop.readings["request_form"])
    inner = document.get(wrapper) if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else None


def _line(shop: Shop, number: str) -> Document | None:
    _forget_expired(shop)
    owner = shop.owners.get(number)
    line: Document | None = shop.carts[owner]["items"].get(number) if owner else None
    return line


def _forget_expired(shop: Shop) -> None:
    """The shop's own doing, and no effect of a client's."""
    if shop.readings["expiry"] == "kept":
        return
    now = shop.wall().strftime(_STAMP)
    for number, owner in list(shop.owners.items()):
        if shop.carts[owner]["items"][number]["expire_at"] < now:
            _remove(shop, number)


def _remove(shop: Shop, number: str) -> str:
    """Take the line out of its cart, whose key it is."""
    key = shop.owners.pop(number)
    items = shop.carts[key]["items"]
    del items[number]
    if not items:
        del shop.carts[key]
    return key


def _number(given: Any, least: int = 1) -> int | None:
    text = str(given)
    return int(text) if WHOLE.fullmatch(text) and int(text) >= least else None


def _create(shop: Shop, call: Call) -> Answer:
    given = _unwrap(shop, call, "cart")
    if given is None:
        return _error_answer(shop, 400, "cart is missing")
    variant, quantity = _number(given.get("variant_id")), _number(given.get("quantity"))
    if variant is None or quantity is None:
        return _error_answer(shop, 400, "variant_id and quantity are whole numbers of at least 1")
    _forget_expired(shop)
    key = str(given.get("user_key") or f"sandbox{shop.last_id + 1:025d}")
    verb = "add" if key in shop.carts else "create"
    lines = shop.carts.setdefault(key, {"items": {}})["items"]
    number = _equal_line(shop, lines, variant)
    if number is None:
        number = shop.new_id()
        lines[number] = _new_line(shop, number, key, variant)
        shop.owners[number] = key
    lines[number]["quantity"] += quantity
    return as_line(shop.readings, lines[number], Effect(verb, key, number, str(variant), str(quantity)))


def _equal_line(shop: Shop, lines: Document, variant: int) -> str | None:
    if shop.readings["same_variant"] == "line":
        return None
    return next((number for number, line in lines.items() if line["variant_id"] == variant), None)


def _new_line(shop: Shop, number: str, key: str, variant: int) -> Document:
    now = shop.wall()
    return {
        "id": int(number),
        "user_key": key,
        "product_id": variant // 10 + 1,
        "variant_id": variant,
        "price": 19900,
        "tax": 23,
        "quantity": 0,
        "weight": 500,
        "sku": f"sku-{variant}",
        "require_shipping": 1,
        "created_at": now.strftime(_STAMP),
        "expire_at": (now + _LIFE).strftime(_STAMP),
    }


def _filter_lines(shop: Shop, call: Call, user_key: str) -> list[Document] | Answer:
    """The lines that the filters of a list or count leave, in the shop's order; ``user_key`` as the shop takes it."""
    _forget_expired(shop)
    query = call.query
    since = _number(query.get("since_id", "0"), 0)
    if since is None:
        return _error_answer(shop, 400, "since_id is not a number")
    bounds = (query.get("created_at_min", ""), query.get("created_at_max", ""))
    for bound in filter(None, bounds):
        try:
            datetime.strptime(bound, _STAMP)  # noqa: DTZ007 - a shop's stamps name no zone
        except ValueError:
            return _error_answer(shop, 400, f"{bound} is not a date: 2011-06-19 13:18:50")
    found = [line for line in _of_user(shop, call, user_key) if line["id"] > since and _within(shop, bounds, line)]
    return found[::-1] if shop.readings["list_order"] == "newest" else found


def _of_user(shop: Shop, call: Call, user_key: str) -> Iterable[Document]:
    wanted = call.query.get("user_key")
    if wanted is not None and user_key == "honoured":
        lines: Iterable[Document] = shop.carts.get(wanted, {"items": {}})["items"].values()
        return lines
    lines = (shop.carts[owner]["items"][number] for number, owner in shop.owners.items())
    if wanted is not None and user_key == "product":
        return (line for line in lines if str(line["product_id"]) == wanted)
    return lines


def _within(shop: Shop, bounds: tuple[str, str], line: Document) -> bool:
    earliest, latest = bounds[0], bounds[1] or "9"
    if shop.readings["date_bounds"] == "exclusive":
        return bool(earliest < line["created_at"] < latest)
    return bool(earliest <= line["created_at"] <= latest)


def _list(shop: Shop, call: Call) -> Answer:
    lines = _filter_lines(shop, call, shop.readings["user_key_filter"])
    if isinstance(lines, Answer):
        return lines
    limit, page = _number(call.query.get("limit", _DEFAULT_LIMIT)), _number(call.query.get("page", 1))
    if limit is None or page is None:
        return _error_answer(shop, 400, "limit and page are whole numbers of at least 1")
    match shop.readings["page_limit"]:
        case "50":
            limit = min(limit, _DEFAULT_LIMIT)
        case "ignored":
            limit = _DEFAULT_LIMIT
        case "refused" if limit > _DEFAULT_LIMIT:
            return _error_answer(shop, 400, f"limit is at most {_DEFAULT_LIMIT}")
    last = max(1, -(-len(lines) // limit))
    if page > last:
        match shop.readings["past_end"]:
            case "error":
                return _error_answer(shop, 400, "there is no such page")
            case "last":
                page = last
            case _:
                pass
    return as_list(shop.readings, lines[(page - 1) * limit : page * limit], call.query.get("fields", ""))


def _count(shop: Shop, call: Call) -> Answer:
    lines = _filter_lines(shop, call, shop.readings["count_filter"])
    return lines if isinstance(lines, Answer) else as_count(shop.readings, len(lines))


def _read(shop: Shop, call: Call) -> Answer:
    line = _line(shop, call.keys[0])
    if line is None:
        return as_no_line(shop.readings)
    return as_line(shop.readings, line, fields=call.query.get("fields", ""))


def _update(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _missing(shop, call)
    quantity = _number((_unwrap(shop, call, "cart") or {}).get("quantity"))
    if quantity is None:
        return _error_answer(shop, 400, "cart with a quantity of at least 1 is missing")
    told = dict(line) if shop.readings["update_answer"] == "stale" else line
    line["quantity"] = quantity
    effect = Effect("item-update", line["user_key"], number, str(line["variant_id"]), str(quantity))
    return as_line(shop.readings, told, effect)


def _delete(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _not_deleted(shop, call)
    key = _remove(shop, number)
    return json_answer(200, OK, Effect("item-delete", key, number, str(line["variant_id"])))


def _discount_set(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None:
        return _missing(shop, call)
    given = _unwrap(shop, call, "cart_discount")
    if given is None:
        return _error_answer(shop, 400, "cart_discount is missing")
    discount = {name: str(given[name]) for name in _DISCOUNT_FIELDS if name in given}
    if discount.get("discount_type") not in {_PRICE_OFF, _PERCENT_OFF} or not discount.get("discount_value"):
        return _error_answer(shop, 400, "discount_type (1 or 2) and discount_value are needed")
    # S004 §Add/update cart item discount: without properties it goes onto all line items.
    alone = "properties" in discount or shop.readings["discount_scope"] == "line"
    lines = [line] if alone else shop.carts[line["user_key"]]["items"].values()
    for each in lines:
        each["discount"] = discount
    return json_answer(200, OK, Effect("discount-set", line["user_key"], number, discount["discount_type"]))


def _discount_delete(shop: Shop, call: Call) -> Answer:
    number = call.keys[0]
    line = _line(shop, number)
    if line is None or line.pop("discount", None) is None:
        return _not_deleted(shop, call)
    return json_answer(200, OK, Effect("discount-delete", line["user_key"], number))


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
        return str((_unwrap(shop, call, "cart") or {}).get("user_key") or "")
    return call.query.get("user_key", "")


def _denied_answer(shop: Shop, _call: Call) -> Answer:
    return _error_answer(shop, UNAUTHORIZED, "Not authorised: a new token is needed")


def _refusal(shop: Shop, call: Call) -> Answer | None:
    return None if access.is_allowed(shop, call) else _denied_answer(shop, call)


def _print_as_documented(_call: Call, answer: Answer) -> Answer:
    """S004 prints a trailing comma in every answer but a count's."""
    for end, printed in ((b"}]}", b"},]}"), (b"}}", b"},}"), (b'"ok"}', b'"ok",}')):
        if answer.body.endswith(end):
            return Answer(answer.status, answer.body.removesuffix(end) + printed, answer.effect)
    return answer


PLATFORM = Platform(
    name=NAME,
    limits=(Window(2, 1.0),),
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
    account=access.account,
    refusal=_refusal,
    denied=_denied_answer,
    missing=_missing,
    throttled=_throttle_answer,
    cart=_cart,
    as_printed=_print_as_documented,
)
