"""Owns the command of `run --on-end`: it gets the summary and changes nothing about the run."""

import subprocess
import sys

from batchcart.cli.output import echo_err
from batchcart.model.errors import quote
from batchcart.model.system import end_group

LONGEST_RUN = 60.0
"""Seconds that the command may take."""


def run_on_end(line: str, words: list[str], document: bytes) -> None:
    """Give the document to the command and wait for its end; what goes wrong is said and nothing else.

    What it prints goes to stderr, since stdout may be a script's. Its environment is our own. It is in a session of
    its own, so that a Ctrl-C that ends the run does not end it as well.
    """
    said = f"--on-end: the command {quote(line)}"
    try:
        process = subprocess.Popen(  # noqa: S603  # who starts the run says what runs
            words, stdin=subprocess.PIPE, stdout=sys.stderr or subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        echo_err(f"{said} cannot run: {error.strerror}; the run's exit code stays as it is")
        return
    with process:
        try:
            process.communicate(document, timeout=LONGEST_RUN)
            ended = _failure(process.returncode)
        except subprocess.TimeoutExpired:
            ended = f"did not end within {LONGEST_RUN:.0f} s and was stopped"
        except KeyboardInterrupt:
            ended = "was stopped by Ctrl-C"
        finally:
            if process.poll() is None:
                end_group(process)
    if ended:
        echo_err(f"{said} {ended}; the run's own exit code stays as it is")


def _failure(code: int) -> str:
    """What a command's exit code says, "" where all is well."""
    return f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}" if code else ""
