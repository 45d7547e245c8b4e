"""Owns `batchcart init`: a new account in the config, a first job, and the trial of its credentials in words."""

import asyncio
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from batchcart.accounts.config import DEFAULT_FILE, AccountConfig, config_path
from batchcart.accounts.edit import PUT_A_KEY, add_account, example_config, example_job, first_job, write_new
from batchcart.accounts.secrets import is_secret
from batchcart.cli import options as shared
from batchcart.cli import prompts as questions
from batchcart.cli.output import echo, echo_err
from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.platforms import load_adapters
from batchcart.runs.probe import CLOCK_MAY_DIFFER, ProbeResult, ProbeStatus, clock_sentence, probe

Command = Callable[..., int]


def _settings_options(command: Command) -> Command:
    """An option for every config key of a platform's own, except those that --address stands for."""
    owners: dict[str, list[str]] = {}
    secret_keys = set()
    for adapter in load_adapters().values():
        for field in msgspec.structs.fields(adapter.account.settings):
            owners.setdefault(field.name, []).append(adapter.name)
            if is_secret(field):
                secret_keys.add(field.name)
    for key in reversed([key for key, names in owners.items() if not all(_is_shop_key(key, name) for name in names)]):
        metavar = questions.REFERENCE.replace(" or ", "|") if key in secret_keys else "TEXT"
        option = click.option(f"--{key.replace('_', '-')}", key, metavar=metavar, help=f"For {', '.join(owners[key])}.")
        command = option(command)
    return command


def _is_shop_key(key: str, platform: str) -> bool:
    return key == load_adapters()[platform].account.shop_key


def _shop_keys() -> str:
    """The config keys that --address stands for, in words."""
    keys = list(dict.fromkeys(adapter.account.shop_key for adapter in load_adapters().values()))
    return " or ".join(", ".join(keys).rsplit(", ", 1))


@click.command("init")
@click.option("--platform", metavar="NAME", help=f"The shop's platform: {', '.join(load_adapters())}.")
@click.option("--account", metavar="NAME", help="What job files call the shop [from the address].")
@click.option("--address", metavar="URL", help=f"The shop's address: {_shop_keys()}.")
@_settings_options
@shared.config
@click.option("--no-try", is_flag=True, help="Do not try the credentials.")
def command(
    platform: str | None,
    account: str | None,
    address: str | None,
    config: Path | None,
    *,
    no_try: bool,
    **settings: str | None,
) -> int:
    """Put an account into the config, write a first job, and try the credentials.

    At a terminal it asks for what the options leave open; without a terminal and options it writes an example config
    and a first job for the sandbox. A config that is there gets one account more and is never overwritten. The trial
    is a read that changes nothing. Exit codes: 0 written, and taken if tried; 1 written, but the trial did not go
    well; 2 nothing written.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    asking = sys.stdin is not None and sys.stdin.isatty()
    path = config_path(config) or Path(DEFAULT_FILE)
    try:
        if platform is None and asking:
            platform = questions.ask_platform(list(load_adapters()))
        if platform is None and (given or account or address):
            raise UsageError(f"--platform is missing; it is one of {', '.join(load_adapters())}")
        if platform is None:
            return _write_example(path)
        if platform not in load_adapters():
            raise UsageError(f"--platform: {quote(platform)} is not known; {suggest(platform, load_adapters())}")
        adapter = load_adapters()[platform]
        found = _from_options(adapter, given, address)
        name, clear = _ask_for_the_rest(adapter, found, account or "") if asking else (account or "", False)
    except click.Abort:
        raise UsageError("stopped; nothing was written") from None
    entry = add_account(path, name or _suggest_name(adapter, found), adapter, found, private=clear)
    _write_first_job(path, entry)
    return 0 if no_try else _try(path, entry)


def _write_example(path: Path) -> int:
    job = Path("first.jsonl")
    for file in (path, job):
        if file.exists():
            add = "; to add an account to it: batchcart init --platform NAME …" if file == path else ""
            raise UsageError(f"{file} is there already and was not touched{add or '; remove it, or work elsewhere'}")
    write_new(path, example_config())
    write_new(job, example_job())
    echo(f"Wrote {path} and {job}. Next: batchcart run {job}{_config_option(path)}")
    return 0


def _from_options(adapter: Adapter, given: dict[str, str], address: str | None) -> dict[str, str | SecretRef]:
    fields = {field.name: field for field in msgspec.structs.fields(adapter.account.settings)}
    found: dict[str, str | SecretRef] = {}
    if address is not None:
        found[adapter.account.shop_key] = address
    for key, text in given.items():
        if key not in fields:
            raise UsageError(
                f"--{key.replace('_', '-')} is nothing that {adapter.name} has; {adapter.name} takes "
                f"{', '.join(fields)}"
            )
        found[key] = questions.secret_option(key, text) if is_secret(fields[key]) else text
    return found


def _ask_for_the_rest(adapter: Adapter, found: dict[str, str | SecretRef], name: str) -> tuple[str, bool]:
    """Ask for what is missing; the account's name, and whether a secret was typed."""
    clear = False
    way = questions.ask_way(adapter, found)
    keys = [key for key in adapter.account.auth_methods[way] if key not in found]
    if any(questions.is_secret_key(adapter, key) for key in keys):
        questions.explain_secrets()
    for key in sorted(keys, key=lambda key: key != adapter.account.shop_key):
        if _is_needless(adapter, key, found):
            continue
        stem = name or _suggest_name(adapter, found)
        if not name and key != adapter.account.shop_key:
            name = stem = questions.ask_name(stem)
        value, in_clear = questions.ask_setting(adapter, way, key, stem)
        clear = clear or in_clear
        if value is not None:
            found[key] = value
    found.update({key: text for key, text in questions.auth_of(adapter, way).items() if key not in found})
    return name or questions.ask_name(_suggest_name(adapter, found)), clear


def _is_needless(adapter: Adapter, key: str, found: Mapping[str, str | SecretRef]) -> bool:
    """Whether the setting only serves to renew a token that this account has nothing to renew with."""
    renewal = adapter.auth.token_refresh
    return renewal is not None and key in renewal.further_settings and renewal.required_setting not in found


def _suggest_name(adapter: Adapter, found: dict[str, str | SecretRef]) -> str:
    """The first word of the shop's host that says something, else the platform's name."""
    address = found.get(adapter.account.shop_key)
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname if isinstance(address, str) else None
    except ValueError:
        host = None
    words = [word for word in (host or "").split(".") if word not in {"www", "api"}]
    return words[0] if words and re.fullmatch(r"[a-z][a-z0-9-]*", words[0]) else adapter.name


def _write_first_job(path: Path, entry: AccountConfig) -> None:
    text, complete = first_job(entry)
    slug = re.sub(r"[^\w-]", "_", entry.name)
    job = Path(f"first-{slug}.jsonl")
    if job.exists():
        echo(f"Wrote account {entry.name!r} into {path}. {job} is there already and was not touched.")
        return
    write_new(job, text)
    echo(f"Wrote account {entry.name!r} into {path}, and {job}: a read that changes nothing.")
    before = "" if complete else f"put the key of a cart of yours in the place of {PUT_A_KEY}, then "
    echo(f"Next: {before}batchcart run {job}{_config_option(path)}")


def _config_option(path: Path) -> str:
    return "" if path == Path(DEFAULT_FILE) else f" --config {shlex.quote(str(path))}"


def _try(path: Path, entry: AccountConfig) -> int:
    try:
        result = asyncio.run(probe(entry))
    except UsageError as error:
        result = ProbeResult(ProbeStatus.SKIPPED, f"not tried yet: {error}")
    well = result.verdict is ProbeStatus.OK
    again = "" if well else f". Try again with: batchcart doctor {shlex.quote(entry.name)}{_config_option(path)}"
    echo_err(f"account {entry.name!r}: {result.sentence}{again}")
    if result.clock_skew is not None and abs(result.clock_skew) > CLOCK_MAY_DIFFER:
        echo_err(f"account {entry.name!r}: {clock_sentence(result.clock_skew)}")
        well = False
    return 0 if well else 1
