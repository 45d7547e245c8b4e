"""Owns the words for what a person must see of a run while it is alive; it does not know who is told, or where.

An event is about an account or about the whole run, never about one operation. Its text is a sentence for people, its
fields are for machines: times in wall-clock seconds, rates in requests a second.
"""

import re
import shlex
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import structs

from batchcart.model.text import local_time, plural, rate_per

Level = Literal["info", "warning", "error"]


def _snake(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


class _Told(msgspec.Struct, frozen=True, tag_field="kind", tag=_snake):
    """Every event; as JSON it says its kind."""


class RunRefused(_Told, frozen=True):
    """Nothing was sent, because the config or the job is wrong: the first problem, and the number of others."""

    why: str
    more: int = 0

    def __str__(self) -> str:
        return f"nothing was sent: {self.why}{f', and {self.more:,} more' if self.more else ''}"


class RunStarted(_Told, frozen=True, tag="run_began"):
    """A job is sent for the first time."""

    job: str
    lines: int
    accounts: int

    def __str__(self) -> str:
        return f"{self.job}: the run starts, {plural(self.lines, 'line')} for {plural(self.accounts, 'account')}"


class RunResumed(_Told, frozen=True):
    """A job that was started earlier resumes."""

    job: str
    lines: int
    ended: int

    def __str__(self) -> str:
        return f"{self.job}: the run resumes, {self.ended:,} of {plural(self.lines, 'line')} had ended before"


class RunFinished(_Told, frozen=True):
    """Every line has ended."""

    lines: int
    ok: int = 0
    failed: int = 0
    skipped: int = 0
    in_doubt: int = 0

    def __str__(self) -> str:
        return f"the run is finished: {plural(self.lines, 'line')}, {_endings(self)}"


class RunStopped(_Told, frozen=True):
    """The run ended before its end; run the same command again to resume."""

    lines: int
    not_attempted: int
    why: str = ""
    ok: int = 0
    failed: int = 0
    skipped: int = 0
    in_doubt: int = 0

    def __str__(self) -> str:
        because = f" {self.why}" if self.why else ""
        be = "is" if self.not_attempted == 1 else "are"
        left = f"{self.not_attempted:,} of {plural(self.lines, 'line')} {be} left, {_endings(self)}"
        return f"the run is stopped before the end{because}: {left}; run the same command again to resume"


class Paused(_Told, frozen=True):
    """A shop asked for a pause, by a 429 or a Retry-After; what it asks for shortly after is the same pause.

    Told once more where it has become a ``long`` one, a minute or more.
    """

    account: str
    until: float
    why: str
    long: bool = False

    def __str__(self) -> str:
        return f"account {self.account!r}: the shop asks to wait until {local_time(self.until)} ({self.why})"


class ThrottlingEnded(_Told, frozen=True, tag="pause_over"):
    """A time of pauses is over: it began at ``since``; ``refusals`` counts the 429s, ``paused`` the seconds kept."""

    account: str
    since: float
    until: float
    refusals: int
    paused: float

    def __str__(self) -> str:
        counted = f"{self.refusals:,} × 429, " if self.refusals else ""
        return (
            f"account {self.account!r}: the pauses that the shop asked for are over: since {local_time(self.since)} "
            f"{counted}{self.paused:,.0f} s to wait"
        )


class QuotaUsedUp(_Told, frozen=True):
    """A limit is used up for a minute or more, as a day's quota is."""

    account: str
    limit: str
    until: float

    def __str__(self) -> str:
        return (
            f"account {self.account!r}: {self.limit} is used up; it resumes at {local_time(self.until)}; "
            "other accounts do not wait"
        )


class ShopDown(_Told, frozen=True):
    """A shop cannot be reached, or keeps failing; it is asked again and again until ``given_up_at``."""

    account: str
    why: str
    since: float
    asked_at: float
    given_up_at: float

    def __str__(self) -> str:
        return (
            f"account {self.account!r}: the shop is down ({self.why}); it is asked again and again, "
            f"until {local_time(self.given_up_at)} at the latest"
        )


class ShopUp(_Told, frozen=True):
    """A shop that was down since ``since`` answers again, to question number ``probes``."""

    account: str
    since: float
    probes: int

    def __str__(self) -> str:
        return f"account {self.account!r}: the shop is up again; it was down since {local_time(self.since)}"


class LimitLowered(_Told, frozen=True, tag="limit_learnt"):
    """A shop's 429s say that it allows less than the config's limit; more is tried from the moment ``more_at`` on."""

    account: str
    limit: str
    per_second: float
    more_at: float = 0.0

    def __str__(self) -> str:
        kept = f"although {self.limit} is kept" if self.limit else "and the config sets no limit"
        through = rate_per(self.limit.rpartition("/")[2], self.per_second)
        more = f"; more is tried from {local_time(self.more_at)} on" if self.more_at else ""
        return (
            f"account {self.account!r}: the shop answers 429 {kept}, and lets about {through} through; "
            f"batchcart sends no more than that{more}"
        )


class LimitRestored(_Told, frozen=True, tag="limit_forgotten"):
    """A limit that was learnt from 429s no longer holds."""

    account: str
    limit: str

    def __str__(self) -> str:
        again = f"going by {self.limit} again" if self.limit else "going without a limit again"
        return f"account {self.account!r}: {again}"


class TokenRenewed(_Told, frozen=True):
    """An account's token had expired, and the shop gave a new one."""

    account: str

    def __str__(self) -> str:
        return f"account {self.account!r}: its token was renewed"


class AccountClosed(_Told, frozen=True):
    """An account was closed for this run; ``state`` is closed, unreachable or throttled."""

    account: str
    state: str
    reason: str

    def __str__(self) -> str:
        return f"account {self.account!r}: {self.reason}"


class StorageFailed(_Told, frozen=True, tag="disk_trouble"):
    """The disk takes no more; nothing is sent any longer."""

    why: str

    def __str__(self) -> str:
        return self.why


class SecretsExposed(_Told, frozen=True):
    """Others than their owner can read files that hold secrets of the run's accounts."""

    files: tuple[str, ...]

    def __str__(self) -> str:
        names = " ".join(map(shlex.quote, self.files))
        return f"others can read secrets in {', '.join(self.files)}; keep them out with: chmod 600 {names}"


class WorkerDied(_Told, frozen=True, tag="process_lost"):
    """One of the processes of a run died; others go on with its accounts."""

    why: str

    def __str__(self) -> str:
        return self.why


class DoubtsSettled(_Told, frozen=True):
    """Lines in doubt were settled after the run, by the operator's word or by what the shops showed."""

    happened: int
    not_done: int
    by_hand: bool

    def __str__(self) -> str:
        how = "by hand" if self.by_hand else "by reading the shops"
        total = plural(self.happened + self.not_done, "line")
        return f"{total} in doubt settled {how}: {self.happened:,} happened, {self.not_done:,} did not"


OfAccount = (
    Paused
    | ThrottlingEnded
    | QuotaUsedUp
    | ShopDown
    | ShopUp
    | LimitLowered
    | LimitRestored
    | TokenRenewed
    | AccountClosed
)
OfRun = (
    RunRefused
    | RunStarted
    | RunResumed
    | RunFinished
    | RunStopped
    | StorageFailed
    | WorkerDied
    | SecretsExposed
    | DoubtsSettled
)
Event = OfRun | OfAccount

EventSink = Callable[[Event], None]


def kind_of(event: Event) -> str:
    """The event's kind, as the log, the journal and the documentation name it."""
    return str(event.__struct_config__.tag)


def account_of(event: Event) -> str:
    """The account the event is about; empty if it is about the whole run."""
    return event.account if isinstance(event, OfAccount) else ""


def level_of(event: Event) -> Level:
    """How bad it is."""
    match event:
        case RunRefused() | AccountClosed() | StorageFailed() | WorkerDied():
            return "error"
        case RunStopped() | QuotaUsedUp() | ShopDown() | LimitLowered() | SecretsExposed():
            return "warning"
        case Paused(long=True):
            return "warning"
        case _:
            return "info"


def is_urgent(event: Event) -> bool:
    """Whether it is said at once, on stderr; what the summary says at the end, and what passes soon, is not."""
    match event:
        case Paused():
            return event.long
        case QuotaUsedUp() | ShopDown() | ShopUp() | LimitLowered() | LimitRestored() | AccountClosed():
            return True
        case WorkerDied() | SecretsExposed():
            return True
        case _:
            return False


def until_of(event: Event) -> float | None:
    """When what the event tells of ends, where that is known."""
    match event:
        case Paused() | ThrottlingEnded() | QuotaUsedUp():
            return event.until
        case ShopDown():
            return event.given_up_at
        case _:
            return None


_OURS = {"account", "state"}  # words of the config and of our own, by which events are told apart


def map_text(event: Event, clean: Callable[[str], str]) -> Event:
    """The event with every text in it cleaned, as from a secret that a shop said back."""
    texts = {
        name: clean(value)
        for name, value in structs.asdict(event).items()
        if isinstance(value, str) and name not in _OURS
    }
    return structs.replace(event, **texts)


def printable(text: str) -> str:
    """The text with a backslash for what is no text: a file's name may hold any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _endings(event: RunFinished | RunStopped) -> str:
    counts = {"ok": event.ok, "failed": event.failed, "skipped": event.skipped, "in doubt": event.in_doubt}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "ok")
