"""What is said of a cluster that cannot be used; none is started."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from batchcart.model.errors import UsageError
from batchcart.runs.seats.cluster import connect
from batchcart.runs.seats.cluster_check import LEAST_FILES, WorkerState, describe_worker
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress, read_scheduler

HERE = WorkerState("0.2.0", "3.11.7", "2026.8.0", 1000.0, None)
FILES = (Path("ca"), Path("cert"), Path("key"))
NONE = (None, None, None)


@pytest.mark.parametrize(
    ("text", "files", "sentence"),
    [
        ("127.0.0.1:8786", NONE, "expected tls://HOST:PORT"),
        ("http://127.0.0.1:8786", NONE, "expected tls://HOST:PORT"),
        ("tls://127.0.0.1", NONE, "expected HOST:PORT"),
        ("tcp://10.0.0.5:8786", NONE, "secrets would go over the network in the clear"),
        ("tls://127.0.0.1:8786", NONE, "tls:// takes all three of --tls-ca, --tls-cert and --tls-key"),
        ("tcp://127.0.0.1:8786", FILES, "tcp:// takes none of --tls-ca, --tls-cert and --tls-key"),
    ],
)
def test_a_scheduler_that_would_show_secrets_or_is_none_is_refused(
    text: str, files: tuple[Path | None, Path | None, Path | None], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_scheduler(text, files)


async def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'batchcart\[cluster\]'"):
        await connect(SchedulerAddress(HubAddress("127.0.0.1", 8786)))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (ModuleNotFoundError("No module named 'batchcart'"), "it cannot be a seat: No module named 'batchcart'"),
        (replace(HERE, batchcart="0.1.0"), "it has batchcart 0.1.0, and this machine 0.2.0"),
        (replace(HERE, python="3.12.1"), "Dask wants the same on both"),
        (replace(HERE, distributed="2026.3.0"), "it has Python 3.11.7 with distributed 2026.3.0"),
        (replace(HERE, wall=1070.0), "its clock is +70 s from this machine's"),
        (replace(HERE, wall=930.0), "its clock is -70 s from this machine's"),
        (replace(HERE, files=LEAST_FILES - 1), "it may open 4,095 files"),
    ],
)
def test_what_a_worker_lacks_is_told(found: object, sentence: str) -> None:
    (said,) = [check.message for check in describe_worker("worker", found, HERE, 1.0) if not check.ok]
    assert sentence in said


def test_a_worker_that_is_well_is_told_as_well() -> None:
    there = replace(HERE, python="3.11.9", wall=950.0, files=LEAST_FILES)
    (said,) = describe_worker("worker", there, HERE, took=1.0)
    assert (said.ok, said.message) == (True, "batchcart 0.2.0, Python 3.11.9, distributed 2026.8.0")
