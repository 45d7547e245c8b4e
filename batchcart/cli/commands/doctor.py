"""Owns `batchcart doctor`: which accounts it looks at, and the findings in words; checkup.py and trial.py find."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from batchcart.accounts.config import AccountConfig, Accounts, config_path, load_config
from batchcart.accounts.diagnostics import Check, report_ok, report_problem, run_checks
from batchcart.cli import options as shared
from batchcart.cli.output import echo, echo_json, paint
from batchcart.model.errors import UsageError
from batchcart.model.fault import fault_sentence
from batchcart.platforms import load_adapters
from batchcart.runs.probe import CLOCK_MAY_DIFFER, ProbeResult, ProbeStatus, clock_sentence, probe

_AT_ONCE = 50  # accounts that are asked side by side


@click.command("doctor")
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@shared.config
@click.option("--offline", is_flag=True, help="Ask no shop.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(accounts: tuple[str, ...], config: Path | None, *, offline: bool, as_json: bool) -> int:
    """Check config, secrets, shops, clock and disk, and say what to mend.

    Looks at all accounts of the config, or at those named. Each shop gets one read that changes nothing, under the
    account's limits. Exit codes: 0 all is well, 1 something is to be mended, 2 the config cannot be read.
    """
    path = config_path(config)
    known = load_config(path, load_adapters())
    entries = _choose(known, accounts)
    unusable = {name: why for name, why in known.unusable.items() if not accounts or name in accounts}
    findings = list(run_checks(path, entries, unusable, Path.cwd()))
    if not offline:
        ill = {found.subject for found in findings if not found.ok}
        findings += asyncio.run(_ask_shops([entry for entry in entries if f"account {entry.name}" not in ill]))
    if as_json:
        echo_json({"well": all(found.ok for found in findings), "findings": [_document(found) for found in findings]})
    else:
        echo("\n".join(_text(findings)))
    return 0 if all(found.ok for found in findings) else 1


def _choose(entries: Accounts, names: tuple[str, ...]) -> list[AccountConfig]:
    if names:
        return [entries.find(name) for name in names if name not in entries.unusable]
    return [entry for entry in entries.values() if not entry.embedded]


async def _ask_shops(entries: list[AccountConfig]) -> list[Check]:
    """What the shops answered, in the order of the accounts."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(entry: AccountConfig) -> list[Check]:
        async with free:
            try:
                result = await probe(entry)
            except UsageError as error:
                result = ProbeResult(ProbeStatus.SKIPPED, f"not asked: {error}")
            except Exception as error:  # noqa: BLE001  # one shop's answer must not end the look at the others
                result = ProbeResult(ProbeStatus.UNEXPECTED, fault_sentence(error, "reading the shop's answer"))
        return list(_findings(f"account {entry.name}", result))

    return [finding for found in await asyncio.gather(*map(ask, entries)) for finding in found]


def _findings(about: str, result: ProbeResult) -> Iterator[Check]:
    yield Check(about, result.verdict is ProbeStatus.OK, result.sentence)
    if result.clock_skew is not None and abs(result.clock_skew) > CLOCK_MAY_DIFFER:
        yield report_problem("clock", f"{about}: {clock_sentence(result.clock_skew)}")
    elif result.clock_skew is not None:
        yield report_ok("clock", f"{about}: this machine's clock and the shop's agree")


def _document(found: Check) -> dict[str, object]:
    return {"about": found.subject, "well": found.ok, "sentence": found.message}


def _text(findings: list[Check]) -> Iterator[str]:
    width = max(len(found.subject) for found in findings)
    for found in findings:
        word = paint("ok  ", "green") if found.ok else paint("mend", "red")
        yield f"{word}  {found.subject:{width}}  {found.message}"
    bad = sum(not found.ok for found in findings)
    yield f"{bad} to mend" if bad else "All is well"
