"""Owns reading a secret that another program keeps: a command prints it, or the system's keyring has it.

What a command prints, on either stream, is shown nowhere: it may be the secret.
"""

import os
import selectors
import shlex
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from batchcart.model.command_line import split_command
from batchcart.model.errors import UsageError, quote

LONGEST_RUN = 30.0
"""Seconds that a command may take."""

_MOST_PRINTED = 64 << 10
_REMEMBERED = 300.0  # seconds: a start reads each secret several times, and a command may ask a person


@dataclass(slots=True)
class _Memory:
    """What commands printed a short while ago, by folder and command line, each with its moment."""

    printed: dict[tuple[Path, str], tuple[float, bytes]] = field(default_factory=dict)


_MEMORY = _Memory()


def read_command(line: str, where: str, folder: Path) -> str:
    """The first line that the command prints; it runs in ``folder``, and at most once in five minutes.

    Raises UsageError, which begins with ``where``.
    """
    known = _MEMORY.printed.get((folder, line))
    if known is None or time.monotonic() - known[0] > _REMEMBERED:
        known = time.monotonic(), _run(line, where, folder)
        _MEMORY.printed[folder, line] = known
    try:
        return known[1].decode("utf-8-sig").strip().partition("\n")[0]
    except ValueError:
        raise UsageError(f"{where}: the command {quote(line)} printed what is not UTF-8") from None


def _run(line: str, where: str, folder: Path) -> bytes:
    words = split_command(line, where, folder)
    try:
        process = subprocess.Popen(  # noqa: S603  # the config's owner says what runs
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise UsageError(f"{where}: the command {quote(line)} cannot run: {error.strerror}") from None
    with process:
        try:
            printed = _read_printed(process, time.monotonic() + LONGEST_RUN)
        finally:
            if process.poll() is None:
                process.kill()
    if printed is None:
        raise UsageError(
            f"{where}: the command {quote(line)} did not end within {LONGEST_RUN:.0f} s, or printed more than a "
            "secret; try it in a shell"
        )
    if process.returncode:
        raise UsageError(
            f"{where}: the command {quote(line)} failed with exit code {process.returncode}; try it in a shell, where "
            "you see what it prints"
        )
    return printed


def _read_printed(process: "subprocess.Popen[bytes]", deadline: float) -> bytes | None:
    """All that it prints until its end; None if that is too much, or comes too late."""
    if process.stdout is None:
        return b""
    printed = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(printed) <= _MOST_PRINTED and selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), _MOST_PRINTED)
            if not piece:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
                    return printed
                return None
            printed += piece
    return None


def read_keyring(service: str, user: str, where: str) -> str:
    """What the system's keyring has for the user of the service; raises UsageError, which begins with ``where``."""
    check_keyring(where)
    import keyring  # noqa: PLC0415  # an extra
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        raise UsageError(
            f"{where}: the keyring cannot be read ({type(error).__name__}); unlock it, or see what "
            "`keyring diagnose` says"
        ) from None
    if found is None:
        raise UsageError(
            f"{where}: the keyring has nothing for service {quote(service)} and user {quote(user)}; put it there "
            f"with: keyring set {shlex.quote(service)} {shlex.quote(user)}"
        )
    return found


def check_keyring(where: str) -> None:
    """Raises UsageError, which begins with ``where``, if what reads a keyring is not installed."""
    try:
        import keyring  # noqa: F401, PLC0415
    except ImportError:
        raise UsageError(
            f"{where}: reading a keyring needs an extra; install it with: pip install 'batchcart[keyring]'"
        ) from None
