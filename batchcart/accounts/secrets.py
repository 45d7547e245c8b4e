"""Owns reading an account's secrets: where each comes from, and whether it can be one; not what they are used for."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec

from batchcart.model.adapter import Adapter, SecretRef
from batchcart.model.errors import UsageError
from batchcart.model.files import is_private, read_bounded

SHORTEST, LONGEST = 4, 4096
"""Characters of a secret: a shorter one cannot be told from a shop's own words, a longer one fits into no header."""

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
    return frozenset(field.name for field in msgspec.structs.fields(adapter.account.settings) if is_secret(field))


def read_secret(value: str | SecretRef, where: str, folder: Path) -> str:
    """The secret itself; ``folder`` is the config's.

    Raises UsageError, which begins with ``where`` and names the variable or file, if it cannot be read or be a secret.
    """
    match value:
        case SecretRef(env=str() as name):
            source, text = f"environment variable {name}", _from_environment(name, where)
        case SecretRef():
            file = secret_file(value, folder)
            source, text = f"file {file}", _from_file(file, where)
        case _:
            source, text = "its text in the config", str(value)
    text = text.strip()
    if not text:
        raise UsageError(f"{where}: {source} is empty; put the secret there")
    if problem := secret_problem(text):
        raise UsageError(f"{where}: {source} {problem}; put the secret there as the shop gave it")
    return text


def secret_problem(text: str, shortest: int = SHORTEST) -> str:
    """Why the text cannot be a secret, as the end of a sentence that does not show it; "" where it can be one."""
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


def find_exposed(settings: Mapping[str, str | SecretRef], folder: Path) -> Iterator[tuple[str, Path]]:
    """The settings whose secret stands in a file that others than its owner can read, each with the file."""
    for name, value in sorted(settings.items()):
        if isinstance(value, SecretRef) and value.file is not None:
            file = secret_file(value, folder)
            if file.is_file() and not is_private(file):
                yield name, file
