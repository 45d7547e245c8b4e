"""Owns `batchcart undo`: its options and output; what is taken back is undo/'s."""

from itertools import islice
from operator import itemgetter
from pathlib import Path

import click
import orjson

from batchcart.api import undo as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.folding import fold
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo
from batchcart.cli.tables import table_text
from batchcart.cli.terminal.session import drive_here
from batchcart.model.text import plural

_LISTED = 20
_CHANGED = "changed"


@click.command("undo", epilog=examples_text("undo"))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The job file to write."
)
@shared.config
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Take back this account's part alone.")
@click.option("--force", is_flag=True, help="Take back what somebody changed since, too.")
@shared.progress
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    results: Path,
    output: Path,
    config: Path | None,
    accounts: tuple[str, ...],
    progress: str,
    *,
    force: bool,
    as_json: bool,
) -> int:
    """Write the job that takes back what a run did, and list what cannot be.

    The shops are read, and nothing is written to them; `batchcart run` does it with the new job. What is kept stands
    in OUTPUT.kept.jsonl, with the reason. The same command again resumes where it stopped. Exit codes: 0 everything
    can be taken back, 1 something is kept, 2 nothing was done, 3 stopped before the end.
    """
    driver = drive_here(progress)
    undone = api.undo(results, output, accounts=accounts, force=force, config=config, driver=driver)
    if as_json:
        echo_json(_figures(undone))
    else:
        echo("\n".join(_describe(undone, config)))
    return undone.exit_code


def _figures(undone: api.UndoResult) -> dict[str, object]:
    accounts: dict[str, dict[str, int]] = {}
    for (account, op), count in undone.back.items():
        accounts.setdefault(account, {})[op] = count
    return {
        "job": str(undone.job) if undone.back else None,
        "lines": undone.back.total(),
        "accounts": accounts,
        "kept_file": str(undone.kept_path) if undone.kept else None,
        "kept": undone.kept.total(),
        "kinds": dict(undone.kept),
        "gone": undone.gone,
        "not_ended": undone.unended,
        "replaced_by": str(undone.replaced_by) if undone.replaced_by else None,
    }


def _describe(undone: api.UndoResult, config: Path | None) -> list[str]:
    parts = []
    if undone.back:
        job = str(undone.job)
        then = api.RunCommands(api.default_results(job), job, config).run()
        parts += [_table(undone), f"Wrote {job}. Next: {then}"]
    else:
        parts.append("There is nothing to take back, and no job was written.")
    if undone.gone:
        things = plural(undone.gone, "cart, item or value", "carts, items or values")
        parts.append(f"{things} already gone or as before: no line needed")
    parts += [f"{name}: its shop, the built-in sandbox, ended with the run" for name in undone.embedded]
    if undone.without_job:
        parts.append(f"The run's job {undone.without_job} is not there, so what its lines said is not known")
    if undone.unended:
        parts.append(
            f"{plural(undone.unended, 'line')} of the run not ended; only what has ended is taken back. Do not "
            "resume the run after undoing it"
        )
    if undone.replaced_by:
        first = api.RunCommands(undone.replaced_by, "", config).undo()
        parts.append(
            f"{undone.replaced_by} is of a later run that did what was left of this one; what it did is not taken back "
            f"here. Take that back first, then this again: {first}"
        )
    if undone.kept:
        parts += [
            f"{undone.kept.total():,} kept, listed in {undone.kept_path}:",
            *_list_kept(undone.kept_path),
        ]
        hidden = undone.kept.total() - _LISTED
        parts += [f"  … and {hidden:,} more"] if hidden > 0 else []
    if undone.kept[_CHANGED]:
        parts.append(fold("If another run changed it, as that of a job of `batchcart rest`, undo that run first"))
    return parts


def _table(undone: api.UndoResult) -> str:
    rows = [("account", "operation", "lines")]
    rows += [(account, op, f"{count:,}") for (account, op), count in sorted(undone.back.items())]
    return table_text([*rows, ("all", "", f"{undone.back.total():,}")], names=2)


def _list_kept(path: Path) -> list[str]:
    """The first of what is kept, by line, each with the reason."""
    with path.open("rb") as file:
        kept = sorted((orjson.loads(text) for text in islice(file, _LISTED)), key=itemgetter("line"))
    return [fold(f"line {one['line']}: {one['account']}, {one['op']}: {one['message']}", "  ") for one in kept]
