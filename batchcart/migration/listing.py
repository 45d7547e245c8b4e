"""Owns listing all carts of a shop, page by page, into a file on disk; it does not know what a line means.

Pages are cut by the greatest id that is known, not by their number: lines that are added or deleted meanwhile move no
other line from one page to the next. Every page is on the disk together with the place to go on from.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config import Entry
from batchcart.accounts.redaction import redacted
from batchcart.engine.executor import Talk, converse
from batchcart.engine.session import Lane
from batchcart.jobs.checks import check_operation
from batchcart.journal.changes import add_account
from batchcart.journal.listed import ListedRows, listed_rows
from batchcart.journal.queries import PlannedAccount, unused_line
from batchcart.journal.result_line import status_of
from batchcart.journal.schema import Connection, create, open_existing
from batchcart.migration.cart_reader import Reader
from batchcart.model.adapter import Filters, Known, ListedLine, Listing
from batchcart.model.cart import NoCart
from batchcart.model.errors import Stopped, UsageError
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Done, Refused
from batchcart.runs.context import Watch, journal_path, laid
from batchcart.runs.work_folder import put_in_place

_LINES, _PAGES = "lines.sqlite", "pages.jsonl"
_LARGEST_ID = (1 << 63) - 1


class Walk(msgspec.Struct, frozen=True):
    """How far a list has been read. The next page is asked for with ids above ``since``.

    S004 does not say in which order rows come. As long as they come in the order of their ids, ``since`` moves on. Once
    they do not, the list is read by numbers of pages, pass after pass, until one brings no line that an earlier one had
    ``missed``: one with an id up to ``known``, the greatest before the pass. ``largest`` is the most rows that a page
    had, perhaps fewer than were asked for; a page with fewer is the last.
    """

    since: int = 0
    page: int = 1
    ordered: bool = True
    largest: int = 0
    known: int = _LARGEST_ID
    greatest: int = 0
    missed: int = 0
    last: int | None = None
    over: bool = False

    def after(self, ids: Sequence[int], fresh: Sequence[int]) -> "Walk":
        """The walk once a page brought the rows with these ids, of which ``fresh`` were not known."""
        largest, greatest = max(self.largest, len(ids)), max((self.greatest, *ids))
        end = len(ids) < max(1, self.largest)
        if self.ordered:
            if all(one < other for one, other in itertools.pairwise((self.since, *ids))):
                return Walk(max((self.since, *ids)), largest=largest, greatest=greatest, over=end)
            return Walk(self.since, ordered=False, largest=largest, greatest=greatest)
        missed = self.missed + sum(1 for number in fresh if number <= self.known)
        if end or ids[-1] == self.last:
            return Walk(self.since, ordered=False, largest=largest, known=greatest, greatest=greatest, over=not missed)
        then = {"page": self.page + 1, "largest": largest, "greatest": greatest, "missed": missed, "last": ids[-1]}
        return msgspec.structs.replace(self, **then)


@dataclass(slots=True)
class Lines:
    """The lines that were listed, on disk, with the walk."""

    rows: ListedRows

    @property
    def count(self) -> int:
        """How many there are."""
        return self.rows.count

    def walk(self, filters: Filters) -> Walk:
        """How far the list has been read."""
        text = self.rows.walk()
        return msgspec.json.decode(text, type=Walk) if text else Walk(since=int(filters.since_id or 0))

    def take(self, page: Sequence[ListedLine], walk: Walk, filters: Filters) -> Walk:
        """Keep the page's lines that are not there yet, and the walk after it."""
        with self.rows.page():
            fresh = [line.id for line in page if self._keep(line, filters)]
            then = walk.after([line.id for line in page], fresh)
            self.rows.note_walk(msgspec.json.encode(then))
        return then

    def _keep(self, line: ListedLine, filters: Filters) -> bool:
        # Whether a shop heeds the filters is not known (c2), so what can be looked at is.
        if filters.cart_key not in {"", line.cart} or line.id <= int(filters.since_id or 0):
            return False
        return self.rows.keep(line.id, line.cart, line.text)

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
    problems = check_operation(
        _operation(entry, listing.query(filters, int(filters.since_id or 0), 1), 1), entry.adapter
    )
    if problems:
        raise UsageError(f"the list of account {entry.name!r} cannot be filtered so: {'; '.join(problems)}")


async def read_list(folder: Path, entry: Entry, filters: Filters, reader: Reader, watch: Watch) -> bool:
    """List the account's carts into ``folder``, or go on with it; whether the end was reached.

    Raises Stopped where the shop refuses the list.
    """
    results = folder / _PAGES
    with contextlib.closing(_journal(results, entry)) as connection, stored(folder) as store:
        if store.walk(filters).over:
            return True
        floor_for = laid(connection, results, {entry.name: entry}, watch, patience=reader.patience * 60, concurrency=1)
        async with floor_for as floor:
            if watch.stopping:
                watch.stop()
            ended = await _walk(floor.lanes[entry.name], entry, store, filters, watch, unused_line(connection))
        if watch.failure is not None:
            raise watch.failure
        return ended


async def _walk(lane: Lane, entry: Entry, store: Lines, filters: Filters, watch: Watch, first: int) -> bool:
    listing = entry.adapter.listing
    assert listing is not None
    walk = store.walk(filters)
    for number in itertools.count(first):
        if walk.over:
            break
        page = await _page(lane, entry, listing, listing.query(filters, walk.since, walk.page), number)
        if page is None:
            return False
        walk = store.take(page, walk, filters)
        watch.planned[entry.name], watch.ended[entry.name] = store.count, {"ok": store.count}
    return True


async def _page(lane: Lane, entry: Entry, listing: Listing, query: bytes, number: int) -> list[ListedLine] | None:
    """The rows of one page; None where the lane was halted first."""
    operation = _operation(entry, query, number)
    ending = await converse(Talk(lane, operation, Known(None, "")))
    if ending is None:
        return None
    text = msgspec.json.encode({"page": number, "query": msgspec.Raw(query), "status": status_of(ending.outcome).value})
    lane.journal.end(number, status_of(ending.outcome).value, "{}", text, keep_past=False)
    match ending.outcome:
        case Done(body=body):
            return _lines(entry, listing, redacted(body, lane.secret))
        case Refused(_, message):
            said = redacted(message.encode(), lane.secret).decode()
            raise Stopped(f"account {entry.name!r}: its list of carts cannot be read: {said}. The same command goes on")
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
        fresh.unlink(missing_ok=True)
        with contextlib.closing(create(fresh)) as connection:
            add_account(connection, PlannedAccount(1, entry.name, entry.adapter.name, entry.place))
        put_in_place(fresh, path)
    return open_existing(path)
