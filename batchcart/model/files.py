"""Owns putting a file in the place of another in one step; it does not know what files hold."""

import os
from pathlib import Path
from typing import IO


def replace_atomically(path: Path, content: bytes, *, durable: bool = True) -> IO[bytes]:
    """Put ``content`` in the place of what is at ``path``, in one step; the new file, open."""
    fresh = path.with_name(f"{path.name}.new")
    file = os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b")
    try:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
        fresh.replace(path)
        if durable:
            sync_dir(path.parent)
    except OSError:
        file.close()
        raise
    return file


def sync_dir(path: Path) -> None:
    """Put on the disk which files the folder holds; raises OSError where that fails."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
