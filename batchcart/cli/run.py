"""Owns `batchcart run`: its options, signals and output; the run itself is runs.py's."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import click
import orjson

from batchcart.cli.progress import shown
from batchcart.cli.summary_text import summary_text
from batchcart.lanes import Watch
from batchcart.runs import RunOptions, run_job
from batchcart.summary import Summary


@click.command("run")
@click.argument("job")
@click.option("-o", "--results", type=click.Path(dir_okay=False, path_type=Path), help="Result file [JOB's name].")
@click.option("--config", type=click.Path(path_type=Path), help="Config file [batchcart.toml].")
@click.option("--account", metavar="NAME", help="Account of the lines that name none.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Operations in flight per account [8].")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Minutes to wait for a shop that is down.",
)
@click.option("--retry-failed", is_flag=True, help="Open lines that failed or were skipped again.")
@click.option("--fresh", is_flag=True, help="Start over; the old files are kept under a number.")
@click.option("--in-order", is_flag=True, help="Sort the result file by line at the end.")
@click.option("--allow-unknown-fields", is_flag=True, help="Let data fields through that the documents lack.")
@click.option("--progress", type=click.Choice(["auto", "plain", "none"]), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    job: str,
    results: Path | None,
    config: Path | None,
    account: str | None,
    concurrency: int | None,
    patience: float,
    progress: str,
    *,
    retry_failed: bool,
    fresh: bool,
    in_order: bool,
    allow_unknown_fields: bool,
    as_json: bool,
) -> int:
    """Check the whole job file, then run it, or go on with it.

    JOB is a JSONL file, plain, .gz or .zst, or - for standard input. The same command again goes on where it stopped.
    Exit codes: 0 every line ok, 1 some not ok, 2 nothing sent, 3 stopped before the end.
    """
    options = RunOptions(
        job=job,
        results=results,
        config=config,
        account=account,
        concurrency=concurrency,
        patience=patience,
        retry_failed=retry_failed,
        fresh=fresh,
        in_order=in_order,
        allow_unknown_fields=allow_unknown_fields,
    )
    watch = Watch(tell=lambda text: click.echo(text, err=True))
    summary = asyncio.run(_run(options, watch, progress))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        click.echo(summary_text(summary, job))
    return summary.exit_code


async def _run(options: RunOptions, watch: Watch, progress: str) -> Summary:
    loop = asyncio.get_running_loop()

    def stop(name: str) -> None:
        if watch.stopping:
            click.echo(f"\n{name} again: stopped at once; the same command goes on", err=True)
            os._exit(3)
        click.echo(f"\n{name}: ending with the requests in flight; once more stops at once", err=True)
        watch.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number.name)
    async with shown(watch, progress):
        return await run_job(options, watch)
