"""Owns the check that `doctor` and `init` share: what machine and shops are asked, and the findings as text."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from batchcart.accounts.config import AccountConfig, Accounts
from batchcart.accounts.diagnostics import Check, report_ok, report_problem, run_checks
from batchcart.accounts.whereabouts import describe_place
from batchcart.cli.folding import fold
from batchcart.model.errors import UsageError
from batchcart.model.fault import fault_sentence
from batchcart.runs.probe import CLOCK_MAY_DIFFER, ProbeResult, ProbeStatus, clock_sentence, probe

_AT_ONCE = 50  # accounts that are asked side by side


def check_accounts(
    config: Path | None, known: Accounts, entries: list[AccountConfig], unusable: Mapping[str, str], *, offline: bool
) -> list[Check]:
    """What there is to say of this machine and of ``entries``, which are among the ``known`` accounts of the config.

    Unless ``offline``, each sound one's shop is asked.
    """
    findings = list(run_checks(config, known, entries, unusable, Path.cwd(), look_up=not offline))
    if not offline:
        ill = {found.subject for found in findings if not found.ok}
        findings += asyncio.run(
            _ask_shops([entry for entry in entries if f"account {entry.name}" not in ill], str(config))
        )
    return findings


async def _ask_shops(entries: list[AccountConfig], config: str) -> list[Check]:
    """What the shops answered, in the order of the accounts of ``config``."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(entry: AccountConfig) -> list[Check]:
        async with free:
            try:
                result = await probe(entry)
            except UsageError as error:
                result = ProbeResult(ProbeStatus.SKIPPED, f"not asked: {error}")
            except Exception as error:  # noqa: BLE001  # one shop's answer must not end the look at the others
                result = ProbeResult(ProbeStatus.UNEXPECTED, fault_sentence(error, "reading the shop's answer"))
        where = f" ({describe_place(entry, result.blames, config)})" if result.blames else ""
        return list(_findings(f"account {entry.name}", replace(result, sentence=result.sentence + where)))

    return [finding for found in await asyncio.gather(*map(ask, entries)) for finding in found]


def _findings(about: str, result: ProbeResult) -> Iterator[Check]:
    yield Check(about, result.verdict is ProbeStatus.OK, result.sentence)
    if result.clock_skew is not None and abs(result.clock_skew) > CLOCK_MAY_DIFFER:
        yield report_problem("clock", f"{about}: {clock_sentence(result.clock_skew)}")
    elif result.clock_skew is not None:
        yield report_ok("clock", f"{about}: this machine's clock and the shop's agree")


def findings_text(findings: Sequence[Check], paint: Callable[[str, str], str] = lambda word, _colour: word) -> str:
    """A line for each finding, and how many ask for something; ``paint`` gives a word a colour."""
    width = max(len(found.subject) for found in findings)
    words = {True: paint("ok ", "green"), False: paint("fix", "red")}
    beside = " " * (width + 7)
    lines = [
        f"{words[found.ok]}  {found.subject:{width}}  {fold(found.message, beside, '').removeprefix(beside)}"
        for found in findings
    ]
    bad = sum(not found.ok for found in findings)
    return "\n".join([*lines, f"{bad} to fix" if bad else "All checks passed"])
