"""The command `batchcart`, also as `python -m batchcart`: what a signal does before the work begins and after it."""

import atexit
import os
import signal

_STOPPED = 3
"""The exit code of what was stopped before its end."""
_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Load the command line and run it; a signal before that ends the process without a word, one after it nothing."""
    atexit.register(_keep_exit_code)
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from batchcart.cli import main as run  # noqa: PLC0415  # the signals first: this takes the longest

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(_number: int, _frame: object) -> None:
    os._exit(_STOPPED)


def _keep_exit_code() -> None:
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
