"""A table is written in memory that does not grow with its rows."""

import tracemalloc
from pathlib import Path

from batchcart.sheets.table import Column, write_table


def test_the_memory_of_a_table_does_not_grow_with_its_rows(tmp_path: Path) -> None:
    columns = [Column("text"), Column("more")]

    def peak(rows: int) -> int:
        tracemalloc.start()
        write_table(tmp_path / f"{rows}.csv", columns, (["x" * 50, "y" * 50] for _ in range(rows)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(15_000) < peak(5000) + (1 << 19)
