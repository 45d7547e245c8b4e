"""Owns splitting a command that a person gives into its words, without a shell; it does not run it."""

import os
import shlex
import shutil
from pathlib import Path

from batchcart.model.errors import UsageError, quote


def split_command(line: str, where: str, folder: Path) -> list[str]:
    """The command's words, the first of them a program that exists; ``folder`` is where it will run.

    The line is split as a POSIX shell splits it, with its quotation marks and backslashes, but there is no shell: no
    variables, patterns, pipes or ``~``. Raises UsageError, which begins with ``where``.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        raise UsageError(f"{where}: the command {quote(line)} has a quotation mark or backslash too many") from None
    if not words:
        raise UsageError(f"{where}: the command is empty; write the program and its arguments")
    program = str(folder / words[0]) if os.sep in words[0] else words[0]
    if shutil.which(program) is None:
        raise UsageError(
            f"{where}: the command {quote(line)} cannot run: there is no program {quote(words[0])}; install it, or "
            "write its full path"
        )
    return [program, *words[1:]]
