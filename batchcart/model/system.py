"""Owns what POSIX systems and Windows do differently: opening files, their rights, signals, memory; not what it is for.

The branches for Windows are typed (``mypy --platform win32``) and have not run on a Windows machine.
"""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import subprocess

    Arrive = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NOT_HERE = "work on Linux and macOS only"
"""Ends the sentence that refuses what Windows has no means for."""

_LOCKED = 1 << 30  # Windows locks bytes, and nobody may read them: one far behind what stands in the file
_SYNCHRONIZE = 0x00100000  # winnt.h

if sys.platform == "win32":
    NO_LINK = os.O_BINARY
    NO_WAIT = os.O_BINARY
    PEEK = socket.MSG_PEEK
    STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    HAS_UNIX_SOCKETS = False
else:
    NO_LINK = os.O_NOFOLLOW
    NO_WAIT = os.O_NONBLOCK
    PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
    STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    HAS_UNIX_SOCKETS = True


def read_at(handle: int, length: int, offset: int) -> bytes:
    """Bytes at a place of an open file. Where the system moves the file's place for it, one thread reads at a time."""
    if sys.platform == "win32":
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, length)
    return os.pread(handle, length, offset)


def wait_for_reads(handle: int) -> None:
    """Let reads of what was opened with ``NO_WAIT`` wait again."""
    if sys.platform != "win32":
        os.set_blocking(handle, True)


@contextmanager
def write_briefly(text: str) -> Iterator[Path]:
    """A file with the text while the block lasts; on Linux it is in memory, and goes with a process that is killed."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("batchcart"), "w") as file:
            file.write(text)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
    else:
        import tempfile  # noqa: PLC0415  # most commands do without

        with tempfile.TemporaryDirectory(prefix="batchcart-") as folder:  # its owner's alone
            path = Path(folder, "text")
            path.write_text(text)
            yield path


def set_mode(handle: int, mode: int, group: int) -> None:
    """Give the open file mode and group; the group's rights only if it can have that group. Windows has neither."""
    if sys.platform != "win32":
        if group != os.fstat(handle).st_gid:
            try:
                os.fchown(handle, -1, group)
            except OSError:
                mode &= ~0o070  # another group's rights are not meant for ours
        os.fchmod(handle, mode)


def prepare_rename(file: IO[bytes]) -> None:
    """Close the file where the system renames none that is open."""
    if sys.platform == "win32":
        file.close()


def sync_folder(path: Path) -> None:
    """Put on the disk which files the folder holds, where the system can; raises OSError where that fails."""
    if sys.platform != "win32":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_same_device(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both are the same device, such as /dev/null."""
    if sys.platform == "win32":
        return os.path.samestat(one, other)
    return one.st_rdev == other.st_rdev


def is_trusted_owner(found: os.stat_result) -> bool:
    """Whether the file belongs to this user or the system's; Windows keeps others out by the folder's rights."""
    if sys.platform == "win32":
        return True
    return found.st_uid in {os.getuid(), 0}


def lock_file(file: IO[bytes]) -> None:
    """Lock the open file for this process until it is closed; raises BlockingIOError where another one has it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        file.seek(_LOCKED)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:  # it does not tell this from other faults
            raise BlockingIOError(*error.args) from None
        finally:
            file.seek(0)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_byte(file: IO[bytes], number: int) -> bool:
    """Lock a byte of the file, which need not be there, for this process; False where another one has it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        file.seek(number)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl  # noqa: PLC0415

        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
    return True


def unlock_byte(file: IO[bytes], number: int) -> None:
    """Let others lock the byte."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        file.seek(number)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.lockf(file, fcntl.LOCK_UN, 1, number)


def find_byte_owner(file: IO[bytes], number: int) -> int | None:
    """The pid of another process that has locked the byte; None where none has, or the system does not tell."""
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415

    form, names = "@hhqqi4x", ("type", "whence", "start", "length", "pid")  # struct flock
    if sys.platform == "darwin":
        form, names = "@qqihh", ("start", "length", "pid", "type", "whence")
    asked = {"type": fcntl.F_WRLCK, "whence": os.SEEK_SET, "start": number, "length": 1, "pid": 0}
    told = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(form, *(asked[name] for name in names)))
    found = dict(zip(names, struct.unpack(form, told), strict=True))
    return None if found["type"] == fcntl.F_UNLCK else found["pid"]


@contextmanager
def hold_file(handle: int) -> Iterator[None]:
    """Have the open file for this process alone as long as the block runs, and wait for others before."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        os.lseek(handle, _LOCKED, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        try:
            yield
        finally:
            os.lseek(handle, _LOCKED, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def take_room(handle: int, start: int, size: int) -> None:
    """Have the disk keep room for these bytes of the file; raises OSError where it has none."""
    if sys.platform == "linux":
        os.posix_fallocate(handle, start, size)
    else:
        os.lseek(handle, start, os.SEEK_SET)
        os.write(handle, bytes(size))


def unlink_open(path: Path, file: IO[bytes]) -> None:
    """Remove the file and close it; where the system removes none that is open, in the other order."""
    if sys.platform == "win32":
        file.close()
        with suppress(PermissionError):  # another one opened it meanwhile
            path.unlink(missing_ok=True)
    else:
        path.unlink(missing_ok=True)
        file.close()


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that began a session of its own, and on POSIX whatever it started; no error if it has ended."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether there is a process with this number, whoever owns it."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415

        handle = ctypes.windll.kernel32.OpenProcess(_SYNCHRONIZE, False, pid)  # noqa: FBT003  # it inherits nothing
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@contextmanager
def block_signals(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Processes started in the block are born with these signals blocked, where the system has that."""
    if sys.platform == "win32":
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each connection to a shop is one."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # Windows has none

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_open_files() -> int | None:
    """How many files this process may have open once it asks for all of them; None where nothing bounds them."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415  # Windows has none

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def cpu_seconds() -> float:
    """Seconds of CPU that this process has used."""
    return time.process_time()


def peak_mib() -> float | None:
    """The most memory that this process ever had, in MiB; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415  # Windows has none

    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)


def open_door() -> socket.socket:
    """A socket that processes of this machine reach by a path; see HAS_UNIX_SOCKETS."""
    if sys.platform == "win32":
        raise OSError(f"sockets of this machine {NOT_HERE}")
    return socket.socket(socket.AF_UNIX)


async def serve_locally(arrive: "Arrive", door: socket.socket, limit: int) -> "asyncio.Server":
    """A server for processes of this user on this machine, with buffers of ``limit`` bytes; see HAS_UNIX_SOCKETS."""
    if sys.platform == "win32":
        raise OSError(f"sockets of this machine {NOT_HERE}")
    import asyncio  # noqa: PLC0415  # most commands do without

    return await asyncio.start_unix_server(arrive, sock=door, limit=limit)


async def connect_locally(path: str) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
    """A connection to such a server."""
    if sys.platform == "win32":
        raise OSError(f"sockets of this machine {NOT_HERE}")
    import asyncio  # noqa: PLC0415  # most commands do without

    return await asyncio.open_unix_connection(path)


class SocketWatch:
    """Whether something came in on a socket that nobody has read yet, asked without waiting."""

    def __init__(self, number: int) -> None:
        self._number = number
        if sys.platform != "win32":
            import select  # noqa: PLC0415

            self._poll = select.poll()
            self._poll.register(number, select.POLLIN)

    def has_unread(self) -> bool:
        """Whether a read would not wait."""
        if sys.platform == "win32":
            import select  # noqa: PLC0415

            return bool(select.select([self._number], [], [], 0)[0])
        return bool(self._poll.poll(0))
