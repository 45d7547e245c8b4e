"""Owns the questions that `batchcart init` asks at a terminal; it does not know what is done with the answers.

What a person types as a secret is never echoed, neither by the prompt nor in a message about it.
"""

import re
from collections.abc import Mapping

import click
import msgspec

from batchcart.accounts.secrets import is_secret
from batchcart.cli.output import echo_err
from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError

REFERENCE = "env:NAME or file:PATH"

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def reference(text: str) -> SecretRef | None:
    """The reference that a text such as ``env:ACME_TOKEN`` or ``file:acme.key`` means; None where it is none."""
    kind, _, place = text.strip().partition(":")
    match kind:
        case "env" if _ENVIRONMENT_NAME.fullmatch(place):
            return SecretRef(env=place)
        case "file" if place:
            return SecretRef(file=place)
        case _:
            return None


def ask_platform(names: list[str]) -> str | None:
    """The platform; None where the person wants none yet."""
    chosen: str = click.prompt("Platform, or none for an example config", type=click.Choice([*names, "none"]), err=True)
    return None if chosen == "none" else chosen


def ask_name(suggested: str) -> str:
    """The account's name in job files."""
    return str(click.prompt("Name of the account in job files", default=suggested, err=True))


def ask_way(adapter: Adapter, given: Mapping[str, object]) -> str:
    """The kind of credentials: what is given decides, else the person."""
    ways = list(adapter.account.auth_methods)
    telling = [
        way
        for way in ways
        if any(key in given for key in adapter.account.auth_methods[way]) or given.get("auth") == way
    ]
    if len(ways) == 1 or telling:
        return (telling or ways)[0]
    return str(click.prompt("Kind of credentials", type=click.Choice(ways), default=ways[0], err=True))


def is_secret_key(adapter: Adapter, key: str) -> bool:
    """Whether the key holds a secret."""
    return any(field.name == key and is_secret(field) for field in msgspec.structs.fields(adapter.account.settings))


def explain_secrets() -> None:
    """What the questions for secrets want to hear."""
    echo_err("Where is each secret? env:NAME means an environment variable, file:PATH the first line of a file;")
    echo_err("type lets you type it, hidden. Enter takes what stands in brackets.")


def ask_setting(adapter: Adapter, way: str, key: str, stem: str) -> tuple[str | SecretRef | None, bool]:
    """One config key's value, None where it is left out, and whether it is a secret in the clear."""
    optional = _is_optional(adapter, way, key)
    if not is_secret_key(adapter, key):
        return str(
            click.prompt(f"{key} (the shop's address)" if key == adapter.account.shop_key else key, err=True)
        ), False
    question = f"{key} (- leaves it out)" if optional else key
    default = "env:" + re.sub(r"\W", "_", f"{stem}_{key}", flags=re.ASCII).upper().lstrip("0123456789")
    while True:
        answer: str = click.prompt(question, default=default, err=True)
        if answer == "-" and optional:
            return None, False
        if answer == "type":
            typed: str = click.prompt(f"{key}, hidden", hide_input=True, err=True).strip()
            if click.confirm("Write it into the config as it is? Only you can read the file", default=False, err=True):
                return typed, True
        elif (found := reference(answer)) is not None:
            return found, False
        else:
            echo_err(f"Expected {REFERENCE}, or the word type; what you typed is kept nowhere")


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
    """The key that names the kind of credentials, where the platform has one."""
    return {"auth": way} if "auth" in adapter.account.settings.__struct_fields__ else {}
