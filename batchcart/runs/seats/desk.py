"""Owns one account at work in a seat: its session, made of what the hub gave for it; it knows no file."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from batchcart.accounts.client_certificate import ClientCertificate
from batchcart.accounts.config import Account
from batchcart.accounts.send_history import SendHistory
from batchcart.engine.rate_limiter import capacity
from batchcart.engine.session import AccountSession
from batchcart.model.adapter import Adapters, Credentials
from batchcart.model.limits import Bucket, Limit, Window
from batchcart.model.system import write_briefly
from batchcart.runs.account_session import SessionBasis, make_session
from batchcart.runs.deps import Deps
from batchcart.runs.seats.protocol import FreshTokens, FromSeat, LateTokens, Learnt, Take, Welcome
from batchcart.runs.seats.remote_journal import RemoteJournal


@dataclass(frozen=True, slots=True)
class Bureau:
    """What all accounts of a seat share. The wall clock among the ``deps`` is the hub's.

    ``unkept`` are tokens by account that were renewed, and that the hub has not kept yet.
    """

    send: Callable[[FromSeat], None]
    journal: RemoteJournal
    welcome: Welcome
    adapters: Adapters
    deps: Deps
    unkept: dict[int, LateTokens] = field(default_factory=dict)


@dataclass(slots=True)
class HubMemory:
    """What an account remembers, as a seat writes it: the hub keeps it. ``tokens`` are those that it kept last."""

    bureau: Bureau
    account: int
    epoch: int
    tokens: Mapping[str, str]
    kept: "asyncio.Future[None] | None" = field(default=None)

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> "asyncio.Future[None]":
        """Have renewed tokens put on the hub's disk; what comes back raises OSError where that fails."""
        self.kept = kept = asyncio.get_running_loop().create_future()
        self.bureau.unkept[self.account] = LateTokens(self.account, origin, dict(self.tokens), dict(tokens))
        if self.bureau.journal.has_failed:
            self.lose_hub()
        self.bureau.send(FreshTokens(self.account, self.epoch, origin, dict(tokens)))
        return kept

    def finish_keeping(self, failure: str) -> None:
        """The hub has kept the tokens, or could not."""
        asked = self.bureau.unkept.pop(self.account, None)
        if asked is not None and not failure:
            self.tokens = asked.tokens
        self._wake(failure)

    def lose_hub(self) -> None:
        """Whether it has kept the tokens is not known."""
        self._wake("the hub is gone")

    def _wake(self, failure: str) -> None:
        kept, self.kept = self.kept, None
        if kept is not None and not kept.done():
            if failure:
                kept.set_exception(OSError(0, failure))
            else:
                kept.set_result(None)

    def keep_learnt_limit(self, learnt: bytes) -> None:
        """Have the hub remember what was learnt of the shop's limit."""
        self.bureau.send(Learnt(self.account, self.epoch, learnt))


@dataclass(frozen=True, slots=True)
class Desk:
    """An account at work in a seat."""

    session: AccountSession
    memory: HubMemory
    sends: SendHistory

    def empty_in(self) -> list[float]:
        """Seconds until each of its buckets has leaked empty."""
        now = self.session.clocks.monotonic()
        buckets = [limit for limit in self.session.account.limits if isinstance(limit, Bucket)]
        return [max(0.0, self.sends.bucket_empty_at(index) - now) for index in range(len(buckets))]


def account_of(take: Take, adapters: Adapters) -> Account:
    """The account that the hub gave; raises UsageError where its platform is not known here."""
    return Account(
        name=take.name,
        adapter=adapters.find(take.platform),
        address=take.address,
        credentials=Credentials(take.origin, frozenset(take.secret_names)),
        limits=tuple(_limit(kind, count, number) for kind, count, number in take.limits),
        options=take.options,
        proxy=take.proxy,
    )


@contextmanager
def _with_files(account: Account, take: Take) -> Iterator[Account]:
    """The account with its certificates in files, which TLS is read from and which are gone after the block."""
    with ExitStack() as stack:
        trusted = stack.enter_context(write_briefly(take.ca_text)) if take.ca_text is not None else None
        shown = [stack.enter_context(write_briefly(text)) for text in take.certificate or ()]
        yield replace(account, ca_file=trusted, client_certificate=ClientCertificate(*shown) if shown else None)


def _limit(kind: str, count: int, number: float) -> Limit:
    return Window(count, number) if kind == "window" else Bucket(count, number)


@asynccontextmanager
async def open_desk(bureau: Bureau, take: Take, account: Account) -> AsyncIterator[Desk]:
    """The account's session, ready to work; raises UsageError for certificates that are none."""
    deps = bureau.deps
    now = deps.clock()
    sends = SendHistory(None, capacity(account.limits), deps.clock, deps.wall)
    for age in take.sent:
        sends.record(now - age)
    for index, seconds in enumerate(take.empty_in):
        sends.set_bucket_empty_at(index, now + seconds)
    journal = bureau.journal.of_account(take.account, take.epoch)
    memory = HubMemory(bureau, take.account, take.epoch, take.tokens)
    basis = SessionBasis(
        account=account,
        number=take.account,
        probe=take.probe,
        journal=journal,
        memory=memory,
        sends=sends,
        learnt=take.learnt,
        tokens=take.tokens,
        past=take.past,
        note=lambda event: journal.record_event(deps.wall(), event),
        patience=bureau.welcome.patience,
        stop_after=bureau.welcome.stop_after,
    )
    async with AsyncExitStack() as stack:
        with _with_files(account, take) as filed:
            send = await stack.enter_async_context(deps.open_client(filed))
        yield Desk(make_session(basis, send, deps), memory, sends)
