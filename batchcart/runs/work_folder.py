"""Owns the folder of working files beside an output, until the output is whole; it does not know what they hold.

The folder says what it was begun for, so that only the same command resumes with it.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from batchcart.model.errors import UsageError
from batchcart.model.files import check_ends, is_same_place, move_into_place, read_bounded, replace_atomically
from batchcart.model.json_text import UNDECODABLE
from batchcart.runs.status import lock_output, storage_errors

_TASK = "task.json"
_LARGEST_TASK = 1 << 20


@contextlib.contextmanager
def working_folder(output: Path, task: Mapping[str, str], *, may_exist: bool) -> Iterator[Path]:
    """The working files of ``output``, held against others; ``task`` tells what is done, by the names of options.

    An output that may exist is made anew at any time, so what was begun for another task is then dropped. Otherwise
    raises UsageError where the folder was begun for another task, or where there is none and the output exists.
    """
    folder = work_of(output)
    with storage_errors(output), lock_output(output, "output"):
        _remove(_done_path(folder))
        changed = _find_changes(folder, task) if (folder / _TASK).exists() else None
        if changed and not may_exist:
            raise UsageError(
                f"{folder} was started with another {' and another '.join(changed)}; repeat the old command to resume, "
                f"or remove {folder} to start over"
            )
        if changed == []:
            yield folder
            return
        if output.exists() and not may_exist:
            raise UsageError(f"{output} already exists and was not overwritten; remove it, or choose another with -o")
        _begin(folder, task)
        try:
            yield folder
        except UsageError:
            _remove(folder)  # nothing was done in it
            raise


def keep_inputs(output: Path, inputs: Mapping[str, Path]) -> None:
    """Raises UsageError where writing ``output`` would destroy one of the ``inputs``, which are by their names."""
    for name, path in inputs.items():
        if is_same_place(output, path):
            raise UsageError(f"{output} is the {name} and was not overwritten; choose another output with -o")


def work_of(output: Path) -> Path:
    """The folder of working files beside an output; it is there while the output is not whole."""
    return Path(f"{output}.work")


def finish(folder: Path, outputs: Mapping[str, Path]) -> None:
    """Put the files made in the folder in their places, each in one step, and remove the folder."""
    for name, place in outputs.items():
        move_into_place(folder / name, place)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(_done_path(folder))
    _remove(_done_path(folder))


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; raises UsageError where it cannot be read."""
    try:
        with path.open("rb") as file:
            check_ends(file)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _begin(folder: Path, task: Mapping[str, str]) -> None:
    _remove(folder)  # it was being begun when its process died
    folder.mkdir(mode=0o700)
    replace_atomically(folder / _TASK, msgspec.json.encode(task))


def _find_changes(folder: Path, task: Mapping[str, str]) -> list[str]:
    try:
        noted = msgspec.json.decode(read_bounded(folder / _TASK, _LARGEST_TASK), type=dict[str, str])
    except UNDECODABLE:
        raise UsageError(
            f"{folder / _TASK} no longer says what was begun in {folder}; remove {folder} to start over"
        ) from None
    return [name for name in sorted({*noted, *task}) if noted.get(name, "") != task.get(name, "")]


def _done_path(folder: Path) -> Path:
    return Path(f"{folder}.done")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
