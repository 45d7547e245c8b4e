"""Owns reading an account's secrets: where each comes from, and whether it can be one; not what they are used for."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec

from batchcart.accounts.secret_stores import check_keyring, read_command, read_keyring
from batchcart.model.adapter import Adapter, SecretRef, SecretText
from batchcart.model.command_line import split_command
from batchcart.model.errors import UsageError, quote
from batchcart.model.files import is_private, read_bounded

SHORTEST, LONGEST = 4, 4096
"""Characters of a secret: a shorter one cannot be told from a shop's own words, a longer one fits into no header."""

REFERENCE_FORMS = (
    'a string, { env = "NAME" }, { file = "PATH" }, { command = "LINE" } or { keyring = "SERVICE", user = "NAME" }'
)
"""How a config gives a secret, in words."""

_LARGEST_FILE = 64 << 10
_ODD = (
    (re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]"), "a line break"),
    (re.compile(r"\s"), "a space"),
    (re.compile(r"""["'`]"""), "a quotation mark"),
    (re.compile(r"\\"), "a backslash"),
    (re.compile(r"[^!-~]"), "a character that no secret of a shop has"),
)
"""What no secret holds. RFC 6750, section 2.1, and RFC 6749, appendix A, allow tokens even less."""


def is_secret(field: msgspec.structs.FieldInfo) -> bool:
    """The settings that may be given by reference are the secret ones."""
    return SecretRef in get_args(field.type)


def secret_names(adapter: Adapter) -> frozenset[str]:
    """The platform's own config keys that hold secrets."""
    return _secret_names(adapter.account.settings)


@cache
def _secret_names(settings: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(settings) if is_secret(field))


def read_secret(value: SecretText, where: str, folder: Path) -> str:
    """The secret itself; ``folder`` is the config's.

    Raises UsageError, which begins with ``where`` and names the source, if it cannot be read or be a secret.
    """
    source = describe_source(value, folder)
    match value:
        case str():
            text = value
        case SecretRef(env=str() as name):
            text = _from_environment(name, where)
        case SecretRef(command=str() as line):
            text = read_command(line, where, folder)
        case SecretRef(keyring=str() as service, user=str() as user):
            text = read_keyring(service, user, where)
        case _:
            text = _from_file(secret_file(value, folder), where)
    text = text.strip()
    if not text:
        raise UsageError(f"{where}: {source} is empty; put the secret there")
    if problem := secret_problem(text):
        raise UsageError(f"{where}: {source} {problem}; put the secret there as the shop gave it")
    return text


def check_secret(value: SecretText, where: str, folder: Path) -> None:
    """Raises what ``read_secret`` does, as far as that can be told without running a command or opening a keyring."""
    match value:
        case SecretRef(command=str() as line):
            split_command(line, where, folder)
        case SecretRef(keyring=str()):
            check_keyring(where)
        case _:
            read_secret(value, where, folder)


def is_looked_up(value: SecretText) -> bool:
    """Whether reading it asks another program, which takes time and may ask a person."""
    return isinstance(value, SecretRef) and value.env is None and value.file is None


def describe_source(value: SecretText, folder: Path) -> str:
    """Where the secret comes from, in words; ``folder`` is the config's."""
    match value:
        case str():
            return "its text in the config"
        case SecretRef(env=str() as name):
            return f"environment variable {name}"
        case SecretRef(command=str() as line):
            return f"the output of {quote(line)}"
        case SecretRef(keyring=str() as service, user=str() as user):
            return f"the keyring's entry for {quote(user)} of {quote(service)}"
        case _:
            return f"file {secret_file(value, folder)}"


def secret_problem(text: str, shortest: int = SHORTEST) -> str:
    """Why the text cannot be a secret, as the end of a sentence that does not show it; "" if it can be one."""
    for odd, name in _ODD:
        if odd.search(text):
            return f"holds {name}"
    if not shortest <= len(text) <= LONGEST:
        return f"has {len(text):,} character{'' if len(text) == 1 else 's'}, but a secret has {shortest} to {LONGEST:,}"
    return ""


def _from_environment(name: str, where: str) -> str:
    if name not in os.environ:
        raise UsageError(
            f"{where}: environment variable {name} is not set; set it in the shell that starts batchcart: "
            f"export {name}=…"
        )
    return os.environ[name]


def _from_file(file: Path, where: str) -> str:
    try:
        return read_bounded(file, _LARGEST_FILE).decode("utf-8-sig").strip().partition("\n")[0]
    except (OSError, ValueError) as error:  # not there, endless, not UTF-8, a NUL in its name
        why = f": {error.strerror.lower()}" if isinstance(error, OSError) and error.strerror else ""
        raise UsageError(f"{where}: file {file} cannot be read{why}; put the secret into its first line") from None


def secret_file(reference: SecretRef, folder: Path) -> Path:
    """The file that the reference names; ``folder`` is the config's."""
    named = Path(reference.file or "")
    try:
        return folder / named.expanduser()
    except RuntimeError:  # no home for its ~
        return folder / named


def find_variables(settings: Mapping[str, SecretText]) -> set[str]:
    """The environment variables that hold these secrets."""
    return {value.env for value in settings.values() if isinstance(value, SecretRef) and value.env is not None}


def find_exposed(settings: Mapping[str, str | SecretRef], folder: Path) -> Iterator[tuple[str, Path]]:
    """The settings whose secret stands in a file that others than its owner can read, each with the file."""
    for name, value in sorted(settings.items()):
        if isinstance(value, SecretRef) and value.file is not None:
            file = secret_file(value, folder)
            if file.is_file() and not is_private(file):
                yield name, file
