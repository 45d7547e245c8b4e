"""Owns listing all carts of a shop, page by page, into a file on disk; it does not know what a line means.

Every page is on the disk together with the place to go on from; which page comes next is list_walk.py's to say.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config import Entry
from batchcart.accounts.redaction import redacted, redacted_text
from batchcart.engine.executor import execute, started
from batchcart.engine.session import Lane
from batchcart.jobs.checks import check_operation
from batchcart.journal.changes import add_account
from batchcart.journal.listed import ListedRows, listed_rows
from batchcart.journal.queries import PlannedAccount, unused_line
from batchcart.journal.result_line import status_of
from batchcart.journal.schema import Connection, create, open_existing
from batchcart.migration.cart_reader import Reader
from batchcart.migration.list_walk import Walk
from batchcart.model.adapter import Filters, Known, ListedLine, Listing
from batchcart.model.cart import NoCart
from batchcart.model.errors import Stopped, UsageError
from batchcart.model.files import move_into_place
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Done, Reason, Refused
from batchcart.runs.context import Watch, journal_path, laid

_LINES, _PAGES = "lines.sqlite", "pages.jsonl"


@dataclass(slots=True)
class Lines:
    """The lines that were listed, on disk, with the walk."""

    rows: ListedRows

    @property
    def count(self) -> int:
        """How many there are."""
        return self.rows.count

    def walk(self, listing: Listing, filters: Filters) -> Walk:
        """How far the list has been read."""
        if text := self.rows.walk():
            return msgspec.json.decode(text, type=Walk)
        return Walk(asked=listing.rows, thin=filters != Filters())

    def take(self, page: Sequence[ListedLine] | None, walk: Walk, filters: Filters) -> Walk:
        """Keep the page's lines that are not there yet, and the walk after it; None: the shop has no such page."""
        fresh, twice = [], []
        with self.rows.page():
            for line in page or ():
                way = self.rows.met_on(line.id)
                if way is None:
                    fresh.append(line.id)
                elif walk.back and way == walk.way:
                    twice.append(line.id)
                self.rows.note_met(line.id, walk.way if walk.back else way or 0)
                self._keep(line, filters)
            then = walk.after(None if page is None else [line.id for line in page], fresh, twice)
            self.rows.note_walk(msgspec.json.encode(then))
        return then

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
def stored(folder: Path) -> Iterator[Lines]:
    """The lines that were listed into ``folder``."""
    with listed_rows(folder / _LINES) as rows:
        yield Lines(rows)


def check_filters(entry: Entry, listing: Listing, filters: Filters) -> None:
    """Raises UsageError with what the platform's document says against the filters."""
    if not (filters.since_id.isascii() and (filters.since_id or "0").isdecimal()):
        raise UsageError(f"--since-id takes the number of a line, not {filters.since_id!r}")
    problems = check_operation(_operation(entry, listing.query(filters, 1), 1), entry.adapter)
    if problems:
        raise UsageError(f"the list of account {entry.name!r} cannot be filtered so: {'; '.join(problems)}")


async def read_list(folder: Path, entry: Entry, filters: Filters, reader: Reader, watch: Watch) -> Walk | None:
    """List the account's carts into ``folder``, or go on with it; how that ended, None where it was stopped first.

    Raises Stopped where the shop refuses the list.
    """
    results, listing = folder / _PAGES, entry.adapter.listing
    assert listing is not None
    with contextlib.closing(_journal(results, entry)) as connection, stored(folder) as store:
        if (walk := store.walk(listing, filters)).over:
            return walk
        floor_for = laid(connection, results, {entry.name: entry}, watch, patience=reader.patience * 60, concurrency=1)
        async with floor_for as floor:
            if watch.stopping:
                watch.stop()
            walk = await _walk(floor.lanes[entry.name], entry, store, walk, filters, watch, unused_line(connection))
        if watch.failure is not None:
            raise watch.failure
        return walk if walk.over else None


async def _walk(lane: Lane, entry: Entry, store: Lines, walk: Walk, filters: Filters, watch: Watch, first: int) -> Walk:
    listing = entry.adapter.listing
    assert listing is not None
    for number in itertools.count(first):
        if walk.over:
            break
        page = await _page(lane, entry, listing, listing.query(filters, walk.page), number)
        if page is None:
            break
        if isinstance(page, Refused) and (walk.page == 1 or page.reason is not Reason.REJECTED):
            said = redacted_text(page.message, lane.secret)
            raise Stopped(f"account {entry.name!r}: its list of carts cannot be read: {said}. The same command goes on")
        walk = store.take(None if isinstance(page, Refused) else page, walk, filters)
        watch.planned[entry.name], watch.ended[entry.name] = store.count, {"ok": store.count}
    return walk


async def _page(
    lane: Lane, entry: Entry, listing: Listing, query: bytes, number: int
) -> list[ListedLine] | Refused | None:
    """The rows of one page, or how the shop refused it; None where the lane was halted first."""
    operation = _operation(entry, query, number)
    ending = await execute(started(lane, operation, Known(None, "")), lane)
    if ending is None:
        return None
    text = msgspec.json.encode({"page": number, "query": msgspec.Raw(query), "status": status_of(ending.outcome).value})
    lane.journal.end(number, status_of(ending.outcome).value, "{}", text, keep_past=False)
    match ending.outcome:
        case Done(body=body):
            return _lines(entry, listing, redacted(body, lane.secret))
        case Refused() as refused:
            return refused
        case other:
            raise AssertionError(other)  # a read is neither skipped nor in doubt


def _lines(entry: Entry, listing: Listing, body: bytes) -> list[ListedLine]:
    try:
        return listing.lines(body)
    except NoCart as error:
        raise Stopped(f"account {entry.name!r}: its list of carts cannot be read: {error}") from None


def _operation(entry: Entry, query: bytes, number: int) -> Operation:
    return Operation(number, Kind.CART_LIST, entry.name, query=query)


def _journal(results: Path, entry: Entry) -> Connection:
    """A journal with the account and without a plan: which page comes next is known only from the one before."""
    path = journal_path(results)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        with contextlib.closing(create(fresh)) as connection:
            add_account(connection, PlannedAccount(1, entry.name, entry.adapter.name, entry.place))
        move_into_place(fresh, path)
    return open_existing(path)
