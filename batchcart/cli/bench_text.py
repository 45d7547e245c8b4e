"""Owns how a benchmark's figures read, alone and beside those of another one; the figures are bench/'s."""

from collections.abc import Callable, Sequence

from batchcart.bench.bench import BenchReport
from batchcart.bench.metrics import BenchFigures, Times, differing
from batchcart.cli.tables import table_text
from batchcart.model.text import plural

_Figure = Callable[[BenchFigures], float | None]

_ROWS: Sequence[tuple[str, _Figure, str]] = (
    ("operations/s", lambda found: found.operations_per_second, ",.1f"),
    ("requests/s", lambda found: found.requests_per_second, ",.1f"),
    ("use of the limit", lambda found: found.limit_use, ".1%"),
    ("CPU per operation, µs", lambda found: found.cpu_us, ",.0f"),
    ("largest memory, MiB", lambda found: found.peak_mib, ",.1f"),
    ("operations", lambda found: found.operations, ",.0f"),
    ("not ok", lambda found: found.not_ok, ",.0f"),
    ("requests", lambda found: found.requests, ",.0f"),
    ("retries", lambda found: found.retries, ",.0f"),
    ("429", lambda found: found.throttled, ",.0f"),
    ("seconds", lambda found: found.seconds, ",.2f"),
)


def report_text(report: BenchReport) -> str:
    """The figures as a table, and what they were measured on."""
    rows = [(name, *shown) for name, shown in _rows([report])]
    return "\n".join([_settings(report), "", table_text(rows), *_notes(report)])


def comparison_text(report: BenchReport, earlier: BenchReport, name: str) -> str:
    """Both side by side, ours as a multiple of theirs, and what differs in the settings."""
    rows: list[tuple[str, ...]] = [("", "now", name, "ratio")]
    for (label, shown), ratio in zip(_rows([report, earlier]), _ratios(report, earlier), strict=True):
        rows.append((label, *shown, ratio))
    parts = [_settings(report), "", table_text(rows), *_notes(report)]
    ours = {**report.settings, "batchcart": report.version}
    theirs = {**earlier.settings, "batchcart": earlier.version}
    parts += [
        f"{name} differs in {setting}: {theirs.get(setting)}, now {ours.get(setting)}"
        for setting in differing(ours, theirs)
    ]
    return "\n".join(parts)


def _settings(report: BenchReport) -> str:
    return ", ".join(f"{name} {value}" for name, value in report.settings.items() if value is not None)


def _all_rows() -> Sequence[tuple[str, _Figure, str]]:
    spread = [
        (f"{label} {rank}, ms", _time(times, field), ",.2f")
        for label, times in (("service time", "service_ms"), ("time from plan", "from_plan_ms"))
        for rank, field in (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))
    ]
    return (*_ROWS[:2], *spread, *_ROWS[2:])


def _time(times: str, field: str) -> _Figure:
    def find(figures: BenchFigures) -> float | None:
        distribution: Times | None = getattr(figures, times)
        return None if distribution is None else float(getattr(distribution, field))

    return find


def _rows(reports: Sequence[BenchReport]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (label, tuple(_format(figure(report.figures), form) for report in reports))
        for label, figure, form in _all_rows()
    ]


def _ratios(report: BenchReport, earlier: BenchReport) -> list[str]:
    pairs = [(figure(report.figures), figure(earlier.figures)) for _, figure, _ in _all_rows()]
    return [f"{ours / theirs:.2f}" if ours is not None and theirs else "–" for ours, theirs in pairs]


def _format(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _notes(report: BenchReport) -> list[str]:
    notes = []
    if report.figures.from_plan_ms is None:
        notes.append("No limit, so no plan: time from plan and use of the limit need one (--limit 50/s)")
    if report.deleted:
        notes.append(f"{plural(report.deleted, 'cart')} of the benchmark deleted again")
    if report.left:
        notes.append(f"{plural(report.left, 'cart')} left in the shop, or perhaps left: deleting did not end ok")
    if report.stopped:
        notes.append(f"Stopped before the end: {report.stopped}")
    return notes
