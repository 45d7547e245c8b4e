"""Row: what starting costs, against the libraries that cannot be done without."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import generate
from figures import Figure, Row, Table
from processes import weigh
from rounds import Contenders, interleaved, middle, ratio
from workbench import Bench, forget, run_words


def measure(bench: Bench) -> Row:
    """Wall time of whole processes, interleaved."""
    job, config = bench.job(generate.Job(1)), bench.config()
    contenders: Contenders = {
        "batchcart --help": partial(_seconds, bench, ["--help"]),
        'python -c "import click"': partial(_import, "click"),
        "batchcart run of one line": partial(_one_line, bench, job, config),
        'python -c "import aiohttp"': partial(_import, "aiohttp"),
        'python -c "pass"': partial(_import, "sys"),
    }
    seconds = interleaved(contenders, bench.size(25, 3))["seconds"]
    helped, clicked, ran, imported, _ = contenders
    figures = [
        Figure(
            f"{helped} against {clicked}", "<= 1.4 times", ratio(seconds, helped, clicked), "times", 1.4, greater=False
        ),
        Figure(f"{ran} against {imported}", "<= 1.6 times", ratio(seconds, ran, imported), "times", 1.6, greater=False),
    ]
    rows = [[name, f"{middle(of) * 1000:.0f}"] for name, of in seconds.items()]
    return Row("startup", "Starting", figures, [Table("Whole processes, medians", ["", "ms"], sorted(rows))])


def _seconds(bench: Bench, words: Sequence[str]) -> dict[str, float]:
    return {"seconds": bench.command(*words).wall}


def _one_line(bench: Bench, job: Path, config: Path) -> dict[str, float]:
    results = bench.new(".results.jsonl")
    ended = bench.command(*run_words(job, config, results))
    forget(results)
    return {"seconds": ended.wall}


def _import(module: str) -> dict[str, float]:
    return {"seconds": weigh([sys.executable, "-c", f"import {module}"]).wall}
