"""Owns putting what a seat noted of an account into the journal, and counting it; it does not know seats."""

from batchcart.journal.writer import JournalWriter
from batchcart.model.events import EventSink
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import AccountRows


def write_rows(journal: JournalWriter, holding: Holding, rows: AccountRows, emit: EventSink) -> None:
    """Note what the seat that has the account noted of it."""
    holding.book.note(rows)
    journal.record_rows(rows.intents, rows.responses, rows.results)
    holding.count_ends([status for _, status, *_ in rows.results])
    for state, reason in rows.states:
        journal.record_account_state(holding.account.name, state, reason)
    for at, event in rows.events:
        journal.record_event(at, event)
        emit(event)
