"""Files are made and replaced so that no link leads to another's, and read with an end."""

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from batchcart.model.files import (
    create_fresh,
    create_new,
    move_into_place,
    open_appending,
    open_helper,
    read_bounded,
    replace_atomically,
    replacing,
    writing_new,
)

pytestmark = pytest.mark.posix

Make = Callable[[Path], object]


def _write_new(path: Path) -> None:
    with writing_new(path) as file:
        file.write(b"new")


def _write_half(file: IO[bytes]) -> None:
    file.write(b"half")
    raise BufferError


MAKES: dict[str, Make] = {
    "create_fresh": lambda path: create_fresh(path).close(),
    "writing_new": _write_new,
    "create_new": lambda path: create_new(path).close(),
    "open_helper": lambda path: open_helper(path).close(),
    "open_appending": lambda path: os.close(open_appending(path)),
    "replace_atomically": lambda path: replace_atomically(path, b"new"),
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Nothing but the program itself keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_new_file_is_its_owners_alone(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "file")

    assert mode(tmp_path / "file") == 0o600


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_dangling_link_makes_no_file_elsewhere(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    try:
        make(tmp_path / "file")
    except OSError as error:
        assert error.errno in {errno.EEXIST, errno.ELOOP}  # noqa: PT017  # some of them take the link's place

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard", "symbolic"])
@pytest.mark.parametrize("name", ["create_fresh", "create_new", "open_helper", "replace_atomically"])
def test_a_file_that_a_link_leads_to_keeps_its_content(
    tmp_path: Path, name: str, link: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "victim").write_text("mine")
    link(tmp_path / "victim", tmp_path / "file")
    try:
        MAKES[name](tmp_path / "file")
    except OSError as error:
        assert error.errno in {errno.EEXIST, errno.ELOOP}  # noqa: PT017  # some of them take the link's place

    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("given", [0o644, 0o640, 0o600, 0o666])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, given: int) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(given)
    replace_atomically(tmp_path / "one", b"new")
    (tmp_path / "fresh").write_text("new")
    move_into_place(tmp_path / "fresh", tmp_path / "other")

    for name in ("one", "other"):
        assert ((tmp_path / name).read_text(), mode(tmp_path / name)) == ("new", given)


def test_what_broke_off_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(TypeError), replacing(tmp_path / "file") as file:
        file.writelines([b"half", 5])  # type: ignore[list-item]  # it is what breaks off

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_a_new_file_that_was_not_written_to_its_end_is_not_left(tmp_path: Path) -> None:
    path = tmp_path / "half"
    with pytest.raises(BufferError), writing_new(path) as file:
        _write_half(file)
    assert not path.exists()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"), writing_new(path) as file:
            file.write(b"more than fits")  # it is found out when the file is closed
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not path.exists()


def test_a_read_has_an_end_whatever_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2000))
    os.mkfifo(tmp_path / "pipe")

    assert read_bounded(tmp_path / "file", 2000) == bytes(2000)
    assert read_bounded(tmp_path / "pipe", 2000) == b""
    for path in (tmp_path / "file", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is longer than 1 KiB"):
            read_bounded(path, 1999)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 1999)
