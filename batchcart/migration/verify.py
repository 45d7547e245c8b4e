"""Owns proving a migration: every new cart is read back and compared with its source; reading itself is reading.py's.

Both sides are compared as the target should have them: products mapped, and without what it was known not to carry.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.engine.looks import SURE_AFTER
from batchcart.migration.cart_views import CartAnswer, answers, ask_for
from batchcart.migration.carts_file import read_carts
from batchcart.migration.compare import Comparison, ComparisonStatus, Difference, Hidden, compare
from batchcart.migration.convert_cart import convert_cart
from batchcart.migration.created_carts import CreatedCarts, Target, read_created_carts
from batchcart.migration.export import account_entry, neutral, stop_reasons
from batchcart.migration.parts import require_migration
from batchcart.migration.product_map import ProductMap, read_map
from batchcart.model.cart import Cart, NotACart
from batchcart.model.errors import UsageError, quote
from batchcart.model.fault import unreadable
from batchcart.model.files import create_fresh
from batchcart.model.ids import id_problem
from batchcart.runs.cart_reader import Reader, has_questions, lag_left, run_reads
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.work_folder import fingerprint, finish, keep_inputs, working_folder

_PARITY = "parity"
_AGAIN = "again"
"""The folder of a second look, at the carts that were not equal at the first; it is there where one is to follow."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What to verify: the carts file, the results of the job made from it, the product map it was made with.

    ``later`` are results of further jobs that made what the first had not.
    """

    carts: Path
    results: Path
    product_map: Path
    output: Path | None = None
    reader: Reader = field(default_factory=Reader)
    later: tuple[Path, ...] = ()

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that are read, by their names."""
        later = {f"result file {number}": path for number, path in enumerate(self.later, 2)}
        return {"carts file": self.carts, "result file": self.results, "map": self.product_map, **later}

    @property
    def parity(self) -> Path:
        """Where the report goes: as given, or the results' name with `.parity.jsonl` in the current folder."""
        name = self.results.name.removesuffix(".jsonl").removesuffix(".results")
        return self.output or Path(f"{name}.parity.jsonl")


class ComparisonRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the parity report: what became of one source cart."""

    cart: str
    account: str
    status: ComparisonStatus
    cart_id: str | None = None
    why: str = ""
    different: list[Difference] = []
    not_carried: list[Hidden] = []
    not_shown: list[Hidden] = []


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """How a verification ended: carts by status, and fields by what became of them; ``stopped``: before its end."""

    output: Path
    carts: Counter[ComparisonStatus] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    not_carried: Counter[str] = field(default_factory=Counter)
    not_shown: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    @property
    def exit_code(self) -> int:
        """0 nothing differs, 1 something does or cannot be read, 3 stopped before the end."""
        if self.stopped:
            return 3
        return 0 if self.carts.total() == self.carts["equal"] else 1

    def count(self, line: ComparisonRecord) -> None:
        """Count one cart in."""
        self.carts[line.status] += 1
        for counter, found in (
            (self.different, line.different),
            (self.not_carried, line.not_carried),
            (self.not_shown, line.not_shown),
        ):
            counter.update({_plain(one.field) for one in found})


async def verify(options: VerifyOptions, monitor: RunMonitor) -> VerifyResult:
    """Read every new cart back and compare, or resume it.

    Raises UsageError where the files do not belong together: nothing was read then.
    """
    keep_inputs(options.parity, options.inputs)
    products = read_map(options.product_map)
    with read_created_carts(options.results, options.later) as found:
        entry = account_entry(options.reader.config, found.account)
        found.check(_names(options, products, entry, found), options.carts)
        with working_folder(options.parity, _task(options, entry), may_exist=True) as folder:
            if not has_questions(folder) and lag_left(options.results, *options.later):
                (folder / _AGAIN).mkdir(exist_ok=True)
            keys = (key for _, cart in read_carts(options.carts) if (key := _find_target(found, cart, entry).key))
            if ask_for(folder, entry, keys) and (await run_reads(folder, options.reader, monitor)).exit_code == 3:
                return VerifyResult(options.parity, stopped=stop_reasons(monitor))
            lines = partial(_lines, folder, entry, options.carts, products, found)
            again = _choose_again(folder, lines)
            if again and not has_questions(folder / _AGAIN):
                await asyncio.sleep(SURE_AFTER)
            asked = bool(again) and ask_for(folder / _AGAIN, entry, again.values())
            if asked and (await run_reads(folder / _AGAIN, options.reader, monitor)).exit_code == 3:
                return VerifyResult(options.parity, stopped=stop_reasons(monitor))
            verified = VerifyResult(options.parity)
            with create_fresh(folder / _PARITY) as file:
                for line in lines(again):
                    verified.count(line)
                    file.write(msgspec.json.encode(line) + b"\n")
            finish(folder, {_PARITY: options.parity})
            return verified


def _names(options: VerifyOptions, products: ProductMap, entry: AccountConfig, found: CreatedCarts) -> Iterator[str]:
    """The names of all carts; raises UsageError where one was made that this map would have stopped."""
    for number, cart in read_carts(options.carts):
        conversion = convert_cart(cart, products, entry.adapter, entry.currency)
        if (stopped := conversion.stopped) and not conversion.failed and found.of(cart.id).key is not None:
            raise UsageError(
                f"{options.carts}:{number}: cart {quote(cart.id)} was made, although {stopped}; is {products.path} "
                "the map that its job was made with?"
            )
        yield cart.id


def _choose_again(folder: Path, lines: Callable[[Container[str]], Iterator[ComparisonRecord]]) -> dict[str, str]:
    """The source carts that a second look is taken at, with the keys of the new ones."""
    if not (folder / _AGAIN).exists():
        return {}
    return {line.cart: line.cart_id for line in lines(()) if line.status != "equal" and line.cart_id}


def _task(options: VerifyOptions, entry: AccountConfig) -> dict[str, str]:
    return {"account": entry.identity, **{name: fingerprint(path) for name, path in options.inputs.items()}}


def _lines(
    folder: Path,
    entry: AccountConfig,
    carts: Path,
    products: ProductMap,
    found: CreatedCarts,
    again: Container[str],
) -> Iterator[ComparisonRecord]:
    """What became of each source cart; of those ``again``, by the second look."""
    read_back, read_again = answers(folder, entry), answers(folder / _AGAIN, entry)
    for _, cart in read_carts(carts):
        created = _find_target(found, cart, entry)
        if created.key is None:
            conversion = convert_cart(cart, products, entry.adapter, entry.currency)
            status: ComparisonStatus = "cannot be read" if created.doubtful else "missing"
            yield ComparisonRecord(cart.id, entry.name, status, why=conversion.stopped or created.why)
        else:
            first = next(read_back)
            yield _parity(cart, next(read_again) if cart.id in again else first, entry, products)


def _find_target(found: CreatedCarts, cart: Cart, entry: AccountConfig) -> Target:
    """The new cart; one whose key can be none cannot be read."""
    created = found.of(cart.id)
    problem = "" if created.key is None else id_problem(created.key, "a key", entry.adapter.keys.max_length)
    return Target(why=f"cart_id: {problem}", doubtful=True) if problem else created


def _parity(cart: Cart, answer: CartAnswer, entry: AccountConfig, products: ProductMap) -> ComparisonRecord:
    try:
        return _compare(cart, answer, entry, products)
    except Exception as error:  # noqa: BLE001  # one cart's answer must not end the look at the others
        return ComparisonRecord(cart.id, entry.name, "cannot be read", answer.cart_id, unreadable(error))


def _compare(cart: Cart, answer: CartAnswer, entry: AccountConfig, products: ProductMap) -> ComparisonRecord:
    try:
        read_back = neutral(entry, answer)[0]
    except NotACart as error:
        status: ComparisonStatus = "missing" if answer.gone else "cannot be read"
        return ComparisonRecord(cart.id, entry.name, status, answer.cart_id, str(error))
    conversion = convert_cart(cart, products, entry.adapter, entry.currency)
    if conversion.failed:
        return ComparisonRecord(cart.id, entry.name, "cannot be read", answer.cart_id, conversion.stopped)
    comparison = compare(conversion.expected, read_back, require_migration(entry.adapter).hidden_fields)
    not_carried = [Hidden(loss.field, loss.value, loss.why) for loss in conversion.losses]
    status, why = _judge(comparison, read_back, require_migration(entry.adapter).hidden_fields)
    return ComparisonRecord(
        cart.id,
        entry.name,
        status,
        answer.cart_id,
        why,
        list(comparison.different),
        not_carried,
        list(comparison.hidden),
    )


def _judge(comparison: Comparison, read_back: Cart, unshown: Mapping[str, str]) -> tuple[ComparisonStatus, str]:
    why = unshown.get("items", "") if "items" in read_back.unread else ""
    if comparison.different:
        return "different", why
    return ("cannot be read" if why else "equal"), why


def _plain(path: str) -> str:
    """The field's name without the number of its item, so that equal fields count together."""
    return "".join(part.partition("]")[2] if index else part for index, part in enumerate(path.split("[")))
