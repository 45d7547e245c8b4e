"""Owns listing all carts of a shop, page by page, into a file on disk; it does not know what a line means.

Every page is on the disk together with the place to resume from; which page comes next is list_walk.py's to say.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.accounts.redaction import redact, redact_text
from batchcart.engine.executor import execute, restore_execution
from batchcart.engine.session import AccountSession
from batchcart.jobs.checks import validate
from batchcart.journal.changes import add_account
from batchcart.journal.listed import ListedRows, open_rows
from batchcart.journal.queries import PlannedAccount, find_unused_line
from batchcart.journal.result_line import status_of
from batchcart.journal.schema import Connection, create, open_existing
from batchcart.migration.list_walk import Cursor
from batchcart.model.adapter import CartContext, Filters, ListedLine, Listing
from batchcart.model.cart import NotACart
from batchcart.model.errors import BatchcartError, Stopped, UsageError
from batchcart.model.fault import fault_sentence
from batchcart.model.files import move_into_place
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import ErrorKind, Failed, Succeeded
from batchcart.runs.cart_reader import Reader
from batchcart.runs.context import RunSettings, open_context, open_sessions
from batchcart.runs.deps import WORLD
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path

_LINES, _PAGES = "lines.sqlite", "pages.jsonl"


@dataclass(slots=True)
class LineStore:
    """The lines that were listed, on disk, with the walk."""

    rows: ListedRows

    @property
    def count(self) -> int:
        """How many there are."""
        return self.rows.count

    def walk(self, listing: Listing, filters: Filters) -> Cursor:
        """How far the list has been read."""
        if text := self.rows.walk():
            return msgspec.json.decode(text, type=Cursor)
        return Cursor(asked=listing.rows, thin=filters != Filters())

    def take(self, page: Sequence[ListedLine] | None, walk: Cursor, filters: Filters) -> Cursor:
        """Keep the page's lines that are not there yet, and the walk after it; None: the shop has no such page."""
        fresh, twice = [], []
        with self.rows.page():
            for line in page or ():
                last_pass = self.rows.last_pass_of(line.id)
                if last_pass is None:
                    fresh.append(line.id)
                elif walk.back and last_pass == walk.pass_number:
                    twice.append(line.id)
                self.rows.note_pass(line.id, walk.pass_number if walk.back else last_pass or 0)
                self._keep(line, filters)
            next_walk = walk.after(None if page is None else [line.id for line in page], fresh, twice)
            self.rows.note_walk(msgspec.json.encode(next_walk))
        return next_walk

    def _keep(self, line: ListedLine, filters: Filters) -> None:
        # Whether a shop heeds the filters is not known (c2), so what can be looked at is.
        if filters.cart_key not in {"", line.cart} or line.id <= int(filters.since_id or 0):
            return
        if line.created and not filters.created_after <= line.created <= (filters.created_before or line.created):
            return
        self.rows.keep(line.id, line.cart, line.text)

    def carts(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each cart's key with its lines, in the order of their ids; carts in the order in which they were met."""
        return self.rows.carts()


@contextlib.contextmanager
def open_lines(folder: Path) -> Iterator[LineStore]:
    """The lines that were listed into ``folder``."""
    with open_rows(folder / _LINES) as rows:
        yield LineStore(rows)


def check_filters(entry: AccountConfig, listing: Listing, filters: Filters) -> None:
    """Raises UsageError with what the platform's document says against the filters."""
    if not (filters.since_id.isascii() and (filters.since_id or "0").isdecimal()):
        raise UsageError(f"--since-id takes the number of a line, not {filters.since_id!r}")
    problems = validate(_operation(entry, listing.query(filters, 1), 1), entry.adapter)
    if problems:
        raise UsageError(f"the list of account {entry.name!r} cannot be filtered so: {'; '.join(problems)}")


async def read_list(
    folder: Path, entry: AccountConfig, filters: Filters, reader: Reader, monitor: RunMonitor
) -> Cursor | None:
    """List the account's carts into ``folder``, or resume it; how that ended, None where it was stopped first.

    Raises Stopped where the shop refuses the list.
    """
    results, listing = folder / _PAGES, entry.adapter.listing
    assert listing is not None
    with contextlib.closing(_journal(results, entry)) as connection, open_lines(folder) as store:
        if (walk := store.walk(listing, filters)).over:
            return walk
        settings = RunSettings(reader.patience * 60, concurrency=1)
        async with (
            open_context(connection, results, {entry.name: entry}, settings, monitor, WORLD) as context,
            open_sessions(context) as sessions,
        ):
            if monitor.stopping:
                monitor.stop()
            walk = await _walk(sessions[entry.name], entry, store, walk, filters, monitor, find_unused_line(connection))
        if monitor.failure is not None:
            raise monitor.failure
        return walk if walk.over else None


async def _walk(
    session: AccountSession,
    entry: AccountConfig,
    store: LineStore,
    walk: Cursor,
    filters: Filters,
    monitor: RunMonitor,
    first: int,
) -> Cursor:
    listing = entry.adapter.listing
    assert listing is not None
    for number in itertools.count(first):
        if walk.over:
            break
        page = await _page(session, entry, listing, listing.query(filters, walk.page), number)
        if page is None:
            break
        if isinstance(page, Failed) and (walk.page == 1 or page.reason is not ErrorKind.REJECTED):
            reason = redact_text(page.message, session.auth.redactor)
            raise _unreadable(entry, f"{reason}. The same command resumes")
        walk = store.take(None if isinstance(page, Failed) else page, walk, filters)
        monitor.set_counts(entry.name, store.count, {"ok": store.count})
    return walk


async def _page(
    session: AccountSession, entry: AccountConfig, listing: Listing, query: bytes, number: int
) -> list[ListedLine] | Failed | None:
    """The rows of one page, or how the shop refused it; None where the session was halted first."""
    operation = _operation(entry, query, number)
    try:
        ending = await execute(restore_execution(session, operation, CartContext(None, "")), session)
    except (BatchcartError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # what a shop answers is told in a sentence
        raise _unreadable(entry, fault_sentence(error, f"reading page {number}")) from None
    if ending is None:
        return None
    text = msgspec.json.encode({"page": number, "query": msgspec.Raw(query), "status": status_of(ending.outcome).value})
    session.journal.record_result(number, status_of(ending.outcome).value, "{}", text, keep_past=False)
    match ending.outcome:
        case Succeeded(body=body):
            return _lines(entry, listing, redact(body, session.auth.redactor))
        case Failed() as refused:
            return refused
        case other:
            raise AssertionError(other)  # a read is neither skipped nor in doubt


def _lines(entry: AccountConfig, listing: Listing, body: bytes) -> list[ListedLine]:
    try:
        return listing.lines(body)
    except NotACart as error:
        raise _unreadable(entry, str(error)) from None
    except Exception as error:  # noqa: BLE001  # what a shop answers is told in a sentence
        raise _unreadable(entry, fault_sentence(error, "reading its rows")) from None


def _unreadable(entry: AccountConfig, why: str) -> Stopped:
    return Stopped(f"account {entry.name!r}: its list of carts cannot be read: {why}")


def _operation(entry: AccountConfig, query: bytes, number: int) -> Operation:
    return Operation(number, OperationKind.CART_LIST, entry.name, query=query)


def _journal(results: Path, entry: AccountConfig) -> Connection:
    """A journal with the account and without a plan: which page comes next is known only from the one before."""
    path = journal_path(results)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        with contextlib.closing(create(fresh)) as connection:
            add_account(connection, PlannedAccount(1, entry.name, entry.adapter.name, entry.identity))
        move_into_place(fresh, path)
    return open_existing(path)
