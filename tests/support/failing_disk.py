"""Owns a disk that fails or is watched: SQLite's own hook for system calls, and the process's ``os.write``."""

import _sqlite3
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Bite = Callable[[Path], int | None]
"""Asked before each write to a file: None lets it pass, an errno fails it, -1 makes it a short one."""

SHORT = -1


class _Vfs(ctypes.Structure):
    """The head of sqlite3_vfs; only the two functions at its end are used."""


_VfsPointer = ctypes.POINTER(_Vfs)
_Pwrite = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)
_Set = ctypes.CFUNCTYPE(ctypes.c_int, _VfsPointer, ctypes.c_char_p, ctypes.c_void_p)
_Get = ctypes.CFUNCTYPE(ctypes.c_void_p, _VfsPointer, ctypes.c_char_p)
_Vfs._fields_ = [
    ("version", ctypes.c_int),
    ("file_size", ctypes.c_int),
    ("longest_path", ctypes.c_int),
    ("unused", ctypes.c_void_p * 16),
    ("set_system_call", _Set),
    ("get_system_call", _Get),
]


@contextmanager
def biting(bite: Bite) -> Iterator[None]:
    """While the block lasts ``bite`` is asked before every write of SQLite and of ``os.write`` to a file."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = _VfsPointer
    vfs = library.sqlite3_vfs_find(None)
    if not vfs or vfs.contents.version < 3 or not (found := vfs.contents.get_system_call(vfs, b"pwrite64")):
        pytest.skip("this SQLite does not let its system calls be replaced")
    pwrite = _Pwrite(found)
    write = os.write

    def sqlite_writes(fd: int, data: int, size: int, offset: int) -> int:
        bitten = bite(_path(fd))
        if bitten is not None and bitten != SHORT:
            ctypes.set_errno(bitten)
            return -1
        wrote: int = pwrite(fd, data, size // 2 if bitten == SHORT else size, offset)
        return wrote

    def os_writes(fd: int, data: memoryview) -> int:
        if not (path := _path(fd)).is_file():
            return write(fd, data)
        bitten = bite(path)
        if bitten is not None and bitten != SHORT:
            raise OSError(bitten, os.strerror(bitten))
        return write(fd, data[: max(1, len(data) // 2)] if bitten == SHORT else data)

    callback = _Pwrite(sqlite_writes)
    vfs.contents.set_system_call(vfs, b"pwrite64", ctypes.cast(callback, ctypes.c_void_p))
    os.write = os_writes  # type: ignore[assignment]
    try:
        yield
    finally:
        vfs.contents.set_system_call(vfs, b"pwrite64", None)
        os.write = write


def _path(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()
