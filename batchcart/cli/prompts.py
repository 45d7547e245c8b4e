"""Owns the questions that `batchcart init` asks at a terminal; it does not know what is done with the answers.

Each answer is checked when it is given, and asked for again, with the reason, until it is right. What a person types
as a secret is never echoed, neither by the prompt nor in a message about it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.accounts.edit import check_name, check_setting
from batchcart.accounts.first_job import FirstJob, needs_product, new_cart_job, product_field, read_job
from batchcart.accounts.secrets import check_secret, is_secret, secret_problem
from batchcart.cli.folding import fold_err
from batchcart.cli.output import echo_err
from batchcart.jobs.checks import validate
from batchcart.jobs.job_file import InvalidLine, RawLine, parse_line
from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError

REFERENCE = "env:NAME, file:PATH, command:LINE or keyring:SERVICE/USER"

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEW, _LATER = "new", "later"
_ERROR = "Error: "  # what click puts in front of a refused answer


def reference(text: str) -> SecretRef | None:
    """The reference that a text such as ``env:ACME_TOKEN`` or ``file:acme.key`` means; None if it is none."""
    kind, _, place = text.strip().partition(":")
    match kind, place.partition("/"):
        case "env", _ if _ENVIRONMENT_NAME.fullmatch(place):
            return SecretRef(env=place)
        case "file", _ if place:
            return SecretRef(file=place)
        case "command", _ if place.strip():
            return SecretRef(command=place.strip())
        case "keyring", (service, _, user) if service and user:
            return SecretRef(keyring=service, user=user)
        case _:
            return None


def write_reference(found: SecretRef) -> str:
    """The text that means this reference."""
    if found.keyring is not None:
        return f"keyring:{found.keyring}/{found.user}"
    name = "env" if found.env is not None else "file" if found.file is not None else "command"
    return f"{name}:{getattr(found, name)}"


def ask_platform(names: list[str]) -> str | None:
    """The platform; None if the person wants none yet."""
    chosen: str = click.prompt("Platform, or none for an example config", type=click.Choice([*names, "none"]), err=True)
    return None if chosen == "none" else chosen


def ask_name(suggested: str, config: Path) -> str:
    """The account's name in job files."""
    return _ask("Name of the account in job files", suggested, lambda name: check_name(config, name))


def ask_way(adapter: Adapter, given: Mapping[str, object]) -> str:
    """The kind of credentials: what is given decides, else the person."""
    ways = adapter.account.auth_methods
    telling = [way for way, keys in ways.items() if any(key in given for key in keys) or given.get("auth") == way]
    if len(ways) == 1 or telling:
        return (telling or list(ways))[0]
    _say(f"{adapter.name} has several kinds of credentials; take the one that the shop gave you:")
    for way, keys in ways.items():
        echo_err(f"  {way:8} {', '.join(keys)}")
    return str(click.prompt("Kind of credentials", type=click.Choice(list(ways)), default=next(iter(ways)), err=True))


def is_secret_key(adapter: Adapter, key: str) -> bool:
    """Whether the key holds a secret."""
    return any(field.name == key and is_secret(field) for field in msgspec.structs.fields(adapter.account.settings))


def explain_secrets() -> None:
    """What the questions for secrets want to hear."""
    _say("Secrets: say where each one is, or type it hidden. Enter takes what stands in brackets.")
    for form, meaning in (
        ("env:NAME", "in the environment variable NAME"),
        ("file:PATH", "in the first line of a file"),
        ("command:LINE", "printed by a program, as in command:pass show acme"),
        ("keyring:SERVICE/USER", "in the system's keyring"),
        ("type", "you type it next, into a config that only you read"),
    ):
        echo_err(f"  {form:21} {meaning}")


def ask_setting(adapter: Adapter, key: str, folder: Path) -> str:
    """The value of a config key that is no secret; ``folder`` is the config's."""
    question = f"{key} (the shop's address)" if key == adapter.account.shop_key else key
    return _ask(question, None, lambda value: check_setting(adapter, key, value, folder))


def ask_secret(adapter: Adapter, way: str, key: str, stem: str, folder: Path) -> str | SecretRef | None:
    """A secret's value: a reference, the secret itself if the person typed it, None if it is left out."""
    optional = _is_optional(adapter, way, key)
    question = f"{key} (- leaves it out)" if optional else key
    default = "env:" + re.sub(r"\W", "_", f"{stem}_{key}", flags=re.ASCII).upper().lstrip("0123456789")
    while True:
        answer: str = click.prompt(question, default=default, err=True)
        if answer == "-" and optional:
            return None
        if answer == "type":
            if (typed := _ask_hidden(key)) is not None:
                return typed
        elif (found := reference(answer)) is None:
            _say(f"Expected {REFERENCE}, or the word type; what you typed is kept nowhere")
        elif _is_there(found, key, folder):
            return found


def _ask_hidden(key: str) -> str | None:
    """The secret that the person types; None if it is not to be kept."""
    typed: str = click.prompt(f"{key}, hidden", hide_input=True, err=True).strip()
    if problem := secret_problem(typed):
        _say(f"What you typed {problem}; type it as the shop gave it")
        return None
    agreed = click.confirm("Write it into the config as it is, which only you can read?", default=False, err=True)
    return typed if agreed else None


def _is_there(found: SecretRef, key: str, folder: Path) -> bool:
    """Whether the secret is there, or the person will put it there later."""
    try:
        check_secret(found, key, folder)
    except UsageError as error:
        _say(str(error))
        return click.confirm("Take it all the same, and put the secret there later?", default=False, err=True)
    return True


def ask_first_job(entry: AccountConfig) -> FirstJob:
    """The first job: a read if that needs no key, else what the person wants."""
    if (job := read_job(entry)).complete:
        return job
    adapter = entry.adapter
    echo_err("The first job:")
    echo_err(f"  {_NEW:6} creates a cart, reads it and deletes it again")
    echo_err(f"  {_LATER:6} a read; you put a cart's key into the job later")
    echo_err(f"  KEY    reads the cart with this {adapter.keys.cart} and changes nothing")
    answer = _ask("First job", _NEW, lambda text: check_job(entry, read_job(entry, text)))
    if answer == _LATER:
        return job
    if answer != _NEW:
        return read_job(entry, answer)
    if not needs_product(adapter):
        return new_cart_job(entry)
    question = f"{product_field(adapter)} of a product that the shop sells"
    return new_cart_job(entry, _ask(question, None, lambda text: check_job(entry, new_cart_job(entry, text))))


def check_job(entry: AccountConfig, job: FirstJob) -> None:
    """Raises UsageError with what is wrong with the job's lines."""
    for number, text in enumerate(job.text.splitlines(), 1):
        try:
            problems = validate(parse_line(RawLine(number, 0, text.encode()), None), entry.adapter)
        except InvalidLine as error:
            problems = [str(error)]
        if problems:
            raise UsageError("; ".join(problems))


def _ask(question: str, default: str | None, check: Callable[[str], None]) -> str:
    """An answer that passes the check; it raises UsageError with the reason for asking again."""

    def take(answer: str) -> str:
        try:
            check(answer.strip())
        except UsageError as error:
            told = fold_err(f"{_ERROR}{str(error).removeprefix(': ')}")
            raise click.BadParameter(told.removeprefix(_ERROR)) from None
        return answer.strip()

    return str(click.prompt(question, default=default, value_proc=take, err=True))


def secret_option(key: str, text: str) -> SecretRef:
    """What an option says of a secret; raises UsageError, which does not show what was given."""
    found = reference(text)
    if found is None:
        option = key.replace("_", "-")
        raise UsageError(
            f"--{option}: expected {REFERENCE}. A secret itself is not taken here, where others can see it; "
            "without the option you are asked for it at a terminal"
        )
    return found


def _is_optional(adapter: Adapter, way: str, key: str) -> bool:
    """Whether the way's other keys make an account without this one."""
    others = {name: "x" for name in adapter.account.auth_methods[way] if name != key}
    try:
        msgspec.convert({**others, **auth_of(adapter, way)}, adapter.account.settings)
    except msgspec.ValidationError:
        return False
    return True


def auth_of(adapter: Adapter, way: str) -> dict[str, str]:
    """The key that names the kind of credentials, if the platform has one."""
    return {"auth": way} if "auth" in adapter.account.settings.__struct_fields__ else {}


def _say(text: str) -> None:
    echo_err(fold_err(text))
