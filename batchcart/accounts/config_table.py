"""Owns a config that is given as a mapping instead of a file; it does not know what an account is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ConfigTable:
    """A config with the keys of the file. It may hold secrets, so it shows none of them; no file is looked for."""

    table: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return "the given config"

    def plain(self) -> dict[str, Any]:
        """The tables and lists in it as a TOML file would bring them."""
        found: dict[str, Any] = _plain(self.table)
        return found


ConfigSource = Path | ConfigTable


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case Path():
            return str(value)
        case _:
            return value
