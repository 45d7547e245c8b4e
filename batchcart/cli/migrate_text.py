"""Owns what a migration says at its end: its steps, what was lost, what the map lacks, why lines failed, what next."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from batchcart.cli.folding import fold
from batchcart.cli.reasons_text import reasons_text
from batchcart.cli.tables import table_text
from batchcart.migration.folder import MigrateOptions
from batchcart.migration.loss_report import count_losses, losses_path
from batchcart.migration.outcomes import OutcomeCounts, count_outcomes
from batchcart.migration.pipeline import MigrationResult
from batchcart.migration.product_map_template import Product
from batchcart.model.text import plural
from batchcart.report.run_reasons import RunReasons, reasons_where_legible
from batchcart.runs.commands import RunCommands
from batchcart.runs.status import read_summary

_MOST_ROWS = 12


def migrate_text(migrated: MigrationResult) -> str:
    """The steps that are done, what each did, what became of the carts, and what to do next."""
    rows = [("step", "what it did"), *((name, done.text) for name, done in migrated.done.items())]
    parts = [table_text(rows, names=2), f"Folder: {migrated.folder}"]
    verified = "verify" in migrated.done and migrated.broken is None
    counts = count_outcomes(migrated.options.parity) if verified else None
    parts += _losses_text(migrated, counts) + _unmapped_text(migrated)
    parts += _reasons_text(migrated)
    if verified:
        parts.append(fold(f"The report for the shop's owner, to read and sign: {migrated.folder / 'report.html'}; as a "
                          f"table: {migrated.folder / 'report.csv'}"))  # fmt: skip
    if migrated.broken is not None:
        if migrated.broken.template:
            parts += [fold(f"The product map is missing: {migrated.broken.why}. Then run:"), f"  {_command(migrated)}"]
        else:
            word = "Stopped before the end" if migrated.broken.code == 3 else "Refused"
            parts += [fold(f"{word}: {migrated.broken.why}. To go on, run again:"), f"  {_command(migrated)}"]
    elif migrated.exit_code:
        parts += _next_text(migrated, counts)
    return "\n".join(parts)


def _losses_text(migrated: MigrationResult, counts: OutcomeCounts | None) -> list[str]:
    if counts is not None:
        found = [(what, why, count) for (what, why), count in counts.losses.most_common()]
    else:
        found = [(row.field, row.why, row.carts) for row in count_losses(_losses_file(migrated)).losses]
    if not found:
        return []
    return ["What is lost on the way:", *_cut([("carts", "what", "why"), *((f"{n:,}", a, b) for a, b, n in found)])]


def _unmapped_text(migrated: MigrationResult) -> list[str]:
    unmapped = count_losses(_losses_file(migrated)).unmapped
    if not unmapped:
        return []
    return [
        fold(f"Products that {migrated.options.map} has nothing for, so that their carts are not made:"),
        *_cut([("carts", "product", "variant", "options", "SKU", "name"), *(_product(*one) for one in unmapped)]),
    ]


def _product(product: Product, name: str, carts: int) -> tuple[str, ...]:
    return (f"{carts:,}", *(text or "–" for text in (*product, name)))


def _losses_file(migrated: MigrationResult) -> Path:
    return losses_path(migrated.options.job(migrated.state.rounds))


def _cut(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with a number first, and what of them is too much to show."""
    width = max(len(row[0]) for row in rows)
    words = table_text([row[1:] for row in rows[: _MOST_ROWS + 1]], names=len(rows[0])).splitlines()
    shown = [f"{row[0].rjust(width)}  {line}" for row, line in zip(rows, words, strict=False)]
    more = len(rows) - 1 - _MOST_ROWS
    return [*(fold(line, "  ") for line in shown), *([f"  … and {more:,} more"] if more > 0 else [])]


def _reasons_text(migrated: MigrationResult) -> list[str]:
    if (reasons := _reasons(migrated)) is None:
        return []
    results = migrated.options.list_rounds(migrated.state.rounds)[-1][1]
    return reasons_text(reasons.groups, read_summary(results).accounts, reasons.commands)


def _reasons(migrated: MigrationResult) -> RunReasons | None:
    made = migrated.options.list_rounds(migrated.state.rounds)
    return reasons_where_legible(made[-1][1], migrated.options.reader.config) if made else None


def _next_text(migrated: MigrationResult, counts: OutcomeCounts | None) -> Iterator[str]:
    """What to do where not everything is as it should be, each command on a line of its own."""
    folder, options = migrated.folder, migrated.options
    if migrated.done["export"].code:
        yield fold(f"Carts that could not be read are in {folder / 'carts.unread.jsonl'}, each with the reason.")
    if _unmapped_text(migrated):
        yield fold(f"Fill in the rows of these products in {options.map}, then run again; carts that are made stay:")
        yield f"  {_command(migrated)}"
    summaries = [(results, read_summary(results).totals) for _, results in options.list_rounds(migrated.state.rounds)]
    for results, totals in summaries:
        if totals["in_doubt"]:
            lines, they, them = ("line", "it", "it") if totals["in_doubt"] == 1 else ("lines", "they", "them")
            doubt = f"{totals['in_doubt']:,} {lines} in doubt: nobody could say whether {they} happened"
            yield fold(f"{doubt}. Settle {them} first:")
            yield f"  {RunCommands(results, '', _config_file(options)).settle()}"
    if summaries and (bad := summaries[-1][1]["failed"] + summaries[-1][1]["skipped"]):
        lines = plural(bad, "line")
        yield fold(f"{lines} failed or skipped. If the map names a wrong product, correct it. Then try again:")
        yield f"  {_command(migrated, '--retry-failed')}"
    if counts is not None and (other := counts.fates["moved, but differs"]):
        carts = plural(other, "cart differs from its source", "carts differ from their sources")
        yield fold(f"{carts}: see {options.parity}.")


def _command(migrated: MigrationResult, *more: str) -> str:
    options = migrated.options
    words = ["batchcart", "migrate", "--from", options.source, "--to", options.target]
    words += ["--map", str(options.product_map)] if options.product_map else []
    words += ["--folder", str(options.folder)]
    words += ["--ids", str(options.keys_from)] if options.keys_from else []
    words += [word for flag, value in _filters(options) if value for word in (flag, value)]
    words += ["--strict"] if options.strict else []
    words += ["--allow-unused"] if options.allow_unused else []
    words += ["--config", str(config)] if (config := _config_file(options)) else []
    return shlex.join([*words, *more]).encode("utf-8", "backslashreplace").decode()


def _filters(options: MigrateOptions) -> Sequence[tuple[str, str]]:
    given = options.filters
    return (
        ("--since-id", given.since_id),
        ("--created-after", given.created_after),
        ("--created-before", given.created_before),
        ("--user-key", given.cart_key),
    )


def _config_file(options: MigrateOptions) -> Path | None:
    return options.reader.config if isinstance(options.reader.config, Path) else None
