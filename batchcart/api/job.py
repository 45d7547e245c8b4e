"""Owns what a run from Python is given: a job by path or as operations, and the options of `batchcart run`."""

import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import msgspec
from msgspec import structs

from batchcart.api.driving import Config, config_source
from batchcart.jobs.opening import write_spool
from batchcart.jobs.sheet_places import is_sheet
from batchcart.model.errors import UsageError
from batchcart.model.files import create_new
from batchcart.runs.options import RunOptions
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress

Job = str | Path | Iterable[Mapping[str, Any]]
"""The path of a job file, or operations as mappings with the keys of a job line."""

_SPOOL = "operations.jsonl"
_NO_PLACE = "no room for the operations"
_PATHS = ("results", "log", "metrics")


class RunKeywords(TypedDict, total=False):
    """The options of `batchcart run`; ``patience`` is in minutes."""

    results: str | Path | None
    config: Config
    account: str | None
    concurrency: int | None
    patience: float
    stop_after: int
    processes: int
    seats_at: HubAddress | None
    cluster: SchedulerAddress | None
    retry_failed: bool
    fresh: bool
    append: bool
    only: str | Sequence[str]
    limit: int
    sample: int
    in_order: bool
    allow_unknown_fields: bool
    log: str | Path | None
    metrics: str | Path | None


def run_options(job: Job, keywords: RunKeywords) -> RunOptions:
    """The options of a run; raises UsageError where one is out of range, or operations have no name for results."""
    given: dict[str, Any] = {**keywords, "config": config_source(keywords.get("config"))}
    given |= {name: Path(given[name]) for name in _PATHS if given.get(name) is not None}
    if (results := given.get("results")) is not None and is_sheet(str(results)):
        raise UsageError(
            f"{results}: results are written as JSON Lines; give them a name that ends in .jsonl, and make a sheet of "
            f"them afterwards: batchcart results RESULTS --to {results}"
        )
    only = given.get("only", ())
    given["only"] = (only,) if isinstance(only, str) else tuple(only)
    if isinstance(job, str | Path):
        return RunOptions(job=str(job), **given)
    if given.get("results") is None:
        raise UsageError("operations from Python have no name to call the results after; give results=PATH")
    return RunOptions(job="", job_name="operations", **given)


def spool(job: Job, options: RunOptions) -> tuple[RunOptions, Path | None]:
    """The options of a run of a file: operations are written to a folder of their own, which the caller removes.

    Raises UsageError naming the operation that is none, and where the disk has no room.
    """
    if isinstance(job, str | Path):
        return options, None
    folder = _make_folder()
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)
    try:
        with create_new(folder / _SPOOL) as file:
            for number, operation in enumerate(job, 1):
                try:
                    _check_values(operation)
                    text = encoder.encode(operation)
                except (TypeError, ValueError, RecursionError) as error:
                    raise UsageError(f"operations:{number}: not an operation: {error}") from None
                write_spool(file, text + b"\n", f"{folder}: {_NO_PLACE}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return structs.replace(options, job=str(folder / _SPOOL)), folder


def _make_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="batchcart-"))
    except OSError as error:
        raise UsageError(
            f"{error.filename or 'the folder for temporary files'}: {_NO_PLACE}: {error.strerror}"
        ) from None


def _check_values(value: object) -> None:
    """Raise TypeError at what would be written as something else than it is: bytes as base64, NaN as null."""
    match value:
        case bytes() | bytearray() | memoryview():
            raise TypeError(f"{type(value).__name__} is not a JSON value; decode it to a text")
        case float() if not math.isfinite(value):
            raise TypeError(f"{value} is not a JSON value; leave out the key where there is no value")
        case Mapping():
            for part in value.values():
                _check_values(part)
        case list() | tuple() | set() | frozenset():
            for part in value:
                _check_values(part)
        case _:
            pass


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
