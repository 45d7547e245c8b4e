"""An answer to an add that is just as the documents print it is read by its type, and means the same as read patiently.

Behind a byte order mark, as PHP files write it, the patient reader takes the same answer.
"""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Step, Succeeded
from batchcart.platforms import load_adapters
from batchcart.platforms.shoplo.responses import read_printed_line
from batchcart.platforms.tray.responses import read_printed_add

KEY = "Fu1Ttc6G4xlIOH4QnIuWp0RWEqK40Eeh"
ADDRESS = f'"http://loja.commercesuite.com.br/loja/carrinho.php?loja=123123&transID={KEY}&hash="'
PRINTED = {
    "tray": f'{{"message":"Created","id":"123","session_id":"{KEY}","cart_url":{ADDRESS},"code":201}}',
    "shoplo": f'{{"cart":{{"id":1,"user_key":"{KEY}","product_id":12,"variant_id":54,"price":19900,"tax":23,'
    '"quantity":2,"weight":500,"sku":"t-shirt-231a","require_shipping":1,"created_at":"2011-09-22 01:15:35",'
    '"expire_at":"2011-09-22 01:35:35"}}',
}
MEMBERS = {
    "tray": {
        "message": '"Created"', "id": '"123"', "session_id": f'"{KEY}"', "cart_url": ADDRESS, "code": "201",
        "causes": "", "error_code": "",
    },
    "tray without a session": {"message": '"Created"', "id": "123", "session_id": "", "code": "200"},
    "shoplo": {
        "id": "123", "user_key": f'"{KEY}"', "variant_id": "54", "quantity": "2", "sku": '"t-shirt"', "price": "19900",
        "discount": "",
    },
}  # fmt: skip
"""What a yes says, by the name of the member; "" where it does not have it."""
ODD = [
    "null", "true", "0", "-0", "-1", "54", "054", '"54"', '"054"', "200", '"201"', "201.0", "2.01e2", "404", "1e400",
    "9" * 400,
    '""', '" "', '"a/b"', '"../x"', '"another"', f'"{KEY.lower()}"', '"\\ud800"', '"\\u0041"', f'"{"x" * 201}"',
    f'"{"x" * 2001}"', '"{{{{"', "[]", "{}", '["no stock"]', '{"product_id":["unknown"]}', "[" * 70 + "]" * 70,
]  # fmt: skip
BESIDE = [',"status":"ok"', ',"status":"err","error":404', ',"error":0', ',"errors":["no"]', ',"cart":{}']
"""What may stand beside a Shoplo cart."""
KNOWN = {
    OperationKind.CART_CREATE: CartContext(None, KEY),
    OperationKind.ITEM_ADD: CartContext(KEY, "", {}, {"lines": "known", "line:7": "7 1", "line:54/0": "54/0 1"}),
}


def interpret(platform: str, kind: OperationKind, status: int, body: str) -> Step:
    data = b'{"product_id":54,"quantity":2}' if platform == "tray" else b'{"variant_id":54,"quantity":2}'
    spec, operation, known = load_adapters()[platform].operations[kind], Operation(3, kind, "a", data=data), KNOWN[kind]
    past = (Exchange(Request("POST", "/carts"), Response(status, body.encode())),)
    return spec.interpret(operation, known, past)


def as_object(usual: Mapping[str, str], missing: str = "", odd: Iterable[tuple[str, str]] = ()) -> str:
    """A JSON object's members as usual, without the one that is missing, and with odd ones, also a second time."""
    members = [(name, value) for name, value in usual.items() if value and name != missing]
    return ",".join(f'"{name}":{value}' for name, value in (*members, *odd))


def check(platform: str, kind: OperationKind, status: int, members: str, more: str = "") -> None:
    name = platform.partition(" ")[0]
    body = f'{{"cart":{{{members}}}{more}}}' if name == "shoplo" else f"{{{members}}}"
    by_type, patient = (interpret(name, kind, status, text) for text in (body, f"\ufeff{body}"))
    if isinstance(by_type, Succeeded) or isinstance(patient, Succeeded):
        assert by_type == patient


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("platform", MEMBERS)
def test_an_add_with_one_odd_member_means_the_same_by_its_type_and_patiently(
    platform: str, kind: OperationKind
) -> None:
    usual = MEMBERS[platform]
    for status in (200, 201, 202, 302, 404, 500):
        check(platform, kind, status, as_object(usual))
    for name in usual:
        check(platform, kind, 201, as_object(usual, name))
        for odd in ODD:
            check(platform, kind, 200, as_object(usual, name, [(name, odd)]))
    for more in BESIDE:
        check(platform, kind, 200, as_object(usual), more)


@given(st.sampled_from(list(MEMBERS)), st.sampled_from(list(KNOWN)), st.data())
def test_an_add_with_several_odd_members_means_the_same_by_its_type_and_patiently(
    platform: str, kind: OperationKind, data: st.DataObject
) -> None:
    name, odd = st.sampled_from(list(MEMBERS[platform])), st.sampled_from(ODD)
    members = as_object(MEMBERS[platform], data.draw(name), data.draw(st.lists(st.tuples(name, odd), max_size=3)))
    check(platform, kind, data.draw(st.sampled_from([200, 201])), members, data.draw(st.sampled_from(["", *BESIDE])))


@pytest.mark.parametrize("platform", PRINTED)
def test_an_add_that_is_answered_as_printed_is_done_and_read_by_its_type(platform: str) -> None:
    response = Response(200, PRINTED[platform].encode())

    assert read_printed_add(response, KEY) if platform == "tray" else read_printed_line(response)
    assert isinstance(interpret(platform, OperationKind.CART_CREATE, 200, PRINTED[platform]), Succeeded)
