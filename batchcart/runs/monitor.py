"""Owns a run as seen from outside while it is alive: who is told of it, its figures, and the way to stop it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from batchcart.engine.session import AccountSession
from batchcart.journal.writer import JournalFailed
from batchcart.model.events import Event, EventSink, StorageFailed
from batchcart.model.outcome import Status
from batchcart.runs.snapshot import AccountSnapshot, take_snapshot


@dataclass(slots=True)
class RunMonitor:
    """A run as seen from outside while it is alive: sessions to read counters from, and the way to stop it.

    ``on_line`` is told of each result line once it is safe; with ``replay`` of those of earlier starts too.
    ``sinks`` are told the events; ``checking`` the number of a line of the job, now and then while it is checked.
    The rest is the run's own: ``remote`` are looks at the accounts that other processes work on, ``lost`` says which of
    those died; ``planned`` and ``ended`` count lines by account, those that ended by status.
    """

    on_line: Callable[[bytes], None] = lambda _text: None
    replay: bool = False
    checking: Callable[[int], None] | None = None
    sinks: list[EventSink] = field(default_factory=list)
    sessions: list[AccountSession] = field(init=False, default_factory=list)
    remote: list[Callable[[], AccountSnapshot]] = field(init=False, default_factory=list)
    lost: list[str] = field(init=False, default_factory=list)
    planned: dict[str, int] = field(init=False, default_factory=dict)
    ended: dict[str, dict[str, int]] = field(init=False, default_factory=dict)
    stopping: bool = field(init=False, default=False)
    reads_over: bool = field(init=False, default=False)
    failure: JournalFailed | None = field(init=False, default=None)
    _stop_callbacks: list[Callable[[], None]] = field(init=False, default_factory=list)

    def add_sink(self, sink: EventSink) -> None:
        """Have the sink told the events too."""
        self.sinks.append(sink)

    def emit(self, event: Event) -> None:
        """Tell all who are to see it."""
        for sink in self.sinks:
            sink(event)

    def show_lines(self, sink: Callable[[bytes], None]) -> None:
        """Give each result line to the sink, in the writer's thread. To be called before the run is opened."""
        self.on_line = sink

    def show_checking(self, checking: Callable[[int], None] | None) -> None:
        """Have ``checking`` told how far the check of the job is."""
        self.checking = checking

    def add_session(self, session: AccountSession) -> None:
        """The session is ready for work here."""
        self.reads_over = False
        self.sessions.append(session)

    def add_remote(self, accounts: Iterable[Callable[[], AccountSnapshot]], stop: Callable[[], None]) -> None:
        """The accounts are ready for work in other processes, which ``stop`` tells to stop; each says how it is.

        Whoever hears of their lines counts those in ``ended``.
        """
        self.remote += accounts
        self.reads_over = False
        self._stop_callbacks.append(stop)

    def report_lost(self, sentence: str) -> None:
        """A process that worked on accounts is gone."""
        self.lost.append(sentence)

    def set_counts(self, account: str, lines: int, ended: Mapping[str, int]) -> None:
        """The account has so many lines, and so many of them have ended, by status."""
        self.planned[account], self.ended[account] = lines, dict(ended)

    def count_line(self, session: AccountSession, status: Status) -> None:
        """A line of the session has ended."""
        found, name = self.ended[session.account.name], str(status)
        found[name] = found.get(name, 0) + 1

    def end_reads(self) -> None:
        """The shops are not asked now: what was read is looked at, which a signal may end anywhere."""
        self.reads_over = True

    @property
    def at_work(self) -> bool:
        """Whether accounts are ready for work, or at it."""
        return bool(self.sessions or self.remote) and not self.reads_over

    def snapshots(self) -> list[AccountSnapshot]:
        """Every account as it is now: those at work here, and those that other processes told of last."""
        here = [
            take_snapshot(session, self.planned.get(session.account.name, 0), self.ended.get(session.account.name, {}))
            for session in self.sessions
        ]
        return [*here, *(look() for look in self.remote)]

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
        for halt in self._stop_callbacks:
            halt()

    def record_failure(self, error: JournalFailed) -> None:
        """Why the run broke off, if nothing is known yet."""
        self.failure = self.failure or error

    def fail(self, error: JournalFailed) -> None:
        """The disk takes no more: stop sending."""
        if self.failure is None:
            self.failure = error
            self.emit(StorageFailed(str(error)))
        self.stop()
