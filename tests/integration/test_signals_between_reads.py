"""Signals that come when shops were read and what they said is looked at: nothing is on its way, so one is enough."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from batchcart.accounts.config_table import ConfigTable
from batchcart.api.driving import Monitoring
from batchcart.cli.terminal.session import drive_here
from batchcart.model.events import Event, RunStarted
from batchcart.runs.cart_reader import Reader, run_reads, write_questions
from batchcart.runs.monitor import RunMonitor

LINES: Sequence[dict[str, str]] = [{"op": "cart.get", "account": "sandbox-tray", "cart_id": "none-such"}]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_after_the_reads_ends_the_work_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    steps = []

    async def read_and_compare(monitor: RunMonitor) -> None:
        write_questions(tmp_path, map(orjson.dumps, LINES))
        await run_reads(tmp_path, Reader(ConfigTable({})), monitor)
        steps.append("read")
        signal.raise_signal(number)
        steps.append("compared")

    async def work(monitoring: Monitoring) -> None:
        async with monitoring() as monitor:
            await read_and_compare(monitor)

    with suppress(KeyboardInterrupt):
        drive_here("none")(work)
    assert steps == ["read"]
    assert f"{number.name}: stopped; run the same command again to resume" in capfd.readouterr().err


def test_a_first_signal_during_a_second_round_of_reads_is_polite(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def strike(event: Event) -> None:
        if isinstance(event, RunStarted):
            signal.raise_signal(signal.SIGINT)

    async def work(monitoring: Monitoring) -> None:
        async with monitoring() as monitor:
            for folder in ("first", "second"):
                (tmp_path / folder).mkdir()
                write_questions(tmp_path / folder, map(orjson.dumps, LINES))
            await run_reads(tmp_path / "first", Reader(ConfigTable({})), monitor)
            monitor.add_sink(strike)
            await run_reads(tmp_path / "second", Reader(ConfigTable({})), monitor)

    drive_here("none")(work)
    assert "SIGINT: ending with the requests in flight; once more stops at once" in capfd.readouterr().err


def test_a_first_signal_between_two_steps_says_what_goes_on_and_not_that_nothing_was_sent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def work(_monitoring: Monitoring) -> None:
        signal.raise_signal(signal.SIGINT)

    with suppress(KeyboardInterrupt):
        drive_here("none", steps=True)(work)
    assert "SIGINT: stopped; run the same command again to resume" in capfd.readouterr().err
