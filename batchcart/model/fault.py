"""Owns what is said of a fault of our own: its kind and its place, never the data that it met."""

import os
import sys
import traceback
from pathlib import Path

from batchcart.model.errors import BatchcartError

DEBUG = "BATCHCART_DEBUG"
"""The environment variable with which a fault is shown on stderr with all that Python knows of it."""

_PACKAGE = Path(__file__).parent.parent


def fault_sentence(error: BaseException, doing: str) -> str:
    """A fault as a sentence that asks for a report; ``doing`` is what was being done."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return (
        f"batchcart met a fault of its own while {doing}: {type(error).__name__} at {_place(error)}. Please report it "
        f"with this place; {DEBUG}=1 shows more"
    )


def unreadable(error: Exception, doing: str = "reading its answer") -> str:
    """Why one cart cannot be read over which we failed, as the end of a sentence.

    Raises the error again where it is no single cart's: the disk's, a journal's, or what an operator must see.
    """
    if isinstance(error, BatchcartError | OSError):
        raise error
    return f"it cannot be read: {fault_sentence(error, doing)}"


def _place(error: BaseException) -> str:
    """The innermost place of ours that the error went through."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(Path(name).relative_to(_PACKAGE.parent), line) for name, line in places if _is_ours(name)]
    return (
        f"{own[-1][0]}:{own[-1][1]}"
        if own
        else f"an unknown place (Python {sys.version_info[0]}.{sys.version_info[1]})"
    )


def _is_ours(name: str) -> bool:
    return Path(name).is_relative_to(_PACKAGE)
