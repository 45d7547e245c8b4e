"""Owns a run as seen from outside while it is alive: who is told of it, its figures, and the way to stop it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from batchcart.accounts.config import Account
from batchcart.engine.session import AccountSession, Send
from batchcart.journal.writer import JournalFailed
from batchcart.model.events import Event, EventSink, StorageFailed
from batchcart.runs.snapshot import AccountSnapshot, take_snapshot


@dataclass(slots=True)
class RunMonitor:
    """A run as seen from outside while it is alive: sessions to read counters from, and the way to stop it.

    ``on_line`` is told of each result line once it is safe; with ``replay`` of those of earlier starts too.
    ``sinks`` are told the events; ``checking`` the number of a line of the job, now and then while it is checked.
    ``wrap_send`` may put something around an account's sending. ``remote`` are the accounts that other processes work
    on, ``stop_callbacks`` tells those to stop, ``lost`` says which of them died.
    """

    on_line: Callable[[bytes], None] = lambda _text: None
    wrap_send: Callable[[Account, Send], Send] = lambda _account, send: send
    sinks: list[EventSink] = field(default_factory=list)
    checking: Callable[[int], None] | None = None
    sessions: list[AccountSession] = field(default_factory=list)
    remote: dict[str, AccountSnapshot] = field(default_factory=dict)
    stop_callbacks: list[Callable[[], None]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=dict)
    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    stopping: bool = False
    replay: bool = False
    failure: JournalFailed | None = None

    def emit(self, event: Event) -> None:
        """Tell all who are to see it."""
        for sink in self.sinks:
            sink(event)

    @property
    def at_work(self) -> bool:
        """Whether accounts are ready for work, or at it."""
        return bool(self.sessions or self.remote)

    def snapshots(self) -> list[AccountSnapshot]:
        """Every account as it is now: those at work here, and those that other processes told of last."""
        here = [
            take_snapshot(session, self.planned.get(session.account.name, 0), self.ended.get(session.account.name, {}))
            for session in self.sessions
        ]
        return [*here, *self.remote.values()]

    def totals(self) -> dict[str, int]:
        """Ended lines of all accounts by status."""
        totals: dict[str, int] = {}
        for ended in self.ended.values():
            for status, count in ended.items():
                totals[status] = totals.get(status, 0) + count
        return totals

    def stop(self) -> None:
        """Begin nothing more and end within the requests in flight. To be called in the run's loop."""
        self.stopping = True
        for session in self.sessions:
            session.signal.stop()
        for halt in self.stop_callbacks:
            halt()

    def fail(self, error: JournalFailed) -> None:
        """The disk takes no more: stop sending."""
        if self.failure is None:
            self.failure = error
            self.emit(StorageFailed(str(error)))
        self.stop()
