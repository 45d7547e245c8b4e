"""Owns what somebody may do to a file that a command keeps: changes of its text, and other things in its place."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

Change = Callable[[Path], object]
"""What happens to one file."""

_DEEP = b"[" * 100_000
_NESTED = b"[" * 5000 + b"]" * 5000
VALUES = (
    "null", "true", "-1", "1e400", "9" * 5000, "1.5", '""', '".."', '"a\\u0000b"', '"\\ud800"', "[]", "{}", "[[]]",
    '{"x":' + "[" * 5000 + "]" * 5000 + "}", '"' + "x" * 100_000 + '"',
)  # fmt: skip
"""JSON that is put in the place of a value."""


def changes(path: Path) -> Iterator[tuple[str, Change]]:
    """Every change of the file, by its name."""
    for name, content in _contents(path.read_bytes()):
        yield f"{path.name} {name}", partial(_write, content)
    yield f"{path.name} is gone", Path.unlink
    yield f"{path.name} is a folder", _folder
    yield f"{path.name} is a link to itself", _loop
    yield f"{path.name} is a link to a copy", _link


def _contents(before: bytes) -> Iterator[tuple[str, bytes]]:
    yield "is empty", b""
    yield "is cut short", before[: len(before) * 2 // 3]
    yield "ends in half a line", before[:-3]
    yield "is NULs", bytes(max(1, len(before)))
    yield "begins with no text", b"\xff\xfe\x80" + before
    yield "has no text within", before[: len(before) // 2] + b"\xff\xff\x00" + before[len(before) // 2 :]
    yield "is UTF-16", before.decode(errors="replace").encode("utf-16")
    yield "is deep", _DEEP
    yield "is another's", b'{"some":"thing"}\n'
    yield "is there twice", before + before
    lines = before.splitlines(keepends=True)
    for place in sorted({0, len(lines) - 1} if lines else ()):
        yield f"without line {place}", b"".join((*lines[:place], *lines[place + 1 :]))
        yield f"with line {place} twice", b"".join((*lines[: place + 1], *lines[place:]))
        for name, text in _other_lines(lines[place]):
            yield f"line {place} {name}", b"".join((*lines[:place], text, *lines[place + 1 :]))


def _other_lines(line: bytes) -> Iterator[tuple[str, bytes]]:
    """The line with another value in the place of each of its own."""
    try:
        value = json.loads(line)
    except ValueError:
        return
    if isinstance(value, dict):
        yield "has a deep field more", json.dumps(value).removesuffix("}").encode() + b',"more":%b}\n' % _NESTED
    for at in _places(value):
        for other in VALUES:
            yield f"has {other[:12]} at {'.'.join(map(str, at))}", _with(value, at, other)


def _places(value: Any, depth: int = 3) -> Iterator[tuple[str | int, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value[:1])) if isinstance(value, list) else ()
    for key in keys:
        yield (key,)
        if depth:
            yield from ((key, *rest) for rest in _places(value[key], depth - 1))


def _with(value: Any, at: tuple[str | int, ...], other: str) -> bytes:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = "@other@"
    return json.dumps(copy, separators=(",", ":")).replace('"@other@"', other).encode(errors="replace") + b"\n"


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
