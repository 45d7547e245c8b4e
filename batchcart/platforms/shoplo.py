"""Owns Shoplo: its routes, fields, answers and what a lost add means; it does no I/O.

S004 is Shoplo's "/services/carts" document. Where it contradicts itself the reading taken stands beside the code,
under the number that PLATFORMS §4 gives the contradiction. Those that need no code:

- c1 (S004, nearly every body): trailing commas and comments; answers are read leniently, clean JSON is sent.
- c3 (S004 §Receive a list of all carts): "Returns all categories": copied words, carts are meant.
- c6 (S004, titles): "Cart", "Cart Item" and "variant" name one thing: a line. A cart is the lines of one user_key.
- c7 (S004 §Create a Cart): a create is answered 200; any 2xx will do.
- c8 (S004, request bodies): JSON in the document, PHP forms in every known client; `encoding` chooses, JSON is the default.
- c12 (S004 §Receive a list): whether created_at_min is inclusive is not said; the filters are passed on as given.
- c15 (S004 §Receive a list): the unit of price is not said; it is passed on as given.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec

from batchcart.adapter import Adapter, Cell, Credentials, Known, SecretText
from batchcart.exchange import Exchange, Past, Request, Response
from batchcart.operation import Kind, Operation
from batchcart.outcome import Busy, Denied, Done, Facts, Failing, Reason, Refused, Step, Unknown
from batchcart.platforms import lines
from batchcart.platforms.answers import (
    Unreadable,
    after_failure,
    decoded,
    described,
    http_trouble,
    json_text,
    lost,
    rejected,
)
from batchcart.platforms.fields import Count, Id, Key, Moment, Money, Text

_UNSET = msgspec.UNSET
# c4 (S004, paths): some with and some without the leading slash; always with it.
_CARTS = "/services/carts"
_DISCOUNTS = "/services/carts_discount"
_PAGE = 50  # S004 §Receive a list of all carts: limit, default 50


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
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
        needed = {
            "bearer": ("access_token", "app_id"),
            "oauth1": ("consumer_key", "consumer_secret", "token", "token_secret"),
        }
        if self.auth not in needed:
            raise ValueError(f'auth is "bearer" or "oauth1", not {self.auth!r}')
        missing = [name for name in needed[self.auth] if getattr(self, name) is None]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {", ".join(missing)}')


class AddFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Create a Cart/Add variant to cart; user_key is filled in from the line's cart."""

    variant_id: Id
    quantity: Count
    user_key: Key | msgspec.UnsetType = _UNSET


class QuantityFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Update an existing Cart Item."""

    quantity: Count


class DiscountFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Add/update cart item discount.

    c9: discount_type 1 is an amount in the shop's minor unit, 2 a percentage. c11: properties is a JSON text inside a
    string; an object is taken too and encoded once.
    """

    discount_type: (
        Annotated[int, msgspec.Meta(ge=1, le=2)]
        | Annotated[str, msgspec.Meta(pattern="^[12]$", description='"1" or "2"')]
    )
    discount_value: Money
    discount_code: Text | msgspec.UnsetType = _UNSET
    discount_title: Text | msgspec.UnsetType = _UNSET
    properties: str | dict[str, Any] | msgspec.UnsetType = _UNSET

    def __post_init__(self) -> None:
        if str(self.discount_type) == "2" and float(self.discount_value) > 100:
            raise ValueError("a discount_type of 2 is a percentage, so discount_value is 100 at the most")


class FieldsQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Receive a single Cart: ``fields`` is a list, or its names joined by commas."""

    fields: str | list[str] | msgspec.UnsetType = _UNSET


class CountQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S004 §Receive a count of all carts. c13: neither page, limit nor since_id."""

    user_key: Key | msgspec.UnsetType = _UNSET
    created_at_min: Moment | msgspec.UnsetType = _UNSET
    created_at_max: Moment | msgspec.UnsetType = _UNSET


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
    created_at_min: Moment | msgspec.UnsetType = _UNSET
    created_at_max: Moment | msgspec.UnsetType = _UNSET


def _build_add(operation: Operation, known: Known) -> Request:
    """A repeat makes a second line (PLATFORMS §3.6), so what a foreign cart holds is read before the first add."""
    if not lines.looked_at(known.facts) and not _made_here(operation, known):
        return _page(operation, known, 1)
    return _post(operation, known)


def _made_here(operation: Operation, known: Known) -> bool:
    return operation.kind is Kind.CART_CREATE and known.cart_id is None


def _post(operation: Operation, known: Known) -> Request:
    fields: dict[str, Any] = msgspec.json.decode(operation.data, type=dict[str, msgspec.Raw])
    if "user_key" in fields:
        return Request("POST", _CARTS, body=b'{"cart":' + operation.data + b"}")
    key = msgspec.json.encode(_user_key(operation, known))
    return Request("POST", _CARTS, body=b'{"cart":{"user_key":' + key + b"," + operation.data.lstrip()[1:] + b"}")


def _user_key(operation: Operation, known: Known) -> str:
    return known.cart_id or known.new_key


def _page(operation: Operation, known: Known, number: int) -> Request:
    query = (
        *(_query(operation) if operation.kind is Kind.CART_GET else ()),
        ("user_key", _user_key(operation, known)),
        ("limit", str(_PAGE)),
        ("page", str(number)),
    )
    return Request("GET", _CARTS, query)


def _query(operation: Operation) -> tuple[tuple[str, str], ...]:
    given: dict[str, Any] = msgspec.json.decode(operation.query or b"{}")
    return tuple((name, ",".join(value) if isinstance(value, list) else str(value)) for name, value in given.items())


def _build_first_page(operation: Operation, known: Known) -> Request:
    return _page(operation, known, 1)


def _build_list(operation: Operation, known: Known) -> Request:
    return Request("GET", _CARTS, _query(operation))


def _build_count(operation: Operation, known: Known) -> Request:
    return Request("GET", f"{_CARTS}/count", _query(operation))


def _build_item_get(operation: Operation, known: Known) -> Request:
    return Request("GET", _item(operation, known), _query(operation))


def _build_item_update(operation: Operation, known: Known) -> Request:
    return Request("PUT", _item(operation, known), body=b'{"cart":' + operation.data + b"}")


def _build_item_delete(operation: Operation, known: Known) -> Request:
    return Request("DELETE", _item(operation, known))


def _build_discount_set(operation: Operation, known: Known) -> Request:
    fields = msgspec.json.decode(operation.data, type=dict[str, msgspec.Raw])
    data = operation.data
    if bytes(fields.get("properties", b"")).startswith(b"{"):
        text = bytes(fields["properties"]).decode()
        data = msgspec.json.encode({**fields, "properties": text})
    return Request("PUT", _discount(operation, known), body=b'{"cart_discount":' + data + b"}")


def _build_discount_delete(operation: Operation, known: Known) -> Request:
    return Request("DELETE", _discount(operation, known))


def _line_id(operation: Operation, known: Known) -> str:
    return operation.item_id or known.items.get(operation.item or "", "")


def _item(operation: Operation, known: Known) -> str:
    return f"{_CARTS}/{quote(_line_id(operation, known), safe='')}"


def _discount(operation: Operation, known: Known) -> str:
    # c10 (S004 §Add/update cart item discount): {id} is the line's; without properties all lines of the cart get it.
    return f"{_DISCOUNTS}/{quote(_line_id(operation, known), safe='')}"


_REFUSED_CREDENTIALS = {"202": "is not authorised", "251": "has expired"}  # PLATFORMS §3.3


def trouble(exchange: Exchange) -> Busy | Failing | Denied | None:
    """Whether the answer means that shop or credentials fail."""
    response = exchange.response
    code = str(_object(response).get("error", ""))
    if code in _REFUSED_CREDENTIALS:
        return Denied(f"Shoplo says that the token {_REFUSED_CREDENTIALS[code]} (error {code})", final=True)
    if response.status == 401:
        return Denied("Shoplo refused the token (HTTP 401)", final=True)
    return http_trouble(exchange)


def _object(response: Response) -> dict[str, Any]:
    try:
        answer = decoded(response.body)
    except Unreadable:
        return {}
    return answer if isinstance(answer, dict) else {}


def _problem(response: Response) -> Refused | None:
    """Whether the shop said no, which it does with HTTP 200 and `status: err` (PLATFORMS §3.3)."""
    answer = _object(response)
    if str(answer.get("status", "")).lower() == "err" or answer.get("error"):
        said = answer.get("error_msg") or "no reason given"
        return rejected(response, f"Shoplo said: {said} (error {answer.get('error')}, HTTP {response.status})")
    if not 200 <= response.status < 300:
        return rejected(response)
    return None


def _line_of(response: Response) -> dict[str, Any]:
    line = _object(response).get("cart")
    return line if isinstance(line, dict) else {}


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
        return _after_look(operation, known, past)
    if problem := _problem(response):
        return problem
    line_id = str(_line_of(response).get("id") or "")
    if not line_id:
        message = f"{described(response)} and no cart id in it"
        return after_failure(
            Failing(message, exchange.request), past, _recover_add(operation, known, lost(past, message))
        )
    return _added(operation, known, past, line_id)


def _recover_add(operation: Operation, known: Known, past: Past) -> Step:
    return _page(operation, known, 1)


def _after_look(operation: Operation, known: Known, past: Past) -> Step:
    """Decide from the cart's lines, read to the last page before the first add or after a lost one."""
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    problem = _problem(exchange.response)
    written = next((step for step in past if step.request.writes), None)
    if problem:
        if written is None:
            return problem
        return Unknown(f"{written.request} was sent and not answered, and {problem.message}", lines.distrust())
    pages = _latest_pages(past)
    if more := _next_page(operation, known, pages):
        return more
    if written is None:
        return _post(operation, known)
    before = _before(operation, known, past)
    if before is None:
        evidence = f"{written.request} was sent and not answered, and what the cart held before is not known"
        return Unknown(evidence, lines.distrust())
    match lines.compare(before, _lines_in(operation, known, pages), _wanted(operation)):
        case lines.Added(line_id):
            return _added(operation, known, past, line_id)
        case lines.NotAdded():
            return _post(operation, known)
        case lines.Unclear(why):
            return Unknown(f"{written.request} was sent and not answered, and {why}", lines.distrust())


def _added(operation: Operation, known: Known, past: Past, line_id: str) -> Done:
    before = _before(operation, known, past)
    whole = lines.distrust() if before is None else lines.remember_all(before, known.facts)
    key = _user_key(operation, known)
    facts = {**whole, **lines.remember({line_id: _wanted(operation)})}
    return Done(cart_id=key, item_id=line_id, names={"user_key": key}, facts=facts)


def _before(operation: Operation, known: Known, past: Past) -> lines.Lines | None:
    """The cart's lines before this operation's first write: read at its start, remembered, or none."""
    first = tuple(takewhile(lambda step: not step.request.writes, past))
    if first:
        return _lines_in(operation, known, _exchanges(first))
    if (remembered := lines.known_lines(known.facts)) is not None:
        return remembered
    return {} if _made_here(operation, known) else None


def _latest_pages(past: Past) -> tuple[Exchange, ...]:
    """The list pages read since the last write, in order."""
    trailing = tuple(takewhile(lambda step: not step.request.writes, reversed(past)))
    return _exchanges(tuple(reversed(trailing)))


def _exchanges(past: Past) -> tuple[Exchange, ...]:
    return tuple(step for step in past if isinstance(step, Exchange))


def _rows(response: Response) -> list[msgspec.Raw]:
    """The lines of a list answer; null and nothing mean none (PLATFORMS §3.3)."""
    try:
        answer = msgspec.json.decode(json_text(response.body), type=dict[str, msgspec.Raw] | None) or {}
        return msgspec.json.decode(answer.get("carts", b"[]"), type=list[msgspec.Raw] | None) or []
    except (Unreadable, msgspec.ValidationError):
        return []


def _own_rows(operation: Operation, known: Known, pages: tuple[Exchange, ...]) -> dict[str, msgspec.Raw]:
    """The cart's own rows by id. c2: the filter's meaning is in doubt, so each row's user_key is looked at."""
    own: dict[str, msgspec.Raw] = {}
    for page in pages:
        for raw in _rows(page.response):
            row = decoded(bytes(raw))
            if isinstance(row, dict) and row.get("user_key", _user_key(operation, known)) == _user_key(
                operation, known
            ):
                own.setdefault(str(row.get("id", f"row {len(own)}")), raw)
    return own


def _lines_in(operation: Operation, known: Known, pages: tuple[Exchange, ...]) -> lines.Lines:
    found = {}
    for key, raw in _own_rows(operation, known, pages).items():
        row = decoded(bytes(raw))
        found[key] = lines.Line(str(row.get("variant_id")), lines.decimal(row.get("quantity") or 0))
    return found


def _next_page(operation: Operation, known: Known, pages: tuple[Exchange, ...]) -> Request | None:
    """The next page to ask for; None once a page came short, or brought nothing that was not there already."""
    if len(_rows(pages[-1].response)) < _PAGE:
        return None
    if len(pages) > 1 and _ids(pages[-1]) <= set().union(*(_ids(page) for page in pages[:-1])):
        return None
    return _page(operation, known, len(pages) + 1)


def _ids(page: Exchange) -> set[bytes]:
    return {bytes(raw) for raw in _rows(page.response)}


def _wanted(operation: Operation) -> lines.Line:
    fields = decoded(operation.data)
    return lines.Line(str(int(fields["variant_id"])), lines.decimal(fields["quantity"]))


def _interpret_cart_get(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    if step := trouble(exchange) or _problem(exchange.response):
        return step
    pages = _exchanges(past)
    if more := _next_page(operation, known, pages):
        return more
    key = _user_key(operation, known)
    rows = b",".join(bytes(raw) for raw in _own_rows(operation, known, pages).values())
    return Done(cart_id=key, names={"user_key": key}, body=b'{"carts":[' + rows + b"]}")


def _interpret_read(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    if step := trouble(exchange) or _problem(exchange.response):
        return step
    body = json_text(exchange.response.body)
    if operation.kind is not Kind.ITEM_GET:
        return Done(body=body)
    line = _line_of(exchange.response)
    if not line:
        return Refused(Reason.REJECTED, f"Shoplo has no line {_line_id(operation, known)}")
    return _on_line(operation, known, line, body=body)


def _on_line(operation: Operation, known: Known, line: Mapping[str, Any], *, body: bytes = b"") -> Done:
    # c14 (S004, delete and discount answers): they carry no id; the result names the line that was asked for.
    key = str(line.get("user_key") or known.cart_id or "") or None
    line_id = _line_id(operation, known)
    names = {"user_key": key} if key else {}
    return Done(cart_id=key, item_id=line_id, names=names, body=body, facts=_facts_after(operation, known, line_id))


def _facts_after(operation: Operation, known: Known, line_id: str) -> Facts:
    match operation.kind:
        case Kind.ITEM_DELETE:
            return lines.forget(line_id)
        case Kind.ITEM_UPDATE:
            return lines.requantified(line_id, lines.decimal(decoded(operation.data)["quantity"]), known.facts)
        case _:
            return {}


def _interpret_update(operation: Operation, known: Known, past: Past) -> Step:
    """c5 (S004 §Update an existing Cart Item): asked for 3, answered 2. The quantity is absolute; where the answer
    differs the line is read once, and if it differs still the update was not applied.
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
    if problem := _problem(exchange.response):
        return problem
    line = _line_of(exchange.response)
    wanted = lines.decimal(decoded(operation.data)["quantity"])
    if "quantity" not in line or lines.decimal(line["quantity"]) == wanted:
        return _on_line(operation, known, line)
    if exchange.request.writes:
        return Request("GET", _item(operation, known))
    return rejected(exchange.response, f"not applied: the line still holds {line['quantity']} and not {wanted}")


def _interpret_item_delete(operation: Operation, known: Known, past: Past) -> Step:
    return _deleted_or(operation, known, past, lambda: _on_line(operation, known, {}))


def _interpret_discount(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing() as failing:
            return after_failure(failing, past, exchange.request)
        case None:
            pass
        case step:
            return step
    problem = _problem(exchange.response)
    if problem is None or (operation.kind is Kind.DISCOUNT_DELETE and _repeated(past) and _gone(exchange.response)):
        return _on_line(operation, known, {})
    return problem


def _deleted_or(operation: Operation, known: Known, past: Past, then: Callable[[], Step]) -> Step:
    """Read the answer to a DELETE of one line; ``then`` is what follows once the line is gone.

    What the shop says of a line that is gone is not documented (PLATFORMS §3.6), so after a repeat a read decides.
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
    problem = _problem(exchange.response)
    if not exchange.request.writes:
        gone = problem is not None or not _line_of(exchange.response)
        return then() if gone else rejected(exchange.response, "Shoplo refused to delete a line that is still there")
    if problem is None or (_repeated(past) and _gone(exchange.response)):
        return then()
    if _repeated(past):
        return Request("GET", exchange.request.path)
    return problem


def _repeated(past: Past) -> bool:
    """Whether the last write was sent before in this operation."""
    return any(step.request == past[-1].request for step in past[:-1])


def _gone(response: Response) -> bool:
    return response.status == 404 or str(_object(response).get("error")) == "404"


def _interpret_cart_delete(operation: Operation, known: Known, past: Past) -> Step:
    """List the cart to its last page, then delete its lines one by one."""
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    listed = tuple(takewhile(lambda step: not step.request.writes, past))
    if len(listed) < len(past):
        return _deleted_or(operation, known, past, lambda: _next_delete(operation, known, past))
    if step := trouble(exchange) or _problem(exchange.response):
        return step
    if more := _next_page(operation, known, _exchanges(listed)):
        return more
    if not _own_rows(operation, known, _exchanges(listed)) and known.facts.get("lines") is None:
        return Refused(Reason.REJECTED, f"Shoplo has no line with user_key {_user_key(operation, known)}")
    return _next_delete(operation, known, past)


def _next_delete(operation: Operation, known: Known, past: Past) -> Step:
    listed = tuple(takewhile(lambda step: not step.request.writes, past))
    tried = {step.request.path for step in past if step.request.writes}
    for line_id in _own_rows(operation, known, _exchanges(listed)):
        path = f"{_CARTS}/{quote(line_id, safe='')}"
        if path not in tried:
            return Request("DELETE", path)
    key = _user_key(operation, known)
    return Done(cart_id=key, names={"user_key": key}, facts=lines.remember_all({}, known.facts))


def _ask_again(operation: Operation, known: Known, past: Past) -> Step:
    return past[-1].request


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with a Bearer token and app-id, or with an OAuth 1.0a signature (PLATFORMS §3.1)."""
    if credentials["auth"] == "bearer":
        headers = (
            ("Authorization", f"Bearer {credentials['access_token']}"),
            ("app-id", credentials["app_id"]),
        )
        return replace(request, headers=(*request.headers, *headers))
    from oauthlib.oauth1 import Client  # noqa: PLC0415  # 50 ms of import that Bearer accounts need not pay

    client = Client(
        credentials["consumer_key"],
        client_secret=credentials["consumer_secret"],
        resource_owner_key=credentials["token"],
        resource_owner_secret=credentials["token_secret"],
        nonce=nonce,
        timestamp=str(int(now)),
    )
    url = credentials["base_url"].rstrip("/") + request.path
    if request.query:
        url = f"{url}?{urlencode(request.query, quote_via=quote)}"
    form = dict(request.headers).get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    # A JSON body is not part of an OAuth 1.0a signature; handing it over would add an extension the shop may not know.
    _, signed, _ = client.sign(url, request.method, request.body.decode() if form else None, dict(request.headers))
    return replace(request, headers=tuple(signed.items()))


ADAPTER = Adapter(
    name="shoplo",
    settings=Settings,
    address=lambda settings: settings["base_url"].rstrip("/"),
    limits=("2/s",),
    cells={
        Kind.CART_CREATE: Cell(
            _build_add, _interpret_add, _recover_add, AddFields, repeatable=False, note="one variant"
        ),
        Kind.CART_GET: Cell(
            _build_first_page, _interpret_cart_get, _ask_again, query=CartQuery, note="by user_key, all pages"
        ),
        Kind.CART_DELETE: Cell(_build_first_page, _interpret_cart_delete, _ask_again, note="each line, one by one"),
        Kind.CART_LIST: Cell(_build_list, _interpret_read, _ask_again, query=ListQuery),
        Kind.CART_COUNT: Cell(_build_count, _interpret_read, _ask_again, query=CountQuery),
        Kind.ITEM_ADD: Cell(
            _build_add, _interpret_add, _recover_add, AddFields, repeatable=False, note="same user_key"
        ),
        Kind.ITEM_GET: Cell(_build_item_get, _interpret_read, _ask_again, query=FieldsQuery),
        Kind.ITEM_UPDATE: Cell(_build_item_update, _interpret_update, _ask_again, QuantityFields),
        Kind.ITEM_DELETE: Cell(_build_item_delete, _interpret_item_delete, _ask_again),
        Kind.DISCOUNT_SET: Cell(_build_discount_set, _interpret_discount, _ask_again, DiscountFields),
        Kind.DISCOUNT_DELETE: Cell(_build_discount_delete, _interpret_discount, _ask_again),
    },
    sign=sign,
    trouble=trouble,
    ping=Request("GET", f"{_CARTS}/count"),
    sample={
        "auth": "bearer",
        "access_token": "sandbox-access-token",
        "app_id": "sandbox-app",
        "base_url": "http://127.0.0.1",
    },
    chosen_key="user_key",
    item_needs_cart=False,
    create_adds_item=True,
)
