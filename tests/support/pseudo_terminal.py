"""Owns a terminal for tests: a command under a pseudo-terminal, whose screen can be read as a person sees it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyte
from cli_harness import Ended, argv, environment


@dataclass
class Terminal:
    """The screen, everything written to it so far, and the process; stdout is a pipe of its own."""

    process: "subprocess.Popen[bytes]"
    handle: int
    screen: pyte.HistoryScreen
    written: bytearray = field(default_factory=bytearray)
    lock: threading.Lock = field(default_factory=threading.Lock)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    @property
    def lines(self) -> list[str]:
        """The screen's lines that are not empty."""
        with self.lock:
            return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def resize(self, columns: int, rows: int) -> None:
        with self.lock:
            self.screen.resize(rows, columns)
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        """Take in what is written, until the terminal's other end is closed."""
        stream = pyte.ByteStream(self.screen)
        with suppress(OSError):
            while piece := os.read(self.handle, 65536):
                with self.lock:
                    self.written += piece
                    stream.feed(piece)


@contextmanager
def terminal(
    *words: str | Path,
    folder: Path,
    columns: int = 120,
    rows: int = 30,
    env: Mapping[str, str] | None = None,
    stdout: bool = False,
) -> Iterator[Terminal]:
    """The command under way on a terminal of that size; it is killed at the end of the block if it is still alive.

    With ``stdout`` that is on the terminal too, and no pipe.
    """
    handle, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    own = {**environment(folder), "TERM": "xterm-256color", **(env or {})}
    del own["COLUMNS"]
    out = end if stdout else subprocess.PIPE
    process = subprocess.Popen(argv(*words), cwd=folder, env=own, stdin=end, stdout=out, stderr=end)
    os.close(end)
    found = Terminal(process, handle, pyte.HistoryScreen(columns, rows))
    try:
        yield found
    finally:
        process.kill()
        process.communicate()
        found.reader.join()
        os.close(handle)


def ended(terminal: Terminal, seconds: float = 60.0) -> Ended:
    """The process at its end; its stderr is what the screen shows."""
    out, _ = terminal.process.communicate(timeout=seconds)
    terminal.reader.join(seconds)
    return Ended(terminal.process.returncode, out.decode(), terminal.text)
