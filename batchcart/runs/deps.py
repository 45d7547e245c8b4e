"""Owns what a run takes from the world around it: clocks, random numbers, and the ways to open what outlives a call."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from batchcart.accounts.config import Account, AccountConfig
from batchcart.accounts.state import AccountState
from batchcart.journal.writer import JournalWriter
from batchcart.model.http import Sender


def open_http_client(account: Account, unacknowledged: float | None = None) -> AbstractAsyncContextManager[Sender]:
    """What sends to the account's shop over HTTP; that may stay ``unacknowledged`` for so many seconds."""
    from batchcart.engine.http.client import open_client  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    return open_client(account, unacknowledged=unacknowledged)


def open_account_state(entry: AccountConfig) -> AccountState:
    """What the account remembers between runs, locked for this process; the embedded sandbox's remember nothing."""
    return AccountState(None) if entry.embedded else AccountState.open(entry.name, entry.identity)


@dataclass(frozen=True, slots=True)
class Deps:
    """What a run takes from the world; nothing below ``runs`` takes it from elsewhere.

    ``clock`` is monotonic, ``wall`` tells seconds since 1970; ``rng`` also names runs and carts: nobody may guess it.
    """

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.SystemRandom)
    open_client: Callable[[Account], AbstractAsyncContextManager[Sender]] = open_http_client
    open_state: Callable[[AccountConfig], AccountState] = open_account_state
    open_journal: Callable[..., JournalWriter] = JournalWriter


WORLD = Deps()
"""The machine's own clocks and random numbers, HTTP, and the files of the state folder."""
