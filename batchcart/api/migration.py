"""Owns the functions that move carts between platforms; what each does is migration/'s."""

import re
from collections.abc import Callable
from pathlib import Path

from batchcart.accounts.config import find_config, load_config
from batchcart.api.driving import Config, Driver, config_source, drive_beside, drive_one, listen
from batchcart.jobs.sheet_places import check_job_name
from batchcart.migration import convert as converting
from batchcart.migration import export as exporting
from batchcart.migration import pipeline
from batchcart.migration import verify as verifying
from batchcart.migration.convert import ConvertOptions, ConvertResult
from batchcart.migration.export import ExportOptions, ExportResult
from batchcart.migration.folder import MigrateOptions
from batchcart.migration.pipeline import MigrationResult
from batchcart.migration.verify import VerifyOptions, VerifyResult
from batchcart.model.adapter import Filters
from batchcart.model.errors import UsageError, quote
from batchcart.model.events import EventSink
from batchcart.platforms import load_adapters
from batchcart.runs.cart_reader import Reader

__all__ = [
    "ConvertResult",
    "ExportResult",
    "MigrationResult",
    "VerifyResult",
    "convert",
    "export",
    "migrate",
    "verify",
    "write_map_template",
]


def export(  # noqa: PLR0913  # the options of `batchcart export`
    account: str,
    output: str | Path,
    *,
    keys_from: str | Path | None = None,
    since_id: str = "",
    created_after: str = "",
    created_before: str = "",
    cart_key: str = "",
    config: Config = None,
    concurrency: int | None = None,
    patience: float = 30.0,
    on_event: EventSink | None = None,
    driver: Driver = drive_beside,
) -> ExportResult:
    """Write a shop's carts to ``output``, a file of neutral carts, or go on with it.

    ``keys_from`` names the carts of a shop that cannot list them: keys, one a line, or the result file of a run. Times
    are the shop's own clock, as in "2026-11-21 18:00:00" or 2026-11-21; ``patience`` is in minutes.

    Raises UsageError where nothing was read, Stopped where the disk is full.
    """
    options = ExportOptions(
        account=account,
        output=Path(output),
        keys_from=None if keys_from is None else Path(keys_from),
        filters=_filters(since_id, created_after, created_before, cart_key),
        reader=Reader(config_source(config), patience, concurrency),
    )
    return drive_one(driver, lambda monitor: exporting.export(options, monitor), on_event)


def write_map_template(carts: str | Path, template: str | Path) -> int:
    """Write a product map with all products of the carts file, to be filled in; how many there are.

    Raises UsageError where the carts file cannot be read or the template is there.
    """
    return converting.write_map_template(Path(carts), Path(template))


def convert(  # noqa: PLR0913  # the options of `batchcart convert`
    carts: str | Path,
    *,
    to: str,
    product_map: str | Path,
    output: str | Path,
    template: str | Path | None = None,
    strict: bool = False,
    allow_unused: bool = False,
    force: bool = False,
    config: Config = None,
) -> ConvertResult:
    """Turn a carts file into a job for the account ``to``, and list beside it what is lost; nothing is sent.

    ``strict`` writes no job if anything would be lost, ``allow_unused`` lets the map name products that no cart has,
    ``force`` replaces a job that is there and differs.

    Raises UsageError, or BadLines with all places, where a file is wrong or a value has no exact form at the target.
    """
    check_job_name(Path(output))
    entries = load_config(find_config(config_source(config)), load_adapters())
    if to not in entries:
        raise UsageError(f"--to: account {quote(to)} {entries.absence(to)}")
    map_template = None if template is None else Path(template)
    options = ConvertOptions(Path(carts), Path(product_map), Path(output), strict, map_template, force, allow_unused)
    return converting.convert(options, entries[to])


def verify(  # noqa: PLR0913  # the options of `batchcart verify`
    carts: str | Path,
    results: str | Path,
    *,
    product_map: str | Path,
    output: str | Path | None = None,
    config: Config = None,
    concurrency: int | None = None,
    patience: float = 30.0,
    on_event: EventSink | None = None,
    driver: Driver = drive_beside,
) -> VerifyResult:
    """Read the new carts back and compare them with their sources, or go on with it; ``patience`` is in minutes.

    ``carts`` is the file that was converted, ``results`` the result file of the job made from it.

    Raises UsageError where the files do not belong together: nothing was read then.
    """
    report = None if output is None else Path(output)
    reader = Reader(config_source(config), patience, concurrency)
    options = VerifyOptions(Path(carts), Path(results), Path(product_map), report, reader)
    return drive_one(driver, lambda monitor: verifying.verify(options, monitor), on_event)


def migrate(  # noqa: PLR0913  # the options of `batchcart migrate`
    source: str,
    target: str,
    *,
    product_map: str | Path | None = None,
    folder: str | Path | None = None,
    keys_from: str | Path | None = None,
    since_id: str = "",
    created_after: str = "",
    created_before: str = "",
    cart_key: str = "",
    strict: bool = False,
    allow_unused: bool = False,
    retry_failed: bool = False,
    config: Config = None,
    concurrency: int | None = None,
    patience: float = 30.0,
    stop_after: int = 25,
    on_event: EventSink | None = None,
    on_step: Callable[[str], None] = lambda _text: None,
    driver: Driver = drive_beside,
) -> MigrationResult:
    """Move carts from the account ``source`` to ``target``: export, convert, run and verify, or go on with it.

    All files lie in ``folder``, by default SOURCE-to-TARGET; finished steps are not done again. ``on_step`` is told
    each step that begins. Without a ``product_map`` it is ``products.csv`` in the folder, which is written to be filled
    in. ``retry_failed`` makes once more what failed. The other arguments are those of ``export``, ``convert`` and
    ``run``.

    Raises UsageError where accounts, map or folder are wrong, or another migration was begun in the folder.
    """
    options = MigrateOptions(
        source=source,
        target=target,
        product_map=None if product_map is None else Path(product_map),
        folder=Path(f"{source}-to-{target}" if folder is None else folder),
        keys_from=None if keys_from is None else Path(keys_from),
        filters=_filters(since_id, created_after, created_before, cart_key),
        strict=strict,
        allow_unused=allow_unused,
        retry_failed=retry_failed,
        reader=Reader(config_source(config), patience, concurrency),
        stop_after=stop_after,
    )
    return driver(lambda monitoring: pipeline.migrate(options, listen(monitoring, on_event), on_step))


def _filters(since_id: str, created_after: str, created_before: str, cart_key: str) -> Filters:
    return Filters(since_id, _moment(created_after), _moment(created_before), cart_key)


def _moment(text: str) -> str:
    """A time as the documents write it: a day alone begins at midnight, and a T is a blank."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)$", r"\1 00:00:00", text.strip()).replace("T", " ", 1)
