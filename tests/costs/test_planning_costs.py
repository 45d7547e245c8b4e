"""A job's plan is made in memory that does not grow with the job."""

import json
import tracemalloc
from pathlib import Path

import pytest

from batchcart.accounts.config import load_config
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner
from batchcart.platforms import load_adapters


@pytest.mark.parametrize(("few", "many"), [(15_000, 25_000), pytest.param(20_000, 50_000, marks=pytest.mark.long)])
def test_memory_stays_flat_however_long_the_job_is(tmp_path: Path, few: int, many: int) -> None:
    job, accounts = tmp_path / "job.jsonl", load_config(None, load_adapters())
    peaks = []
    for carts in (few, many):
        with job.open("w") as file:
            for number in range(carts):
                why = {"run": "0123456789abcdef" * 2, "line": number + 1}  # it does another run's lines again
                line = {"op": "cart.create", "account": "sandbox-3dcart", "cart": f"cart {number}", "why": why}
                file.write(json.dumps(line) + "\n")
        tracemalloc.start()
        with open_job(str(job)) as source:
            Planner(source, accounts, None, allow_unknown=False).build_plan()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 30 * (many - few)
