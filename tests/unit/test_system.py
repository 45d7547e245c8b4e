"""What systems do differently is said at the start, and asked of the system in one place."""

import ast
import os
import re
import socket
from pathlib import Path

import pytest

import batchcart
from batchcart.model import system
from batchcart.model.errors import UsageError
from batchcart.model.system import SocketWatch, is_alive, is_trusted_owner, read_at
from batchcart.runs.options import RunOptions

POSIX_MODULES = {"fcntl", "termios", "resource", "pwd", "grp", "pty", "tty", "syslog"}
IMPORTS_POSIX = re.compile(rf"^\s*(from|import)\b.*\b({'|'.join(POSIX_MODULES)})\b", re.MULTILINE)
ONLY_HERE = {"batchcart/model/system.py", "batchcart/engine/http/dialer.py"}  # the dialer asks Linux alone


def test_more_processes_than_one_are_refused_in_words_where_they_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchcart.runs.options.HAS_UNIX_SOCKETS", False)

    RunOptions("job.jsonl", processes=1)
    with pytest.raises(UsageError) as caught:
        RunOptions("job.jsonl", processes=4)
    assert str(caught.value) == "--processes 4: several processes work on Linux and macOS only; leave it out"


def test_modules_that_windows_lacks_are_imported_in_one_place() -> None:
    root = Path(batchcart.__file__).parents[1]
    found = set()
    for path in (root / "batchcart").rglob("*.py"):
        text = path.read_text()
        if not IMPORTS_POSIX.search(text):
            continue  # parsing all of them takes seconds
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if POSIX_MODULES & set(names):
                found.add(path.relative_to(root).as_posix())

    assert found == ONLY_HERE


def test_bytes_are_read_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert read_at(file.fileno(), 3, 4) == b"456"
        assert read_at(file.fileno(), 9, 8) == b"89"


def test_a_process_is_alive_or_not() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(2**22 + 1)  # more than systems give
    assert not is_alive(10**40)


def test_a_file_of_ones_own_is_trusted(tmp_path: Path) -> None:
    assert is_trusted_owner(tmp_path.stat())


def test_a_socket_stirs_once_something_came_in() -> None:
    one, other = socket.socketpair()
    with one, other:
        watch = SocketWatch(one.fileno())
        assert not watch.has_unread()
        other.send(b"x")
        assert watch.has_unread()


def test_the_most_memory_and_the_time_of_this_process_are_known() -> None:
    assert 1 < (system.peak_mib() or 0) < 100_000
    assert system.cpu_seconds() > 0
