"""Owns starting a process on a core and weighing it: wall time, CPU time, peak memory; it does not know what it runs.

A process's peak memory counts what it was forked from, so the one that measures must stay smaller than what it
measures.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SERVER_CORE, CLIENT_CORE = 0, 1

Process = subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended: times in seconds (``began`` and ``ended`` on the wall clock), peak memory in KiB."""

    code: int
    began: float
    ended: float
    user: float
    system: float
    peak: int
    output: str
    errors: str

    @property
    def wall(self) -> float:
        """Seconds from start to end."""
        return self.ended - self.began

    @property
    def cpu(self) -> float:
        """Seconds of CPU in user and system, all threads."""
        return self.user + self.system


class Failed(Exception):
    """A measured process ended in another way than it should."""


def pin(process: int, core: int) -> None:
    """Keep a process on one core, where the system has such a call and more cores than one."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(process, {sorted(os.sched_getaffinity(0))[core]})


def weigh(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    core: int = CLIENT_CORE,
    codes: Sequence[int] = (0,),
    meanwhile: Callable[[Process], None] | None = None,
) -> Ended:
    """Run the command on one core to its end; raises Failed where it ends with a code that is none of ``codes``.

    ``meanwhile`` is called with the process as soon as it runs.
    """
    began = time.time()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=_as_installed(os.environ if env is None else env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        pin(process.pid, core)
        if meanwhile is not None:
            meanwhile(process)
        with process.stdout, process.stderr:
            output, errors = _read(process.stdout, process.stderr)
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    ended = time.time()
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        raise Failed(f"{' '.join(map(str, command))} ended with {code}:\n{output[-2000:]}\n{errors[-2000:]}")
    return Ended(code, began, ended, used.ru_utime, used.ru_stime, used.ru_maxrss, output, errors)


def _as_installed(env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Python keeps what it compiled, as that of an installed package is kept."""
    return {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _read(*streams: IO[str]) -> list[str]:
    """All that the streams say, read side by side so that none of them stalls its writer."""
    with ThreadPoolExecutor(len(streams)) as readers:
        return list(readers.map(lambda stream: stream.read(), streams))


def alive(process: int) -> bool:
    """Whether a child has not ended yet; it can still be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def signal_at(path: Path, size: int, number: signal.Signals = signal.SIGINT) -> Callable[[Process], None]:
    """What sends a process a signal once a file has grown to so many bytes."""

    def wait(process: Process) -> None:
        while alive(process.pid):
            if path.exists() and path.stat().st_size >= size:
                process.send_signal(number)
                return
            time.sleep(0.01)

    return wait


@contextmanager
def serving(command: Sequence[str | Path], *, cwd: Path | None = None, core: int = SERVER_CORE) -> Iterator[str]:
    """A server in a process of its own on one core; gives the first line it writes to standard output."""
    process = subprocess.Popen([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True)
    pin(process.pid, core)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def own_peak() -> int:
    """The peak memory of the measuring process itself, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def python(script: str) -> list[str | Path]:
    """The command that runs a script of this folder."""
    return [sys.executable, Path(__file__).with_name(script)]
