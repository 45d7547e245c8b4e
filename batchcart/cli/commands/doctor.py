"""Owns `batchcart doctor`: which accounts it looks at; checkup.py finds what there is to say of them."""

import asyncio
from pathlib import Path

import click

from batchcart.accounts.config import AccountConfig, Accounts, config_path, load_config
from batchcart.accounts.diagnostics import Check
from batchcart.api.seats import read_scheduler
from batchcart.cli import options as shared
from batchcart.cli.checkup import check_accounts, findings_text
from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo, paint
from batchcart.platforms import load_adapters
from batchcart.runs.seats.cluster_check import check_cluster


@click.command("doctor", epilog=examples_text("doctor"))
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@shared.config
@click.option("--offline", is_flag=True, help="Ask no shop.")
@click.option(
    "--cluster", default="", metavar="tls://HOST:PORT", help="Look at this Dask scheduler and its workers too."
)
@shared.tls
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    accounts: tuple[str, ...],
    config: Path | None,
    cluster: str,
    tls: tuple[Path | None, Path | None, Path | None],
    *,
    offline: bool,
    as_json: bool,
) -> int:
    """Check config, secrets, shops, clock and disk, and say what to fix.

    It looks at all accounts of the config, or at those named. Each shop gets one read that changes nothing, under the
    account's limits. --cluster looks at versions, TLS, clocks and open files of each worker.

    Exit codes: 0 all checks passed, 1 something needs fixing, 2 the config cannot be read.
    """
    scheduler = read_scheduler(cluster, tls) if cluster else None
    path = config_path(config)
    known = load_config(path, load_adapters())
    entries = _choose(known, accounts)
    unusable = {name: why for name, why in known.unusable.items() if not accounts or name in accounts}
    findings = check_accounts(path, known, entries, unusable, offline=offline)
    if scheduler is not None:
        findings += asyncio.run(check_cluster(scheduler))
    well = all(found.ok for found in findings)
    if as_json:
        echo_json({"well": well, "findings": [_document(found) for found in findings]})
    else:
        echo(findings_text(findings, paint))
    return 0 if well else 1


def _choose(entries: Accounts, names: tuple[str, ...]) -> list[AccountConfig]:
    if names:
        return [entries.find(name) for name in names if name not in entries.unusable]
    return [entry for entry in entries.values() if not entry.embedded]


def _document(found: Check) -> dict[str, object]:
    return {"about": found.subject, "well": found.ok, "sentence": found.message}
