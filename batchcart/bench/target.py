"""Owns where a benchmark happens: a sandbox in a process of its own with accounts for it, or an account that allows it.

It does not know what is sent there.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchcart.accounts.config import AccountConfig, config_path, load_config
from batchcart.bench.sandbox_process import running
from batchcart.bench.workload import workload_of
from batchcart.model.errors import UsageError, suggest
from batchcart.model.files import create_new
from batchcart.model.limits import parse_limit
from batchcart.platforms import load_adapters
from batchcart.sandbox.routing import address

_STATE = "XDG_STATE_HOME"


@dataclass(frozen=True, slots=True)
class BenchTarget:
    """The accounts of a benchmark, by name and platform, and the config that has them."""

    config: Path | None
    accounts: Sequence[tuple[str, str]]
    real: bool


def bench_account(name: str, config: Path | None) -> AccountConfig:
    """The account, if its config allows benchmarks; raises UsageError if it does not."""
    entries = load_config(config_path(config), load_adapters())
    entry = entries.find(name)
    if entry.embedded:
        raise UsageError(
            f"account {name!r} is the built-in sandbox's: leave --account out, and give --platform instead"
        )
    if not entry.options.allow_bench:
        raise UsageError(
            f"account {name!r} does not allow benchmarks, which fill a shop with carts; nothing was sent. If that is "
            f"what this shop is for, set allow_bench = true under [accounts.{name}] in {entries.config_name}"
        )
    workload_of(entry.adapter)
    return entry


@contextmanager
def sandbox(platform: str, accounts: int, limits: Sequence[str], folder: Path) -> Iterator[BenchTarget]:
    """A sandbox in a process of its own, with so many accounts, each at a shop of its own with these limits.

    What the accounts remember is kept in ``folder``, so that nothing of them is left.
    """
    known = load_adapters()
    if platform not in known:
        raise UsageError(f"--platform: {platform!r} is not a platform; {suggest(platform, known)}")
    adapter = known[platform]
    workload_of(adapter)
    for limit in limits:
        parse_limit(limit)
    names = [f"bench-{number}" for number in range(1, accounts + 1)]
    config, text = folder / "batchcart.toml", []
    with running(platform, limits) as origin, _state_in(folder / "state"):
        for name in names:
            place = {adapter.account.address_key: address(origin, platform, name)}
            own = {**adapter.account.sandbox_settings, **place, "platform": platform}
            text += [f"[accounts.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in own.items())]
            text += [f"limits = {json.dumps(list(limits))}", 'pacing = "smooth"']  # as the plan is
        with create_new(config) as file:
            file.write(("\n".join(text) + "\n").encode())
        yield BenchTarget(config, [(name, platform) for name in names], real=False)


@contextmanager
def _state_in(folder: Path) -> Iterator[None]:
    before = os.environ.get(_STATE)
    os.environ[_STATE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(_STATE)
        if before is not None:
            os.environ[_STATE] = before


@contextmanager
def work_folder(keep: Path | None) -> Iterator[Path]:
    """A folder for job, results and journal: ``keep``, which must not be there yet, or one that is gone afterwards."""
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix="batchcart-bench-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        keep.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"--keep {keep}: {error.strerror}; give a folder that does not exist yet") from None
    yield keep
