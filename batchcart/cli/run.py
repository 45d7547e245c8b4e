"""Owns `batchcart run`: its options, signals and output; the run itself is runs.py's."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import click

from batchcart.cli.output import say, show, show_json
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
    watch = Watch(tell=say)
    summary = asyncio.run(_run(options, watch, progress))
    if as_json:
        show_json(summary.as_dict())
    else:
        show(summary_text(summary, job))
    return summary.exit_code


async def _run(options: RunOptions, watch: Watch, progress: str) -> Summary:
    _allow_many_files()
    with _signals(watch):
        async with shown(watch, progress):
            return await run_job(options, watch)


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each account holds a few, and each connection one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _signals(watch: Watch) -> Iterator[None]:
    """A first signal stops the run politely, a second one at once; while the job is still being checked any does.

    The loop's own signal handlers would be called only between two awaits.
    """
    loop, seen = asyncio.get_running_loop(), 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        name = signal.Signals(number).name
        if seen > 1:
            _tell_now(f"{name} again: stopped at once; the same command goes on")
            os._exit(3)
        if not watch.lanes:
            _tell_now(f"{name}: stopped before anything was sent")
            raise KeyboardInterrupt
        _tell_now(f"{name}: ending with the requests in flight; once more stops at once")
        loop.call_soon_threadsafe(watch.stop)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_now(text: str) -> None:
    # A signal may come in the middle of a write to stderr, whose buffer must not be entered twice.
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())
