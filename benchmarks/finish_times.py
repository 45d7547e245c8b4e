"""Row: when short jobs end, against the least time that their limits demand; by simulation in virtual time."""

from figures import Figure, Row, Table
from simulating import simulated
from workbench import Bench

_NOTE = (
    "Simulated: the limiter is the real one; clock, way and shop are not. The shop counts sliding windows exactly, 8 "
    "requests are in flight. The least time is that of the limits, N·(1 + floor(t/W)), and the round trips that 8 at a "
    "time need for the first window. Jobs have 0.5 to 10 windows of the longest limit."
)


def measure(bench: Bench) -> Row:
    """The worst job at a regular way, and at an irregular one."""
    found = simulated("finish", bench)
    figures = []
    for way in ("0-2 ms", "0-50 ms"):
        what, worst, *_ = max((one for one in found if one[0].endswith(way)), key=lambda one: one[1])
        detail = what.rpartition(", ")[0]
        what = f"time to the end of short jobs against the least, way of {way}, simulated"
        figures.append(Figure(what, "<= 1.03 times", worst, "times", bound=1.03, greater=False, detail=detail))
    refused = float(sum(one[3] for one in found))
    figures.append(Figure("answers 429 to short jobs, simulated", "0", refused, "", bound=0.0, greater=False))
    rows = [[what, f"{times:.3f}", str(count)] for what, times, _, count in found]
    return Row(
        "finish", "When short jobs end", figures, [Table("", ["job", "times the least", "429"], rows)], [], [_NOTE]
    )
