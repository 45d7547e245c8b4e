"""Each reading of a contested point shows in what a simulated shop says or does, and the others stay as they are."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_harness import batchcart
from platform_parts import CLOSELY_KNOWN

from batchcart.model.errors import UsageError
from batchcart.sandbox import Sandbox
from batchcart.sandbox.platforms import list_simulated
from batchcart.sandbox.readings import READINGS, deviate, list_readings, parse_reading, usual
from batchcart.sandbox.routing import read_call

DEVIATIONS = [
    (reading.name, value)
    for reading in READINGS.values()
    if reading.platform in CLOSELY_KNOWN
    for value in reading.values
    if value != reading.usual
]
FORM = "application/x-www-form-urlencoded"
Step = tuple[str, str, Any] | tuple[str, str, Any, str]
"""Method, path behind the door, body (a text is a form), and the fault that the call meets."""

THREEDCART: Sequence[Step] = [
    ("POST", "Cart", {"BillingCity": "Porto", "BillingState": "P"}),
    ("GET", "Cart/{key}", None),
    ("POST", "Cart/{key}/Item", {"CatalogID": 5, "ItemQuantity": 2, "ItemOptions": [{"OptionID": 1}]}),
    ("POST", "Cart/{key}/Item", {"CatalogID": 5, "ItemQuantity": 2, "ItemOptions": [{"OptionID": 1}]}),
    ("PUT", "Cart/{key}", {"BillingCity": "Faro"}),
    ("GET", "Cart/{key}", None),
    ("PUT", "Cart/{key}/Item/2", {"ItemQuantity": 3}),
    ("DELETE", "Cart/{key}/Item/2", None),
    ("DELETE", "Cart/{key}/Item/2", None),
    ("POST", "Cart/nowhere/Item", {"CatalogID": 5, "ItemQuantity": 2}),
    ("GET", "Cart/{key}", None, "429"),
    ("POST", "Cart", "nonsense"),
    ("DELETE", "Cart/{key}", None),
    ("GET", "Cart/{key}", None),
]
TRAY: Sequence[Step] = [
    ("POST", "carts", {"Cart": {"session_id": "s", "product_id": "5", "quantity": 2, "price": "9.00"}}),
    ("GET", "carts/s", None),
    ("GET", "carts/s/complete", None),
    ("POST", "carts/", {"Cart": {"session_id": "s", "product_id": "5", "quantity": 2, "additional_information": "x"}}),
    ("POST", "carts/", {"Cart": {"session_id": "s", "product_id": "6", "quantity": 1}}),
    ("POST", "carts", "Cart[session_id]=s&Cart[product_id]=7"),
    ("GET", "carts/s", None),
    ("GET", "carts/s/complete", None),
    ("POST", "carts/", {"Cart": {"session_id": "s", "product_id": "x"}}),
    ("PUT", "carts/s", {"Cart": {"email": "a@example.com"}}),
    ("PUT", "carts/", {"Cart": {"session_id": "s", "email": "b@example.com"}}),
    ("GET", "carts/s", None),
    ("GET", "carts/s", None, "429"),
    ("DELETE", "carts/s", None),
    ("DELETE", "carts/s", None),
    ("GET", "carts/s", None),
    ("GET", "carts/s", None, "401"),
]
SHOPLO: Sequence[Step] = [
    *(("POST", "carts", {"cart": {"variant_id": n, "quantity": 2, "user_key": "k" if n < 3 else "l"}}) for n in (1, 2)),
    ("POST", "carts", {"cart": {"variant_id": 1, "quantity": 2, "user_key": "k"}}),
    *(("POST", "carts", {"cart": {"variant_id": 30, "quantity": 1, "user_key": f"u{n}"}}) for n in range(50)),
    ("POST", "carts", "cart[variant_id]=4&cart[quantity]=1&cart[user_key]=k"),
    ("GET", "carts?user_key=k", None),
    ("GET", "carts/count?user_key=k", None),
    ("GET", "carts?created_at_min=2026-11-21 13:00:01&limit=3&fields=id", None),
    ("GET", "carts?limit=60", None),
    ("GET", "carts?page=3", None),
    ("GET", "carts?user_key=nobody", None),
    ("PUT", "carts/1", {"cart": {"quantity": 9}}),
    ("PUT", "carts_discount/1", {"cart_discount": {"discount_type": "2", "discount_value": "30"}}),
    ("DELETE", "carts/2", None),
    ("DELETE", "carts/2", None),
    ("GET", "carts/2", None),
    ("PUT", "carts/2", {"cart": {"quantity": 9}}),
    ("GET", "carts/1", None, "429"),
    ("WAIT", "", None),
    ("GET", "carts/1", None),
]
SCRIPTS = {"3dcart": THREEDCART, "tray": TRAY, "shoplo": SHOPLO}
DOORS = {"3dcart": "3dcart/3dCartWebAPI/v1", "tray": "tray/web_api", "shoplo": "shoplo/services"}
HEADERS = {"SecureURL": "s", "PrivateKey": "p", "Token": "t", "Authorization": "Bearer b", "app-id": "1"}


def transcript(platform: str, **options: Any) -> list[Any]:
    """What a shop answers to the script of its platform, step by step, and what it holds at last."""
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

    def wall() -> datetime:
        return now

    sandbox = Sandbox(limits={platform: ()}, wall=wall, **options)
    endpoint = sandbox.shop(platform)
    answers: list[Any] = []
    for method, path, body, *fault in SCRIPTS[platform]:
        now += timedelta(hours=1) if method == "WAIT" else timedelta(seconds=1)
        if method == "WAIT":
            continue
        found = re.search(rb'"([0-9A-F]{8}\w{7})"', b"".join(answer[1] for answer in answers))
        target = f"/{DOORS[platform]}/{path}".format(key=found[1].decode() if found else "")
        sign = "&" if "?" in target else "?"
        headers = {**HEADERS, "Content-Type": FORM if isinstance(body, str) else "application/json"}
        text = body if isinstance(body, str) else json.dumps(body)
        call = read_call(method, f"{target}{sign}access_token=a", headers.items(), text.encode())
        assert call is not None
        answer = endpoint.handle(call, 0.0, *fault or [""]).answer
        answers.append((answer.status, answer.body, answer.effect))
    return [*answers, sandbox.state()[platform]]


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
def test_every_value_of_every_reading_makes_another_shop(name: str, value: str) -> None:
    platform = READINGS[name].platform
    assert transcript(platform, readings={name: value}) != transcript(platform)


@pytest.mark.parametrize("platform", SCRIPTS)
def test_the_values_of_a_reading_differ_from_one_another(platform: str) -> None:
    for reading in READINGS.values():
        if reading.platform == platform:
            seen = [str(transcript(platform, readings={reading.name: value})) for value in reading.values]
            assert len(set(seen)) == len(seen), reading.name


@pytest.mark.parametrize("platform", SCRIPTS)
def test_readings_of_one_platform_leave_the_others_alone(platform: str) -> None:
    others = {name: value for name, value in DEVIATIONS if READINGS[name].platform != platform}
    assert transcript(platform, readings=others) == transcript(platform)


@pytest.mark.parametrize(("name", "value"), DEVIATIONS)
def test_what_a_shop_did_is_counted_under_every_reading(name: str, value: str) -> None:
    platform = READINGS[name].platform
    sandbox = Sandbox(limits={platform: ()}, readings={name: value})
    endpoint = sandbox.shop(platform)
    steps = [step for step in SCRIPTS[platform] if step[0] == "POST"]
    effects = 0
    for method, path, body, *_ in steps:
        target = f"/{DOORS[platform]}/{path}?access_token=a".format(key="nowhere")
        headers = {**HEADERS, "Content-Type": FORM if isinstance(body, str) else "application/json"}
        text = body if isinstance(body, str) else json.dumps(body)
        call = read_call(method, target, headers.items(), text.encode())
        assert call is not None
        effects += endpoint.handle(call, 0.0, "").answer.effect is not None
    assert sum(endpoint.saw.effects.values()) == effects
    assert endpoint.saw.throttled == 0
    held = sum(len(cart["items"]) for cart in endpoint.shop.carts.values())
    assert held <= effects


@pytest.mark.parametrize("value", ["429", "200", "503"])
def test_a_request_too_many_is_counted_whatever_its_status(value: str) -> None:
    sandbox = Sandbox(readings={"shoplo.throttle": value})
    endpoint = sandbox.shop("shoplo")
    call = read_call("GET", "/shoplo/services/carts/count", HEADERS.items(), b"")
    assert call is not None
    statuses = [endpoint.handle(call, 0.0, "").answer.status for _ in range(3)]
    assert statuses == [200, 200, int(value)]
    assert endpoint.saw.throttled == 1


def test_a_shop_may_change_its_reading_while_it_runs() -> None:
    endpoint = Sandbox().shop("tray", "loja")
    assert endpoint.shop.readings == usual("tray")
    endpoint.shop.readings = deviate("tray", {"tray.missing_cart": "array"})
    call = read_call("GET", "/tray/loja/web_api/carts/s?access_token=a", {}.items(), b"")
    assert call is not None
    assert (endpoint.handle(call, 0.0, "").answer.status, endpoint.handle(call, 0.0, "").answer.body) == (200, b"[]")


def test_a_reading_says_what_it_is_about_and_where_that_stands() -> None:
    for name, reading in READINGS.items():
        platform, _, point = name.partition(".")
        assert platform in list_simulated()
        assert re.fullmatch("[a-z_]+", point)
        assert reading.sentence.endswith(".")
        assert len(reading.values) >= 2
        assert re.fullmatch(r"[a-z]\d+|§\d+\.\d", reading.source), reading.source
    assert len({reading.name for reading in READINGS.values()}) == len(READINGS)


def _each(point: str) -> str:
    return " or ".join(repr(name) for name in READINGS if name.endswith(f".{point}"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tray.cartid=cart", "there is no reading 'tray.cartid': did you mean 'tray.cart_id'?"),
        ("cart_id=cart", f"there is no reading 'cart_id': did you mean {_each('cart_id')}?"),
        ("throttle=200", f"did you mean {_each('throttle')}?"),
        ("tray.cart_id=carts", "reading tray.cart_id has no value 'carts': did you mean 'cart'?"),
        ("tray.cart_id=", "has no value '': it is one of line, cart"),
        ("tray.cart_id", "'tray.cart_id' is not a reading: write NAME=VALUE, as in "),
        ("weather=fine", "batchcart sandbox --readings lists them"),
    ],
)
def test_an_unknown_reading_is_refused_with_a_suggestion(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        parse_reading(text)
    if text.startswith("tray.cart_id=c"):
        ended = batchcart("sandbox", "--reading", text, folder=tmp_path, code=2)
        assert sentence in ended.err


def test_one_point_is_not_given_two_readings(tmp_path: Path) -> None:
    both = ("--reading", "tray.status=200", "--reading", "tray.status=201")
    assert "a shop takes one of them" in batchcart("sandbox", *both, folder=tmp_path, code=2).err


def test_readings_are_listed_with_a_sentence_each(tmp_path: Path) -> None:
    shown = batchcart("sandbox", "--readings", folder=tmp_path, code=0).out
    assert shown == list_readings() + "\n"
    for reading in READINGS.values():
        assert f"{reading.name}  {reading.sentence}" in shown
        for value, text in reading.values.items():
            assert f"    {value}: {text}" in shown


def test_the_page_has_every_reading_with_its_values_and_source() -> None:
    page = (Path(__file__).parents[2] / "docs" / "readings.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` [^|]+\| ([^|]+\| [^|]+) \|", page, flags=re.MULTILINE))
    assert rows == {
        name: ", ".join(f"`{value}`" for value in reading.values) + f" | {reading.source}"
        for name, reading in READINGS.items()
        if reading.platform in CLOSELY_KNOWN  # what a page says of a reading is written by hand
    }
