"""Owns reading the config file as TOML; it does not know what an account is."""

import tomllib
from pathlib import Path
from typing import Any

from batchcart.accounts.config_table import ConfigSource, ConfigTable
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.model.files import read_bounded

_LARGEST_CONFIG = 16 << 20


def config_text(path: Path) -> str:
    """What stands in the config; raises OSError, or ValueError where it is no UTF-8."""
    return read_bounded(path, _LARGEST_CONFIG).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def read_tables(source: ConfigSource) -> dict[str, Any]:
    """The accounts' tables by name, unchecked; raises UsageError if the source is not a config."""
    table = source.plain() if isinstance(source, ConfigTable) else _read(source)
    for key in table:
        if key != "accounts":
            raise UsageError(f"{source}: unknown key {quote(key)}; {suggest(key, ['accounts'])}")
    accounts = table.get("accounts", {})
    if not isinstance(accounts, dict):
        raise UsageError(f"{source}: accounts is a table of accounts: [accounts.NAME]")
    return accounts


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config_text(path))
    except FileNotFoundError:
        raise UsageError(f"config file {path} does not exist; `batchcart init` writes a first one") from None
    except IsADirectoryError:
        raise UsageError(f"config file {path} is a folder; give a file") from None
    except OSError as error:
        raise UsageError(f"config file {path} cannot be read: {error.strerror}; choose another with --config") from None
    except RecursionError:
        raise UsageError(f"{path}: not TOML: nested too deeply") from None
    except ValueError as error:  # not TOML, not UTF-8, a number of 5,000 digits
        raise UsageError(f"{path}: not TOML: {error}") from None
