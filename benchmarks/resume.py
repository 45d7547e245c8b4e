"""Row: how long a half-done run takes, when it is started again, until its first request leaves."""

from datetime import datetime
from itertools import islice
from pathlib import Path

import generate
import msgspec
from figures import Figure, Row, Table
from processes import signal_at
from workbench import Bench, forget, run_words


def measure(bench: Bench) -> Row:
    """A run of a long job is stopped with SIGINT when about half is done, and started again."""
    lines = bench.size(1_000_000, 20_000)
    job, config, results = bench.job(generate.Job(lines, "carts")), bench.config(), bench.new(".results.jsonl")
    words = run_words(job, config, results)
    half = bench.size(110, 60) * lines  # bytes of results; a line has 200 to 260
    bench.command(*words, codes=(3,), meanwhile=signal_at(results, half))
    before = results.stat().st_size
    with results.open("rb") as file:
        done = sum(1 for _ in file)
    assert done > lines // 5, f"the first start ended by itself after {done} lines"
    ended = bench.command(*words, codes=(3, 0), meanwhile=signal_at(results, before + 200_000))
    seconds = _first_sent_after(results, before, ended.began) - ended.began
    forget(results)
    rows = [[f"{lines:,}", f"{done:,}", f"{seconds:.2f}", f"{ended.peak / 1024:.1f}"]]
    return Row(
        "resume",
        "Going on with a run",
        [
            Figure(
                f"a run of {lines:,} lines, half done, started again: time to the first request",
                "<= 3 s",
                seconds,
                "s",
                bound=3.0,
                greater=False,
            )
        ],
        [Table("", ["lines", "of them done", "seconds to the first request", "peak MiB"], rows)],
    )


def _first_sent_after(results: Path, offset: int, began: float) -> float:
    """When the first request of the second start left; some of its lines were begun by the first one."""
    with results.open("rb") as file:
        file.seek(offset)
        sent = [msgspec.json.decode(line)["sent_at"] for line in islice(file, 500)]
    return min(at for text in sent if (at := datetime.fromisoformat(text).timestamp()) >= began)
