"""Owns what sessions may ask of a journal, wherever it is written: in this process or in another one."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from batchcart.journal.permit import Permit
from batchcart.model.events import Event
from batchcart.model.http import Request


class JournalSink(Protocol):
    """A journal as a session sees it."""

    def record_intent(self, line: int, number: int, at: float, request: Request) -> Awaitable[Permit | None]:
        """Note that the request is about to leave; to be awaited until that is on the disk.

        It may leave as long as the permit says, or at any time where there is none; an intent that is noted a second
        time takes the place of the first. Raises JournalFailed, now or then, where it is not and will not be: then the
        request must not leave.
        """

    def record_response(self, line: int, number: int, state: str, row: Sequence[object]) -> None:
        """Note what became of a request: state, and status, headers, body, why."""

    def record_result(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        """Note how an operation ended; its line follows in the result file."""

    def record_account_state(self, account: str, state: str, reason: str) -> None:
        """Note that an account was closed, for `status`."""

    def record_event(self, at: float, event: Event) -> None:
        """Note what a person must see, for the report's timeline."""
