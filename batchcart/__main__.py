"""The command `batchcart`, also as `python -m batchcart`: what a signal does while the program is being loaded."""

import os
import signal

_STOPPED = 3
"""The exit code of what was stopped before its end."""


def main() -> None:
    """Load the command line and run it; a signal before that ends the process without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from batchcart.cli import main as run  # noqa: PLC0415  # the signals first: this takes the longest

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(_number: int, _frame: object) -> None:
    os._exit(_STOPPED)


if __name__ == "__main__":
    main()
