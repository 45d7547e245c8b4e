"""Owns exporting a shop's carts into neutral ones; how shops are asked is cart_views.py's and listing.py's."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from batchcart.accounts.config import AccountConfig, find_config, load_config
from batchcart.accounts.config_table import ConfigSource
from batchcart.journal.schema import DatabaseError
from batchcart.migration.cart_views import CartAnswer, answers, ask_for
from batchcart.migration.carts_file import cart_problems, cart_text, read_carts
from batchcart.migration.item_history import ItemHistory
from batchcart.migration.key_file import read_cart_keys, unusable
from batchcart.migration.listing import check_filters, open_lines, read_list
from batchcart.migration.parts import require_migration
from batchcart.model.adapter import Filters
from batchcart.model.cart import Cart, CartSource, NotACart
from batchcart.model.errors import UsageError
from batchcart.model.fault import unreadable
from batchcart.model.files import create_fresh
from batchcart.model.ids import LONGEST_ID, id_problem
from batchcart.platforms import load_adapters
from batchcart.runs.cart_reader import Reader, run_reads
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path
from batchcart.runs.work_folder import fingerprint, finish, working_folder

_CARTS, _UNREAD = "carts", "unread"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export where: all carts, those that the filters leave, or those that a file names."""

    account: str
    output: Path
    keys_from: Path | None = None
    filters: Filters = field(default_factory=Filters)
    reader: Reader = field(default_factory=Reader)


class _Unread(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the list of carts that could not be read; one without a cart is about the whole export."""

    account: str
    why: str
    cart_id: str = ""


_unread_of = msgspec.json.Decoder(_Unread).decode
_UNSURE = (
    "the shop's list changed each time while it was read, so carts may be missing; export again when fewer of them "
    "come and go, or name the carts with --from"
)


@dataclass(frozen=True, slots=True)
class ExportResult:
    """How an export ended. ``unread`` carts are in no output but in a list of their own; ``bare`` ones lack items.

    ``unsure`` says why the shop may have more carts than were found; ``stopped`` says why it did not come to its end;
    then there is no output yet.
    """

    output: Path
    carts: int = 0
    items: int = 0
    bare: int = 0
    unread: int = 0
    unsure: str = ""
    stopped: str = ""

    @property
    def unread_path(self) -> Path:
        """Where the carts that could not be read are named."""
        return self.output.with_name(f"{self.output.name.removesuffix('.jsonl')}.unread.jsonl")

    @property
    def exit_code(self) -> int:
        """0 all carts, 1 some could not be read, lack their items or may be missing, 3 stopped before the end."""
        if self.stopped:
            return 3
        return 1 if self.unread or self.bare or self.unsure else 0


def account_entry(config: ConfigSource | None, account: str) -> AccountConfig:
    """The account as the config has it; raises UsageError where there is none, or it lives only within one run."""
    entry = load_config(find_config(config), load_adapters()).find(account)
    if entry.embedded:
        raise UsageError(
            f"account {account!r} lives only within one run, so its carts cannot be read afterwards; start "
            "`batchcart sandbox` and use the accounts that it prints"
        )
    require_migration(entry.adapter)
    entry.resolve()  # secrets that cannot be read are told before anything is sent
    return entry


async def export(options: ExportOptions, monitor: RunMonitor) -> ExportResult:
    """Export the carts, or resume it. Raises UsageError where nothing was read, Stopped where the disk is full."""
    entry = account_entry(options.reader.config, options.account)
    check_export(options, entry)
    with working_folder(options.output, _task(options, entry), may_exist=False) as folder:
        if not await (_list_carts if options.keys_from is None else _read)(folder, entry, options, monitor):
            return ExportResult(options.output, stopped=stop_reasons(monitor))
        with contextlib.closing(ItemHistory()) as history:
            exported = _write(folder, entry, options, history)
        listed = exported.unread or exported.unsure
        finish(folder, {_CARTS: exported.output, **({_UNREAD: exported.unread_path} if listed else {})})
        return exported


def count_export(output: Path) -> ExportResult:
    """The figures of an export that is finished."""
    exported = ExportResult(output)
    carts = items = bare = 0
    for _, cart in read_carts(output):
        carts, items, bare = carts + 1, items + len(cart.items), bare + ("items" in cart.unread)
    unread, unsure = 0, ""
    if exported.unread_path.exists():
        with exported.unread_path.open("rb") as file:
            for line in map(_unread_of, file):
                unread, unsure = unread + bool(line.cart_id), unsure if line.cart_id else line.why
    return ExportResult(output, carts, items, bare, unread, unsure)


def check_export(options: ExportOptions, entry: AccountConfig, keys_option: str = "--from") -> None:
    """Raises UsageError where the options contradict one another, or the platform cannot be asked so.

    ``keys_option`` is what the command calls the file that names the carts.
    """
    if options.keys_from is not None:
        if options.filters != Filters():
            raise UsageError(
                f"{keys_option} names the carts; the filters are for listing all of a shop, so use one or the other"
            )
        return
    if entry.adapter.listing is None:
        raise UsageError(
            f"{entry.adapter.name} has no list of all carts; name them with {keys_option} FILE: keys, one a line, or "
            "the result file of the run that made them"
        )
    check_filters(entry, entry.adapter.listing, options.filters)


def _task(options: ExportOptions, entry: AccountConfig) -> dict[str, str]:
    task = {
        "account": entry.name,
        "platform": entry.adapter.name,
        "place": entry.identity,
        **structs.asdict(options.filters),
    }
    return task | ({"--from file": fingerprint(options.keys_from)} if options.keys_from else {})


async def _list_carts(folder: Path, entry: AccountConfig, options: ExportOptions, monitor: RunMonitor) -> bool:
    return await read_list(folder, entry, options.filters, options.reader, monitor) is not None


async def _read(folder: Path, entry: AccountConfig, options: ExportOptions, monitor: RunMonitor) -> bool:
    assert options.keys_from is not None
    if not ask_for(folder, entry, read_cart_keys(options.keys_from, entry)):
        return True
    summary = await run_reads(folder, options.reader, monitor)
    return summary.exit_code != 3


def stop_reasons(monitor: RunMonitor) -> str:
    """Why a run ended before its end: its accounts' reasons, or a signal."""
    return "; ".join(session.signal.closed for session in monitor.sessions if session.signal.closed) or "by a signal"


def _answers(folder: Path, entry: AccountConfig, options: ExportOptions) -> Iterator[CartAnswer]:
    if options.keys_from is not None:
        yield from answers(folder, entry)
        yield from (CartAnswer(key, why=f"cart_id: {problem}") for key, problem in unusable(options.keys_from, entry))
        return
    listing = entry.adapter.listing
    assert listing is not None
    with open_lines(folder) as lines:
        for key, rows in lines.carts():
            if problem := id_problem(key, "a key", entry.adapter.keys.max_length):
                yield CartAnswer(key[:LONGEST_ID], why=f"cart_id: {problem}")
                continue
            try:
                merged = listing.merge(rows)
            except Exception as error:  # noqa: BLE001  # one cart's lines must not end the export of the others
                yield CartAnswer(key, why=unreadable(error))
            else:
                yield CartAnswer(key, (merged,))


def _write(folder: Path, entry: AccountConfig, options: ExportOptions, history: ItemHistory) -> ExportResult:
    """Write the carts, and those that could not be read, into the working folder."""
    if (
        options.keys_from is not None
        and require_migration(entry.adapter).merge_items
        and journal_path(options.keys_from).exists()
    ):
        # A job that is gone matters only if the shop shows no items, and then its carts say so.
        with contextlib.suppress(UsageError):
            history.learn(options.keys_from, entry)
    carts = items = bare = unread = 0
    with create_fresh(folder / _CARTS) as file, create_fresh(folder / _UNREAD) as unread_file:
        for answer in _answers(folder, entry, options):
            try:
                found = [(cart, cart_line(cart)) for cart in neutral(entry, answer, history)]
            except DatabaseError:
                raise
            except Exception as error:  # noqa: BLE001  # one cart's answer must not end the export of the others
                why = str(error) if isinstance(error, NotACart) else unreadable(error)
                unread += 1
                unread_file.write(msgspec.json.encode(_Unread(entry.name, why, answer.cart_id)) + b"\n")
                continue
            for cart, text in found:
                file.write(text)
                carts, items, bare = carts + 1, items + len(cart.items), bare + ("items" in cart.unread)
        if unsure := _unsure(folder, entry, options):
            unread_file.write(msgspec.json.encode(_Unread(entry.name, unsure)) + b"\n")
    return ExportResult(options.output, carts, items, bare, unread, unsure)


def _unsure(folder: Path, entry: AccountConfig, options: ExportOptions) -> str:
    listing = entry.adapter.listing
    if options.keys_from is not None or listing is None:
        return ""
    with open_lines(folder) as lines:
        return "" if lines.walk(listing, options.filters).sure else _UNSURE


def cart_line(cart: Cart) -> bytes:
    """The cart as a line; raises NotACart for one that a carts file cannot hold, which nothing would read back."""
    text = cart_text(cart)
    if wrong := cart_problems(text):
        raise NotACart(wrong[0])
    return text + b"\n"


def neutral(entry: AccountConfig, answer: CartAnswer, history: ItemHistory | None = None) -> tuple[Cart, ...]:
    """What the shop's answer means; items that it does not show come from ``history``, the run that made them.

    Raises NotACart where there is no cart in it.
    """
    if answer.why:
        raise NotACart(answer.why)
    parts = require_migration(entry.adapter)
    origin = CartSource(entry.name, entry.currency, answer.cart_id)
    carts = parts.to_neutral(origin, answer.bodies)
    if history is None or parts.merge_items is None or not any("items" in cart.unread for cart in carts):
        return carts
    items = history.items(answer.cart_id)
    if items is None:
        return carts
    put_in = parts.merge_items
    return parts.to_neutral(origin, tuple(put_in(body, items) for body in answer.bodies))
