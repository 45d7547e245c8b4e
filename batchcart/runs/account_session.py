"""Owns putting one account's session together from what it remembers, wherever that is kept; it opens nothing."""

import itertools
from collections.abc import Iterable, Mapping

import msgspec

from batchcart.accounts.config import Account
from batchcart.accounts.redaction import redact_text
from batchcart.accounts.send_history import SendHistory
from batchcart.engine.auth import Auth
from batchcart.engine.circuit_breaker import CircuitBreaker
from batchcart.engine.event_filter import EventLimiter
from batchcart.engine.given_keys import GivenKeys
from batchcart.engine.rate_limiter import RateLimiter
from batchcart.engine.session import AccountMemory, AccountSession, Clocks
from batchcart.engine.throttling import Throttling
from batchcart.journal.sink import JournalSink
from batchcart.model.events import Event, EventSink, OfAccount, QuotaUsedUp, map_text
from batchcart.model.http import Sender
from batchcart.model.limits import Window
from batchcart.runs.deps import Deps


class SessionBasis(msgspec.Struct, frozen=True):
    """What a session stands on. ``number`` is the account's in the journal, ``probe`` that of its next question.

    ``learnt`` is what is known of its limits, ``tokens`` were renewed, ``past`` was secret once; ``note`` is given
    what a person must see. ``patience`` is in seconds. ``given`` are keys of carts that an earlier start created, each
    with its line.
    """

    account: Account
    number: int
    probe: int
    journal: JournalSink
    memory: AccountMemory
    sends: SendHistory
    learnt: bytes
    tokens: Mapping[str, str]
    past: Iterable[str]
    note: EventSink
    patience: float
    stop_after: int
    given: Iterable[tuple[str, int]] = ()


def make_session(basis: SessionBasis, send: Sender, deps: Deps) -> AccountSession:
    """The session of an account, ready to work."""
    account, crowd = basis.account, EventLimiter()

    def emit(event: Event) -> None:
        if not isinstance(event, OfAccount) or crowd.admits(event, deps.wall()):
            basis.note(map_text(event, lambda text: redact_text(text, session.auth.redactor)))

    def long_wait(window: Window, seconds: float) -> None:
        quota = QuotaUsedUp(account.name, str(window), deps.wall() + seconds)
        session.throttling.record_quota(quota)
        emit(quota)

    session = AccountSession(
        account=account,
        number=basis.number,
        probes=itertools.count(basis.probe),
        journal=basis.journal,
        limiter=RateLimiter(
            account.limits,
            basis.sends,
            clock=deps.clock,
            pacing=account.options.pacing,
            strict=account.options.strict,
            long_wait=long_wait,
            learnt=basis.learnt,
        ),
        account_state=basis.memory,
        send=send,
        auth=Auth(account.credentials.replace(basis.tokens), (*account.secrets, *basis.past)),
        clocks=Clocks(deps.clock, deps.wall),
        opened_at=deps.clock(),
        rng=deps.rng,
        emit=emit,
        patience=basis.patience,
        throttling=Throttling("as the shop asked in an earlier run"),
        breaker=CircuitBreaker(basis.stop_after),
        given=GivenKeys(basis.given),
    )
    return session
