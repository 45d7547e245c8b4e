"""Row: how fast a job file is checked, and how much memory that takes."""

import statistics

import generate
from figures import Figure, Row, Table
from workbench import Bench


def measure(bench: Bench) -> Row:
    """`batchcart check` of a long job, a whole process on one core, against a short one."""
    few, many = bench.size(10_000, 1_000), bench.size(1_000_000, 20_000)
    config = bench.config()
    jobs = {lines: bench.job(generate.Job(lines, "carts")) for lines in (few, many)}
    short = bench.command("check", jobs[few], "--config", config)
    long = [bench.command("check", jobs[many], "--config", config) for _ in range(bench.size(3, 1))]
    rate = statistics.median(many / ended.wall for ended in long)
    peak = statistics.median(ended.peak / 1024 for ended in long)
    more = peak - short.peak / 1024
    best = max(many / ended.wall for ended in long)
    rows = [
        [f"{few:,}", f"{short.wall:.2f}", f"{short.peak / 1024:.1f}"],
        [f"{many:,}", f"{statistics.median(ended.wall for ended in long):.2f}", f"{peak:.1f}"],
    ]
    return Row(
        "check",
        "Checking a job",
        [
            Figure(
                f"check of {many:,} lines, lines/s on one core",
                ">= 120,000/s",
                rate,
                "/s",
                bound=120_000.0,
                detail=f"best {best:,.0f}",
            ),
            Figure(
                f"check of {many:,} lines: memory more than at {few:,}",
                "flat: <= 8 MiB",
                more,
                "MiB",
                bound=8.0,
                greater=False,
            ),
        ],
        [Table("Whole processes", ["lines", "seconds", "peak MiB"], rows)],
    )
