"""Owns what `batchcart doctor` finds out on this machine: secrets, folders, disk, SQLite, versions; it asks no shop.

Every finding is a sentence; if something needs fixing, the sentence says how.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchcart.accounts.client_certificate import find_client_certificate
from batchcart.accounts.config import AccountConfig, Accounts
from batchcart.accounts.secrets import check_secret, describe_source, is_looked_up, read_secret
from batchcart.accounts.state import find_account_holder, state_place
from batchcart.journal.schema import SQLITE, DatabaseError, probe
from batchcart.model.errors import UsageError
from batchcart.model.files import is_private
from batchcart.platforms import find_platforms

LEAST_FREE = 1 << 30
"""Bytes of disk below which there is something to fix; a million lines take about as much."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``subject`` names it in a word or two."""

    subject: str
    ok: bool
    message: str


def report_ok(about: str, sentence: str) -> Check:
    """A finding that asks for nothing."""
    return Check(about, ok=True, message=sentence)


def report_problem(about: str, sentence: str) -> Check:
    """A finding that asks for something, which its sentence names."""
    return Check(about, ok=False, message=sentence)


def run_checks(
    config: Path | None,
    known: Accounts,
    entries: list[AccountConfig],
    unusable: Mapping[str, str],
    folder: Path,
    *,
    look_up: bool,
) -> Iterator[Check]:
    """Everything that can be found out here about ``entries``, which are among the ``known`` accounts of the config.

    ``folder`` is where results go, ``unusable`` are accounts with the why.

    With ``look_up`` the commands are run, and the keyring is opened, that have secrets.
    """
    yield _config(config, known, entries)
    yield from _platforms()
    for name, why in unusable.items():
        yield report_problem(f"account {name}", f"it {why}")
    for entry in entries:
        yield from _secrets(entry, look_up=look_up)
        yield from _client_certificate(entry)
        yield from _proxy(entry, look_up=look_up)
    yield from _state(entries)
    yield from _disk(folder)
    yield _sqlite(folder)
    yield from _versions()


def _config(config: Path | None, known: Accounts, entries: list[AccountConfig]) -> Check:
    """Whether it keeps the secrets of ``entries`` from others; if not, whose it holds as well."""
    if config is None:
        return report_ok(
            "config",
            "there is no batchcart.toml here, so jobs can name the sandbox accounts only; batchcart init writes one",
        )
    if any(entry.secret_in_clear for entry in entries) and not is_private(config):
        clear = [entry.name for entry in known.values() if entry.secret_in_clear]
        return report_problem(
            "config",
            f"others can read {config}, which holds secrets of {', '.join(clear)}; fix it with: chmod 600 {config}",
        )
    return report_ok("config", f"{config} is in order")


def _platforms() -> Iterator[Check]:
    for found in find_platforms():
        if found.problem:
            yield report_problem("platforms", f"{found.name} is left out: {found.complaint}")


def _secrets(entry: AccountConfig, *, look_up: bool) -> Iterator[Check]:
    about = f"account {entry.name}"
    read = read_secret if look_up else check_secret
    bad = False
    for name, value in sorted(entry.secret_settings.items()):
        try:
            read(value, name, entry.folder)
        except UsageError as error:
            bad = True
            yield report_problem(about, str(error))
    for name, file in entry.exposed_files():
        bad = True
        yield report_problem(about, f"{name}: others can read {file}; fix it with: chmod 600 {file}")
    if not bad:
        yield report_ok(about, f"its secrets are there{_list_sources(entry, look_up=look_up)}")


def _client_certificate(entry: AccountConfig) -> Iterator[Check]:
    about = f"account {entry.name}"
    try:
        found = find_client_certificate(entry.options, entry.folder, about)
    except UsageError as error:
        yield report_problem(about, str(error).removeprefix(f"{about}: "))
        return
    if found is not None:
        yield report_ok(about, f"it shows its shop the client certificate {found.certificate}")


def _list_sources(entry: AccountConfig, *, look_up: bool) -> str:
    sources = [
        f"{name} from {describe_source(value, entry.folder)}"
        + (", not read now" if is_looked_up(value) and not look_up else "")
        for name, value in sorted(entry.secret_settings.items())
    ]
    return f": {'; '.join(sources)}" if sources else ""


def _proxy(entry: AccountConfig, *, look_up: bool) -> Iterator[Check]:
    about = f"account {entry.name}"
    if entry.options.proxy is not None and is_looked_up(entry.options.proxy) and not look_up:
        return
    try:
        proxy = entry.proxy()
    except UsageError as error:
        yield report_problem(about, str(error))
        return
    if proxy is not None:
        yield report_ok(about, f"its shop is reached through the proxy {proxy}")


def _state(entries: list[AccountConfig]) -> Iterator[Check]:
    place = state_place()
    if not place.exists():
        yield _writable("state folder", place, "will be created by the first run")
        return
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield report_problem("state folder", f"{place} cannot be written; make it yours, or set XDG_STATE_HOME")
        return
    if not is_private(place):
        yield report_problem("state folder", f"others can look into {place}; fix it with: chmod 700 {place}")
    else:
        yield report_ok("state folder", f"{place} is there and yours alone")
    for entry in entries:
        if (pid := find_account_holder(entry.name, entry.identity)) is not None:
            yield report_ok("locks", f"a run is at work on {entry.name} (pid {pid})")


def _disk(folder: Path) -> Iterator[Check]:
    yield _writable("results", folder, "is where results go")
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):,.1f} GiB are free in {folder}"
    if free < LEAST_FREE:
        yield report_problem("disk", f"{text}, and a million lines take about 1 GiB; make room, or choose another -o")
    else:
        yield report_ok("disk", text)


def _writable(about: str, folder: Path, why: str) -> Check:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return report_ok(about, f"{folder} {why}")
    return report_problem(about, f"{folder} {why}, but {there} cannot be written; change its owner, or work elsewhere")


def _sqlite(folder: Path) -> Check:
    """Whether the file system there can do what a journal needs, tried on a file that is removed at once."""
    try:
        with tempfile.TemporaryDirectory(prefix=".batchcart-", dir=folder) as place:
            mode = probe(Path(place))
    except (OSError, DatabaseError) as error:
        return report_problem("SQLite", f"{SQLITE} cannot write a journal in {folder}: {error}; work elsewhere")
    if mode != "wal":
        return report_problem(
            "SQLite",
            f"{SQLITE} keeps a journal in {folder} in mode {mode}, but runs need wal; put results "
            "on a local disk with -o",
        )
    return report_ok("SQLite", f"{SQLITE}, journal mode wal")


def _versions() -> Iterator[Check]:
    yield report_ok("Python", f"{platform.python_version()} on {platform.system()}")
    try:
        requirements = importlib.metadata.requires("batchcart") or []
    except importlib.metadata.PackageNotFoundError:
        yield report_ok("libraries", "batchcart is not installed but run from its folder, so they were not looked at")
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
        yield report_problem("libraries", f"{', '.join(wrong)}; fix it with: pip install --upgrade batchcart")
    yield report_ok("libraries", ", ".join(found))


def fits(version: str, requirement: str) -> bool:
    """Whether the version is within the bounds of a requirement such as ``click<10,>=8.2``."""
    own = _numbers(version)
    bounds = re.findall(r"(>=|<)([\d.]+)", requirement.partition(";")[0])
    return all(own >= _numbers(bound) if sign == ">=" else own < _numbers(bound) for sign, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(?:\.\d+)*", version)
    numbers = tuple(int(number) for number in leading[0].split(".")) if leading else ()
    return numbers + (0,) * (4 - len(numbers))
