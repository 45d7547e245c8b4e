"""What is settled or opened again in a long run takes memory that does not grow with the run."""

import tracemalloc
from contextlib import closing
from itertools import accumulate
from pathlib import Path

from batchcart.journal.changes import recompute_offsets
from batchcart.journal.schema import create


def test_the_places_of_all_results_are_noted_anew_in_flat_memory(tmp_path: Path) -> None:
    texts = [b"x" * (number % 7) for number in range(20_000)]
    with closing(create(tmp_path / "journal")) as connection:
        rows = [(number, "ok", "{}", text, 0) for number, text in enumerate(texts, 1)]
        connection.executemany("INSERT INTO result (line, status, learnt, text, until) VALUES (?, ?, ?, ?, ?)", rows)
        tracemalloc.start()
        recompute_offsets(connection)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        noted = [until for (until,) in connection.execute("SELECT until FROM result ORDER BY seq")]

    assert noted == list(accumulate(len(text) + 1 for text in texts))
    assert peak < 20 * len(texts)
