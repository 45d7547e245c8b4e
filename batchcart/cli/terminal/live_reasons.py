"""Owns the reasons why lines of a living run are not ok, from its result lines as they end; it does not show them."""

import time
from collections import deque
from dataclasses import dataclass, field

import msgspec

from batchcart.cli.reasons_text import reason_text
from batchcart.report.aggregate import ResultRow, add_reason
from batchcart.report.error_groups import ErrorGroups

_OK = b'"status":"ok"'
_AT_ONCE = 0.02  # seconds of a tick that reading results may take
_BETWEEN_LOOKS = 64  # results from one look at the clock to the next: so many are read however busy the machine is
_MOST_WAITING = 1 << 14  # results, of a run whose lines fail faster than they are read here


@dataclass(slots=True)
class LiveReasons:
    """Reasons of the lines that ended since this start. ``take`` may be called in any thread, the rest in one.

    Of results that gather faster than they are read only the latest are; the reasons at the end are of all.
    """

    _waiting: deque[bytes] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))
    _groups: ErrorGroups = field(default_factory=ErrorGroups)

    def take(self, text: bytes) -> None:
        """A result line; one that is ok costs nothing more than the look."""
        if _OK not in text:
            self._waiting.append(text)

    def read(self) -> None:
        """Read what was taken since the last time, as much as a tick has time for."""
        end = time.monotonic() + _AT_ONCE
        while self._waiting:
            for _ in range(min(_BETWEEN_LOOKS, len(self._waiting))):
                add_reason(self._groups, msgspec.json.decode(self._waiting.popleft(), type=ResultRow), 0)
            if time.monotonic() >= end:
                return

    def sentences(self, most: int, *, several: bool) -> list[str]:
        """The ``most`` frequent reasons by now, each a sentence; ``several`` says that the run has several accounts."""
        self.read()
        return [reason_text(cause, reason, several=several) for cause, reason in self._groups.roots()[:most]]
