"""The example at work: jobs run by `batchcart` against a simulated backend, over real sockets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from batchcart_medusa import ADAPTER
from simulator import Backend, serving

Line = dict[str, Any]

KEY = "pk_made_up_for_a_test"
CONFIG = f"""
[accounts.medusa]
platform = "medusa"
base_url = "{{}}"
publishable_key = "{KEY}"
limits = []
"""


def run(folder: Path, backend: Backend, lines: list[Line], code: int = 0) -> list[Line]:
    """The results of the job, in line order; the command ends with ``code``."""
    (folder / "batchcart.toml").write_text(CONFIG.format(backend.origin))
    (folder / "job.jsonl").write_text("".join(json.dumps({"account": "medusa", **line}) + "\n" for line in lines))
    command = [sys.executable, "-m", "batchcart", "run", "job.jsonl", "--in-order"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in (folder / "job.results.jsonl").read_text().splitlines()]


def test_the_example_job_runs(tmp_path: Path) -> None:
    with serving(Backend(KEY)) as backend:
        results = run(tmp_path, backend, [json.loads(line) for line in ADAPTER.examples.job])

    assert [result["status"] for result in results] == ["ok"] * len(results)
    (cart,) = backend.carts.values()
    assert cart["email"] == "anna@example.com"
    assert cart["items"] == []
    assert KEY not in (tmp_path / "job.results.jsonl").read_text()


def test_an_add_whose_answer_is_lost_is_found_and_not_done_twice(tmp_path: Path) -> None:
    lines: list[Line] = [{"op": "cart.create", "cart": "c"}]
    lines += [{"op": "item.add", "cart": "c", "data": {"variant_id": "variant_01", "quantity": 2}}] * 2
    with serving(Backend(KEY, cuts=1)) as backend:
        results = run(tmp_path, backend, lines)

    assert [result["status"] for result in results] == ["ok"] * 3
    (cart,) = backend.carts.values()
    assert [line["quantity"] for line in cart["items"]] == [4]


def test_a_wrong_key_closes_the_account_and_nothing_is_made(tmp_path: Path) -> None:
    with serving(Backend("pk_another")) as backend:
        run(tmp_path, backend, [{"op": "cart.create", "cart": "c"}], code=3)

    assert not backend.carts
