"""Owns running command lines without waiting for imports: a process that has them forks one for each command.

What runs is ``python -m batchcart`` in a process of its own, with its own folder, environment and pipes. Only its
imports were made before. Commands that are looked at while they run, or killed, are started anew (``argv``).

A command's parent is a keeper, forked for it alone, that waits for it and says how it ended.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import batchcart


def run(
    words: Sequence[str], folder: Path, env: Mapping[str, str], given: bytes, seconds: float
) -> tuple[int, str, str]:
    """The exit code of ``batchcart WORDS``, and what it wrote to its standard output and error."""
    with _starting:
        address = _start_server(json.dumps(_of_the_interpreter(env)))
    theirs, pipes = zip(*(os.pipe() for _ in range(2)), strict=True)
    read, write = os.pipe()
    os.umask(mask := os.umask(0o077))
    asked = os.memfd_create("asked")
    os.pwrite(asked, json.dumps([list(words), str(folder), dict(env), mask]).encode(), 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as wire:
        wire.settimeout(seconds)
        wire.connect(f"\0{address}")
        socket.send_fds(wire, [b"go"], [read, *pipes, asked])
        for one in (read, *pipes, asked):
            os.close(one)
        told = [b"", b""]
        threads = [
            threading.Thread(target=_give, args=(write, given)),
            *(threading.Thread(target=_take, args=(told, place, pipe)) for place, pipe in enumerate(theirs)),
        ]
        for thread in threads:
            thread.start()
        pid = int(wire.recv(64))
        try:
            code = int(wire.recv(64))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(words), seconds) from None
        finally:
            for thread in threads:
                thread.join(seconds)
    return code, told[0].decode(), told[1].decode()


def _give(pipe: int, given: bytes) -> None:
    with os.fdopen(pipe, "wb") as file, contextlib.suppress(BrokenPipeError):  # it ended without reading all
        file.write(given)


def _take(told: list[bytes], place: int, pipe: int) -> None:
    with os.fdopen(pipe, "rb") as file:
        told[place] = file.read()


def _of_the_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that are read when an interpreter starts, and never again."""
    return {name: value for name, value in sorted(env.items()) if name.startswith(("PYTHON", "LC_", "LANG"))}


@functools.cache
def _start_server(own: str) -> str:
    """Start a server with such variables, once; gives its address. It lives as long as this process."""
    address = f"batchcart-tests-{os.getpid()}-{len(_servers)}"
    environment = {name: value for name, value in os.environ.items() if name not in _of_the_interpreter(os.environ)}
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        env={**environment, **json.loads(own)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    _servers.append(server)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return address


_servers: list["subprocess.Popen[bytes]"] = []
_starting = threading.Lock()


@atexit.register
def _close() -> None:
    for server in _servers:
        server.kill()
        server.communicate()


def _serve(address: str) -> None:
    """Fork for everyone who asks, until the process that started this one is gone."""
    for module in pkgutil.walk_packages(batchcart.__path__, "batchcart."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0{address}")
    listener.listen(16)
    os.write(1, b"ready\n")
    while 0 not in select.select([listener.fileno(), 0], [], [])[0]:  # standard input ends with who started this
        wire, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _keep(wire)
            return
        wire.close()


def _keep(wire: socket.socket) -> None:
    """Fork the command and tell how it ended; returns in the command's process alone, which is now to be it."""
    _, (*pipes, asked), _, _ = socket.recv_fds(wire, 2, 4)
    if (pid := os.fork()) == 0:
        wire.close()
        for number, pipe in enumerate(pipes):
            os.dup2(pipe, number)
            os.close(pipe)
        with os.fdopen(asked, "rb") as file:
            file.seek(0)
            what = json.load(file)
        _become(*what)
    for pipe in (*pipes, asked):
        os.close(pipe)
    wire.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    wire.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: Sequence[str], folder: str, environment: Mapping[str, str], umask: int) -> None:
    """Be ``batchcart WORDS`` in this folder, to the end of the process."""
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[0] = folder  # as ``python -m`` has it
    sys.argv = ["batchcart", *words]
    runpy.run_module("batchcart", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
