"""Owns `batchcart run`: its options and output; the run itself is `batchcart.run`'s."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from batchcart.api import run as running
from batchcart.api import run_status as api
from batchcart.api.seats import HubAddress, SchedulerAddress
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json, json_text
from batchcart.cli.on_end import run_on_end
from batchcart.cli.output import echo, echo_err
from batchcart.cli.summary_text import ending_text
from batchcart.cli.terminal.screen import drawable
from batchcart.cli.terminal.session import drive_here
from batchcart.model.command_line import split_command
from batchcart.model.errors import BatchcartError, Stopped, UsageError

_LOOKED_AT_IN_HASTE = 10_000  # lines that are not ok, whose reasons a second signal waits for: half a second


@click.command("run", epilog=examples_text("run"))
@click.argument("job")
@click.option("-o", "--results", type=click.Path(dir_okay=False, path_type=Path), help="Result file [JOB's name].")
@shared.config
@click.option("--account", metavar="NAME", help="Account of the lines that name none.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Operations in flight per account [8].")
@shared.patience
@shared.stop_after
@click.option(
    "--processes",
    type=click.IntRange(1, running.MOST_PROCESSES),
    default=1,
    show_default=True,
    help="Processes that the accounts are spread over.",
)
@shared.seats
@click.option("--retry-failed", is_flag=True, help="Open lines that failed or were skipped again.")
@click.option("--fresh", is_flag=True, help="Start over; the old files are kept under a number.")
@click.option("--append", is_flag=True, help="Do the lines too that were appended to JOB since the run began.")
@click.option(
    "--only",
    multiple=True,
    metavar="WORD",
    help="Do the lines of this account or operation only, or of this pattern (shop-*, item.*); may be given again.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Do at most N lines now.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Do N lines of each account now, for a first try.")
@click.option("--in-order", is_flag=True, help="Sort the result file by line at the end.")
@click.option("--allow-unknown-fields", is_flag=True, help="Let data fields through that the documents lack.")
@shared.progress
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="Append what a person must see, as JSON lines."
)
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Keep a Prometheus text file.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--on-end", metavar="COMMAND", help="At the end run this, with the summary as JSON on its stdin.")
def command(
    job: str,
    results: Path | None,
    config: Path | None,
    account: str | None,
    concurrency: int | None,
    patience: float,
    stop_after: int,
    processes: int,
    guests: tuple[HubAddress | None, SchedulerAddress | None],
    only: tuple[str, ...],
    limit: int | None,
    sample: int | None,
    progress: str,
    log: Path | None,
    metrics: Path | None,
    on_end: str | None,
    *,
    retry_failed: bool,
    fresh: bool,
    append: bool,
    in_order: bool,
    allow_unknown_fields: bool,
    as_json: bool,
) -> int:
    """Check the whole job file, then run it, or resume it.

    JOB is a JSONL file, plain, .gz or .zst, a spreadsheet (.csv, .tsv, .xlsx), or - for standard input. The same
    command again resumes where it stopped.
    --only, --limit and --sample choose whole carts; what they leave stays open (exit code 3) for the same command
    without them. COMMAND is split into words without a shell, may take 60 seconds, and changes no exit code.

    Exit codes: 0 every line ok, 1 some not ok, 2 nothing sent, 3 stopped before the end.
    """
    started = running.run(
        job,
        results=results,
        config=config,
        account=account,
        concurrency=concurrency,
        patience=patience,
        stop_after=stop_after,
        processes=processes,
        seats_at=guests[0],
        cluster=guests[1],
        retry_failed=retry_failed,
        fresh=fresh,
        append=append,
        only=only,
        limit=limit or 0,
        sample=sample or 0,
        in_order=in_order,
        allow_unknown_fields=allow_unknown_fields,
        log=log,
        metrics=metrics,
    )
    words = split_command(on_end, "--on-end", Path()) if on_end is not None else []
    if fresh:
        _confirm_fresh(started.results, job)
    return _Ending(started, job, config, as_json, on_end, words).run(progress)


@dataclass(frozen=True, slots=True)
class _Ending:
    """A run with what is done at its end; ``words`` are those of the command ``on_end``."""

    started: running.Run
    job: str
    config: Path | None
    as_json: bool
    on_end: str | None
    words: list[str]

    def run(self, progress: str) -> int:
        """Run to the end, and do what is done then; the exit code."""
        try:
            summary = self.started.finish(driver=drive_here(progress, self._tell_in_haste))
        except Stopped:
            with suppress(BatchcartError):
                found = api.status(self.started.results, config=self.config)
                self._hand_over(found.summary, found.reasons)
            raise
        self._tell(summary, api.reasons(self.started.results, config=self.config))
        return summary.exit_code

    def _tell(self, summary: api.Summary, reasons: api.RunReasons | None) -> None:
        """Print the summary, then give it to the command."""
        if self.as_json:
            echo_json(api.summary_fields(summary, reasons))
        else:
            echo(ending_text(summary, self.job, reasons))
        self._hand_over(summary, reasons)

    def _tell_in_haste(self) -> None:
        with suppress(BatchcartError):  # the disk may be what ended it
            found = api.status(self.started.results, config=self.config, most=_LOOKED_AT_IN_HASTE)
            self._tell(found.summary, found.reasons)

    def _hand_over(self, summary: api.Summary, reasons: api.RunReasons | None) -> None:
        if self.on_end is not None:
            run_on_end(self.on_end, self.words, json_text(api.summary_fields(summary, reasons)).encode())


def _confirm_fresh(results: Path, job: str) -> None:
    """Say what starting over would make again; at a terminal, ask first. Raises UsageError on a no."""
    try:
        made = api.status(results, most=0).summary.writes_done
    except UsageError:  # there is no earlier run, or none that can be read: the run itself says so
        return
    if not made:
        return
    found = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(made.items()))
    echo_err(f"--fresh starts over, and does again what the earlier run did: {found} ({results})")
    at_terminal = job != "-" and sys.stdin is not None and sys.stdin.isatty() and drawable()
    if at_terminal and not click.confirm("Start over?", default=False, err=True):
        raise UsageError(f"nothing was sent; without --fresh the run of {results} is resumed")
