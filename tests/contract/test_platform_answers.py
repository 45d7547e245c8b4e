"""Reading bodies, comparing carts and signing: the parts of adapters that many cases rest on."""

import base64
import hashlib
import hmac
import json
import re
from decimal import Decimal
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from batchcart.engine.http.form_encoding import encode_body
from batchcart.model.adapter import Credentials
from batchcart.model.excerpt import MOST_SHOWN
from batchcart.model.http import Exchange, Request, Response
from batchcart.model.json_text import Unreadable
from batchcart.model.outcome import Foreign, Throttled, Unavailable
from batchcart.platforms import load_adapters
from batchcart.platforms.threedcart import responses
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import reject
from batchcart.platforms.toolkit.lenient_json import decode, json_text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'[{"Key":"OrderKey",\n  }\n]', [{"Key": "OrderKey"}]),
        (b'{"status"\t: "ok",\n}', {"status": "ok"}),
        (b'{"message": "Created"\n "code": 201}', {"message": "Created", "code": 201}),
        (b'{"a": 1}, {"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"type": "2" //"1" for price\n "url": "http://x//y,}"}', {"type": "2", "url": "http://x//y,}"}),
        (b'\xef\xbb\xbf{"price": 50.10}', {"price": Decimal("50.10")}),
        (b'\xef\xbb\xbf\r\n\xef\xbb\xbf {"a": 1}\n\xef\xbb\xbf\n', {"a": 1}),
    ],
    ids=["trailing-comma", "comma-before-brace", "missing-comma", "side-by-side", "comments", "mark", "marks"],
)
def test_the_documents_own_mistakes_are_forgiven(body: bytes, value: object) -> None:
    assert decode(body) == value
    assert b"\n" not in json_text(body)


@pytest.mark.parametrize(
    "body", [b"", b" ", b",", b"//", b'{"a":1},', b'{"a":', b"<html></html>", b"\xff", b"{} garbage", b"1, 2"]
)
def test_what_is_cut_off_or_no_json_stays_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(body)


def test_a_long_run_of_blank_lines_is_read_in_no_time() -> None:
    with pytest.raises(Unreadable):
        decode(b'{"a": 1' + b"\n" * 400_000)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ({}, {"1": 2}, lines.WasAdded("1")),
        ({"1": 2}, {"1": 4}, lines.WasAdded("1")),
        ({"1": 2}, {"1": 2, "9": 2}, lines.WasAdded("9")),
        ({"1": 2}, {"1": 2}, lines.WasNotAdded()),
        ({}, {}, lines.WasNotAdded()),
    ],
    ids=["first", "merged", "another-line", "same", "still-empty"],
)
def test_one_add_explains_what_changed(
    before: dict[str, int], now: dict[str, int], verdict: lines.WasAdded | lines.WasNotAdded
) -> None:
    assert lines.compare(_held(before), _held(now), lines.Line("7", Decimal(2))) == verdict


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"1": 2}, {}),
        ({"1": 2}, {"1": 3}),
        ({"1": 2}, {"1": 1}),
        ({"1": 2}, {"9": 2}),
        ({"1": 2}, {"1": 4, "9": 2}),
        ({}, {"1": 2, "2": 2}),
        ({}, {"1": 3}),
    ],
    ids=["emptied", "other-sum", "lowered", "replaced", "twice", "two-lines", "other-quantity"],
)
def test_what_one_add_does_not_explain_is_unclear(before: dict[str, int], now: dict[str, int]) -> None:
    verdict = lines.compare(_held(before), _held(now), lines.Line("7", Decimal(2)))
    assert isinstance(verdict, lines.Unclear)


def test_a_quantity_that_is_none_proves_nothing() -> None:
    broken = {"1": lines.Line("7", lines.amount("many"))}
    assert isinstance(lines.compare(broken, broken, lines.Line("7", Decimal(2))), lines.Unclear)
    assert isinstance(lines.compare({}, broken, lines.Line("7", lines.amount({}))), lines.Unclear)


def _held(quantities: dict[str, int]) -> dict[str, lines.Line]:
    return {key: lines.Line("7", Decimal(quantity)) for key, quantity in quantities.items()}


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (429, b"", Throttled),
        (429, b"<html>", Throttled),
        (500, b"{}", Unavailable),
        (503, b"<html>", Unavailable),
        (200, b"", Unavailable),
        (200, b"null", Unavailable),
        (200, b'{"cut', Unavailable),
    ],
)
def test_a_write_that_got_no_clear_answer_is_not_a_refusal(status: int, body: bytes, trouble: type) -> None:
    exchange = Exchange(Request("POST", "/carts"), Response(status, body))
    assert {type(adapter.errors.classify(exchange)) for adapter in load_adapters().values()} == {trouble}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<!DOCTYPE html><title>Down for maintenance</title>"),
        (200, b"\xef\xbb\xbf\r\n<html>"),
        (301, b""),
        (302, b"{}"),
        (304, b""),
        (400, b"<html>Bad Request</html>"),
        (403, b"<html>blocked</html>"),
        (403, b"error code: 1020"),
        (403, b""),
        (404, b"<html>no such page</html>"),
        (405, b"<html>"),
        (406, b"<html>"),
    ],
)
def test_what_no_platform_says_is_told_from_its_answers(method: str, status: int, body: bytes) -> None:
    for adapter in load_adapters().values():
        trouble = adapter.errors.classify(Exchange(Request(method, "/carts"), Response(status, body)))
        assert isinstance(trouble, Foreign)
        assert trouble.void is (status == 301)


ROW = b'[{"Key":"OrderKey","Value":"K","Status":"%d","Message":"No"}]'
DOCUMENTED = [
    ("3dcart", 400, b""),
    ("3dcart", 404, b" \r\n"),
    ("3dcart", 415, b""),
    ("3dcart", 404, b"[]"),
    ("3dcart", 400, ROW % 400),
    ("3dcart", 404, (ROW % 404)[1:-1]),
    ("3dcart", 403, ROW.replace(b'"%d"', b"403")),
    ("3dcart", 200, ROW % 400),
    ("3dcart", 200, b"[]"),
    ("3dcart", 200, b'{"BillingCity":"Tampa"}'),
    ("3dcart", 201, b'[{"CartItemList":null}]'),
    ("tray", 404, b'{"code":404,"name":"Not Found","causes":["Not Found"]}'),
    ("tray", 404, b'{"code":"404"}'),
    ("tray", 400, b'{"causes":{"quantity":["too many"]}}'),
    ("tray", 400, b'{"causes":[]}'),
    ("tray", 422, b'{"code":422,"message":"Invalid"}'),
    ("tray", 200, b'{"code":404,"causes":[]}'),
    ("tray", 200, b"[]"),
    ("tray", 200, b'{"Cart":[]}'),
    ("tray", 201, b'{"session_id":"K"}'),
    ("tray", 200, b'{"message":"Saved","code":200}'),
    ("tray", 200, b'{"access_token":"a","refresh_token":"r"}'),
    ("shoplo", 200, b'{"status":"err","error":99,"error_msg":"No"}'),
    ("shoplo", 200, b'{"error":"99"}'),
    ("shoplo", 404, b'{"error":"no such line","error_msg":"No"}'),
    ("shoplo", 400, b'{"status":"ERR"}'),
    ("shoplo", 200, b'{"status":"ok"}'),
    ("shoplo", 200, b'{"carts":null}'),
    ("shoplo", 200, b'{"cart":null}'),
    ("shoplo", 200, b'{"count":"0"}'),
    ("shoplo", 200, b"[]"),
]


@pytest.mark.parametrize(("name", "status", "body"), DOCUMENTED)
def test_an_answer_in_a_documented_form_is_no_trouble_of_the_account(name: str, status: int, body: bytes) -> None:
    adapter = load_adapters()[name]
    assert adapter.errors.classify(Exchange(adapter.health_check, Response(status, body))) is None


GATEWAYS = [
    b'{"message":"no Route matched with those values"}',
    b'{"message":"Forbidden"}',
    b'{"error":"not_found"}',
    b'{"error":{"code":404,"message":"Not Found"}}',
    b'{"errors":[{"code":1020}],"success":false}',
    b'{"status":404,"error":"Not Found","message":"No message available","path":"/x"}',
    b'{"statusCode":404,"message":"Resource not found"}',
    b'{"code":5,"message":"Not Found","details":[]}',
    b'{"detail":"Not Found"}',
    b'{"status":"error","code":"not_found"}',
    b'{"fault":{"faultstring":"Unable to identify proxy"}}',
    b'"not found"',
    b"404",
    b"false",
    b"[{}]",
    b"{}",
]


@pytest.mark.parametrize("name", sorted(load_adapters()))
@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 410])
@pytest.mark.parametrize("body", GATEWAYS)
def test_a_gateways_json_is_no_answer_of_a_platform(name: str, status: int, body: bytes) -> None:
    adapter = load_adapters()[name]
    trouble = adapter.errors.classify(Exchange(adapter.health_check, Response(status, body)))
    assert isinstance(trouble, Foreign)
    assert f"HTTP {status} with {body.decode()[:80]}" in trouble.message


@pytest.mark.parametrize(("name", "status"), [("tray", 404), ("tray", 400), ("shoplo", 404), ("3dcart", 405)])
def test_an_error_without_a_body_is_told_from_one_of_a_platform_that_documents_a_body(name: str, status: int) -> None:
    adapter = load_adapters()[name]
    assert isinstance(adapter.errors.classify(Exchange(adapter.health_check, Response(status))), Foreign)


@pytest.mark.parametrize("name", sorted(load_adapters()))
@pytest.mark.parametrize("status", [200, 201, 400, 404])
def test_json_that_was_cut_off_is_asked_for_again(name: str, status: int) -> None:
    adapter = load_adapters()[name]
    assert isinstance(
        adapter.errors.classify(Exchange(adapter.health_check, Response(status, b'{"code":404,"na'))), Unavailable
    )


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://shop.example/login?access_token=t0k3n", "https://shop.example"),
        ("https://user:t0k3n@shop.example:8443/t0k3n#t0k3n", "https://shop.example:8443"),
        ("/t0k3n/login", "another path of the same host"),
        ("//shop.example/t0k3n", "the same scheme://shop.example"),
        ("https://[t0k3n", "somewhere that cannot be read"),
        ("https://shop.example:t0k3n/", "somewhere that cannot be read"),
        ("", "nowhere"),
    ],
)
def test_of_a_redirects_target_only_scheme_and_host_are_told(location: str, told: str) -> None:
    answer = Response(308, b"", {"location": location})
    trouble = load_adapters()["tray"].errors.classify(Exchange(Request("POST", "/carts"), answer))
    assert isinstance(trouble, Foreign)
    assert told in trouble.message
    assert "t0k3n" not in trouble.message


def test_a_refusal_shows_two_kilobytes_of_the_answer_at_most() -> None:
    assert len(reject(Response(400, "ã".encode() * 5000)).body.encode()) <= MOST_SHOWN


# ---- credentials

OAUTH = Credentials(
    {
        "auth": "oauth1",
        "base_url": "http://127.0.0.1:8080/shoplo/",
        "consumer_key": "c0nsumer",
        "consumer_secret": "c&s",
        "token": "t0ken",
        "token_secret": "t+s",
    }
)


def _plain(text: str) -> str:
    return quote(text, safe="-._~")


def _signature(method: str, url: str, fields: list[tuple[str, str]]) -> str:
    """RFC 5849 §3.4 by hand: base string and HMAC-SHA1."""
    pairs = sorted((_plain(name), _plain(value)) for name, value in fields)
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join(_plain(part) for part in (method, url, joined))
    digest = hmac.new(f"{_plain('c&s')}&{_plain('t+s')}".encode(), base.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


_LISTED = Request("GET", "/services/carts", (("user_key", "a b&c"), ("created_at_min", "2011-06-19 13:18:50")))
_ADDED = Request("POST", "/services/carts", body='{"cart":{"user_key":"k ł","variant_id":54,"quantity":2}}'.encode())


@pytest.mark.parametrize(
    ("request_", "encoding"),
    [(_LISTED, "json"), (_ADDED, "json"), (_ADDED, "form"), (Request("DELETE", "/services/carts/1"), "form")],
    ids=["query", "json", "form", "delete"],
)
def test_shoplos_oauth_signature_is_the_one_computed_by_hand(request_: Request, encoding: str) -> None:
    request = encode_body(request_, encoding)
    signed = load_adapters()["shoplo"].auth.sign(request, OAUTH, 1_700_000_000.7, "n0nce")
    header = dict(signed.headers)["Authorization"]
    said = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
    fields = [*request.query, *((name, value) for name, value in said.items() if name != "oauth_signature")]
    if encoding == "form":
        fields += parse_qsl(request.body.decode(), keep_blank_values=True)
    url = "http://127.0.0.1:8080/shoplo" + request.path
    assert said["oauth_signature"] == _signature(request.method, url, fields)
    assert (said["oauth_timestamp"], said["oauth_nonce"]) == ("1700000000", "n0nce")
    assert signed.body == request.body


def test_an_oauth_signature_changes_with_the_nonce() -> None:
    first, second = (load_adapters()["shoplo"].auth.sign(_ADDED, OAUTH, 1.0, nonce) for nonce in ("a", "b"))
    assert first.headers != second.headers
    assert first == replace(second, headers=first.headers)


def test_shoplo_bearer_stands_beside_the_app_id() -> None:
    credentials = Credentials({"auth": "bearer", "access_token": "t0k3n", "app_id": "1234"})
    signed = load_adapters()["shoplo"].auth.sign(_ADDED, credentials, 0.0, "")
    assert dict(signed.headers) == {"Authorization": "Bearer t0k3n", "app-id": "1234"}


def test_3dcart_takes_three_headers_or_a_bearer_token() -> None:
    request, sign = Request("GET", "/3dCartWebAPI/v1/Cart/K"), load_adapters()["3dcart"].auth.sign
    named = Credentials({"secure_url": "https://acme.example", "private_key": "pk", "token": "tk"})
    headers = {"SecureURL": "https://acme.example", "PrivateKey": "pk", "Token": "tk"}
    assert dict(sign(request, named, 0.0, "").headers) == headers
    assert dict(sign(request, Credentials({"access_token": "b"}), 0.0, "").headers) == {"Authorization": "Bearer b"}


def test_tray_takes_its_token_in_the_query_and_renews_without_it() -> None:
    credentials = Credentials({"access_token": "old", "refresh_token": "r"})
    adapter = load_adapters()["tray"]
    assert adapter.auth.token_refresh is not None
    assert adapter.auth.sign(Request("GET", "/carts/K"), credentials, 0.0, "").query == (("access_token", "old"),)
    ask = adapter.auth.token_refresh.build_request(credentials)
    assert adapter.auth.sign(ask, credentials, 0.0, "") == Request("GET", "/auth", (("refresh_token", "r"),))


@pytest.mark.parametrize(
    ("response", "fresh"),
    [
        (
            Response(200, b'{"access_token":"a","refresh_token":"r","code":200}'),
            {"access_token": "a", "refresh_token": "r"},
        ),
        (Response(201, b'{"access_token":"a"}'), {"access_token": "a"}),
        (Response(401, b'{"access_token":"a"}'), None),
        (Response(200, b"<html>"), None),
    ],
    ids=["pair", "one", "refused", "web-page"],
)
def test_a_renewal_brings_a_fresh_pair_or_nothing(response: Response, fresh: dict[str, str] | None) -> None:
    renewal = load_adapters()["tray"].auth.token_refresh
    assert renewal is not None
    assert renewal.parse_tokens(response) == fresh


@pytest.mark.parametrize(
    "given",
    [
        "loja.example",
        "loja.example/web_api/",
        "https://loja.example",
        " https://loja.example/web_api ",
        "https://loja.example/web_api/web_api",
    ],
)
def test_trays_address_has_one_scheme_and_one_web_api(given: str) -> None:
    assert load_adapters()["tray"].account.address({"api_address": given}) == "https://loja.example/web_api"


@given(
    st.text(max_size=12) | st.sampled_from(["7", " 7", "a/b", "K"]),
    st.sampled_from(["200", "201", "400", "404", "+201", "", "x"]),
    st.sampled_from(["OrderKey", "orderkey", "CartItemID", ""]),
    st.text(max_size=12),
    st.sampled_from([200, 201, 404]),
)
def test_a_documented_3dcart_answer_means_the_same_as_one_with_a_field_more(
    value: str, status: str, key: str, message: str, code: int
) -> None:
    """The one is read by its type, the other with patience."""
    row = {"Key": key, "Value": value, "Status": status, "Message": message}
    by_type, leniently = (Response(code, json.dumps([one]).encode()) for one in (row, row | {"More": 1}))
    assert responses.new_id(by_type, "OrderKey") == responses.new_id(leniently, "OrderKey")
    assert (responses.refusal(by_type) is None) == (responses.refusal(leniently) is None)
    assert responses.missing(by_type) == responses.missing(leniently)
