"""Owns what a Tray shop's answers mean; it does not know routes.

- b17 (S003 §Consultar Carrinho Completo): totals that do not add up; nothing is cross-checked.
- b18 (S003 §Excluir Carrinho): a deleted cart still has a cart_url; it is passed on.
- b19 (S003): user_id is in samples but not in every table; answers are passed on whole.
- b20 (S003, samples): they follow redirects on writes; none is followed.
- b21 (S003, table A) is about a field that only answers have.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from batchcart.model.http import Exchange, Response
from batchcart.model.json_text import UNDECODABLE
from batchcart.model.outcome import AccountError, Failed, Unauthorized
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import classify_http, ok, reject
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import object_of, readable, text_of, value_of, whole_of
from batchcart.platforms.tray.schema import KEY_LENGTH

ERRORS = (
    "an object with `causes`, `error_code`, or a `code` of 400 and more (PLATFORMS §2.3); with a 2xx as well if it has "
    "such a `code`, or `causes` that are not empty"
)
"""The forms of an error below 500 that are taken for the platform's, in words."""

_NO_RENEWAL = {1001: "is blocked", 1002: "is inactive", 1003: "is cancelled"}  # PLATFORMS §2.3
_LONGEST_ADDRESS = 2000  # what browsers take
_SUCCESS = {200, 201}
_LONGEST_REASON = 300  # characters of it in a sentence
_DEEPEST = 4  # a dict of lists of objects of texts


_Text = Annotated[str, msgspec.Meta(max_length=200)]


class _PrintedAdd(msgspec.Struct, forbid_unknown_fields=True):
    """S003 §Criar Novo Carrinho, Retorno; in shops also without a session_id."""

    message: _Text
    id: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | _Text
    code: Literal[200, 201]
    session_id: _Text | msgspec.UnsetType = msgspec.UNSET
    cart_url: Annotated[str, msgspec.Meta(max_length=_LONGEST_ADDRESS)] = ""


_printed_add = msgspec.json.Decoder(_PrintedAdd).decode


def classify_error(exchange: Exchange) -> AccountError | None:
    """Whether the answer means that shop or credentials fail, or that it is not Tray's (PLATFORMS §2.3)."""
    response = exchange.response
    answer = object_of(response)
    error, code = whole_of(answer.get("error_code")), whole_of(answer.get("code"))
    if error in _NO_RENEWAL:
        return Unauthorized(f"Tray says that the store {_NO_RENEWAL[error]} (error_code {error})", permanent=True)
    if response.status == 401 or (code == 401 and response.status < 500):
        return Unauthorized(
            f"Tray refused the access token (HTTP {response.status}, error_code {error or 'not given'})"
        )
    return classify_http(exchange, _is_documented, code)


def why_not_renewed(response: Response) -> str | None:
    """What Tray says where it gives no new token, "" without a reason; None if it is not Tray that answers."""
    answer = object_of(response)
    if not answer:
        return None
    said = "; ".join(_texts(answer.get("causes"))) or text_of(answer.get("message")) or text_of(answer.get("name"))
    return said if len(said) <= _LONGEST_REASON else f"{said[: _LONGEST_REASON - 1]}…"


def refusal(response: Response) -> Failed | None:
    """Whether the shop said no.

    b11 (S003, every call): "200 ou 201" while samples take only 200; any 2xx counts, unless the body carries causes or
    a code of 400 and more (PLATFORMS §2.3). Causes are a list of texts or objects, a dict of lists, or one object.
    """
    answer = object_of(response)
    causes = _texts(answer.get("causes"))
    if ok(response) and not causes and whole_of(answer.get("code")) < 400:
        return None
    if causes:
        return reject(response, f"Tray said: {'; '.join(causes)} (HTTP {response.status})")
    if missing(response):
        return reject(response, f"Tray has no such cart (HTTP {response.status})")
    said = text_of(answer.get("message")) or text_of(answer.get("name"))
    return reject(response, f"Tray said: {said} (HTTP {response.status})" if said else "")


def missing(response: Response) -> bool:
    """Whether the answer says that there is no such cart: by HTTP or by its own code, a number or a text."""
    answer = object_of(response)
    return whole_of(answer.get("code")) == 404 or (response.status == 404 and _says_no(response))


def confirm_write(response: Response, key: str) -> dict[str, Any]:
    """The answer that says a write was done on the cart ``key``; an empty one where it does not say so.

    b4 (S003 §Atualizar): an update is answered "Created" with code 201, and the sample lacks a comma; neither matters.
    """
    answer = object_of(response) if ok(response) else {}
    code = whole_of(answer.get("code", 200))
    if text_of(answer.get("session_id")) != key or code not in _SUCCESS or _texts(answer.get("causes")):
        return {}
    return answer


def says_written(response: Response) -> bool:
    """Whether the answer says that a write was done, without saying on which cart (PLATFORMS §2.5)."""
    answer = object_of(response) if ok(response) else {}
    said = whole_of(answer.get("code")) in _SUCCESS and text_of(answer.get("message"))
    return bool(said) and "session_id" not in answer and not _texts(answer.get("causes"))


def says_made(response: Response) -> bool:
    """Whether the answer says that a line was made and names it, without saying in which cart (b15)."""
    return says_written(response) and bool(id_of(object_of(response).get("id")))


def read_printed_add(response: Response, key: str) -> tuple[str, dict[str, str]] | None:
    """The line's id, and what the cart ``key`` is called, in an answer to an add that is just as S003 prints it.

    None: it is another, and is to be looked at closely. For this one that says the same in a fraction of the time.
    """
    if not ok(response):
        return None
    try:
        said = _printed_add(response.body)
    except UNDECODABLE:
        return None
    line = id_of(said.id)
    if not line or not said.message or said.session_id not in {msgspec.UNSET, key}:
        return None
    return line, {"session_id": key, "cart_url": said.cart_url} if said.cart_url else {"session_id": key}


def shows_cart(response: Response, key: str) -> bool:
    """Whether the answer shows the cart ``key`` in one of its two views; an empty array is an empty cart (b1)."""
    carts = _carts(value_of(response)) if ok(response) and not _says_no(response) else None
    return carts is not None and all(_is_shown(cart, key) for cart in carts)


def names(key: str, answer: Mapping[str, Any]) -> dict[str, str]:
    """What the answer calls the cart."""
    found = {"session_id": (id_of(answer["session_id"], KEY_LENGTH) if "session_id" in answer else "") or key}
    if 0 < len(address := text_of(answer.get("cart_url"))) <= _LONGEST_ADDRESS:
        found["cart_url"] = address
    return found


def product_of(fields: Mapping[str, Any], name: str = "product_id") -> str:
    """Product and variant. b14 (S003): no variant is "", two quotes, or "0"."""
    product, variant = lines.number(fields.get(name)), fields.get("variant_id")
    if variant is None:
        return f"{product}/0"
    plain = variant.strip('"') if isinstance(variant, str) else variant
    return f"{product}/{lines.number(plain) or '0'}"


def lines_of(response: Response, key: str | None = None) -> lines.Lines | None:
    """What the plain view shows, by product and variant; None if it cannot be read so, or is not of cart ``key``.

    404 and an empty array both mean an empty cart (PLATFORMS §2.3).
    """
    if missing(response):
        return {}
    rows = _carts(value_of(response)) if ok(response) and not _says_no(response) else None
    if rows is None or not all(lines.number(row.get("product_id")) for row in rows):
        return None
    if key is not None and not all(_is_of(row, key) for row in rows):
        return None
    found: dict[str, lines.Line] = {}
    for row in rows:
        product = product_of(row)
        # A product stands in several lines where their additional_information differs; an add counts in their sum.
        found[product] = lines.increase(found.get(product), lines.Line(product, lines.amount(row.get("quantity"))))
    return found


def first_row(response: Response) -> dict[str, Any]:
    """The first line that the plain view shows, with the cart's own fields; an empty one where it shows none."""
    rows = _carts(value_of(response)) if ok(response) else None
    return rows[0] if rows else {}


def line_id(product: str, response: Response) -> str | None:
    """The line's id in the complete view; None if it has none of its own.

    b16 (S003): the product is `id` there, `product_id` in the plain view. b15: cart_id is called the cart's; one that
    several lines share is no line's.
    """
    cart = object_of(response).get("Cart")
    given = cart.get("Products") if isinstance(cart, dict) else None
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    ids = [id_of(row.get("cart_id")) for row in rows]
    found = next((key for row, key in zip(rows, ids, strict=True) if product_of(row, "id") == product), "")
    return found if found and ids.count(found) == 1 else None


def _is_documented(response: Response) -> bool:
    """Whether Tray says such a thing. Null says nothing, but an unknown server would say more."""
    if _says_no(response):
        return True
    if not ok(response) or not readable(response):
        return False
    answer = value_of(response)
    if isinstance(answer, dict) and any(text_of(answer.get(name)) for name in ("session_id", "access_token")):
        return True
    return answer is None or says_written(response) or _carts(answer) is not None


def _says_no(response: Response) -> bool:
    answer = object_of(response)
    code = whole_of(answer.get("code"))
    if code >= 400 or _texts(answer.get("causes")):
        return True
    return not (ok(response) or code) and ("causes" in answer or bool(whole_of(answer.get("error_code"))))


def _is_shown(cart: Mapping[str, Any], key: str) -> bool:
    """Whether a `Cart` says whose it is, or at least what is in it."""
    if cart.get("session_id") is not None:
        return _is_of(cart, key)
    return "Products" in cart or bool(lines.number(cart.get("product_id")))


def _is_of(cart: Mapping[str, Any], key: str) -> bool:
    return text_of(cart.get("session_id", key)) == key


def _carts(answer: object) -> list[dict[str, Any]] | None:
    """The lines of a plain view.

    b1 (S003 §Consultar Dados do Carrinho): objects side by side without brackets there, an array of {Cart} in shops, an
    object for a single line.
    """
    rows = answer if isinstance(answer, list) else [answer]
    carts = [row.get("Cart") for row in rows if isinstance(row, dict)]
    flat = [line for cart in carts for line in (cart if isinstance(cart, list) else [cart])]
    found = [line for line in flat if isinstance(line, dict)]
    return found if len(carts) == len(rows) and len(found) == len(flat) else None


def _texts(causes: object, depth: int = 0) -> list[str]:
    match causes:
        case list() if depth < _DEEPEST:
            return [text for cause in causes for text in _texts(cause, depth + 1)]
        case dict() if depth < _DEEPEST:
            return [
                f"{name}: {', '.join(texts)}" for name, cause in causes.items() if (texts := _texts(cause, depth + 1))
            ]
        case list() | dict() | bool():
            return ["no reason that can be read"] if causes else []
        case _:
            return [text] if (text := text_of(causes)) else []
