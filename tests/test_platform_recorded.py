"""Recorded conversations, one folder each: what the documents' own answers, and their malformed kin, lead to."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from batchcart.jobs.checks import cart_key, validate
from batchcart.jobs.job_file import RawLine, parse_line
from batchcart.model.adapter import Adapter, CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Succeeded, Throttled, Unauthorized, Unavailable
from batchcart.platforms import load_adapters

FIXTURES = Path(__file__).parent / "fixtures"
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/operation.json"))


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _said(request: Request) -> dict[str, Any]:
    parts = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "body": request.body.decode(),
    }
    return {name: value for name, value in parts.items() if value}


def _answer(case: Path, number: int) -> Response:
    head = _json(case / f"{number}-response.json")
    return Response(head["status"], (case / f"{number}-response.body").read_bytes(), head["headers"])


def _ended(step: Step) -> dict[str, Any]:
    found = {"type": type(step).__name__, **msgspec.to_builtins(step)}
    match step:
        case Succeeded(body=body):
            return {**found, "body": json.loads(body)} if body else found
        case Failed() | InDoubt() | Throttled() | Unauthorized() | Foreign():
            return found
        case _:
            raise AssertionError(f"the conversation has not ended: {step}")


def _operation(case: Path) -> tuple[Adapter, Operation]:
    adapter = load_adapters()[case.parent.name]
    operation = parse_line(RawLine(1, 0, (case / "operation.json").read_bytes()), None)
    assert validate(operation, adapter) == []
    return adapter, replace(operation, cart_id=cart_key(operation, adapter)[0])


def _conversation(case: Path) -> Step:
    """The recorded case as the engine leads it, without an engine; each request must be the recorded one."""
    adapter, operation = _operation(case)
    learnt = _json(case / "known.json") if (case / "known.json").exists() else {}
    known = CartContext(**{"cart_id": operation.cart_id, "generated_key": "0123456789abcdef0123456789abcdef", **learnt})
    cell = adapter.operations[operation.kind]
    past: History = ()
    step: Step = cell.build(operation, known)
    for number in itertools.count(1):
        if not (case / f"{number}-request.json").exists():
            return step
        request = step.then if isinstance(step, Unavailable | Foreign) else step
        assert isinstance(request, Request)
        assert _said(request) == _json(case / f"{number}-request.json")
        if (case / f"{number}-lost.json").exists():
            past = (*past, LostWrite(request, _json(case / f"{number}-lost.json")["why"], 0.0))
            step = cell.recover(operation, known, past)
            continue
        exchange = Exchange(request, _answer(case, number))
        step = cell.interpret(operation, known, (*past, exchange))
        if isinstance(step, Throttled | Unauthorized) and (case / f"{number + 1}-request.json").exists():
            step = request
        elif not isinstance(step, Unavailable | Foreign) or (request.writes and not getattr(step, "void", False)):
            past = (*past, exchange)
    raise AssertionError


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_recorded_conversation_ends_as_recorded(case: Path) -> None:
    expected = _json(case / "outcome.json")
    found = _ended(_conversation(case))
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("platform", sorted(load_adapters()))
def test_every_operation_of_a_platform_is_recorded(platform: str) -> None:
    recorded = {_operation(case)[1].kind for case in CASES if case.parent.name == platform}
    assert recorded == set(load_adapters()[platform].operations)


def test_every_folder_of_cases_belongs_to_a_platform() -> None:
    assert {case.parent.name for case in CASES} == set(load_adapters())
