"""Owns the config file: accounts, their credentials, limits and options; it does not know how they are used."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from batchcart.accounts.address import check_address, in_ascii
from batchcart.accounts.client_certificate import (
    ClientCertificate,
    find_client_certificate,
    find_exposed_key,
    find_file,
)
from batchcart.accounts.config_file import read_tables
from batchcart.accounts.config_table import ConfigSource, ConfigTable
from batchcart.accounts.options import AccountOptions
from batchcart.accounts.proxy import Proxy, proxy_of_environment, read_proxy
from batchcart.accounts.secrets import (
    REFERENCE_FORMS,
    check_secret,
    find_exposed,
    is_looked_up,
    is_secret,
    read_secret,
    secret_names,
)
from batchcart.model.adapter import Adapter, Adapters, Credentials, SecretRef, SecretText
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.model.limits import Limit, parse_limit
from batchcart.model.system import is_trusted_owner
from batchcart.model.validation import describe_type
from batchcart.sandbox.platforms import list_simulated

DEFAULT_FILE = "batchcart.toml"
ENVIRONMENT = "BATCHCART_CONFIG"
SANDBOX = "sandbox-"
"""What the names of the built-in accounts begin with; the platform's name follows."""

_MOST_LIMITS = 8  # as many as an account's memory of sends has room for


@dataclass(frozen=True, slots=True)
class Account:
    """One shop, ready to be worked on: address, credentials, limits and options.

    ``embedded`` marks an account of the built-in sandbox, whose address is known only once it runs.
    """

    name: str
    adapter: Adapter
    address: str
    credentials: Credentials
    limits: tuple[Limit, ...]
    options: AccountOptions = field(repr=False)  # its proxy may hold a password
    ca_file: Path | None = None
    embedded: bool = False
    proxy: Proxy | None = None
    client_certificate: ClientCertificate | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return (*self.credentials.secrets(), *(self.proxy.secrets if self.proxy else ()))


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """An account as the config has it: checked, its secrets not yet read."""

    name: str
    adapter: Adapter
    options: AccountOptions = field(repr=False)  # its proxy may hold a password
    settings: Mapping[str, str | SecretRef] = field(repr=False)  # it holds what stands in the config in clear
    secret_names: frozenset[str]
    limits: tuple[Limit, ...]
    folder: Path
    embedded: bool = False

    @property
    def address(self) -> str:
        """The base address."""
        return self.adapter.account.address(self._public)

    @property
    def identity(self) -> str:
        """The shop's address without secrets, to tell whether an account still points where it did."""
        own = (self._public.get(name, "") for name in self.adapter.account.identity_keys)
        return " ".join(word for word in (self.address, *own) if word)

    @property
    def place(self) -> str:
        """Where it points, as a journal keeps it."""
        return "the embedded sandbox" if self.embedded else self.identity

    @property
    def currency(self) -> str | None:
        """What the shop counts its money in; None if nobody said and the platform does not tell."""
        return self.options.currency or self.adapter.account.currency

    @property
    def secret_settings(self) -> dict[str, SecretText]:
        """The settings that must not be seen, as the config has them."""
        found = {name: value for name, value in self.settings.items() if name in self.secret_names}
        proxy = self.options.proxy
        if isinstance(proxy, SecretRef) or (proxy is not None and "@" in proxy):
            found["proxy"] = proxy
        return found

    @property
    def secret_in_clear(self) -> bool:
        """Whether a secret stands in the config file itself."""
        return not self.embedded and any(isinstance(value, str) for value in self.secret_settings.values())

    def exposed_files(self) -> Iterator[tuple[str, Path]]:
        """The settings whose secret stands in a file that others than its owner can read, each with the file."""
        yield from find_exposed(self.secret_settings, self.folder)
        yield from find_exposed_key(self.options, self.folder)

    @property
    def _public(self) -> dict[str, str]:
        secret = self.secret_names
        return {name: value for name, value in self.settings.items() if isinstance(value, str) and name not in secret}

    def resolve(self) -> Account:
        """The account with its secrets read; raises UsageError if one cannot be."""
        where = f"account {self.name!r}"
        values = {
            name: read_secret(value, f"{where}: {name}", self.folder)
            if name in self.secret_names
            else _sendable(str(value), f"{where}: {name}")
            for name, value in self.settings.items()
        }
        ca_file = self._find_ca_file()
        return Account(
            self.name,
            self.adapter,
            in_ascii(self.address),
            Credentials(values, self.secret_names & frozenset(values)),
            self.limits,
            self.options,
            ca_file,
            self.embedded,
            self.proxy(),
            find_client_certificate(self.options, self.folder, where),
        )

    def check(self) -> None:
        """Raises what ``resolve`` does, as far as that can be told without running a command or opening a keyring."""
        where = f"account {self.name!r}"
        for name, value in self.settings.items():
            if name in self.secret_names:
                check_secret(value, f"{where}: {name}", self.folder)
            else:
                _sendable(str(value), f"{where}: {name}")
        self._find_ca_file()
        find_client_certificate(self.options, self.folder, where)
        if self.options.proxy is not None and is_looked_up(self.options.proxy):
            check_secret(self.options.proxy, f"{where}: proxy", self.folder)
        else:
            self.proxy()

    def _find_ca_file(self) -> Path | None:
        given = self.options.ca_file
        return find_file(given, self.folder, f"account {self.name!r}: ca_file") if given else None

    def proxy(self) -> Proxy | None:
        """The proxy to the shop: the config's, else the environment's; raises UsageError if it cannot be read."""
        if self.embedded:
            return None
        if self.options.proxy is None:
            return proxy_of_environment(self.address)
        where = f"account {self.name!r}: proxy"
        return read_proxy(read_secret(self.options.proxy, where, self.folder), "proxy in the config", where)


class Accounts(dict[str, AccountConfig]):
    """All accounts by name, the built-in ones included.

    ``config_name`` is what messages call the config. ``unusable`` says of accounts that are in it, as the end of a
    sentence, why they cannot be used although nothing is wrong with the others: their platform is missing.
    """

    def __init__(self, config_name: str) -> None:
        super().__init__()
        self.config_name = config_name
        self.unusable: dict[str, str] = {}

    def absence(self, name: str) -> str:
        """Why there is no account of that name, as the end of a sentence about it."""
        own_first = sorted(self, key=lambda known: self[known].embedded)
        return self.unusable.get(name) or f"is not in {self.config_name}; {suggest(name, own_first)}"

    def find(self, name: str) -> AccountConfig:
        """The account; raises UsageError if it is not there or cannot be used."""
        if name not in self:
            raise UsageError(f"account {quote(name)} {self.absence(name)}")
        return self[name]


def config_path(given: str | Path | None, near: str | Path | None = None) -> Path | None:
    """The config file to read: the one given, the environment's, or the first of ``config_places`` that is there."""
    if chosen := given or os.environ.get(ENVIRONMENT):
        return Path(chosen)
    return next((path for path in config_places(near) if os.path.exists(path)), None)  # noqa: PTH110  # False, too, where a folder may not be looked into


def find_config(given: ConfigSource | None, near: str | Path | None = None) -> ConfigSource | None:
    """The config to use: the one that is given as a mapping, else the file that ``config_path`` says."""
    return given if isinstance(given, ConfigTable) else config_path(given, near)


def config_places(near: str | Path | None = None) -> Iterator[Path]:
    """Where a config is looked for: here, from the folder of the job (or result file) ``near`` upward, at the user's.

    A file further up that somebody else could have put there is passed over: it would say where secrets go.
    """
    yield Path(DEFAULT_FILE)
    if near is not None and str(near) != "-":
        for folder in Path(near).absolute().parents:
            path = folder / DEFAULT_FILE
            with suppress(OSError):  # a folder that may not be looked into
                if is_trusted_owner(path.stat()):
                    yield path
    yield Path(platformdirs.user_config_dir("batchcart")) / DEFAULT_FILE


def load_config(path: ConfigSource | None, adapters: Adapters) -> Accounts:
    """All accounts; raises UsageError naming file, account and key."""
    entries = Accounts(str(path) if path else f"the config (there is no {DEFAULT_FILE}; `batchcart init` writes one)")
    entries.update((f"{SANDBOX}{name}", _sandbox_entry(adapters[name])) for name in list_simulated())
    if path is None:
        return entries
    folder = Path.cwd() if isinstance(path, ConfigTable) else Path(os.path.realpath(path)).parent
    for name, keys in read_tables(path).items():
        where = f"{path}: account {quote(name)}"
        if not isinstance(keys, dict):
            raise UsageError(f"{where}: expected a table: [accounts.{name}]")
        platform = keys.get("platform")
        if isinstance(platform, str) and platform not in adapters:
            entries.unusable[name] = f"in {path} is of platform {quote(platform)}, which {adapters.absence(platform)}"
            continue
        entries[name] = read_entry(name, keys, adapters, folder, where)
    return entries


def check_account_name(name: str, where: str) -> None:
    """Raises UsageError, which begins with ``where``, if no account of a config can have the name."""
    if name in {f"{SANDBOX}{simulated}" for simulated in list_simulated()}:
        raise UsageError(f"{where}: this name is the built-in sandbox's; choose another")
    if not name or not name.isprintable():
        raise UsageError(f"{where}: a name has at least one character, and only ones that can be printed")


def read_entry(name: str, keys: dict[str, Any], adapters: Adapters, folder: Path, where: str) -> AccountConfig:
    """The account with these keys, checked; ``folder`` is the config's.

    Raises UsageError, which begins with ``where``.
    """
    check_account_name(name, where)
    platform = keys.get("platform")
    if platform is None:
        raise UsageError(f"{where}: platform is missing; it is one of {', '.join(adapters)}")
    if not isinstance(platform, str):
        raise UsageError(f"{where}: platform: expected a string; it is one of {', '.join(adapters)}")
    if platform not in adapters:
        raise UsageError(f"{where}: platform {quote(platform)} {adapters.absence(platform)}")
    if keys.get("pacing") == "strict":
        raise UsageError(f'{where}: pacing: "strict" is a key of its own: write strict = true in its place')
    adapter = adapters[platform]
    own, shared = set(adapter.account.settings.__struct_fields__), set(AccountOptions.__struct_fields__)
    for key in keys:
        if key not in own | shared:
            raise UsageError(f"{where}: unknown key {quote(key)}; {suggest(key, sorted(own | shared))}")
    settings_given = {key: _as_text(value) for key, value in keys.items() if key in own}
    options: AccountOptions = _convert(
        {key: value for key, value in keys.items() if key in shared}, AccountOptions, where
    )
    settings = _convert(settings_given, adapter.account.settings, where)
    present = {key: value for key, value in msgspec.structs.asdict(settings).items() if value is not None}
    entry = AccountConfig(
        name, adapter, options, present, secret_names(adapter), _limits(options, adapter, where), folder
    )
    check_address(entry.address, f"{where}: {adapter.account.address_key}", insecure=options.insecure)
    if isinstance(options.proxy, str):
        read_proxy(options.proxy, "", f"{where}: proxy")
    return entry


def _limits(options: AccountOptions, adapter: Adapter, where: str) -> tuple[Limit, ...]:
    given = adapter.limits if options.limits is None else options.limits
    if len(given) > _MOST_LIMITS:
        raise UsageError(f"{where}: limits: {len(given)} of them, but at most {_MOST_LIMITS} are kept")
    try:
        return tuple(parse_limit(text) for text in given)
    except UsageError as error:
        raise UsageError(f"{where}: limits: {error}") from None


def _as_text(value: Any) -> Any:
    # A number such as app_id = 1234 is a text that its author did not quote.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _convert(given: dict[str, Any], to: type[msgspec.Struct], where: str) -> Any:
    """The keys as a ``to``; raises UsageError that shows no value of a wrong type, since it may be a secret."""
    try:
        return msgspec.convert(given, to)
    except msgspec.ValidationError as error:
        said = str(error).partition(" - at `$")[0]
    for wanted in msgspec.structs.fields(to):
        try:
            msgspec.convert(given.get(wanted.name), wanted.type)
        except msgspec.ValidationError:
            if wanted.name in given:
                expected = (
                    REFERENCE_FORMS if is_secret(wanted) else describe_type(msgspec.inspect.type_info(wanted.type))
                )
                raise UsageError(f"{where}: {wanted.name}: expected {expected}") from None
    missing = re.fullmatch(r"Object missing required field `(.*)`", said)
    raise UsageError(f"{where}: {f'{missing[1]} is missing' if missing else said}")


def _sendable(text: str, where: str) -> str:
    """A setting that is no secret; raises UsageError if it could not be sent."""
    if not text.strip():
        raise UsageError(f"{where}: it is empty; put its value there, or take the key out")
    if not text.isprintable():
        raise UsageError(f"{where}: it holds characters that cannot be sent (a line end?)")
    return text.strip()


def _sandbox_entry(adapter: Adapter) -> AccountConfig:
    return AccountConfig(
        f"{SANDBOX}{adapter.name}",
        adapter,
        AccountOptions(platform=adapter.name),
        adapter.account.sandbox_settings,
        secret_names(adapter),
        tuple(parse_limit(text) for text in adapter.limits),
        Path(),
        embedded=True,
    )
