"""Owns what `batchcart doctor` finds out on this machine: secrets, folders, disk, SQLite, versions; it asks no shop.

Every finding is a sentence; where something is to be mended, the sentence says how.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchcart.accounts.config import Entry
from batchcart.accounts.locks import lock_owner
from batchcart.accounts.secrets import exposed, read_secret
from batchcart.accounts.state import state_place
from batchcart.journal.schema import SQLITE, DatabaseError, probe
from batchcart.model.errors import UsageError
from batchcart.model.files import is_private

LEAST_FREE = 1 << 30
"""Bytes of disk below which there is something to mend; a million lines take about as much."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``about`` names it in a word or two."""

    about: str
    well: bool
    sentence: str


def fine(about: str, sentence: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(about, well=True, sentence=sentence)


def to_mend(about: str, sentence: str) -> Finding:
    """A finding that asks for something, which its sentence names."""
    return Finding(about, well=False, sentence=sentence)


def examined(config: Path | None, entries: list[Entry], folder: Path) -> Iterator[Finding]:
    """Everything that can be found out here; ``folder`` is where results go."""
    yield _config(config, entries)
    for entry in entries:
        yield from _secrets(entry)
        yield from _proxy(entry)
    yield from _state()
    yield from _disk(folder)
    yield _sqlite(folder)
    yield from _versions()


def _config(config: Path | None, entries: list[Entry]) -> Finding:
    if config is None:
        return fine(
            "config",
            "there is no batchcart.toml here, so jobs can name the sandbox accounts only; batchcart init writes one",
        )
    clear = [entry.name for entry in entries if entry.secret_in_clear]
    if clear and not is_private(config):
        return to_mend(
            "config",
            f"{config} holds secrets of {', '.join(clear)} and others can read it; mend it with: chmod 600 {config}",
        )
    return fine("config", f"{config} is in order")


def _secrets(entry: Entry) -> Iterator[Finding]:
    about = f"account {entry.name}"
    bad = False
    for name, value in sorted(entry.secret_settings.items()):
        try:
            read_secret(value, name, entry.folder)
        except UsageError as error:
            bad = True
            yield to_mend(about, str(error))
    for name, file in exposed(entry.secret_settings, entry.folder):
        bad = True
        yield to_mend(about, f"{name}: others can read {file}; mend it with: chmod 600 {file}")
    if not bad:
        yield fine(about, "its secrets are there")


def _proxy(entry: Entry) -> Iterator[Finding]:
    about = f"account {entry.name}"
    try:
        proxy = entry.proxy()
    except UsageError as error:
        yield to_mend(about, str(error))
        return
    if proxy is not None:
        yield fine(about, f"its shop is reached through the proxy {proxy}")


def _state() -> Iterator[Finding]:
    place = state_place()
    if not place.exists():
        yield _writable("state folder", place, "will be made by the first run")
        return
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield to_mend("state folder", f"{place} cannot be written; make it yours, or set XDG_STATE_HOME")
        return
    if not is_private(place):
        yield to_mend("state folder", f"others can look into {place}; mend it with: chmod 700 {place}")
    else:
        yield fine("state folder", f"{place} is there and yours alone")
    for lock in sorted(place.glob("*/lock")):
        pid, account = lock_owner(lock), lock.parent.name.rpartition("-")[0]
        if pid is None:
            yield fine("locks", f"a run on {account} was killed and left its lock; the next run takes it")
        else:
            yield fine("locks", f"a run is at work on {account} (pid {pid})")


def _disk(folder: Path) -> Iterator[Finding]:
    yield _writable("results", folder, "is where results go")
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):,.1f} GiB are free in {folder}"
    if free < LEAST_FREE:
        yield to_mend("disk", f"{text}, and a million lines take about 1 GiB; make room, or choose another -o")
    else:
        yield fine("disk", text)


def _writable(about: str, folder: Path, why: str) -> Finding:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return fine(about, f"{folder} {why}")
    return to_mend(about, f"{folder} {why}, but {there} cannot be written; change its owner, or work elsewhere")


def _sqlite(folder: Path) -> Finding:
    """Whether the file system there can do what a journal needs, tried on a file that is removed at once."""
    try:
        with tempfile.TemporaryDirectory(prefix=".batchcart-", dir=folder) as place:
            mode = probe(Path(place))
    except (OSError, DatabaseError) as error:
        return to_mend("SQLite", f"{SQLITE} cannot write a journal in {folder}: {error}; work elsewhere")
    if mode != "wal":
        return to_mend(
            "SQLite",
            f"{SQLITE} keeps a journal in {folder} in mode {mode}, but runs need wal; put results "
            "on a local disk with -o",
        )
    return fine("SQLite", f"{SQLITE}, journal mode wal")


def _versions() -> Iterator[Finding]:
    yield fine("Python", f"{platform.python_version()} on {platform.system()}")
    try:
        requirements = importlib.metadata.requires("batchcart") or []
    except importlib.metadata.PackageNotFoundError:
        yield fine("libraries", "batchcart is not installed but run from its folder, so they were not looked at")
        return
    found, wrong = [], []
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if "extra ==" not in requirement:
                wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if not fits(version, requirement):
            wrong.append(f"{name} {version} is not {requirement.partition(';')[0].removeprefix(name).strip()}")
    if wrong:
        yield to_mend("libraries", f"{', '.join(wrong)}; mend it with: pip install --upgrade batchcart")
    yield fine("libraries", ", ".join(found))


def fits(version: str, requirement: str) -> bool:
    """Whether the version is within the bounds of a requirement such as ``click<10,>=8.2``."""
    own = _numbers(version)
    bounds = re.findall(r"(>=|<)([\d.]+)", requirement.partition(";")[0])
    return all(own >= _numbers(bound) if sign == ">=" else own < _numbers(bound) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(?:\.\d+)*", version)
    numbers = tuple(int(number) for number in leading[0].split(".")) if leading else ()
    return numbers + (0,) * (4 - len(numbers))
