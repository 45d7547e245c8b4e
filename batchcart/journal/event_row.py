"""Owns an event as the journal has it; it does not know when it is written."""

import msgspec

from batchcart.journal.many_rows import SqlRow
from batchcart.model.events import Event, account_of, kind_of, map_text, printable, until_of

INSERT_EVENT = "INSERT INTO event (at, account, kind, until, message, fields) VALUES (?, ?, ?, ?, ?, ?)"


def event_row(at: float, event: Event) -> SqlRow:
    """The row for ``INSERT_EVENT``; ``at`` in wall-clock seconds."""
    event = map_text(event, printable)
    fields = msgspec.json.encode(event).decode()
    return at, account_of(event), kind_of(event), until_of(event), str(event), fields
