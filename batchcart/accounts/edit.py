"""Owns putting a new account into a config file, and its first job beside it; it does not ask anybody anything."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from batchcart.accounts.address import check_address
from batchcart.accounts.config import (
    SANDBOX,
    AccountConfig,
    check_account_name,
    load_config,
    read_entry,
)
from batchcart.accounts.config_file import config_text
from batchcart.accounts.proxy import is_loopback
from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError, quote
from batchcart.model.files import replace_atomically, writing_new
from batchcart.platforms import load_adapters
from batchcart.sandbox.platforms import list_simulated

Settings = Mapping[str, str | SecretRef]
"""An account's own config keys as they will stand in the file."""

_SECRETS = (
    '# Accounts that a job may name. A secret is { env = "NAME" }, { file = "PATH" }, { command = "LINE" },\n'
    '# { keyring = "SERVICE", user = "NAME" } or a string.'
)


def example_config() -> str:
    """A config that has an account of each platform as an example, in comments."""
    parts, names = [_head()], set[str]()
    for adapter in load_adapters().values():
        name, settings = adapter.examples.account
        name = f"{name}-{adapter.name}" if name in names else name
        names.add(name)
        keys = {"platform": adapter.name, **{key: _as_toml(value) for key, value in settings.items()}}
        parts.append("".join(f"# {line}\n" for line in _table(name, keys).splitlines()))
    return "\n".join(parts)


def example_job() -> str:
    """A first job for the first platform that has a simulator."""
    name = next(iter(list_simulated()))
    lines = [json.loads(line) for line in load_adapters()[name].examples.job[:3]]
    placed = ({"op": line.pop("op"), "account": f"{SANDBOX}{name}", **line} for line in lines)
    return "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in placed)


def _head() -> str:
    names = " and ".join(", ".join(SANDBOX + name for name in list_simulated()).rsplit(", ", 1))
    return f"{_SECRETS}\n# The accounts {names} are always there and need no entry.\n"


def add_account(path: Path, name: str, adapter: Adapter, settings: Settings, *, private: bool) -> AccountConfig:
    """Put the account at the end of the config, which is made if it is not there; what stood there stays.

    ``private`` says that a secret goes into the file, so that nobody else may read it. Raises UsageError if the
    account is not in order or the config has one of that name; the file is then as it was.
    """
    keys: dict[str, object] = {"platform": adapter.name, **{key: _as_toml(value) for key, value in settings.items()}}
    entry = read_entry(name, keys, load_adapters(), path.resolve().parent, f"account {quote(name)}")
    _check_new_name(name, f"account {quote(name)}")
    before = _head()
    if path.exists():
        if name in load_config(path, load_adapters()):
            raise UsageError(
                f"{path}: there is an account {quote(name)} already, which was not overwritten; "
                "choose another name with --account, or edit the file"
            )
        before = config_text(path)
    text = f"{before.rstrip()}\n\n{_table(name, keys)}".lstrip()
    try:
        stands_there = tomllib.loads(text)["accounts"][name] == keys
    except ValueError:
        stands_there = False
    if not stands_there:
        raise UsageError(f"{path}: no account can be put at its end; write [accounts.{name}] into it by hand")
    _replace(path, text, private=private)
    return entry


def check_name(path: Path, name: str) -> None:
    """Raises UsageError if the account cannot be called so, or the config at ``path`` has one of that name."""
    check_account_name(name, "")
    _check_new_name(name, quote(name))
    if path.exists() and name in load_config(path, load_adapters()):
        raise UsageError(f"{path} has an account {quote(name)} already; choose another name")


def check_setting(adapter: Adapter, key: str, value: str, folder: Path) -> None:
    """Raises UsageError if the value cannot stand under the key of the platform's own that is no secret."""
    if not value.strip():
        raise UsageError(f"{key} is empty")
    keys = {"platform": adapter.name, **adapter.account.sandbox_settings, key: value}
    read_entry("a", keys, load_adapters(), folder, "")
    if key == adapter.account.shop_key:
        check_shop_address(value, key)


def check_shop_address(address: str, where: str) -> None:
    """Raises UsageError, which begins with ``where``, if no shop is there: without a scheme its host has a dot."""
    whole = address if "//" in address else f"https://{address}"
    check_address(whole, where, insecure=False)
    host = urlsplit(whole).hostname or ""
    if whole != address and not ("." in host or is_loopback(host)):
        raise UsageError(f"{where}: expected an address such as https://shop.example.com, with the shop's whole host")


def _check_new_name(name: str, where: str) -> None:
    if "/" in name:
        raise UsageError(f"{where} looks like an address; give the short name that job files call the shop by")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, for its owner alone; raises UsageError if it cannot be written."""
    try:
        with writing_new(path) as file:
            file.write(text.encode())
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and was not overwritten; remove it, or work in another folder"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, text: str, *, private: bool) -> None:
    """Put the text in the place of the file, in one step; its mode stays, unless it comes to hold a secret."""
    if not path.exists():
        write_new(path, text)
        return
    target = path.resolve()
    try:
        if private:
            target.chmod(target.stat().st_mode & 0o700)
        replace_atomically(target, text.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _as_toml(value: str | SecretRef) -> str | dict[str, str]:
    match value:
        case SecretRef():
            return {key: text for key, text in msgspec.structs.asdict(value).items() if text is not None}
        case _:
            return value


def _table(name: str, keys: Mapping[str, object]) -> str:
    head = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
    width = max(map(len, keys))
    return (
        "\n".join([f"[accounts.{head}]", *(f"{key:{width}} = {_value(value)}" for key, value in keys.items())]) + "\n"
    )


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_text(text)}" for key, text in value.items()) + " }"
    return _text(str(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
