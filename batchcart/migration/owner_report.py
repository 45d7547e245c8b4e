"""Owns the report that a shop's owner reads and signs: what moved, what was lost, each cart's old and new key.

It is written as a page for paper and as a table; both are their owner's alone.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from batchcart.migration.folder import MigrateOptions, State, step_name
from batchcart.migration.outcomes import FATES, CartOutcome, count_outcomes, read_outcomes
from batchcart.model.files import replace_atomically, replacing
from batchcart.model.text import utc_minute
from batchcart.pages.one_file import render_page
from batchcart.sheets.cell_text import write_text

COLUMNS = ("old_key", "new_key", "outcome", "lost", "differs", "why")
"""The columns of the table."""

_MOST_CARTS = 2000
_MOST_ROWS = 50
_MARK = b"\xef\xbb\xbf"  # tells Excel that it is UTF-8


@dataclass(frozen=True, slots=True)
class OwnerReport:
    """Where the page and the table are."""

    page: Path
    table: Path


def report_files(folder: Path) -> OwnerReport:
    """Where page and table of a migration are, or will be."""
    return OwnerReport(folder / "report.html", folder / "report.csv")


def write_owner_report(options: MigrateOptions, state: State) -> OwnerReport:
    """Write page and table of a migration that was verified; raises OSError where the disk takes no more."""
    report = report_files(options.folder)
    with replacing(report.table) as file:
        file.write(_MARK + _csv_row(COLUMNS))
        for cart in read_outcomes(options.parity):
            file.write(_csv_row(_cells(cart)))
    replace_atomically(report.page, _page(options, state, report).encode("utf-8", "backslashreplace"))
    return report


def _cells(cart: CartOutcome) -> list[str]:
    return [cart.old_key, cart.new_key, cart.fate, _join(cart.lost), _join(cart.differs), cart.why]


def _join(sentences: Sequence[str]) -> str:
    return "; ".join(sentences)


def _csv_row(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([write_text(cell) for cell in cells])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _page(options: MigrateOptions, state: State, report: OwnerReport) -> str:
    folder = files(__package__)
    template, style = (
        (folder / name).read_text(encoding="utf-8") for name in ("owner_report.html", "owner_report.css")
    )
    return render_page(
        template,
        style,
        table=report.table.name,
        most=_MOST_CARTS,
        **_figures(options, state),
    )


def _figures(options: MigrateOptions, state: State) -> dict[str, Any]:
    counts = count_outcomes(options.parity)
    total = counts.fates.total()
    moved = total - counts.fates["not moved"] - counts.fates["not known"]
    carts = _worst_first(options.parity)
    names = [step_name("run", number) for number in range(1, state.rounds + 1)]
    created_at = max((state.done[name].at for name in names if name in state.done), default=0.0)
    return {
        "source": options.source,
        "target": options.target,
        "source_place": state.task.get("--from", "").removeprefix(options.source).strip(),
        "target_place": state.task.get("--to", "").removeprefix(options.target).strip(),
        "total": total,
        "moved": moved,
        "fates": [(fate, counts.fates[fate]) for fate in FATES if counts.fates[fate]],
        "losses": [(*what, found) for what, found in counts.losses.most_common(_MOST_ROWS)],
        "reasons": counts.reasons.most_common(_MOST_ROWS),
        "dates": [
            (words, f"{utc_minute(at)} UTC")
            for words, at in (
                ("read from the old shop", state.done["export"].at),
                ("made in the new shop", created_at),
                ("read back from the new shop and compared", state.done["verify"].at),
            )
            if at
        ],
        "carts": carts,
        "hidden": total - len(carts),
    }


def _worst_first(parity: Path) -> list[CartOutcome]:
    """The carts that the page has room for: those with something to see to first."""
    found: dict[str, list[CartOutcome]] = {fate: [] for fate in reversed(FATES)}
    for cart in read_outcomes(parity):
        if len(found[cart.fate]) < _MOST_CARTS:
            found[cart.fate].append(cart)
    return [cart for carts in found.values() for cart in carts][:_MOST_CARTS]
