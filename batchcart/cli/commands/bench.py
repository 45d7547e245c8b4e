"""Owns `batchcart bench`: its options and output; the benchmark itself is bench/'s."""

import re
from functools import partial
from pathlib import Path

import click
import msgspec

from batchcart.bench.bench import BenchReport, BenchSettings, run_bench
from batchcart.bench.target import BenchTarget, bench_account, sandbox, work_folder
from batchcart.bench.workload import NAMED, Mix, parse_mix
from batchcart.cli import options as shared
from batchcart.cli.bench_text import comparison_text, report_text
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.cli.terminal.session import monitor_run
from batchcart.model.errors import UsageError
from batchcart.model.json_text import UNDECODABLE
from batchcart.runs.event_loop import run_async
from batchcart.sandbox.platforms import list_simulated

_DEFAULT = max(list_simulated())
"""The platform of the sandbox's shops where none is named: the last by name."""
_PRODUCT = re.compile("[0-9]{1,18}")
_MIXES = "\n".join(f"  {name}: {mix}" for name, mix in NAMED.items())


@click.command("bench", epilog=f"\b\nMixes:\n{_MIXES}\n\n{examples_text('bench')}")
@click.option("--account", metavar="NAME", help="Run against this account, which must have allow_bench = true.")
@click.option("--platform", help=f"Platform of the sandbox's shops [{_DEFAULT}].")
@click.option("--accounts", type=click.IntRange(1, 1000), help="Accounts of the sandbox, each a shop of its own [1].")
@click.option("--limit", "limits", multiple=True, metavar="LIMIT", help='Of each sandbox shop, as in "50/s" [none].')
@click.option("--mix", default="import", show_default=True, help="Operations on each cart, or a name from below.")
@click.option("--carts", type=click.IntRange(1, 10_000_000), default=500, show_default=True, help="Carts in all.")
@click.option("--items", type=click.IntRange(0, 1000), help="Items added to each cart, instead of the mix's.")
@click.option(
    "--product",
    metavar="ID",
    help="Product, or variant where a shop sells those, that is put into carts [the sandbox's].",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same job.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Operations in flight per account [8].")
@shared.config
@click.option("--keep", type=click.Path(path_type=Path), metavar="FOLDER", help="Keep job, results and journal there.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="FILE", help="Show beside an earlier --json.")
@shared.progress
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    account: str | None,
    platform: str | None,
    accounts: int | None,
    limits: tuple[str, ...],
    mix: str,
    carts: int,
    items: int | None,
    product: str | None,
    seed: int,
    concurrency: int | None,
    config: Path | None,
    keep: Path | None,
    compare: Path | None,
    progress: str,
    *,
    as_json: bool,
) -> int:
    """Measure how fast a synthetic job runs, against a sandbox or a shop that allows it.

    The sandbox runs in a process of its own, without limits if --limit gives none. In a shop the benchmark makes
    carts, and deletes those that its mix leaves. Service time runs from a request's sending to its answer; time from
    plan from the moment for which the limits had a place for it. Exit codes are those of `batchcart run`.
    """
    earlier = _earlier(compare) if compare else None
    counted = parse_mix(mix)
    if items is not None:
        counted = Mix(counted.create, items, counted.update, counted.get, counted.delete)
    if product is not None and not _PRODUCT.fullmatch(product):
        raise UsageError(f"--product {product!r} is not a product id: on every platform that is a whole number")
    settings = BenchSettings(counted, carts, product or "1", seed, concurrency)
    if account is None:
        with work_folder(keep) as folder, sandbox(platform or _DEFAULT, accounts or 1, limits, folder) as place:
            report = run_async(run_bench(settings, place, folder, partial(monitor_run, progress)))
    else:
        if platform is not None or accounts is not None or limits:
            raise UsageError("--platform, --accounts and --limit are the sandbox's; --account has its own")
        entry = bench_account(account, config)
        if product is None:
            raise UsageError("--product ID is missing: say which of the shop's products is put into carts")
        place = BenchTarget(config, [(account, entry.adapter.name)], real=True)
        with work_folder(keep) as folder:
            report = run_async(run_bench(settings, place, folder, partial(monitor_run, progress)))
    if as_json:
        echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        echo(comparison_text(report, earlier, str(compare)) if earlier else report_text(report))
    return _exit_code(report)


def _exit_code(report: BenchReport) -> int:
    if report.stopped:
        return 3
    return 1 if report.figures.not_ok or report.left else 0


def _earlier(path: Path) -> BenchReport:
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchReport)
    except OSError as error:
        raise UsageError(f"--compare {path}: {error.strerror}") from None
    except UNDECODABLE:
        raise UsageError(f"--compare {path} is not what `batchcart bench --json` printed") from None
