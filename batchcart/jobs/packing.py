"""Owns decompressing a job, with what may be wrong there in words; it does not know lines."""

import gzip
import importlib
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import IO, cast

from batchcart.jobs.file_kind import binary_kind, packing_of
from batchcart.model.errors import UsageError

_ENDINGS = {".gz": "gzip", ".zst": "zstd"}
_DAMAGE = (gzip.BadGzipFile, zlib.error, EOFError)


def open_decompressed(path: str, stack: ExitStack) -> tuple[IO[bytes], tuple[type[Exception], ...]]:
    """The file's bytes, decompressed if its name says that it is compressed, and what reading them raises for damage.

    Raises UsageError if it holds something else than its name says, and OSError where it cannot be opened.
    """
    kind = _ENDINGS.get(Path(path).suffix.lower(), "")
    zstd = _zstd(path) if kind == "zstd" else None
    file = Path(path).open("rb")  # noqa: SIM115  # the caller's stack closes it
    stack.callback(file.close)
    if not kind:
        return file, ()
    head = file.peek(1)
    if head and packing_of(head) != kind:
        raise UsageError(f"job file {path} {_otherwise(path, kind, head)}")
    if zstd is not None:
        return stack.enter_context(zstd.open(file, "rb")), (*_DAMAGE, zstd.ZstdError)
    return cast("IO[bytes]", stack.enter_context(gzip.open(file, "rb"))), _DAMAGE


def describe_damage(error: Exception) -> str:
    """What is wrong with a compressed file that raised this on reading, and what to do."""
    said = str(error)
    if "too much memory" in said:
        return (
            "has a zstd window too large to decompress (over 128 MiB, as --long=28 and more make it); compress it "
            "again with --long=27 or less, or decompress it"
        )
    if isinstance(error, EOFError):
        return "is not whole: it is cut off in the middle of its compressed data; compress it again"
    if "Not a gzipped file" in said or "nknown frame" in said:
        return "is not whole: something else follows its compressed data; compress it again"
    return f"is not whole: {said}; compress it again"


def check_decompressed(name: str, head: bytes) -> None:
    """Raises UsageError if what was decompressed, or was said to be plain, is compressed by its first bytes."""
    kind = packing_of(head)
    if not kind:
        return
    named = _ENDINGS.get(Path(name).suffix.lower(), "")
    ending = next(ending for ending, other in _ENDINGS.items() if other == kind)
    if named:
        raise UsageError(f"job file {name} was compressed twice: it holds {kind} data once more; decompress it once")
    if name == "<stdin>":
        raise UsageError(f"job file {name} holds {kind} data; decompress it on the way: {kind} -dc JOB | batchcart …")
    raise UsageError(f"job file {name} holds {kind} data; give it a name that ends in {ending}, or decompress it")


def _otherwise(path: str, kind: str, head: bytes) -> str:
    ending = Path(path).suffix
    if other := packing_of(head):
        right = next(ending for ending, known in _ENDINGS.items() if known == other)
        return f"holds {other} data although its name ends in {ending}; give it a name that ends in {right}"
    if found := binary_kind(head):
        return f"is {found[0]}, although its name ends in {ending}; {found[1]}"
    return f"is not compressed with {kind} although its name ends in {ending}; if it is plain text, remove the ending"


def _zstd(path: str) -> ModuleType:
    try:
        return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        raise UsageError(f"job file {path}: reading .zst needs the extra: pip install 'batchcart[zstd]'") from None
