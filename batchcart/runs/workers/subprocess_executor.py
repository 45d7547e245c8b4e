"""Owns starting Python processes for calls, behind the executor interface; it does not know what they do.

Beside ProcessPoolExecutor this one starts a process for each call, so that one that is killed takes no other along;
it leaves the caller's own main module alone; and a terminal's Ctrl-C, or a service manager's signals to everybody, are
for the process that began: the others have them blocked and do what that one says.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from batchcart.model.errors import BatchcartError
from batchcart.model.fault import fault_sentence

_P = ParamSpec("_P")
_T = TypeVar("_T")
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROGRAM = """
import pickle, sys
try:
    sys.path[:] = pickle.load(sys.stdin.buffer)
except EOFError:
    sys.exit("")
from batchcart.runs.workers.subprocess_executor import worker_main
worker_main()
"""


class ProcessDied(Exception):
    """The process ended without an answer; ``how`` says by which signal, or with which exit code."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


class CallFailed(Exception):
    """The call failed over a fault of our own; a sentence that asks for a report."""


class SubprocessExecutor(Executor):
    """Runs each call in a Python process of its own; leaving the block kills those that still run."""

    def __init__(self) -> None:
        self._running: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call the function there; what it takes and gives must be picklable. The future may raise ProcessDied."""
        call = pickle.dumps(sys.path) + pickle.dumps((fn, args, kwargs))
        future: Future[_T] = Future()
        future.set_running_or_notify_cancel()
        with _block_signals():  # the process inherits it, and none breaks in before it is followed
            process = subprocess.Popen(  # noqa: S603  # this Python, our program
                [sys.executable, "-P", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            thread = threading.Thread(target=_follow, args=(process, call, future), daemon=True)
            thread.start()
            self._running.append((process, thread))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # as inherited
        """Kill what still runs: nobody waits for its answer any longer."""
        for process, _ in self._running:
            process.kill()
        if wait:
            for _, thread in self._running:
                thread.join()


def _follow(process: "subprocess.Popen[bytes]", call: bytes, future: "Future[Any]") -> None:
    with process:
        answered, _ = process.communicate(call)
    if process.returncode != 0:
        future.set_exception(ProcessDied(_how(process.returncode)))
        return
    try:
        well, value = pickle.loads(answered)  # noqa: S301  # from the process that we started, over a pipe of ours
    except Exception as error:  # noqa: BLE001  # whoever waits must be told
        well, value = False, ProcessDied(f"its answer cannot be read: {error}")
    if well:
        future.set_result(value)
    else:
        future.set_exception(value)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _block_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker_main() -> None:
    """In the process that was started: make the call that stands on stdin, and put what it gives on stdout."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever is printed is no answer
    try:
        fn, args, kwargs = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the process that started us
    except (EOFError, pickle.UnpicklingError):
        sys.exit(1)  # it died while it wrote
    try:
        said = (True, fn(*args, **kwargs))
    except (BatchcartError, OSError) as error:
        said = (False, error)
    except Exception as error:  # noqa: BLE001  # it is raised where the answer is waited for; its place is known here only
        said = (False, CallFailed(fault_sentence(error, "working in a process of its own")))
    try:
        answer = pickle.dumps(said)
    except Exception as error:  # noqa: BLE001  # what cannot be pickled is told in words
        answer = pickle.dumps((False, CallFailed(fault_sentence(error, "handing over what a process made"))))
    with contextlib.suppress(BrokenPipeError), out:
        out.write(answer)
