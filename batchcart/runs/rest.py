"""Owns making a job of what did not end well in a run, to be corrected and run; it sends nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

import msgspec
from msgspec.structs import replace

from batchcart.accounts.config_table import ConfigSource
from batchcart.jobs.job_file import LONGEST_LINE, JobSource, RawLine
from batchcart.jobs.opening import open_job
from batchcart.jobs.sheet_places import is_sheet, locate
from batchcart.jobs.sheet_writing import write_sheet
from batchcart.journal.remaining import LineLeft, known_lines, lines_done_again, lines_not_ok
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.errors import UsageError
from batchcart.model.files import writing_new
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.platforms import load_adapters
from batchcart.runs.commands import RunCommands, find_commands
from batchcart.runs.paths import journal_path
from batchcart.runs.resume import check_not_replaced
from batchcart.runs.status import lock_holder, open_journal_readonly

MOST_NAMED = 10
"""Lines in doubt that are named one by one."""

_CHAINS_KNOWN = 4096

_Keys = dict[str, msgspec.Raw]


class _Echo(msgspec.Struct, frozen=True):
    """What is read of a result line."""

    item: str | None = None
    cart_id: str | None = None
    item_id: str | None = None
    error: "_Error | None" = None


class _Error(msgspec.Struct, frozen=True):
    kind: str = ""
    message: str = ""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a line of the new job has under ``why``: the line of the run that it does again, and how that one ended."""

    run: str
    results: str
    line: int
    status: str
    message: str


class Origin(msgspec.Struct, frozen=True):
    """The run whose lines are taken: its own name, that of its results, and its lines that were done again since."""

    run: str
    results: str
    done_again: AbstractSet[int]


@dataclass(slots=True)
class RestTally:
    """What becomes of the lines, counted while they are written."""

    written: Counter[str] = field(default_factory=Counter)
    doubts: int = 0
    first_doubts: list[int] = field(default_factory=list)
    dependent: int = 0
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class RestResult:
    """What became of it: the lines written by status, the lines in doubt, and how many lines need one of those.

    ``under_way`` counts lines that had been sent when the run stopped: nobody knows of them before it goes on.
    """

    commands: RunCommands
    written: Counter[str]
    doubts: int
    first_doubts: tuple[int, ...]
    dependent: int
    under_way: int

    @property
    def exit_code(self) -> int:
        """Exit codes: 0 all of it is in the job, 1 something is left out."""
        return 1 if self.doubts or self.under_way else 0


class _Cart(msgspec.Struct):
    """What a chain's lines left: the cart's key, its items' ids by name, and what of it is in doubt."""

    deleted_by: int | None = None
    items: dict[str, str] = {}
    doubtful: bool = False
    doubtful_items: set[str] = set()
    _created: bool = False  # by the chain, or that was tried
    _named: str | None = None  # the key in a result, whatever became of the line
    _good: str | None = None  # that in one that is ok

    @property
    def key(self) -> str | None:
        """The cart's key; None where the chain was to create it, and no line says that it did."""
        return self._good or (None if self._created else self._named)

    def apply(self, line: LineLeft, echo: _Echo) -> None:
        """Take in one more line, in file order, with what its result says."""
        creates, item = line.kind is OperationKind.CART_CREATE, echo.item if line.kind.creates_item else None
        self._created |= creates
        self._named = self._named or echo.cart_id
        if line.in_doubt:
            self.doubtful |= creates
            if item:
                self.doubtful_items.add(item)
        elif line.status is Status.OK:
            self._good, self.doubtful = echo.cart_id or self._good, False
            if creates or line.kind is OperationKind.CART_DELETE:
                self.deleted_by = None if creates else line.planned.line
            if item and echo.item_id:
                self.items[item] = echo.item_id
                self.doubtful_items.discard(item)

    def needs_doubt(self, line: LineLeft, item: str | None) -> bool:
        """Whether the line cannot be done before something in doubt is settled."""
        if line.kind.is_shop_wide:
            return False
        return self.doubtful or (item in self.doubtful_items and not line.kind.creates_item)


def write_rest(results: Path, job: Path, config: ConfigSource | None = None, later: Sequence[Path] = ()) -> RestResult:
    """Write the job of what did not end well, as lines or, by the new file's name, a sheet; none if there is nothing.

    What the runs that wrote the ``later`` results do again is left out.

    Raises UsageError if the run is at work, its job is not there, the new file is, or a line cannot be a row of it.
    """
    if pid := lock_holder(results):
        raise UsageError(f"{results}: a run is at work on it (pid {pid}); wait for its end, or stop it first")
    with open_journal_readonly(results) as connection:
        check_not_replaced(connection, results)
        commands = find_commands(connection, results, config)
        path = get_meta(connection, "job") or ""
        if not Path(path).is_file():
            raise UsageError(f"{results}: its job {path} does not exist, and its lines are needed; restore the file")
        if job.absolute() in {results.absolute(), journal_path(results).absolute(), Path(path).absolute()}:
            raise UsageError(f"{job} belongs to the run itself; choose another file with -o")
        tally = RestTally()
        with open_job(path) as source:
            run = get_meta(connection, "run") or ""
            lines = _lines(connection, source, Origin(run, results.name, _done_again(run, later)), tally)
            if is_sheet(str(job)):
                write_sheet(job, lines)
            elif (first := next(lines, None)) is not None:
                _write_new(job, chain([first], lines))
        first_doubts = tuple(tally.first_doubts)
        return RestResult(commands, tally.written, tally.doubts, first_doubts, tally.dependent, tally.under_way)


def _write_new(job: Path, lines: Iterable[bytes]) -> None:
    try:
        with writing_new(job) as file:
            file.writelines(lines)
    except FileExistsError:
        raise UsageError(f"{job} already exists and was not overwritten; choose another file with -o") from None
    except OSError as error:
        raise UsageError(f"{job} cannot be written: {error.strerror}; choose another file with -o") from None


def _done_again(run: str, later: Sequence[Path]) -> set[int]:
    """The lines of the run that later ones do again."""
    found = set()
    for path in later:
        with open_journal_readonly(path) as connection:
            found |= {line for other, line in lines_done_again(connection) if other == run}
    return found


def _lines(connection: Connection, source: JobSource, origin: Origin, tally: RestTally) -> Iterator[bytes]:
    @lru_cache(maxsize=_CHAINS_KNOWN)
    def cart_of(account: int, chain: int) -> _Cart:
        cart = _Cart()
        for line in known_lines(connection, account, chain):
            cart.apply(line, decode_value(connection, "result", line.text, _Echo))
        return cart

    for line in lines_not_ok(connection):
        if line.planned.line in origin.done_again:
            continue
        if line.under_way:
            tally.under_way += 1
            continue
        if line.in_doubt:
            tally.doubts += 1
            if len(tally.first_doubts) < MOST_NAMED:
                tally.first_doubts.append(line.planned.line)
            continue
        keys = _read(source, line)
        cart = cart_of(line.account, line.planned.chain)
        if cart.needs_doubt(line, _text(keys.get("item"))):
            tally.dependent += 1
            continue
        error = decode_value(connection, "result", line.text, _Echo).error
        status = line.status.value if line.status else "not_attempted"
        message = error.message if error else "the run stopped before this line"
        if cart.deleted_by is not None and cart.deleted_by > line.planned.line:
            message += f"; since then line {cart.deleted_by} deleted the cart"
        _name_what_exists(keys, line, cart)
        keys["account"] = _raw(line.name)
        reason = Reason(origin.run, origin.results, line.planned.line, status, message)
        tally.written[status] += 1
        yield _encode(keys, reason, source.name)


def _encode(keys: _Keys, reason: Reason, name: str) -> bytes:
    """The line of the new job; raises UsageError if what is added makes it longer than a job line may be."""
    for why in (reason, replace(reason, message="")):
        text = msgspec.json.encode(keys | {"why": _raw(why)})
        if len(text) <= LONGEST_LINE:
            return text + b"\n"
    raise UsageError(f"{name}:{reason.line}: with its account and reason the line would be too long; shorten its data")


def _read(source: JobSource, line: LineLeft) -> _Keys:
    planned = line.planned
    text = source.read(planned.offset, planned.length)
    if planned.digest != RawLine(planned.line, planned.offset, text).digest:
        raise UsageError(
            locate(
                source.name,
                source.sheet,
                planned.line,
                "it is not what it was when the run began; restore the original job file",
            )
        )
    return msgspec.json.decode(text, type=_Keys)


def _name_what_exists(keys: _Keys, line: LineLeft, cart: _Cart) -> None:
    """Let the line name its cart and item by the keys that the shop gave them."""
    item = _text(keys.get("item"))
    needs_cart = load_adapters().find(line.platform).item_needs_cart
    if item in cart.items and line.kind.targets_item:
        del keys["item"]
        keys["item_id"] = _raw(cart.items[item])
    named = "cart" in keys and line.kind is not OperationKind.CART_CREATE
    if cart.key and (named or (needs_cart and "item_id" in keys)):
        keys["cart_id"] = _raw(cart.key)


def _text(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None else msgspec.json.decode(raw, type=str)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
