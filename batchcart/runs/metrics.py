"""Owns the metrics file: a run's figures in the Prometheus text format, rewritten at a tick; it changes nothing.

The format is a few lines of text, so it is written here. Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from batchcart.engine.ticker import every
from batchcart.model.errors import UsageError
from batchcart.model.files import replace_atomically
from batchcart.model.outcome import Status
from batchcart.runs.snapshot import AccountSnapshot

_TICK = 5.0
_WAITS = ("throttled", "quota", "unreachable", "closed")

Labels = tuple[tuple[str, str], ...]
LabelledValue = tuple[Labels, float]


class Metric(msgspec.Struct, frozen=True):
    """One metric of every account: its name, type and help, and how it is read."""

    name: str
    kind: str
    help: str
    read: Callable[[AccountSnapshot], Iterable[LabelledValue]]


def _operations(snapshot: AccountSnapshot) -> Iterator[LabelledValue]:
    for status in Status:
        yield (("status", status.value),), snapshot.ended.get(status.value, 0)


def _limit(snapshot: AccountSnapshot) -> Iterator[LabelledValue]:
    if snapshot.limit is not None:
        yield (), snapshot.limit


def _waiting(snapshot: AccountSnapshot) -> Iterator[LabelledValue]:
    for reason in _WAITS:
        yield (("reason", reason),), float(snapshot.waiting == reason)


def _one(read: Callable[[AccountSnapshot], float]) -> Callable[[AccountSnapshot], Iterable[LabelledValue]]:
    return lambda snapshot: [((), read(snapshot))]


METRICS = (
    Metric("batchcart_lines", "gauge", "Lines of the job.", _one(lambda snapshot: snapshot.lines)),
    Metric("batchcart_operations_total", "counter", "Lines that have ended, those of earlier starts too.", _operations),
    Metric(
        "batchcart_requests_total", "counter", "Requests sent since this start.", _one(lambda snapshot: snapshot.sent)
    ),
    Metric(
        "batchcart_retries_total", "counter", "Tries again after a failure.", _one(lambda snapshot: snapshot.retries)
    ),
    Metric("batchcart_throttled_total", "counter", "Answers 429.", _one(lambda snapshot: snapshot.refusals)),
    Metric("batchcart_in_flight", "gauge", "Requests on their way.", _one(lambda snapshot: snapshot.in_flight)),
    Metric("batchcart_limit_per_second", "gauge", "Requests that the limits, or the shop's 429s, allow.", _limit),
    Metric(
        "batchcart_limit_learnt",
        "gauge",
        "1: the shop's 429s say so.",
        _one(lambda snapshot: float(snapshot.adapted_rate)),
    ),
    Metric("batchcart_waiting", "gauge", "1: the account waits for this reason.", _waiting),
    Metric(
        "batchcart_waiting_until_seconds",
        "gauge",
        "Until when it waits, as Unix time; of an unreachable shop, when it is asked next. 0: it does not wait.",
        _one(lambda snapshot: snapshot.waiting_until or 0.0),
    ),
    Metric("batchcart_best_seconds", "gauge", "What open lines take at least.", _one(lambda snapshot: snapshot.best)),
)
RUN_METRICS = (
    ("batchcart_run_alive", "1: the run is at work; 0: it has ended."),
    ("batchcart_run_began_seconds", "When this start of the run began, as Unix time."),
    ("batchcart_written_seconds", "When this file was written, as Unix time."),
)


def render(snapshots: Sequence[AccountSnapshot], run: Sequence[float]) -> str:
    """The whole file; ``run`` holds the values of RUN_METRICS."""
    lines: list[str] = []
    for (name, text), value in zip(RUN_METRICS, run, strict=True):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {_number(value)}"]
    for metric in METRICS:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for snapshot in snapshots:
            own = (("account", snapshot.account), ("platform", snapshot.platform))
            for labels, value in metric.read(snapshot):
                shown = ",".join(f'{name}="{_escape(text)}"' for name, text in (*own, *labels))
                lines.append(f"{metric.name}{{{shown}}} {_number(value)}")
    return "\n".join([*lines, ""])


@asynccontextmanager
async def metrics_file(
    path: Path, snapshots: Callable[[], Sequence[AccountSnapshot]], wall: Callable[[], float] = time.time
) -> AsyncIterator[None]:
    """The metrics file is kept up to date as long as the block runs; raises UsageError where it cannot be written."""
    began = wall()

    def write(*, alive: bool) -> None:
        now = wall()
        # In its place at once, whole: whoever reads it never sees a part.
        replace_atomically(path, render(snapshots(), (float(alive), began, now)).encode(), durable=False)

    def rewrite() -> None:
        with suppress(OSError):
            write(alive=True)

    _check_replaceable(path)
    try:
        write(alive=True)
    except OSError as error:
        raise UsageError(
            f"the metrics file {path} cannot be written: {error.strerror}; choose another with --metrics"
        ) from None
    try:
        async with every(_TICK, rewrite):
            yield
    finally:
        with suppress(OSError):
            write(alive=False)


def _check_replaceable(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise UsageError(
            f"the metrics file {path} is not a regular file and was not replaced; choose another with --metrics"
        )


def _number(value: float) -> str:
    return f"{value:.12g}" if value < 1e9 else f"{value:.3f}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
