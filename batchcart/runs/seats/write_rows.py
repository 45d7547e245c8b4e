"""Owns putting what a seat noted of an account into the journal, and counting it; it does not know seats."""

from batchcart.journal.writer import JournalWriter
from batchcart.model.events import EventSink
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import AccountRows


def write_rows(journal: JournalWriter, holding: Holding, rows: AccountRows, emit: EventSink) -> None:
    """Note what the seat that has the account noted of it."""
    book = holding.book
    for line, number, at, request in rows.intents:
        book.intend(line if line > 0 else -number, number)
        journal.queue_intent(line, number, at, request)
    for line, number, state, values in rows.responses:
        book.answer(line if line > 0 else -number, number)
        journal.record_response(line, number, state, values)
    for line, status, learnt, text, keep_past in rows.results:
        book.end(line)
        journal.record_result(line, status, learnt, text, keep_past=keep_past)
        holding.count_line(status)
    for state, reason in rows.states:
        journal.record_account_state(holding.account.name, state, reason)
    for at, event in rows.events:
        journal.record_event(at, event)
        emit(event)
