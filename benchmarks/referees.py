"""Row: the use of a limit at shops that count in the ways that servers do; by simulation in virtual time."""

from figures import Figure, Row, Table
from simulating import simulated
from workbench import Bench

_BOUNDS = {"right": 95.0, "high": 85.0, "program": 90.0}
_NOTE = (
    "Simulated: the limiter and what it learns are the real ones; clock, way and shops are not, and are small referees "
    "of our own in place of nginx, haproxy and the libraries that count so. No Retry-After is given. Of a shared limit "
    "100 % is the half; a bucket that was full at first lets through more; a sliding estimate of N lets through N - 1."
)


def measure(bench: Bench) -> Row:
    """The use of the true limit, and 429s on the way."""
    found = simulated("referees", bench)
    figures = []
    for what, use, sent, refused in found:
        bound = _BOUNDS[what.rpartition(" ")[2]]
        figures.append(Figure(f"use of a limit, simulated: {what}", f">= {bound:.0f} %", use, "%", bound=bound))
        if what.endswith("high"):
            share = 100 * refused / sent
            figures.append(Figure(f"answers 429, simulated: {what}", "< 2 %", share, "%", bound=2.0, greater=False))
    rows = [[what, f"{use:.1f} %", f"{refused:,} of {sent:,}"] for what, use, sent, refused in found]
    return Row("referees", "Limits as servers count", figures, [Table("", ["shop", "use", "429"], rows)], notes=[_NOTE])
