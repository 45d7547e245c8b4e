"""Owns the form of a recorded case: one file that a person can read, write and compare; it does not judge what it says.

    operation {"op": "cart.get", "account": "tray", "cart_id": "ABC"}
    known {"cart_id": "ABC"}
    > GET /carts/ABC
    < 200
    Retry-After: 3

    {"Cart": {}}
    ! the connection was cut before the answer came
    = Succeeded
    {"cart_id": "ABC"}

A request's body stands below its `>`; below a `<` stand headers, if there are any, an empty line, and the body. `!` is
an answer that never came. What an ending holds besides its name stands below `=`. A line of a body that begins like
one of those has a backslash before it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from batchcart.model.http import Request, Response

FOLDER = Path(__file__).parents[1] / "cassettes"
_MARK = re.compile(r"^(\\*)([><!=] |operation |known )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request, and its answer or why there was none."""

    request: dict[str, Any]
    reply: Response | str


@dataclass(slots=True)
class Cassette:
    """One recorded case: a job line, what was known of its cart, what was said, and how it ended."""

    operation: bytes = b""
    known: dict[str, Any] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)


def recorded(request: Request) -> dict[str, Any]:
    """What a recorded case holds of a request."""
    parts = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "body": request.body.decode(),
    }
    return {name: value for name, value in parts.items() if value}


def read_cassette(path: Path) -> Cassette:
    """The case in the file."""
    found, request = Cassette(), {}
    for mark, head, body in _parts(path.read_bytes().decode("latin-1")):
        match mark:
            case "operation":
                found.operation = head.encode("latin-1")
            case "known":
                found.known = json.loads(head.encode("latin-1"))
            case ">":
                method, _, target = head.partition(" ")
                place, _, query = target.partition("?")
                words = tuple(parse_qsl(query, keep_blank_values=True))
                request = recorded(Request(method, place, words, body.encode("latin-1")))
            case "<":
                found.turns.append(Turn(request, _response(int(head), body)))
            case "!":
                found.turns.append(Turn(request, head.encode("latin-1").decode()))
            case _:
                found.outcome = {"type": head, **json.loads(body.encode("latin-1") or b"{}")}
    return found


def _parts(text: str) -> Iterator[tuple[str, str, str]]:
    """Mark, the rest of its line, and what stands below it without its last line end."""
    marks = [match for match in _MARK.finditer(text) if not match[1]]
    for match, behind in zip(marks, [*(mark.start() for mark in marks[1:]), len(text)], strict=True):
        head, _, body = text[match.end() : behind].partition("\n")
        yield (
            match[2].strip(),
            head,
            _MARK.sub(lambda mark: mark[0][1:] if mark[1] else mark[0], body.removesuffix("\n")),
        )


def _response(status: int, text: str) -> Response:
    headers, _, body = text.partition("\n\n") if re.match(r"[\w-]+: ", text) else ("", "", text)
    return Response(status, body.encode("latin-1"), dict(line.split(": ", 1) for line in headers.splitlines()))


def write_cassette(path: Path, case: Cassette) -> None:
    """Put the case into the file."""
    parts = [b"operation " + case.operation.strip()]
    if case.known:
        parts.append(b"known " + _json(case.known))
    for turn in case.turns:
        said = turn.request
        query = f"?{urlencode(said['query'])}" if "query" in said else ""
        parts.append(f"> {said['method']} {said['path']}{query}".encode())
        if said.get("body"):
            parts.append(_guarded(said["body"].encode()))
        if isinstance(turn.reply, str):
            parts.append(f"! {turn.reply}".encode())
        else:
            headers = "".join(f"{name}: {value}\n" for name, value in turn.reply.headers.items())
            parts.append(f"< {turn.reply.status}".encode())
            parts += [f"{headers}".encode() + b"\n" + _guarded(turn.reply.body)] if headers else []
            parts += [_guarded(turn.reply.body)] if turn.reply.body and not headers else []
    ending = {name: value for name, value in case.outcome.items() if name != "type"}
    parts.append(f"= {case.outcome['type']}".encode())
    parts += [_guarded(json.dumps(ending, indent=2, ensure_ascii=False).encode())] if ending else []
    path.write_bytes(b"\n".join(parts) + b"\n")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _guarded(body: bytes) -> bytes:
    return _MARK.sub(lambda mark: "\\" + mark[0], body.decode("latin-1")).encode("latin-1")
