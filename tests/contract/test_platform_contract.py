"""What every adapter must hold, whichever platforms there are."""

import ast
import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart import platforms as folder
from batchcart.accounts.secrets import secret_names
from batchcart.jobs.checks import describe_route, validate
from batchcart.model.adapter import Adapter, CartContext, Credentials, OperationSpec
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Succeeded, Throttled, Unauthorized, Unavailable
from batchcart.model.validation import field_names, validation_errors
from batchcart.platforms import load_adapters
from batchcart.platforms.toolkit.lenient_json import readable

PLATFORMS = load_adapters()
CELLS = [(name, kind) for name, adapter in PLATFORMS.items() for kind in adapter.operations]
MODULES = sorted(path for path in Path(folder.__file__).parent.rglob("*.py") if path != Path(folder.__file__))
SECRET = "s3cr3t-t0k3n"
KNOWN = CartContext("KEY", "newkey", {"i1": "123"}, {"lines": "known"})


def _value(table: type[msgspec.Struct], name: str) -> object:
    """A number or a text, whichever the field takes."""
    found = validation_errors(msgspec.json.encode({name: 1}), table, "data")
    return "x" if any(text.startswith(f"data.{name}: ") for text in found) else 1


def _data(cell: OperationSpec) -> bytes:
    """The smallest data that the cell takes."""
    if cell.data_schema is None:
        return b""
    required = [field.encode_name for field in msgspec.structs.fields(cell.data_schema) if field.required]
    if required:
        return msgspec.json.encode({name: _value(cell.data_schema, name) for name in required})
    texts = [msgspec.json.encode({name: value}) for name in field_names(cell.data_schema) for value in (1, "x")]
    return next(text for text in texts if not validation_errors(text, cell.data_schema, "data"))


def _operation(adapter: Adapter, kind: OperationKind) -> Operation:
    cart = None if kind.is_shop_wide else "c1"
    item = "i1" if kind.targets_item else None
    cell = adapter.operations.get(kind)
    return Operation(1, kind, "acme", cart=cart, item=item, data=_data(cell) if cell else b"")


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("kind", list(OperationKind))
def test_every_kind_is_built_or_refused_in_words(name: str, kind: OperationKind) -> None:
    adapter = PLATFORMS[name]
    found = validate(_operation(adapter, kind), adapter)
    if kind in adapter.operations:
        assert found == []
        assert describe_route(kind, adapter).partition(" ")[0] in {"GET", "POST", "PUT", "DELETE"}
    else:
        assert found[0].startswith(f"op: {name} has no ")
        assert describe_route(kind, adapter) == "–"


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_an_undocumented_field_is_refused(name: str, kind: OperationKind) -> None:
    adapter = PLATFORMS[name]
    cell = adapter.operations[kind]
    for table, where in ((cell.data_schema, "data"), (cell.query_schema, "query")):
        if table is not None:
            assert any("there is no such field" in text for text in validation_errors(b'{"Bogus":1}', table, where))


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_building_twice_gives_the_same_request(name: str, kind: OperationKind) -> None:
    adapter = PLATFORMS[name]
    operation = _operation(adapter, kind)
    first, second = (adapter.operations[kind].build(operation, KNOWN) for _ in range(2))
    assert first == second
    assert first.path.startswith("/")
    assert first.body == b"" or isinstance(json.loads(first.body), dict)


def _credentials(adapter: Adapter) -> Credentials:
    """The sample account, each of whose secrets is one that is easily found."""
    values = {
        key: SECRET if key in secret_names(adapter) else text for key, text in adapter.account.sandbox_settings.items()
    }
    return Credentials(values)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_only_signing_brings_credentials_in(name: str, kind: OperationKind) -> None:
    adapter = PLATFORMS[name]
    request = adapter.operations[kind].build(_operation(adapter, kind), KNOWN)
    signed = adapter.auth.sign(request, _credentials(adapter), 1.0, "nonce")
    assert SECRET not in repr(request)
    assert SECRET in repr((signed.headers, signed.query))
    assert (signed.method, signed.path, signed.body) == (request.method, request.path, request.body)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_ping_reads_and_the_sample_account_is_complete(name: str) -> None:
    adapter = PLATFORMS[name]
    assert not adapter.health_check.writes
    assert msgspec.convert(dict(adapter.account.sandbox_settings), adapter.account.settings) is not None
    assert adapter.account.address(adapter.account.sandbox_settings).startswith("http://127.0.0.1")


# ---- purity

IMPURE = {
    "aiohttp",
    "asyncio",
    "click",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "time",
}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: "/".join(path.parts[-2:]))
def test_an_adapter_knows_no_clock_no_chance_and_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert IMPURE.isdisjoint(_imports(tree))
    assert asked.isdisjoint({"now", "utcnow", "today"}), "dates may be reckoned with, the clock is not read"
    assert names.isdisjoint({"open", "print", "input", "exec", "eval", "globals"})
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global) for node in ast.walk(tree))


def test_platforms_are_found_by_listing_the_folder() -> None:
    modules = [
        importlib.import_module(f"{folder.__name__}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)
    ]
    assert {module.ADAPTER.name for module in modules if hasattr(module, "ADAPTER")} == set(PLATFORMS)


# ---- answers of every kind

DEEP = b"[" * 900 + b"]" * 900
NASTY = [
    b"",
    b"  \r\n",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b"true",
    b'""',
    b",",
    b"//",
    b"[null]",
    b"[[]]",
    b"[{}]",
    b"<html><body>502</body></html>",
    b"\xff\xfe\x00broken",
    b'{"a":"\xff"}',
    b'{"cart":{"id":1,"quan',
    b'{"Cart":{"product_id":"1","quantity":"1"}},',
    b"9" * 5000,
    b"1e999999",
    DEEP,
    b'{"causes":' + DEEP + b"}",
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"error":{"code":1},"status":["err"],"error_msg":{}}',
    b'{"status":"err","error":"9999999999999999999999"}',
    b'{"status":"ok"}',
    b'{"cart":null}',
    b'{"cart":[]}',
    b'{"cart":{"id":null,"quantity":{}}}',
    b'{"cart":{"id":1,"quantity":"many"}}',
    b'{"cart":{"id":1,"quantity":1}}',
    b'{"cart":{"id":' + b"1" * 400 + b"}}",
    b'{"carts":null}',
    b'{"carts":{}}',
    b'{"carts":[]}',
    b'{"carts":[1,null,"x"]}',
    b'{"carts":[{"id":1,"user_key":"KEY","variant_id":1,"quantity":1}]}',
    b'{"carts":[{"id":1,"user_key":"KEY","variant_id":2,"quantity":1}]}',
    b'{"carts":[{"id":1,"user_key":"KEY","variant_id":[],"quantity":{}}]}',
    b'{"carts":[{"quantity":1e999}]}',
    b'{"code":"404"}',
    b'{"code":500}',
    b'{"code":-1,"causes":[{"a":[{"b":[{"c":[{"d":["deep"]}]}]}]}]}',
    b'{"code":201,"causes":{"x":null}}',
    b'{"error_code":"1001"}',
    b'{"id":true,"session_id":{}}',
    b'{"id":7,"session_id":"KEY","code":"201"}',
    b'{"Cart":null}',
    b'{"Cart":[{"product_id":[],"variant_id":{},"quantity":[]}]}',
    b'{"Cart":{"Products":[null,{"id":1,"cart_id":{}}]}}',
    b'[{"Cart":{"product_id":1,"variant_id":"\\"\\"","quantity":"1"}}]',
    b'[{"Key":null,"Value":{},"Status":[],"Message":{}}]',
    b'[{"Key":"OrderKey","Value":"K","Status":"201"},]',
    b'[{"Key":"CartItemID","Value":"9","Status":"201"}]',
    b'[{"Key":"CartItemID","Value":"9","Status":"500"}]',
    b'{"CartItemList":[]}',
    b'[{"CartItemList":[{"CartItemID":{},"CatalogID":1,"ItemQuantity":1}]}]',
    b'[{"CartItemList":[{"CartItemID":9,"CatalogID":1e99999,"ItemQuantity":1e99999}]}]',
    b'[{"CartItemList":[{"CartItemID":9,"CatalogID":1,"ItemQuantity":1}]}]',
]
SAYS_NO_LINES = {
    b"[]",
    b'{"carts":[]}',
    b'{"CartItemList":[]}',
    b'{"code":"404"}',
    b'{"carts":[{"id":1,"user_key":"KEY","variant_id":2,"quantity":1}]}',
}
STATUSES = [200, 201, 301, 400, 401, 404, 408, 429, 500, 503]
STEPS = (Request, Throttled, Unavailable, Foreign, Unauthorized, Succeeded, Failed, InDoubt)

answers = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(STATUSES), st.sampled_from(NASTY)),
    st.tuples(st.just(200), st.binary(max_size=40)),
)


@pytest.mark.parametrize(("name", "kind"), CELLS)
@pytest.mark.parametrize("known", [KNOWN, CartContext("KEY", "newkey", {"i1": "123"})], ids=["known", "foreign"])
def test_no_first_answer_makes_an_adapter_fail(name: str, kind: OperationKind, known: CartContext) -> None:
    adapter = PLATFORMS[name]
    operation, cell = _operation(adapter, kind), adapter.operations[kind]
    request = cell.build(operation, known)
    for status in STATUSES:
        for body in NASTY:
            exchange = Exchange(request, Response(status, body, {"location": "x", "retry-after": "soon"}))
            step = cell.interpret(operation, known, (exchange,))
            assert isinstance(step, STEPS)
            if status >= 500 and request.writes:
                assert not isinstance(step, Failed | Succeeded | Request), (status, body)


def _follow(
    name: str, kind: OperationKind, known: CartContext, script: list[tuple[int, bytes] | None]
) -> Iterator[tuple[History, Request]]:
    """Lead a conversation as the engine does, through the script; every request with the past it was said in."""
    adapter = PLATFORMS[name]
    operation, cell = _operation(adapter, kind), adapter.operations[kind]
    past: History = ()
    request = cell.build(operation, known)
    for answer in script:
        yield past, request
        if answer is None:
            past = (*past, LostWrite(request, "cut", 0.0)) if request.writes else past
            step = cell.recover(operation, known, past) if request.writes else request
        else:
            exchange = Exchange(request, Response(*answer))
            step = cell.interpret(operation, known, (*past, exchange))
            assert isinstance(step, STEPS)
            if _is_kept(step, request):
                past = (*past, exchange)
                assert cell.interpret(operation, known, past) == step, "replaying a past must lead to the same step"
        match step.then if isinstance(step, Unavailable | Foreign) else step:
            case Request() as following:
                request = following
            case Succeeded() | Failed() | InDoubt():
                return
            case Throttled() | Unauthorized():
                pass


def _is_kept(step: Step, request: Request) -> bool:
    """Whether the engine keeps an answer that led to this step in the past."""
    match step:
        case Throttled() | Unauthorized() | Foreign(void=True):
            return False
        case Unavailable() | Foreign():
            return request.writes
        case _:
            return True


def _says_not_done(look: Exchange, first: Exchange | LostWrite) -> bool:
    """Whether the look shows no line of the added product, or the very cart that the first look showed."""
    if look.response.status == 404:
        return readable(look.response.body) or not look.response.body.strip()
    unchanged = isinstance(first, Exchange) and first.response.body == look.response.body
    return look.response.body in SAYS_NO_LINES or (unchanged and not first.request.writes)


@pytest.mark.parametrize("known", [KNOWN, CartContext("KEY", "newkey")], ids=["known", "foreign"])
@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in CELLS if not PLATFORMS[n].operations[k].idempotent])
@given(script=st.lists(answers, min_size=1, max_size=9))
def test_an_add_is_repeated_only_after_a_read_that_says_not_done(
    name: str, kind: OperationKind, known: CartContext, script: list[tuple[int, bytes] | None]
) -> None:
    for past, request in _follow(name, kind, known, script):
        if request.writes and any(step.request.writes for step in past):
            look = past[-1]
            assert isinstance(look, Exchange)
            assert not look.request.writes
            assert _says_not_done(look, past[0])


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in CELLS if PLATFORMS[n].operations[k].idempotent])
@given(script=st.lists(answers, min_size=1, max_size=6))
def test_no_script_of_answers_makes_an_adapter_fail(
    name: str, kind: OperationKind, script: list[tuple[int, bytes] | None]
) -> None:
    for past, request in _follow(name, kind, KNOWN, script):
        assert len(past) < len(script)
        assert request.path.startswith("/")
