"""Row: 429s at a shop with a sliding window, where a run is stopped or killed in the middle and started again."""

import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import generate
from figures import Figure, Row, Table
from limit_use import seen
from processes import python, serving, signal_at
from workbench import Bench, forget, run_words

_LIMITS = (("18/2s", 18, 2.0), ("2/s", 2, 1.0))
_WAYS = (0.002, 0.05)
"""Seconds that a request is late at the most."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_CODES = (0, 1, 3, -signal.SIGKILL)


def measure(bench: Bench) -> Row:
    """Each limit, way and signal at the same time as the others: two signals, 8 in flight."""
    cases = list(product(_LIMITS, _WAYS, _SIGNALS))
    with ThreadPoolExecutor(len(cases)) as at_once:
        found = list(at_once.map(lambda case: _refused(bench, *case), cases))
    figures = [
        Figure(
            f"answers 429 over stops, kills and new starts, way of 0-{way * 1000:g} ms",
            "0",
            float(sum(one for one, case in zip(found, cases, strict=True) if case[1] == way)),
            bound=0.0,
            greater=False,
        )
        for way in _WAYS
    ]
    rows = [
        [text, f"0-{way * 1000:g} ms", number.name, str(refused)]
        for refused, ((text, *_), way, number) in zip(found, cases, strict=True)
    ]
    return Row(
        "signals",
        "Limits over stops and kills",
        figures,
        [Table("", ["limit", "way", "signal", "429"], rows)],
        notes=["Real processes: each run gets the signal twice, in the middle, and is started again at once."],
    )


def _refused(bench: Bench, limit: tuple[str, int, float], way: float, number: signal.Signals) -> int:
    text, count, seconds = limit
    windows = bench.size(12, 4)
    with serving([*python("windowserver.py"), str(count), str(seconds), str(way)]) as port:
        origin = f"http://127.0.0.1:{port}"
        job, results = bench.job(generate.Job(int(count * windows))), bench.new(".results.jsonl")
        words = run_words(job, bench.config(concurrency=8, limits=[text], origin=origin), results)
        state = {"XDG_STATE_HOME": str(bench.new(".state"))}
        for share in (0.3, 0.6):
            stop = signal_at(results, int(share * job.stat().st_size), number)
            bench.command(*words, codes=_CODES, meanwhile=stop, env=state)
        bench.command(*words, codes=(0, 1), env=state)
        forget(results)
        return int(seen(origin)["refused"])
