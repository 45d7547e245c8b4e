"""Owns the list of platforms: every module of this folder with an ``ADAPTER``, and those that other packages bring.

Another package names its adapter as an entry point of the group ``batchcart.platforms``. One that cannot be used is
left out, with its package and the reason, so that it harms no account but its own.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batchcart.model.adapter import Adapter, Adapters
from batchcart.model.errors import UsageError, quote
from batchcart.model.limits import parse_limit

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "batchcart.platforms"
"""The group of entry points by which a package brings a platform."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class FoundPlatform(msgspec.Struct, frozen=True):
    """A platform, and the package that brings it with its version; both are "" if it is built in.

    ``problem`` says, as the end of a sentence, why there is no ``adapter``.
    """

    name: str
    package: str = ""
    version: str = ""
    adapter: Adapter | None = None
    problem: str = ""

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return f"package {self.package} {self.version}" if self.package else "built in"

    @property
    def complaint(self) -> str:
        """The problem as a sentence that says what to do."""
        return f"{self.origin} {self.problem}; fix or remove that package"


@cache
def find_platforms() -> tuple[FoundPlatform, ...]:
    """All platforms by name, the built-in ones and those of other packages, the broken ones too."""
    built_in = tuple(FoundPlatform(adapter.name, adapter=adapter) for adapter in _load_built_in())
    names = {found.name for found in built_in}
    brought = sorted(_load_from_packages(), key=lambda found: (found.name, found.package))
    checked = tuple(_without_clash(found, names, brought) for found in brought)
    return tuple(sorted(built_in + checked, key=lambda found: found.name))


@cache
def load_adapters() -> Adapters:
    """All adapters that can be used, by platform name."""
    broken = {found.name: f"is left out: {found.complaint}" for found in find_platforms() if found.problem}
    return Adapters({found.name: found.adapter for found in find_platforms() if found.adapter is not None}, broken)


def _load_built_in() -> Iterator[Adapter]:
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        if hasattr(module, "ADAPTER"):
            yield module.ADAPTER


def _load_from_packages() -> Iterator[FoundPlatform]:
    if not any(map(_may_bring_one, sys.path)):
        return
    metadata = importlib.import_module("importlib.metadata")  # takes longer than the look before it
    for point in metadata.entry_points(group=GROUP):
        package, version = (point.dist.name, point.dist.version) if point.dist else ("of an unknown name", "")
        adapter, problem = _load(point)
        yield FoundPlatform(point.name, package, version, adapter, problem)


def _may_bring_one(place: str) -> bool:
    """Whether a package that is installed there names the group; an archive may hold anything."""
    folder = Path(place)
    try:
        files = folder.glob("*-info/entry_points.txt")
        return folder.is_file() or any(GROUP in file.read_text(errors="replace") for file in files)
    except OSError:  # what cannot be read here is looked at by importlib.metadata, which copes
        return True


def _load(point: "EntryPoint") -> tuple[Adapter | None, str]:
    try:
        found = point.load()
        problem = _flaw(point.name, found) if isinstance(found, Adapter) else f"has no Adapter at {point.value}"
    except (Exception, SystemExit) as error:  # noqa: BLE001  # another package's fault must not stop every command
        return None, f"cannot be imported ({type(error).__name__}: {error})"
    return (None, problem) if problem else (found, "")


def _flaw(name: str, adapter: Adapter) -> str:
    """What makes the adapter useless for every account, "" for none."""
    if adapter.name != name or not _NAME.fullmatch(name):
        both = f"its platform {quote(str(adapter.name))} and its entry point {quote(name)}"
        return f"calls {both}, but they have one name, of a-z, 0-9 and -"
    own, account = adapter.account.settings.__struct_fields__, adapter.account
    taken = {account.address_key, account.shop_key, *account.identity_keys, *account.sandbox_settings}
    taken.update(key for keys in account.auth_methods.values() for key in keys)
    if unknown := sorted(taken - set(own)):
        return f"names {', '.join(unknown)}, which its settings do not have"
    try:
        for text in adapter.limits:
            parse_limit(text)
    except UsageError as error:
        return f"has a limit that is not one: {error}"
    return ""


def _without_clash(found: FoundPlatform, built_in: set[str], brought: list[FoundPlatform]) -> FoundPlatform:
    """The platform, or that another one has its name."""
    if found.name in built_in:
        problem = f"brings a platform {quote(found.name)}, which is built in"
    elif others := sorted({other.package for other in brought if other.name == found.name} - {found.package}):
        problem = f"brings a platform {quote(found.name)}, and so does {', '.join(others)}"
    else:
        return found
    return FoundPlatform(found.name, found.package, found.version, problem=problem)
