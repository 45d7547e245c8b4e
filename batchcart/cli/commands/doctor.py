"""Owns `batchcart doctor`: which accounts it looks at, and the findings in words; checkup.py and trial.py find."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from batchcart.accounts.config import Entry, config_path, read_config
from batchcart.accounts.diagnostics import Finding, examined, fine, to_mend
from batchcart.cli import options as shared
from batchcart.cli.output import coloured, show, show_json
from batchcart.model.errors import UsageError, quoted, suggestion
from batchcart.model.fault import fault_sentence
from batchcart.platforms import platforms
from batchcart.runs.probe import CLOCK_MAY_DIFFER, Trial, Verdict, clock_sentence, tried

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
    entries = _chosen(read_config(path, platforms()), accounts, path)
    findings = list(examined(path, entries, Path.cwd()))
    if not offline:
        ill = {found.about for found in findings if not found.well}
        findings += asyncio.run(_ask_shops([entry for entry in entries if f"account {entry.name}" not in ill]))
    if as_json:
        show_json({"well": all(found.well for found in findings), "findings": [asdict(found) for found in findings]})
    else:
        show("\n".join(_text(findings)))
    return 0 if all(found.well for found in findings) else 1


def _chosen(entries: dict[str, Entry], names: tuple[str, ...], path: Path | None) -> list[Entry]:
    for name in names:
        if name not in entries:
            raise UsageError(f"{path or 'the config'} has no account {quoted(name)}; {suggestion(name, entries)}")
    return [entries[name] for name in names] or [entry for entry in entries.values() if not entry.embedded]


async def _ask_shops(entries: list[Entry]) -> list[Finding]:
    """What the shops answered, in the order of the accounts."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(entry: Entry) -> list[Finding]:
        async with free:
            try:
                trial = await tried(entry)
            except UsageError as error:
                trial = Trial(Verdict.NOT_ASKED, f"not asked: {error}")
            except Exception as error:  # noqa: BLE001  # one shop's answer must not end the look at the others
                trial = Trial(Verdict.STRANGE, fault_sentence(error, "reading the shop's answer"))
        return list(_findings(f"account {entry.name}", trial))

    return [finding for found in await asyncio.gather(*map(ask, entries)) for finding in found]


def _findings(about: str, trial: Trial) -> Iterator[Finding]:
    yield Finding(about, trial.verdict is Verdict.TAKEN, trial.sentence)
    if trial.ahead is not None and abs(trial.ahead) > CLOCK_MAY_DIFFER:
        yield to_mend("clock", f"{about}: {clock_sentence(trial.ahead)}")
    elif trial.ahead is not None:
        yield fine("clock", f"{about}: this machine's clock and the shop's agree")


def _text(findings: list[Finding]) -> Iterator[str]:
    width = max(len(found.about) for found in findings)
    for found in findings:
        word = coloured("ok  ", "green") if found.well else coloured("mend", "red")
        yield f"{word}  {found.about:{width}}  {found.sentence}"
    bad = sum(not found.well for found in findings)
    yield f"{bad} to mend" if bad else "All is well"
