"""Owns the report as Markdown, from what was measured; it does not measure.

python benchmarks/report.py RESULTS.json        (writes REPORT.md and the plots again)
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from figures import Curve, Figure, Report, Row, Table

_HEAD = """# What batchcart costs, measured

Made by `python benchmarks/run.py`; nothing in it is written by hand. How to read it and how to repeat it stands in
[docs/benchmarks.md](../docs/benchmarks.md). Ratios were measured side by side in one run, in interleaved rounds; a
ratio is the median of the rounds' ratios. Absolute numbers are of this machine only.
"""
_QUICK = """
**This is a smoke test (`--quick`): jobs are too small for the figures to mean anything.**
"""


def write(report: Report, folder: Path) -> Path:
    """Write REPORT.md and the plots into the folder."""
    from plots import draw  # noqa: PLC0415  # pygal would count as memory of what is measured

    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    drawn = {curve.name: draw(curve, plots) for row in report.rows for curve in row.curves}
    path = folder / "REPORT.md"
    path.write_text(text(report, {name: f"plots/{file.name}" for name, file in drawn.items()}))
    return path


def text(report: Report, plots: Mapping[str, str]) -> str:
    """The report; ``plots`` says where each curve is drawn."""
    parts = [_HEAD, _QUICK if report.quick else "", "\n## Targets\n", _targets(report.rows)]
    parts += ["\n## Machine\n", *_facts(report)]
    parts += [part for row in report.rows for part in _row(row, plots)]
    return "\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _targets(rows: Sequence[Row]) -> str:
    found = [[f.what, f.target or "–", number(f), _verdict(f)] for row in rows for f in row.figures]
    return _table(["what", "target", "measured", ""], found)


def _verdict(figure: Figure) -> str:
    match figure.met:
        case None:
            return ""
        case True:
            return "met"
        case False:
            return "**not met**"


def number(figure: Figure) -> str:
    """The measured number with its unit and what else is to be said of it."""
    digits = 0 if abs(figure.measured) >= 1000 else 2 if abs(figure.measured) < 100 else 1
    unit = "" if not figure.unit else figure.unit if figure.unit.startswith("/") else f" {figure.unit}"
    detail = f" ({figure.detail})" if figure.detail else ""
    return f"{figure.measured:,.{digits}f}{unit}{detail}"


def _facts(report: Report) -> Iterator[str]:
    facts = {"date": report.date, **report.machine, **report.server, **report.versions}
    yield _table(["", ""], [[name, value] for name, value in facts.items()])


def _row(row: Row, plots: Mapping[str, str]) -> Iterator[str]:
    yield f"\n## {row.title}\n"
    yield f"`python benchmarks/run.py --only {row.name}`, {row.date}, {row.seconds:.0f} s.\n"
    for table in row.tables:
        yield from _shown(table)
    yield from (f"{note}\n" for note in row.notes)
    yield from (_plot(curve, plots) for curve in row.curves)


def _shown(table: Table) -> Iterator[str]:
    if table.title:
        yield f"{table.title}:\n"
    yield _table(table.head, table.rows)
    yield "\n"


def _plot(curve: Curve, plots: Mapping[str, str]) -> str:
    return f"![{curve.title}]({plots[curve.name]})\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> None:
    """Write the report of stored figures."""
    stored, *folder = sys.argv[1:]
    report = msgspec.json.decode(Path(stored).read_bytes(), type=Report)
    print(write(report, Path(*folder) if folder else Path(__file__).parent))


if __name__ == "__main__":
    main()
