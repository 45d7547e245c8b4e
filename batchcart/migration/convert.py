"""Owns turning a carts file into a job for a target account; which lines make a cart is the platform's to say."""

import contextlib
import filecmp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.jobs.job_file import LONGEST_LINE
from batchcart.journal.spill import SpillDict
from batchcart.migration.carts_file import read_carts
from batchcart.migration.convert_cart import Conversion, convert_cart
from batchcart.migration.loss_report import LossReport, LossRow, losses_path
from batchcart.migration.made_carts import LineToMake, MadeCarts
from batchcart.migration.parts import require_migration
from batchcart.migration.product_map import ProductKey, ProductMap, check_targets, read_map
from batchcart.migration.product_map_template import Product, ProductCollector, write_template
from batchcart.model.cart import Cart
from batchcart.model.errors import BadLines, UsageError, quote
from batchcart.model.files import create_fresh, move_into_place
from batchcart.model.text import plural
from batchcart.runs.status import lock_output, storage_errors
from batchcart.runs.work_folder import keep_inputs

_SHOWN = 100  # refusals that are told one by one


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What to convert into what: ``products`` is the map's path. ``force`` replaces a job that is there and differs.

    ``allow_unused`` lets the map name products that no cart has. Of carts that ``made`` knows, only what is still to be
    done is converted; all others are left out.
    """

    carts: Path
    products: Path
    output: Path
    strict: bool = False
    template: Path | None = None
    force: bool = False
    allow_unused: bool = False
    made: MadeCarts | None = None


@dataclass(frozen=True, slots=True)
class ConvertResult:
    """How a conversion ended: figures, the loss table, the products that the map lacks with the carts each stops.

    ``unread`` are fields that the source's answers did not show, each with the number of carts.
    ``refused`` says why no job was written, "" where that is in order; ``unchanged`` that the same job was there.
    """

    output: Path
    carts: int
    converted: int
    lines: int
    lossy: int
    losses: Sequence[LossRow]
    unread: Sequence[tuple[str, int]]
    unmapped: Sequence[tuple[Product, int]]
    stopped: int
    refused: str = ""
    unchanged: bool = False

    @property
    def report(self) -> Path:
        """Where the loss report lies."""
        return losses_path(self.output)

    @property
    def exit_code(self) -> int:
        """0 all carts converted, 1 some stopped, 2 refused."""
        if self.refused:
            return 2
        return 1 if self.stopped else 0


def write_map_template(carts: Path, template: Path) -> int:
    """Write a map to fill in, with all products of the carts; returns how many there are."""
    seen = ProductCollector()
    for _, cart in read_carts(carts):
        for item in cart.items:
            seen.see(item)
    write_template(template, seen)
    return len(seen.named)


def convert(options: ConvertOptions, target: AccountConfig) -> ConvertResult:
    """Write the job that makes the carts in the target account, and the loss report beside it.

    Raises UsageError, or BadLines with all places, where carts file or map is wrong, or a value has no exact form in
    the target; nothing is written then. A job that is there is replaced only if it is the same, or by force.
    """
    for output in (options.output, losses_path(options.output)):
        keep_inputs(output, {"carts file": options.carts, "map": options.products})
    require_migration(target.adapter)
    products = read_map(options.products)
    check_targets(products, target.adapter, target.currency)
    with storage_errors(options.output), lock_output(options.output, "job"), contextlib.ExitStack() as stack:
        job, report = (stack.enter_context(_fresh(place)) for place in (options.output, losses_path(options.output)))
        work = _Work(options, target, products, job, LossReport(report), ProductCollector(products))
        with contextlib.closing(SpillDict[int](int)) as first_lines:
            for line, cart in read_carts(options.carts):
                first = first_lines.setdefault(cart.id, line)
                work.take(line, cart, first if first != line else 0)
        if options.template is not None:
            write_template(options.template, work.seen)
        return work.finish()


@dataclass(slots=True)
class _Work:
    """A conversion under way."""

    options: ConvertOptions
    target: AccountConfig
    products: ProductMap
    job: IO[bytes]
    report: LossReport
    seen: ProductCollector
    carts: int = 0
    converted: int = 0
    lines: int = 0
    used: set[int] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    refused: int = 0

    def take(self, line: int, cart: Cart, earlier: int) -> None:
        """Convert one cart; ``earlier`` is the line that has a cart of this name already, 0 for none."""
        found = [self.seen.see(item) for item in cart.items]
        rows = (self.products.find(item) for item in cart.items)
        self.used.update(row.line for row in rows if row is not None)
        conversion = convert_cart(cart, self.products, self.target.adapter, self.target.currency)
        refusals = [f"{loss.field}: {loss.value} has no exact form: {loss.why}" for loss in conversion.refused]
        if earlier:
            refusals.append(f"id: cart {cart.id!r} is on line {earlier} already; a job has one cart of a name")
        left = self._left_of(cart, conversion)
        if left is None:
            return
        self.carts += 1
        texts = [_job_line(self.target.name, cart, one) for one in left]
        too_long = any(len(text) > LONGEST_LINE for text in texts)
        stopped = conversion.stopped or ("a line of its job would be too long" if too_long else "")
        if refusals:
            self.refused += len(refusals)
            self.refusals += [f"{self.options.carts}:{line}: {text}" for text in refusals][
                : _SHOWN - len(self.refusals)
            ]
        elif stopped:
            unmapped = {found[index]: self.seen.named[found[index]][1] for index in conversion.unmapped}
            self.report.add_stopped(line, cart, stopped, conversion.losses, unmapped)
        else:
            self.converted += 1
            self.lines += len(texts)
            self.job.writelines(texts)
            self.report.add_losses(line, cart, conversion.losses)

    def _left_of(self, cart: Cart, conversion: Conversion) -> list[LineToMake] | None:
        """The lines that are to be done; None where nothing is, or may be."""
        made = self.options.made
        if made is None:
            return [LineToMake(template, {}) for template in conversion.operations]
        if conversion.stopped:
            return None if made.is_made(cart.id) else []
        return made.left_of(cart.id, conversion.operations)

    def finish(self) -> ConvertResult:
        """Put job and report in their places; raises UsageError where something forbids it."""
        if self.refusals:
            raise BadLines(self.refusals, max(self.refused, len(self.refusals)))
        if not self.carts and self.options.made is None:
            raise UsageError(f"carts file {self.options.carts} holds no carts")
        if not self.options.allow_unused:
            self._check_unused_rows()
        output = self.options.output
        self.job.flush()
        self.report.file.flush()
        why = self._why_not()
        same = output.exists() and filecmp.cmp(self.job.name, output, shallow=False)
        if not why and output.exists() and not same and not self.options.force:
            raise UsageError(f"{output} already exists and differs; remove it, choose another with -o, or give --force")
        move_into_place(Path(self.report.file.name), losses_path(output))
        if not why and not same and self.converted:
            move_into_place(Path(self.job.name), output)
        return ConvertResult(
            output=output,
            carts=self.carts,
            converted=self.converted,
            lines=self.lines,
            lossy=self.report.carts,
            losses=self.report.table(),
            unread=self.report.unread(),
            unmapped=self.report.list_unmapped(),
            stopped=self.carts - self.converted,
            refused=why,
            unchanged=same,
        )

    def _why_not(self) -> str:
        lossy, stopped = self.report.carts, self.carts - self.converted
        if self.options.strict and (lossy or stopped):
            return f"--strict: {plural(lossy, 'cart')} would lose something and {stopped:,} cannot be converted"
        return ""

    def _check_unused_rows(self) -> None:
        unused = [(row.line, key) for key, row in self.products.rows.items() if row.line not in self.used]
        if unused:
            then = f"is in no cart of {self.options.carts}; fix the row, remove it, or give --allow-unused"
            near = {_alike(key): key for key in _keys_of(self.seen)}
            problems = [
                f"{self.products.path}:{line}: {_describe_row(key)} {then}{_nearly(near.get(_alike(key)))}"
                for line, key in unused[:_SHOWN]
            ]
            raise BadLines(problems, len(unused))


def _describe_row(key: ProductKey) -> str:
    """What a row looks for, with the name of its column."""
    match key:
        case ("sku", sku):
            return f"source_sku: {quote(sku)}"
        case ("ids", "", variant, _):
            return f"source_variant: {quote(variant)}"
        case ("ids", product, "", options) if not options:
            return f"source_product: {quote(product)}, without a variant and options,"
        case ("ids", product, variant, options):
            return f"source_product: {quote(product)}" + "".join(
                f" {name} {quote(text)}" for name, text in (("variant", variant), ("options", options)) if text
            )
        case _:
            raise AssertionError(key)


def _keys_of(seen: ProductCollector) -> Iterator[ProductKey]:
    """What rows may look for to find the products that were seen."""
    for (product, variant, options, _), (sku, _) in seen.named.items():
        yield from (("ids", product, variant, options), ("ids", product, variant, ""))
        if variant:
            yield "ids", "", variant, ""
        if sku:
            yield "sku", sku


def _alike(key: ProductKey) -> ProductKey:
    """The key without what spreadsheets take away or add: zeros before a number, .0 behind it, capitals."""
    return tuple(text.casefold().removesuffix(".0").lstrip("0") for text in key)


def _nearly(key: ProductKey | None) -> str:
    return "" if key is None else f". A cart has {_describe_row(key)}: did a spreadsheet change it?"


def _job_line(account: str, cart: Cart, one: LineToMake) -> bytes:
    template = one.template
    line = {"op": template.kind.value, "account": account, "cart": cart.id, **one.keys}
    named = line if template.item is None else {**line, "item": template.item}
    return msgspec.json.encode({**named, "data": msgspec.Raw(template.data)}) + b"\n"


@contextlib.contextmanager
def _fresh(place: Path) -> Iterator[IO[bytes]]:
    """A file beside ``place`` that is gone at the end, unless it was put there; one that a kill left is replaced."""
    fresh = place.with_name(f".{place.name}.new")
    file = create_fresh(fresh)
    try:
        with file:
            yield file
    finally:
        fresh.unlink(missing_ok=True)
