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
