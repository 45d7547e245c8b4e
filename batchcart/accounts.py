"""Owns the config file: accounts, their credentials, limits and options; it does not know how they are used."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from batchcart.adapter import Adapter, Credentials, SecretReference
from batchcart.errors import UsageError, suggestion
from batchcart.limits import Limit, parse_limit

DEFAULT_FILE = "batchcart.toml"
ENVIRONMENT = "BATCHCART_CONFIG"
SANDBOX = "sandbox-"
"""What the names of the built-in accounts begin with; the platform's name follows."""


class Options(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The config keys that every account may have beside its platform's own."""

    platform: str
    limits: list[str] | None = None
    concurrency: int = 8
    timeout: float = 30.0
    pacing: Literal["smooth", "strict"] = "smooth"
    encoding: Literal["json", "form"] = "json"
    ca_file: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= 10_000:
            raise ValueError("concurrency is a whole number from 1 to 10000")
        if not 0 < self.timeout <= 3600:
            raise ValueError("timeout is a number of seconds above 0, 3600 at the most")


@dataclass(frozen=True, slots=True)
class Account:
    """One shop, ready to be worked on: address, credentials, limits and options.

    ``timeout`` is in seconds; ``concurrency`` counts operations in flight; ``embedded`` marks an account of the
    built-in sandbox, whose address is known only once it runs.
    """

    name: str
    adapter: Adapter
    address: str
    credentials: Credentials
    limits: tuple[Limit, ...]
    options: Options
    ca_file: Path | None = None
    embedded: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return self.credentials.secrets()


@dataclass(frozen=True, slots=True)
class Entry:
    """An account as the config has it: checked, its secrets not yet read."""

    name: str
    adapter: Adapter
    options: Options
    settings: Mapping[str, str | SecretReference]
    secret_names: frozenset[str]
    limits: tuple[Limit, ...]
    folder: Path
    embedded: bool = False

    @property
    def place(self) -> str:
        """The shop's address without secrets, to tell whether an account still points where it did."""
        plain = {name: value for name, value in self.settings.items() if isinstance(value, str)}
        public = {name: value for name, value in plain.items() if name not in self.secret_names}
        own = (public.get(name, "") for name in ("secure_url", "app_id"))
        return " ".join(word for word in (self.adapter.address(public), *own) if word)

    def read(self) -> Account:
        """The account with its secrets read; raises UsageError where one cannot be."""
        where = f"account {self.name!r}"
        values = {name: _secret(value, f"{where}: {name}", self.folder) for name, value in self.settings.items()}
        address = self.adapter.address(values)
        _check_address(address, where, insecure=self.options.insecure)
        ca_file = self.folder / self.options.ca_file if self.options.ca_file else None
        if ca_file is not None and not ca_file.is_file():
            raise UsageError(f"{where}: ca_file {ca_file} is not a file")
        credentials = Credentials(values, self.secret_names & frozenset(values))
        return Account(self.name, self.adapter, address, credentials, self.limits, self.options, ca_file, self.embedded)


def config_path(given: str | Path | None) -> Path | None:
    """The config file to read: the one given, the environment's, or the default if it is there."""
    chosen = given or os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def read_config(path: Path | None, adapters: Mapping[str, Adapter]) -> dict[str, Entry]:
    """All accounts by name, the built-in ones included; raises UsageError naming file, account and key."""
    entries = {f"{SANDBOX}{name}": _sandbox_entry(adapter) for name, adapter in adapters.items()}
    if path is None:
        return entries
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"config file {path} does not exist; `batchcart init` writes a first one") from None
    except OSError as error:
        raise UsageError(f"config file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    for key in table:
        if key != "accounts":
            raise UsageError(f"{path}: unknown key {key!r}; {suggestion(key, ['accounts'])}")
    accounts = table.get("accounts", {})
    if not isinstance(accounts, dict):
        raise UsageError(f"{path}: accounts is a table of accounts: [accounts.NAME]")
    for name, keys in accounts.items():
        where = f"{path}: account {name!r}"
        if name in entries:
            raise UsageError(f"{where}: this name is the built-in sandbox's; choose another")
        if not isinstance(keys, dict):
            raise UsageError(f"{where}: expected a table: [accounts.{name}]")
        entries[name] = _entry(name, keys, adapters, path.resolve().parent, where)
    return entries


def _entry(name: str, keys: dict[str, Any], adapters: Mapping[str, Adapter], folder: Path, where: str) -> Entry:
    platform = keys.get("platform")
    if platform is None:
        raise UsageError(f"{where}: platform is missing; it is one of {', '.join(adapters)}")
    if platform not in adapters:
        raise UsageError(f"{where}: platform {platform!r} is not known; {suggestion(str(platform), adapters)}")
    adapter = adapters[platform]
    own = {field.name for field in msgspec.structs.fields(adapter.settings)}
    shared = {field.name for field in msgspec.structs.fields(Options)}
    for key in keys:
        if key not in own | shared:
            raise UsageError(f"{where}: unknown key {key!r}; {suggestion(key, sorted(own | shared))}")
    settings_given = {key: _as_text(value) for key, value in keys.items() if key in own}
    options: Options = _convert({key: value for key, value in keys.items() if key in shared}, Options, where)
    settings = _convert(settings_given, adapter.settings, where)
    try:
        limits = tuple(parse_limit(text) for text in _limits(options, adapter))
    except UsageError as error:
        raise UsageError(f"{where}: limits: {error}") from None
    present = {key: value for key, value in msgspec.structs.asdict(settings).items() if value is not None}
    return Entry(name, adapter, options, present, _secret_names(adapter), limits, folder)


def _limits(options: Options, adapter: Adapter) -> list[str]:
    return list(adapter.limits) if options.limits is None else options.limits


def _as_text(value: Any) -> Any:
    # A number such as app_id = 1234 is a text that its author did not quote.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _convert(value: dict[str, Any], to: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, to, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {str(error).replace(' - at `$.', ' - at `')}") from None


def _secret_names(adapter: Adapter) -> frozenset[str]:
    """The settings that may be given by reference are the secret ones."""
    fields = msgspec.structs.fields(adapter.settings)
    return frozenset(field.name for field in fields if "SecretReference" in str(field.type))


def _secret(value: str | SecretReference, where: str, folder: Path) -> str:
    if isinstance(value, str):
        text = value
    elif value.env is not None:
        if value.env not in os.environ:
            raise UsageError(f"{where}: environment variable {value.env} is not set")
        text = os.environ[value.env]
    else:
        file = folder / (value.file or "")
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"{where}: file {file} cannot be read") from None
    text = text.strip()
    if not text:
        raise UsageError(f"{where}: it is empty")
    if not text.isprintable():
        raise UsageError(f"{where}: it holds characters that cannot be sent (a line end?)")
    return text


def _check_address(address: str, where: str, *, insecure: bool) -> None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{where}: {address!r} is not an address") from None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise UsageError(f"{where}: {address!r} is not an address such as https://shop.example.com")
    loopback = host in {"localhost", "::1"} or host.startswith("127.")
    if parts.scheme == "http" and not loopback and not insecure:
        raise UsageError(
            f"{where}: {address} sends credentials in the clear; use https://, "
            "or set insecure = true if the network is your own"
        )


def _sandbox_entry(adapter: Adapter) -> Entry:
    return Entry(
        f"{SANDBOX}{adapter.name}",
        adapter,
        Options(platform=adapter.name),
        adapter.sample,
        _secret_names(adapter),
        tuple(parse_limit(text) for text in adapter.limits),
        Path(),
        embedded=True,
    )
