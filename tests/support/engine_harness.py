"""Owns a run in virtual time: a real journal and real platforms around simulated shops that are called directly."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import virtual_clock
from in_memory_shops import EPOCH, Shops

from batchcart.accounts.config import Account, AccountConfig, load_config
from batchcart.accounts.state import AccountState
from batchcart.engine.session import AccountSession
from batchcart.jobs.opening import open_job
from batchcart.journal.summary import Summary
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.events import Event, OfAccount
from batchcart.model.http import Sender
from batchcart.platforms import load_adapters
from batchcart.runs.deps import Deps
from batchcart.runs.journal_file import take_up
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path
from batchcart.runs.runner import run_job

Line = dict[str, Any]
RUN = f"{random.Random(0).getrandbits(128):032x}"
"""The name of a run whose random numbers have the seed 0."""

CONFIG = """
[accounts.local-3dcart]
platform = "3dcart"
secure_url = "https://acme.example"
private_key = "canary-private-key"
token = "canary-token-3dcart"
base_url = "http://127.0.0.1:1/3dcart"
limits = []
[accounts.local-tray]
platform = "tray"
api_address = "http://127.0.0.1:1/tray/web_api"
access_token = "canary-access-tray"
refresh_token = "canary-refresh-tray"
limits = []
[accounts.local-shoplo]
platform = "shoplo"
auth = "bearer"
access_token = "canary-access-shoplo"
app_id = "12"
base_url = "http://127.0.0.1:1/shoplo"
limits = []
"""


@dataclass
class Ended:
    """How one start of a run ended."""

    summary: Summary
    results: list[Line]
    events: Sequence[Event]
    failure: JournalFailed | None
    sessions: list[AccountSession]
    seconds: float


async def drive(
    options: RunOptions, monitor: RunMonitor, shops: Shops, states: Mapping[str, AccountState], **others: Any
) -> Summary:
    """``run_job`` as it is, with the loop's time as its clocks, and shops that are called directly."""
    clock = asyncio.get_running_loop().time

    @asynccontextmanager
    async def open_client(account: Account) -> AsyncIterator[Sender]:
        yield partial(shops.answer, account, journal_path(options.results_path))

    def open_state(entry: AccountConfig) -> AccountState:
        return states.get(entry.name, AccountState(None))

    world = Deps(clock, lambda: EPOCH + clock() + shops.ahead, open_client=open_client, open_state=open_state, **others)
    return await run_job(options, monitor, deps=world)


@dataclass
class Harness:
    """A folder with one job in it, which is run from there again and again; what it takes from the world is its own."""

    folder: Path
    lines: Sequence[Line]
    shops: Shops
    concurrency: int = 4
    patience: float = 1800.0
    row: int = 0  # lines in a row for one reason that stop their account
    account_states: Mapping[str, AccountState] = field(default_factory=dict)
    config: str = CONFIG

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    def run(self, **how: Any) -> Ended:
        """One start of the run in virtual time, as ``start_run`` takes it."""
        journals: list[JournalWriter] = []
        return virtual_clock.run(start_run(self, journals, **how), lambda: any(one.at_disk for one in journals))


async def start_run(
    harness: Harness,
    journals: list[JournalWriter],
    *,
    stop_after: float | None = None,
    seed: int = 0,
    during: AbstractContextManager[object] | None = None,
) -> Ended:
    """One start of the run, halted after ``stop_after`` seconds; ``during`` is open while its journal is written."""
    loop, events = asyncio.get_running_loop(), list[Event]()
    monitor, began = RunMonitor(sinks=[events.append]), loop.time()
    with ExitStack() as stack:

        def open_journal(*files: Any, **listeners: Any) -> JournalWriter:
            stack.enter_context(during or nullcontext())
            journals.append(JournalWriter(*files, **listeners))
            return journals[-1]

        if stop_after is not None:
            loop.call_later(stop_after, monitor.stop)
        own = {"rng": random.Random(seed), "open_journal": open_journal}
        summary = await drive(write_job(harness), monitor, harness.shops, harness.account_states, **own)
    found = [json.loads(line) for line in harness.results.read_text().splitlines()]
    of_accounts = [event for event in events if isinstance(event, OfAccount)]
    return Ended(summary, found, of_accounts, monitor.failure, monitor.sessions, loop.time() - began)


def plan_job(harness: Harness) -> None:
    """Check the job and lay down its plan, as a run does that is killed right after it."""
    options = write_job(harness)
    with open_job(options.job) as source:
        entries = load_config(options.config, load_adapters())
        take_up(options, source, entries, RunMonitor(), Deps(rng=random.Random(0)))[0].close()


def write_job(harness: Harness) -> RunOptions:
    """Write config and job, unless that is there, and say how they are run."""
    job, config = harness.folder / "job.jsonl", harness.folder / "batchcart.toml"
    config.write_text(harness.config)
    if not job.exists():
        job.write_text("".join(json.dumps(line) + "\n" for line in harness.lines))
    return RunOptions(
        str(job),
        results=harness.results,
        config=config,
        concurrency=harness.concurrency,
        patience=harness.patience / 60,
        stop_after=harness.row,
    )
