"""Owns how files are made, replaced and read, so that neither links nor endless files do harm; not what they hold.

A new file is its owner's alone (mode 0600), and is made only where no file, link or device has its name. A file that
takes another's place keeps that one's mode. Helper files beside an output are never reached through a link.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from batchcart.model.system import (
    NO_LINK,
    NO_WAIT,
    is_same_device,
    prepare_rename,
    set_mode,
    sync_folder,
    wait_for_reads,
)

PRIVATE = 0o600
"""The mode of new files: they hold customers' data."""

LONGEST_RESULT = 256 << 20
"""Bytes of a line of a file that a run made: an answer stands in it."""

_PERMISSIONS = 0o777
_TRIES = 3  # at a name that somebody takes between our look and our step


def is_same_place(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, which need not be there; a link to itself leads to itself."""
    return os.path.realpath(one) == os.path.realpath(other)


def create_new(path: Path) -> IO[bytes]:
    """A new file for its owner alone, open for reading and writing.

    Raises FileExistsError if anything has the name, a dangling link too.
    """
    return open(path, "x+b", opener=_open_private)  # Path.open takes no opener


@contextmanager
def writing_new(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write, as ``create_new`` makes it; where it is not written to its end, none is left.

    Raises OSError, FileExistsError among them.
    """
    file = create_new(path)
    try:
        with file:
            yield file
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def create_fresh(path: Path) -> IO[bytes]:
    """A new file in the place of what a killed process left under this name; a link there is removed, not followed."""
    for _ in range(_TRIES):
        with suppress(FileExistsError):
            return create_new(path)
        path.unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, "somebody else keeps creating it", str(path))


def open_helper(path: Path) -> IO[bytes]:
    """The file, made if it is not there, open for reading and writing without a buffer.

    Raises OSError if it is a link or a device, or has a second name: then it may be anybody's.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT, PRIVATE)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(handle)
        raise OSError(errno.ELOOP, "it is a link or a device, or has a second name", str(path))
    return os.fdopen(handle, "r+b", buffering=0)


def check_no_link(path: Path) -> None:
    """Raises OSError if the name is that of a link or a device, which a library would follow."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.ELOOP, "it is a link, a folder or a device", str(path))


def open_appending(path: Path) -> int:
    """A descriptor that writes at the file's end and reads anywhere; one that is not there is made."""
    try:
        return os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | NO_LINK, PRIVATE)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | NO_LINK, PRIVATE)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of what is at ``path`` in one step once the block ends well.

    It is closed then. With ``durable`` file and folder are on the disk before the block is left. Raises OSError.
    """
    fresh = path.with_name(f"{path.name}.new")
    with create_fresh(fresh) as file:
        try:
            yield file
            file.flush()
            _take_over(file, fresh, path, durable=durable)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise


def replace_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put ``content`` in the place of what is at ``path``, in one step; raises OSError if that fails."""
    with replacing(path, durable=durable) as file:
        file.write(content)


def in_place_of(path: Path) -> Path:
    """The file that a link at ``path`` leads to, if it is there; a name that leads nowhere stays as it is."""
    return path.resolve() if path.exists() else path


def move_into_place(fresh: Path, place: Path) -> None:
    """Make what was written to ``fresh`` the file at ``place``, durably and in one step; raises OSError."""
    with fresh.open("rb") as file:
        _take_over(file, fresh, place, durable=True)


def _take_over(file: IO[bytes], fresh: Path, path: Path, *, durable: bool) -> None:
    _keep_mode(file.fileno(), path)
    if durable:
        os.fsync(file.fileno())
    prepare_rename(file)
    fresh.replace(path)
    if durable:
        sync_dir(path.absolute().parent)


def _keep_mode(handle: int, place: Path) -> None:
    """Give the open file the mode, and the group, of the file that it replaces."""
    try:
        old = place.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(old.st_mode):
        return
    set_mode(handle, stat.S_IMODE(old.st_mode) & _PERMISSIONS, old.st_gid)


def sync_dir(path: Path) -> None:
    """Put on the disk which files the folder holds; raises OSError if that fails."""
    sync_folder(path)


def make_private_dir(path: Path) -> None:
    """Make the folder, and those above it, for their owner alone, and take others' rights from one that is there.

    Raises OSError if that fails.
    """
    if not path.exists():
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
    if not is_private(path):
        path.chmod(0o700)


def read_bounded(path: Path, most: int) -> bytes:
    """The whole file; raises OSError if it cannot be read or is longer than ``most`` bytes.

    A pipe that nobody writes to is empty, and is not waited for.
    """
    handle = os.open(path, os.O_RDONLY | NO_WAIT)
    try:
        wait_for_reads(handle)
        with os.fdopen(handle, "rb", closefd=False) as file:  # where it is a folder, this raises and closes nothing
            content = file.read(most + 1)
    finally:
        os.close(handle)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most >> 10:,} KiB", str(path))
    return content


def lines_of(path: Path, longest: int = LONGEST_RESULT) -> Iterator[bytes]:
    """The file's lines with their ends; raises OSError if it cannot be read, is a device or has an endless line."""
    with path.open("rb") as file:
        check_ends(file)
        while line := file.readline(longest + 1):
            if len(line) > longest:
                raise OSError(errno.EFBIG, f"it has a line of more than {longest >> 20} MiB", str(path))
            yield line


def check_ends(file: IO[bytes]) -> None:
    """Raises OSError for a device that never ends, such as /dev/zero; a terminal does, and /dev/null."""
    found = os.fstat(file.fileno())
    if stat.S_ISCHR(found.st_mode) and not (os.isatty(file.fileno()) or _is_null(found)):
        raise OSError(errno.EINVAL, "it is a device, not a file", str(file.name))


def _is_null(found: os.stat_result) -> bool:
    with suppress(OSError):
        return is_same_device(found, Path(os.devnull).stat())
    return False


def is_private(path: Path) -> bool:
    """Whether only its owner has any right to the file; raises OSError if it is not there."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
