"""Owns what a shell offers after Tab beyond commands and options: accounts, platforms, files; it prints nothing.

It runs at every press of the key, so it reads the config's names only and imports nothing that talks to shops.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from batchcart.accounts.config import SANDBOX, config_path
from batchcart.platforms import load_adapters
from batchcart.sandbox.faults import KINDS
from batchcart.sandbox.platforms import list_simulated
from batchcart.sandbox.readings import READINGS

_PLAIN = re.compile(r"[\w.@:+][\w.@:+-]*")
"""Names that mean nothing else to a shell; others are not offered, since not every shell quotes what it takes."""

_ACCOUNTS = {"account", "accounts", "source", "target"}


@dataclass(frozen=True)
class _Words(click.types.StringParamType):
    """A text for which the shell offers words."""

    words: Callable[[click.Context], Iterable[str]]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin as what stands there."""
        return [CompletionItem(word) for word in self.words(ctx) if word.startswith(incomplete)]


class _File(click.types.StringParamType):
    """A text for which the shell offers its files."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What tells the shell to offer files."""
        return [CompletionItem(incomplete, type="file")]


def with_completion(command: click.Command) -> click.Command:
    """The command with words for those parameters that take names of accounts or platforms, or a job."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType) and (kind := _kind(command, parameter)) is not None:
            parameter.type = kind
    return command


def _kind(command: click.Command, parameter: click.Parameter) -> click.types.StringParamType | None:
    match parameter.name:
        case "account" if command.name == "init":
            return None
        case name if name in _ACCOUNTS:
            return _Words(_accounts)
        case "platform":
            return _Words(lambda _: load_adapters())
        case "limits" if command.name == "sandbox":
            return _Words(lambda _: [f"{name}=" for name in list_simulated()])
        case "faults" if command.name == "sandbox":
            return _Words(lambda _: [f"{kind}=" for kind in KINDS])
        case "readings" if command.name == "sandbox":
            return _Words(
                lambda _: [f"{reading.name}={value}" for reading in READINGS.values() for value in reading.values]
            )
        case "job":
            return _File()
        case _:
            return None


def _accounts(ctx: click.Context) -> list[str]:
    """All accounts that a job may name; of a config that cannot be read, the built-in ones."""
    own: list[str] = []
    given = ctx.params.get("config")
    path = config_path(given if isinstance(given, str | Path) else None)
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("accounts")
        except (OSError, ValueError, RecursionError):
            table = None
        own = [name for name in table if _PLAIN.fullmatch(name)] if isinstance(table, dict) else []
    return [*own, *(f"{SANDBOX}{name}" for name in load_adapters())]
