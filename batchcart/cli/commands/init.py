"""Owns `batchcart init`: a new account in the config, its first job, and the check of both."""

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as made_by
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from batchcart.accounts.config import DEFAULT_FILE, AccountConfig, config_path, load_config
from batchcart.accounts.edit import add_account, check_shop_address, example_config, example_job, write_new
from batchcart.accounts.first_job import PUT_A_KEY, FirstJob, new_cart_job, read_job
from batchcart.accounts.secrets import is_secret
from batchcart.cli import options as shared
from batchcart.cli import prompts as questions
from batchcart.cli.checkup import check_accounts, findings_text
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo, echo_err
from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.platforms import load_adapters

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
        metavar = "WHERE" if key in secret_keys else "TEXT"
        text = f"For {', '.join(owners[key])}."
        option = click.option(f"--{key.replace('_', '-')}", key, metavar=metavar, help=text)
        command = option(command)
    return command


def _is_shop_key(key: str, platform: str) -> bool:
    return key == load_adapters()[platform].account.shop_key


def _shop_keys() -> str:
    """The config keys that --address stands for, in words."""
    keys = list(dict.fromkeys(adapter.account.shop_key for adapter in load_adapters().values()))
    return " or ".join(", ".join(keys).rsplit(", ", 1))


@click.command("init", epilog=examples_text("init"))
@click.option("--platform", metavar="NAME", help=f"The shop's platform: {', '.join(load_adapters())}.")
@click.option("--account", metavar="NAME", help="What job files call the shop [from the address].")
@click.option("--address", metavar="URL", help=f"The shop's address: {_shop_keys()}.")
@_settings_options
@click.option("--cart-key", metavar="KEY", help="Let the first job read the cart with this key.")
@click.option(
    "--new-cart",
    is_flag=False,
    flag_value="",
    metavar="[PRODUCT]",
    help="Let the first job create a cart, with this product, read it and delete it again.",
)
@shared.config
@click.option("--no-try", is_flag=True, help="Do not check the account.")
def command(
    platform: str | None,
    account: str | None,
    address: str | None,
    cart_key: str | None,
    new_cart: str | None,
    config: Path | None,
    *,
    no_try: bool,
    **settings: str | None,
) -> int:
    """Put an account into the config, write a first job, and check the account.

    At a terminal it asks for what the options leave open, and checks each answer. Without a terminal and options it
    writes an example config and a first job for the sandbox. An existing config gets one account more; no file is ever
    overwritten. Then it does what `batchcart doctor` does, with a read that changes nothing.

    WHERE says where a secret is: env:NAME, file:PATH, command:LINE or keyring:SERVICE/USER.

    Exit codes: 0 written and in order; 1 written, but something needs fixing; 2 nothing written.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    asking = sys.stdin is not None and sys.stdin.isatty()
    path = config_path(config) or Path(DEFAULT_FILE)
    if cart_key is not None and new_cart is not None:
        raise UsageError("--cart-key and --new-cart do not go together; give one of them")
    if platform is None and asking:
        platform = _ask_platform()
    if platform is None and (given or account or address):
        raise UsageError(f"--platform is missing; it is one of {', '.join(load_adapters())}")
    if platform is None:
        return _write_example(path)
    if platform not in load_adapters():
        raise UsageError(f"--platform: {quote(platform)} is not known; {suggest(platform, load_adapters())}")
    draft = _Draft(load_adapters()[platform], account or "")
    _take_options(draft, given, address)
    if asking:
        _ask_for_the_rest(draft, path)
    entry = _add(draft, path, asking=asking)
    next_step = _write_first_job(path, entry, cart_key, new_cart, asking=asking)
    code = 0 if no_try else _check(path, entry)
    if next_step and not code:
        echo(f"Next: {next_step}")
    return code


@dataclass(slots=True)
class _Draft:
    """An account as far as it is known. ``typed`` are the keys whose secrets the person typed."""

    adapter: Adapter
    name: str
    settings: dict[str, str | SecretRef] = made_by(default_factory=dict)
    typed: set[str] = made_by(default_factory=set)

    def command(self, path: Path) -> str:
        """What goes on from here with all that was answered, but for secrets that were typed."""
        words = ["batchcart", "init", "--platform", self.adapter.name]
        words += ["--account", self.name] if self.name else []
        for key, value in self.settings.items():
            if key not in self.typed:
                text = questions.write_reference(value) if isinstance(value, SecretRef) else value
                option = "address" if key == self.adapter.account.shop_key else key.replace("_", "-")
                words += [f"--{option}", text]
        return shlex.join(words) + _config_option(path)


def _ask_platform() -> str | None:
    try:
        return questions.ask_platform(list(load_adapters()))
    except click.Abort:
        raise UsageError("stopped; nothing was written") from None


def _write_example(path: Path) -> int:
    job = Path("first.jsonl")
    for file in (path, job):
        if file.exists():
            add = "; to add an account to it: batchcart init --platform NAME …" if file == path else ""
            raise UsageError(
                f"{file} already exists and was not overwritten{add or '; remove it, or work in another folder'}"
            )
    write_new(path, example_config())
    write_new(job, example_job())
    echo(f"Wrote {path} and {job}. Next: batchcart run {job}{_config_option(path)}")
    return 0


def _take_options(draft: _Draft, given: Mapping[str, str], address: str | None) -> None:
    adapter = draft.adapter
    fields = {field.name: field for field in msgspec.structs.fields(adapter.account.settings)}
    if address is not None:
        check_shop_address(address, "--address")
        draft.settings[adapter.account.shop_key] = address
    for key, text in given.items():
        if key not in fields:
            raise UsageError(
                f"--{key.replace('_', '-')} is not an option of {adapter.name}; {adapter.name} takes "
                f"{', '.join(fields)}"
            )
        draft.settings[key] = questions.secret_option(key, text) if is_secret(fields[key]) else text


def _ask_for_the_rest(draft: _Draft, path: Path) -> None:
    """Ask for what is missing; raises UsageError, with how to go on, if the person stops."""
    if path.exists():
        load_config(path, load_adapters())  # what is wrong with it is said before any question
    try:
        _ask(draft, path)
    except click.Abort:
        kept = f"To go on with your answers:\n  {draft.command(path)}"
        raise UsageError(f"batchcart: stopped; nothing was written. {kept}") from None


def _ask(draft: _Draft, path: Path) -> None:
    adapter, found, folder = draft.adapter, draft.settings, path.absolute().parent
    way = questions.ask_way(adapter, found)
    keys = [key for key in adapter.account.auth_methods[way] if key not in found]
    found.update({key: text for key, text in questions.auth_of(adapter, way).items() if key not in found})
    explained = False
    for key in sorted(keys, key=lambda key: key != adapter.account.shop_key):
        if _is_needless(adapter, key, found):
            continue
        if not draft.name and key != adapter.account.shop_key:
            draft.name = questions.ask_name(_suggest_name(adapter, found), path)
        if not questions.is_secret_key(adapter, key):
            found[key] = questions.ask_setting(adapter, key, folder)
            continue
        if not explained:
            questions.explain_secrets()
            explained = True
        value = questions.ask_secret(adapter, way, key, draft.name, folder)
        if value is not None:
            found[key] = value
        if isinstance(value, str):
            draft.typed.add(key)
    if not draft.name:
        draft.name = questions.ask_name(_suggest_name(adapter, found), path)


def _add(draft: _Draft, path: Path, *, asking: bool) -> AccountConfig:
    name = draft.name or _suggest_name(draft.adapter, draft.settings)
    try:
        return add_account(path, name, draft.adapter, draft.settings, private=bool(draft.typed))
    except UsageError as error:
        if not asking:
            raise
        raise UsageError(f"batchcart: {error}\nTo go on with your answers:\n  {draft.command(path)}") from None


def _is_needless(adapter: Adapter, key: str, found: Mapping[str, str | SecretRef]) -> bool:
    """Whether the setting only serves to renew a token that this account has nothing to renew with."""
    renewal = adapter.auth.token_refresh
    return renewal is not None and key in renewal.further_settings and renewal.required_setting not in found


def _suggest_name(adapter: Adapter, found: Mapping[str, str | SecretRef]) -> str:
    """The first word of the shop's host that says something, else the platform's name."""
    address = found.get(adapter.account.shop_key)
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname if isinstance(address, str) else None
    except ValueError:
        host = None
    words = [word for word in (host or "").split(".") if word not in {"www", "api"}]
    return words[0] if words and re.fullmatch(r"[a-z][a-z0-9-]*", words[0]) else adapter.name


def _write_first_job(
    path: Path, entry: AccountConfig, cart_key: str | None, new_cart: str | None, *, asking: bool
) -> str:
    """Write the first job as the options, or the person, want it, and say what to do with it.

    The account stands in the config already.
    """
    echo(f"Wrote account {entry.name!r} into {path}.")
    slug = re.sub(r"[^\w-]", "_", entry.name)
    job = Path(f"first-{slug}.jsonl")
    if job.exists():
        echo(f"{job} already exists and was not overwritten.")
        return ""
    first = _choose_first_job(entry, cart_key, new_cart, asking=asking)
    write_new(job, first.text)
    echo(f"Wrote {job}: {first.does}.")
    before = "" if first.complete else f"put the key of a cart of yours in the place of {PUT_A_KEY}, then "
    return f"{before}batchcart run {job}{_config_option(path)}"


def _choose_first_job(entry: AccountConfig, cart_key: str | None, new_cart: str | None, *, asking: bool) -> FirstJob:
    try:
        if new_cart is not None:
            first = new_cart_job(entry, new_cart)
        elif cart_key is not None or not asking:
            first = read_job(entry, cart_key or "")
        else:
            return questions.ask_first_job(entry)
        questions.check_job(entry, first)
    except click.Abort:
        return read_job(entry)
    except UsageError as error:
        raise UsageError(f"no first job was written: {error}") from None
    return first


def _config_option(path: Path) -> str:
    return "" if path == Path(DEFAULT_FILE) else f" --config {shlex.quote(str(path))}"


def _check(path: Path, entry: AccountConfig) -> int:
    """Say what `batchcart doctor` finds about the new account; the exit code."""
    findings = check_accounts(path, load_config(path, load_adapters()), [entry], {}, offline=False)
    echo_err(findings_text(findings))
    if all(found.ok for found in findings):
        return 0
    echo_err(f"Check again with: batchcart doctor {shlex.quote(entry.name)}{_config_option(path)}")
    return 1
