"""Owns Tray: its routes, fields, answers, tokens and what a lost add means; it does no I/O.

S003 is Tray's "APIs de Carrinho de Compra" document. Where it contradicts itself the reading taken stands beside
the code, under the number that PLATFORMS §4 gives the contradiction. Those that need no code:

- b6 (S003, samples): prices, taxes and postcodes differ between samples of one call; they are taken as examples only.
- b7 (S003 §Criar Novo Carrinho): Shipping's `name` is called the recipient's but shows "Sedex": any text.
- b8 (S003, type columns): email is a Number, weight a Date …; the types below follow the samples.
- b17 (S003 §Consultar Carrinho Completo): totals that do not add up; nothing is cross-checked.
- b18 (S003 §Excluir Carrinho): a deleted cart still has a cart_url; it is passed on.
- b19 (S003): user_id is in samples but not in every table; answers are passed on whole.
- b20 (S003, samples): they follow redirects on writes; a redirect of a write is an answer that got lost.
- b21 (S003, table A) is about a field that only answers have.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from batchcart.adapter import Adapter, Cell, Credentials, Known, Renewal, SecretText
from batchcart.exchange import Exchange, Past, Request, Response
from batchcart.operation import Kind, Operation
from batchcart.outcome import Busy, Denied, Done, Failing, Refused, Step, Unknown
from batchcart.platforms.answers import (
    Unreadable,
    after_failure,
    decoded,
    described,
    http_trouble,
    json_text,
    lost,
    rejected,
    wrote_before,
)
from batchcart.platforms.fields import Clock, Count, Date, Id, Money, OptionalId, Text

_UNSET = msgspec.UNSET
_KEY_LENGTH = 32  # PLATFORMS §2.4: session_id holds at most 32 characters


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys; ``refresh_token`` lets an expired access token be renewed."""

    api_address: str
    access_token: SecretText
    refresh_token: SecretText | None = None


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


class AddFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S003 §Criar Novo Carrinho. b23: price is a field of the document that shops may ignore; sent only if given."""

    product_id: Id
    quantity: Count
    session_id: Annotated[str, msgspec.Meta(min_length=1, max_length=_KEY_LENGTH)] | msgspec.UnsetType = _UNSET
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
    additional_info_kit: Text | msgspec.UnsetType = _UNSET
    date: Date | msgspec.UnsetType = _UNSET
    hour: Clock | msgspec.UnsetType = _UNSET
    user_id: OptionalId | msgspec.UnsetType = _UNSET
    user_cod: OptionalId | msgspec.UnsetType = _UNSET
    Shipping: ShippingFields | msgspec.UnsetType = _UNSET


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


def _build_add(operation: Operation, known: Known) -> Request:
    """b13 (S003 §Criar Novo Carrinho): creating a cart and adding an item are one call, one product each.

    The call adds to the quantity that is there (PLATFORMS §2.7), so for a cart that was not made by this run the
    quantity is read first: without it a lost answer could not be settled.
    """
    if not _made_here(operation, known) and _line(operation) not in known.facts:
        return Request("GET", _cart(operation, known))
    return _post(operation, known)


def _made_here(operation: Operation, known: Known) -> bool:
    if known.facts.get("lines") == "known":
        return True
    return operation.kind is Kind.CART_CREATE and known.cart_id is None


def _post(operation: Operation, known: Known) -> Request:
    # b10 (S003): POST and PUT have a slash after carts, GET and DELETE have none; none is sent.
    fields: dict[str, Any] = msgspec.json.decode(operation.data, type=dict[str, msgspec.Raw])
    if "session_id" in fields:
        return Request("POST", "/carts", body=b'{"Cart":' + operation.data + b"}")
    key = msgspec.json.encode(_session(operation, known))
    return Request("POST", "/carts", body=b'{"Cart":{"session_id":' + key + b"," + operation.data.lstrip()[1:] + b"}")


def _build_get(operation: Operation, known: Known) -> Request:
    return Request("GET", _cart(operation, known) + ("/complete" if operation.view == "complete" else ""))


def _build_update(operation: Operation, known: Known) -> Request:
    # b3 (S003 §Atualizar): the URL names no cart at all; shops take PUT /carts/{session_id} (PLATFORMS §2.5).
    return Request("PUT", _cart(operation, known), body=b'{"Cart":' + operation.data + b"}")


def _build_delete(operation: Operation, known: Known) -> Request:
    return Request("DELETE", _cart(operation, known))


def _session(operation: Operation, known: Known) -> str:
    return known.cart_id or known.new_key


def _cart(operation: Operation, known: Known) -> str:
    # b22 (S003): ":session_id" and "{{session_id}}" are the same placeholder.
    return f"/carts/{quote(_session(operation, known), safe='')}"


_NO_RENEWAL = {1001: "is blocked", 1002: "is inactive", 1003: "is cancelled"}  # PLATFORMS §2.3


def trouble(exchange: Exchange) -> Busy | Failing | Denied | None:
    """Whether the answer means that shop or credentials fail (PLATFORMS §2.3)."""
    response = exchange.response
    answer = _object(response)
    code = answer.get("error_code")
    if str(code).isdecimal() and int(str(code)) in _NO_RENEWAL:
        return Denied(f"Tray says that the store {_NO_RENEWAL[int(str(code))]} (error_code {code})", final=True)
    if response.status == 401 or _number(answer.get("code")) == 401:
        return Denied(f"Tray refused the access token (HTTP {response.status}, error_code {code or 'not given'})")
    return http_trouble(exchange)


def _object(response: Response) -> dict[str, Any]:
    try:
        answer = decoded(response.body)
    except Unreadable:
        return {}
    return answer if isinstance(answer, dict) else {}


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0


def _problem(response: Response) -> Refused | None:
    """Whether the shop said no.

    b11 (S003, every call): "200 ou 201" while samples take only 200; any 2xx counts, unless the body carries causes or
    a code of 400 and more (PLATFORMS §2.3). Causes are a list of texts or objects, a dict of lists, or one object.
    """
    answer = _object(response)
    causes = _texts(answer.get("causes"))
    code = _number(answer.get("code"))
    if 200 <= response.status < 300 and not causes and code < 400:
        return None
    if causes:
        return rejected(response, f"Tray said: {'; '.join(causes)} (HTTP {response.status})")
    said = answer.get("message") or answer.get("name")
    if response.status == 404 or code == 404:
        return rejected(response, f"Tray has no such cart (HTTP {response.status})")
    return rejected(response, f"Tray said: {said} (HTTP {response.status})" if said else "")


def _texts(causes: object) -> list[str]:
    match causes:
        case str() if causes:
            return [causes]
        case list():
            return [text for cause in causes for text in _texts(cause)]
        case dict():
            return [f"{name}: {', '.join(_texts(value)) or value}" for name, value in causes.items() if value]
        case None | str():
            return []
        case _:
            return [str(causes)]


def _interpret_add(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing(message) as failing:
            return after_failure(failing, past, _recover_add(operation, known, lost(past, message)))
        case None:
            pass
        case step:
            return step
    response = exchange.response
    if not exchange.request.writes:
        if exchange.request.path.endswith("/complete"):
            return _added(operation, known, past, _line_id(operation, response), {})
        return _after_look(operation, known, past, response)
    if problem := _problem(response):
        return problem
    answer = _object(response)
    # b15 (S003 §Criar): `id` is called the cart's code, but the cart's key is session_id; `id` is the line's.
    item_id = str(answer.get("id") or "") or None
    if "session_id" not in answer and item_id is None:
        message = f"{described(response)} and neither id nor session_id in it"
        return after_failure(
            Failing(message, exchange.request), past, _recover_add(operation, known, lost(past, message))
        )
    return _added(operation, known, past, item_id, answer)


def _added(operation: Operation, known: Known, past: Past, item_id: str | None, answer: Mapping[str, Any]) -> Done:
    key = _session(operation, known)
    facts: dict[str, str | None] = {}
    before = _before(operation, known, past)
    if before is not None:
        facts[_line(operation)] = str(before + _quantity(operation))
    if _made_here(operation, known):
        facts["lines"] = "known"
    return Done(cart_id=key, item_id=item_id, names=_names(key, answer), facts=facts)


def _names(key: str, answer: Mapping[str, Any]) -> dict[str, str]:
    names = {"session_id": str(answer.get("session_id") or key)}
    if answer.get("cart_url"):
        names["cart_url"] = str(answer["cart_url"])
    return names


def _recover_add(operation: Operation, known: Known, past: Past) -> Step:
    return Request("GET", _cart(operation, known))


def _after_look(operation: Operation, known: Known, past: Past, response: Response) -> Step:
    """Decide from the cart's quantity of the product, read before the first add or after a lost one."""
    now = _quantity_in(operation, response)
    if not wrote_before(past):
        if now is None:
            return _problem(response) or rejected(response, f"the cart could not be read: {described(response)}")
        return _post(operation, known)
    before = _before(operation, known, past)
    write = next(step for step in past if step.request.writes)
    if now is None:
        evidence = f"{write.request} was sent and not answered, and a read of the cart got {described(response)}"
        return Unknown(evidence, {_line(operation): None, "lines": None})
    if before is None:
        evidence = f"{write.request} was sent and not answered, and the quantity in the cart before it is not known"
        return Unknown(evidence, {_line(operation): None, "lines": None})
    if now == before:
        return _post(operation, known)
    if now == before + _quantity(operation):
        # The line's own id is only in the complete view (S003 §Consultar Carrinho Completo, cart_id).
        return Request("GET", _cart(operation, known) + "/complete")
    return Unknown(
        f"{write.request} was sent and not answered. The cart then held {now} of {_line(operation)[5:]}, where "
        f"{before} means that it did not happen and {before + _quantity(operation)} that it did",
        {_line(operation): None, "lines": None},
    )


def _before(operation: Operation, known: Known, past: Past) -> Decimal | None:
    """How many of the product the cart held before this operation's first write."""
    first = past[0]
    if isinstance(first, Exchange) and not first.request.writes:
        return _quantity_in(operation, first.response)
    remembered = known.facts.get(_line(operation))
    if remembered is not None:
        return Decimal(remembered)
    return Decimal(0) if _made_here(operation, known) else None


def _line(operation: Operation) -> str:
    """The fact's name for product and variant. b14 (S003): no variant is "", two quotes, or "0"."""
    fields = msgspec.json.decode(operation.data)
    return f"line:{_plain(fields['product_id'])}/{_plain(fields.get('variant_id'))}"


def _plain(value: object) -> str:
    text = str("" if value is None else value).strip('"')
    return text.lstrip("0") or "0"


def _quantity(operation: Operation) -> Decimal:
    return Decimal(str(msgspec.json.decode(operation.data)["quantity"]))


def _quantity_in(operation: Operation, response: Response) -> Decimal | None:
    """How many of the operation's product the read cart holds; None where the answer cannot be read so.

    404 and an empty array both mean an empty cart (PLATFORMS §2.3).
    """
    answer: Any = None
    if response.status == 404 or _number(_object(response).get("code")) == 404:
        return Decimal(0)
    if 200 <= response.status < 300:
        answer = _carts(response)
    if answer is None:
        return None
    total = Decimal(0)
    for row in answer:
        if f"line:{_plain(row.get('product_id'))}/{_plain(row.get('variant_id'))}" == _line(operation):
            total += Decimal(str(row.get("quantity") or 0))
    return total


def _carts(response: Response) -> list[dict[str, Any]] | None:
    """The lines of a read cart. b1 (S003 §Consultar Dados do Carrinho): objects side by side without brackets there,
    an array of {Cart} in shops, an object for a single line.
    """
    try:
        answer = decoded(response.body)
    except Unreadable:
        return None
    rows = answer if isinstance(answer, list) else [answer]
    carts = [row.get("Cart") for row in rows if isinstance(row, dict)]
    flat = [line for cart in carts for line in (cart if isinstance(cart, list) else [cart])]
    if len(carts) != len(rows) or not all(isinstance(line, dict) for line in flat):
        return None
    return [line for line in flat if isinstance(line, dict)]


def _line_id(operation: Operation, response: Response) -> str | None:
    """The line's id in the complete view. b16 (S003): the product is `id` there, `product_id` in the plain view."""
    products = _object(response).get("Cart", {})
    rows = products.get("Products") if isinstance(products, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if f"line:{_plain(row.get('id'))}/{_plain(row.get('variant_id'))}" == _line(operation) and row.get("cart_id"):
            return str(row["cart_id"])
    return None


def _interpret_get(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    if step := trouble(exchange):
        return step
    if problem := _problem(exchange.response):
        return problem
    key = _session(operation, known)
    return Done(cart_id=key, names={"session_id": key}, body=json_text(exchange.response.body))


def _interpret_write(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to an update or a delete; both may simply be sent again.

    b4 (S003 §Atualizar): an update is answered "Created" with code 201, and the sample lacks a comma; neither matters.
    """
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing() as failing:
            return after_failure(failing, past, exchange.request)
        case None:
            pass
        case step:
            return step
    response = exchange.response
    key = _session(operation, known)
    answer = _object(response)
    problem = _problem(response)
    deletes = operation.kind is Kind.CART_DELETE
    gone = response.status == 404 or _number(answer.get("code")) == 404
    if problem and not (deletes and gone and wrote_before(past)):
        return problem
    facts: dict[str, str | None] = {}
    if deletes:
        facts = {name: None for name in known.facts if name.startswith("line:")}
        facts["lines"] = "known"
    return Done(cart_id=key, names=_names(key, {} if problem else answer), facts=facts)


def _ask_again(operation: Operation, known: Known, past: Past) -> Step:
    return past[-1].request


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with the token, which Tray takes in the query only (PLATFORMS §2.1)."""
    if any(name == "refresh_token" for name, _ in request.query):
        return request
    return replace(request, query=(*request.query, ("access_token", credentials["access_token"])))


def _ask_renewal(credentials: Credentials) -> Request:
    return Request("GET", "/auth", query=(("refresh_token", credentials["refresh_token"]),))


def _read_renewal(response: Response) -> dict[str, str] | None:
    """The fresh pair (PLATFORMS §2.1: a renewal answers a new pair, and the old one dies)."""
    answer = _object(response)
    if 200 <= response.status < 300 and answer.get("access_token"):
        pair = {name: str(answer[name]) for name in ("access_token", "refresh_token") if answer.get(name)}
        return pair
    return None


ADAPTER = Adapter(
    name="tray",
    settings=Settings,
    address=address,
    limits=("180/min", "10000/day"),
    cells={
        # b2 (S003 §Criar): the text says JSON, the samples send an odd form; JSON goes out, `encoding = "form"` changes it.
        Kind.CART_CREATE: Cell(
            _build_add, _interpret_add, _recover_add, AddFields, repeatable=False, note="one product"
        ),
        Kind.CART_GET: Cell(_build_get, _interpret_get, _ask_again, views=("complete",)),
        Kind.CART_UPDATE: Cell(_build_update, _interpret_write, _ask_again, UpdateFields),
        Kind.CART_DELETE: Cell(_build_delete, _interpret_write, _ask_again),
        Kind.ITEM_ADD: Cell(
            _build_add, _interpret_add, _recover_add, AddFields, repeatable=False, note="same session_id"
        ),
    },
    sign=sign,
    trouble=trouble,
    ping=Request("GET", "/carts/batchcart-ping"),
    sample={
        "api_address": "http://127.0.0.1/web_api",
        "access_token": "sandbox-access-token",
        "refresh_token": "sandbox-refresh-token",
    },
    renewal=Renewal(_ask_renewal, _read_renewal, needs="refresh_token"),
    chosen_key="session_id",
    key_length=_KEY_LENGTH,
    create_adds_item=True,
)
