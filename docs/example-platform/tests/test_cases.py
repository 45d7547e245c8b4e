"""Recorded conversations of the example: one file each, with the operation, what was said and heard, and the ending."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from batchcart_medusa import ADAPTER

from batchcart.jobs.checks import validate
from batchcart.jobs.job_file import RawLine, parse_line
from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.outcome import Step

CASES = sorted((Path(__file__).parent.parent / "cases").glob("*.json"))


def _said(step: Step) -> dict[str, Any]:
    assert isinstance(step, Request), f"the conversation ended before its end: {step}"
    body = {"body": json.loads(step.body)} if step.body else {}
    return {"method": step.method, "path": step.path, **body}


def _heard(request: Request, turn: dict[str, Any]) -> Exchange | LostWrite:
    if "lost" in turn:
        return LostWrite(request, turn["lost"], 0.0)
    body = turn["response"]["body"]
    text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Exchange(request, Response(turn["response"]["status"], text))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_recorded_conversation_ends_as_recorded(path: Path) -> None:
    case = json.loads(path.read_text())
    operation = parse_line(RawLine(1, 0, json.dumps({"account": "a", **case["operation"]}).encode()), None)
    assert validate(operation, ADAPTER) == []
    known = CartContext(**{"cart_id": None, "generated_key": "", **case["known"]})
    cell = ADAPTER.operations[operation.kind]
    past: History = ()
    step: Step = cell.build(operation, known)
    for turn in case["conversation"]:
        assert _said(step) == turn["request"]
        assert isinstance(step, Request)
        heard = _heard(step, turn)
        past = (*past, heard)
        follow = cell.recover if isinstance(heard, LostWrite) else cell.interpret
        step = follow(operation, known, past)
    found = {"type": type(step).__name__, **msgspec.to_builtins(step)}
    assert {name: found.get(name) for name in case["outcome"]} == case["outcome"]


def test_every_operation_is_recorded() -> None:
    recorded = {json.loads(path.read_text())["operation"]["op"] for path in CASES}
    assert recorded == {kind.value for kind in ADAPTER.operations}
