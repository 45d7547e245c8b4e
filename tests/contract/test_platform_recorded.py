"""Recorded conversations, one file each: what the documents' own answers, and their malformed kin, lead to."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cassette import FOLDER, Cassette, Turn, read_cassette, recorded, write_cassette
from msgspec.structs import replace
from record_case import record

from batchcart.jobs.checks import cart_key, validate
from batchcart.jobs.job_file import RawLine, parse_line
from batchcart.model.adapter import Adapter, CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Succeeded, Throttled, Unauthorized, Unavailable
from batchcart.platforms import load_adapters

CASES = sorted(FOLDER.glob("*/*.http"))


def _ended(step: Step) -> dict[str, Any]:
    found = {"type": type(step).__name__, **msgspec.to_builtins(step)}
    match step:
        case Succeeded(body=body):
            return {**found, "body": json.loads(body)} if body else found
        case Throttled(retry_after=pause):
            return {**found, "retry_after": pause.written}
        case Failed() | InDoubt() | Unauthorized() | Foreign():
            return found
        case _:
            raise AssertionError(f"the conversation has not ended: {step}")


def _operation(path: Path, case: Cassette) -> tuple[Adapter, Operation]:
    adapter = load_adapters()[path.parent.name]
    operation = parse_line(RawLine(1, 0, case.operation), None)
    assert validate(operation, adapter) == []
    return adapter, replace(operation, cart_id=cart_key(operation, adapter)[0])


def _conversation(path: Path, case: Cassette) -> Step:
    """The recorded case as the engine leads it, without an engine; each request must be the recorded one."""
    adapter, operation = _operation(path, case)
    known = CartContext(
        **{"cart_id": operation.cart_id, "generated_key": "0123456789abcdef0123456789abcdef", **case.known}
    )
    cell = adapter.operations[operation.kind]
    past: History = ()
    step: Step = cell.build(operation, known)
    for number, turn in enumerate(case.turns, 1):
        request = step.then if isinstance(step, Unavailable | Foreign) else step
        assert isinstance(request, Request)
        assert recorded(request) == turn.request
        if isinstance(turn.reply, str):
            past = (*past, LostWrite(request, turn.reply, 0.0))
            step = cell.recover(operation, known, past)
            continue
        exchange = Exchange(request, turn.reply)
        step = cell.interpret(operation, known, (*past, exchange))
        if isinstance(step, Throttled | Unauthorized) and number < len(case.turns):
            step = request
        elif not isinstance(step, Unavailable | Foreign) or (request.writes and not getattr(step, "void", False)):
            past = (*past, exchange)
    return step


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_recorded_conversation_ends_as_recorded(case: Path) -> None:
    cassette = read_cassette(case)
    found = _ended(_conversation(case, cassette))
    assert {name: found.get(name) for name in cassette.outcome} == cassette.outcome


@pytest.mark.parametrize("platform", sorted(load_adapters()))
def test_every_operation_of_a_platform_is_recorded(platform: str) -> None:
    kinds = {_operation(path, read_cassette(path))[1].kind for path in CASES if path.parent.name == platform}
    assert kinds == set(load_adapters()[platform].operations)


def test_every_folder_of_cases_belongs_to_a_platform() -> None:
    assert {path.parent.name for path in CASES} == set(load_adapters())


def test_a_case_is_written_as_it_was_read(tmp_path: Path) -> None:
    for path in CASES:
        write_cassette(tmp_path / "again.http", read_cassette(path))
        assert (tmp_path / "again.http").read_bytes() == path.read_bytes(), path


def test_a_body_that_looks_like_a_case_is_kept(tmp_path: Path) -> None:
    body = b"> GET /\n\\= no\r\n= Failed\nknown {\n\xff\n"
    turn = Turn({"method": "GET", "path": "/x", "query": {"a": "1 & 2"}}, Response(200, body, {"Retry-After": "3"}))
    write_cassette(tmp_path / "one.http", Cassette(b"{}", {}, [turn], {"type": "Failed", "message": "no"}))
    assert read_cassette(tmp_path / "one.http").turns == [turn]


def test_a_case_can_be_recorded_from_the_sandbox(tmp_path: Path) -> None:
    path = tmp_path / "tray" / "create.http"
    path.parent.mkdir()
    line = b'{"op":"cart.create","account":"sandbox-tray","cart":"c","data":{"product_id":2,"quantity":1}}'
    asyncio.run(record("tray", line, path))
    cassette = read_cassette(path)
    assert cassette.outcome["type"] == "Succeeded"
    assert _ended(_conversation(path, cassette))["cart_id"] == cassette.outcome["cart_id"]
