"""Row: operations a second against an earlier version, where few lines are in flight, and on a disk with slow syncs."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import generate
from environments import environment
from figures import Figure, Row, Table
from rounds import Contenders, interleaved, middle, ratio
from workbench import Bench

_VERSION = "9e82b471f8fb452db0fbb7d7b6c278897cd3793f"
"""The commit whose figures set the targets of this row."""
_SYNC_MS = 20
_ROOT = Path(__file__).parents[1]
_NOW, _EARLIER = "batchcart", "batchcart, earlier"


def measure(bench: Bench) -> Row:
    """8 in flight of one account; and 50, where each sync takes 20 ms longer."""
    title = "Against an earlier version"
    if not (_ROOT / ".git").exists() or shutil.which("cc") is None:
        return Row(
            "earlier", title, [], [], notes=["Not measured: it needs a checkout with its history, and a C compiler."]
        )
    commands = {_NOW: None, _EARLIER: _earlier()}
    slow = {"LD_PRELOAD": str(_slow_sync(bench)), "SLOW_SYNC_MS": str(_SYNC_MS)}
    cases = {
        "8 in flight, one account": (1.4, generate.Job(bench.size(20_000, 300)), 8, {}),
        f"50 in flight, {_SYNC_MS} ms more for each sync": (1.7, generate.Job(bench.size(5_000, 300)), 50, slow),
    }
    figures, rows = [], []
    for name, (bound, job, concurrency, env) in cases.items():
        contenders: Contenders = {
            version: partial(_rate, bench, job, concurrency, env, batchcart) for version, batchcart in commands.items()
        }
        rates = interleaved(contenders, bench.size(5, 1))["rate"]
        what = f"operations/s against the version of {_date()}, {name}"
        figures.append(Figure(what, f">= {bound:g} times", ratio(rates, _NOW, _EARLIER), "times", bound))
        rows += [[name, version, f"{middle(of):,.0f}"] for version, of in rates.items()]
    return Row("earlier", title, figures, [Table("Medians", ["", "", "operations/s"], rows)])


def _rate(
    bench: Bench, job: generate.Job, concurrency: int, env: dict[str, str], batchcart: Path | None
) -> dict[str, float]:
    run = bench.run(bench.job(job), bench.config(concurrency=concurrency), loop="asyncio", env=env, batchcart=batchcart)
    assert run.lines == job.lines
    return {"rate": run.rate}


def _earlier() -> Path:
    python = environment("batchcart-earlier", [f"git+file://{_ROOT}@{_VERSION}"])
    return python.with_name("batchcart")


def _date() -> str:
    told = subprocess.run(
        ["git", "show", "-s", "--format=%cs", _VERSION], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def _slow_sync(bench: Bench) -> Path:
    library = bench.new(".so")
    source = Path(__file__).with_name("slow_sync.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library
