"""What is settled or opened again in a long run costs what is settled, and not what the run is long."""

import sys
import tracemalloc
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from types import FrameType

import pytest

from batchcart.journal.changes import begin_plan, commit_plan, complete_plan, recompute_offsets
from batchcart.journal.queries import PlannedAccount
from batchcart.journal.schema import create
from batchcart.runs.doubts import name_key_columns, write_todo
from batchcart.runs.paths import journal_path

DOUBT = b'{"line":1,"op":"cart.create","platform":"3dcart","status":"in_doubt","error":{"message":"not answered"}}'


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


def _results_with_a_doubt(folder: Path, lines: int) -> Path:
    """A run of so many lines, of which the first is in doubt and the others have not ended."""
    folder.mkdir()
    results = folder / "results.jsonl"
    with closing(create(journal_path(results))) as connection:
        begin_plan(connection, ((line, 1, line, "cart.create", 0, 2, 0) for line in range(1, lines + 1)))
        complete_plan(connection, (), [PlannedAccount(1, "acme", "3dcart", "")])
        ended = "INSERT INTO result (line, status, learnt, text, until) VALUES (1, 'in_doubt', '{}', ?, ?)"
        connection.execute(ended, (DOUBT, len(DOUBT) + 1))
        commit_plan(connection, [("planned", str(lines))])
    return results


@pytest.mark.parametrize("todo", [False, True])
def test_a_doubt_is_written_to_be_filled_in_without_a_look_at_the_other_lines(tmp_path: Path, *, todo: bool) -> None:
    calls: list[int] = []
    for lines in (10, 10, 1_000):  # the first imports
        results = _results_with_a_doubt(tmp_path / str(len(calls)), lines)
        calls.append(0)

        def count(_frame: FrameType, what: str, _of: object) -> None:
            calls[-1] += what == "call"

        sys.setprofile(count)
        try:
            found = write_todo(results, results.with_suffix(".csv")) if todo else name_key_columns(results)
        finally:
            sys.setprofile(None)
        assert found == (1 if todo else ["3dcart's OrderKey goes under cart_id"])
    assert calls[2] < calls[1] + 50
