"""The command `batchcart`, also as `python -m batchcart`: what a signal does before the work begins, and its end."""

import atexit
import os
import signal

_STOPPED = 3
"""The exit code of what was stopped before its end."""
_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Load the command line and run it; a signal before that ends the process without a word, one after it nothing.

    It is the whole program, and the process ends with it; another program calls `batchcart.api`.
    """
    codes: list[int] = []
    atexit.register(_end, codes)  # the first that is registered is the last that is called
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from batchcart.cli import main as run  # noqa: PLC0415  # the signals first: this takes the longest

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except SystemExit as ended:
        codes.append(int(ended.code or 0))
        raise


def _leave(_number: int, _frame: object) -> None:
    os._exit(_STOPPED)


def _end(codes: list[int]) -> None:
    """Leave with the exit code: all is written, and to take its modules apart costs Python a tenth of a short run."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    if codes:
        os._exit(codes[0])


if __name__ == "__main__":
    main()
