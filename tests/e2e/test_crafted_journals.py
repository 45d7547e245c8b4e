"""Journals that somebody else wrote: only the job's own requests leave, and a sentence says why nothing more did.

The long form tries every change, and mostly waits: `pytest -m storm -n 12 --dist load` on this file.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
from cli_harness import ShopServer, open_cli
from crafted_run import (
    RESULTS,
    USES,
    Interrupted,
    as_format_2,
    damages,
    in_journal,
    interrupted,
    requests,
    rows,
    schemas,
    values,
)
from neutral_carts import command

InFolder = Callable[[Path], object]


@pytest.fixture(scope="module")
def run(shop_server: ShopServer, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    return interrupted(open_cli(shop_server, tmp_path_factory.mktemp("interrupted")))


def every() -> Iterator[tuple[str, InFolder]]:
    """Each change, by its name."""
    for name, change in chain(requests(), values(), rows(), schemas()):
        yield name, in_journal(change)
    yield from damages(f"{RESULTS}.journal")
    yield from damages(RESULTS)


CHANGES = tuple(every())


def wrong(run: Interrupted, changes: Sequence[tuple[str, InFolder]]) -> dict[str, str]:
    return {name: said for name, change in changes if (said := run.try_all(change))}


@pytest.mark.parametrize("format_2", [False, True], ids=["format 3", "format 2"])
def test_a_run_whose_journal_nobody_touched_goes_on(run: Interrupted, *, format_2: bool) -> None:
    with run.copy() as (folder, guard):
        if format_2:
            as_format_2(folder)
        codes = [command(*words, folder=folder).code for words in USES]
    assert codes == [3, 3, 3, 1, 3, 3, 1, 1, 1, 1]
    assert guard.asked <= run.legitimate


def test_whatever_is_changed_in_a_journal_only_the_jobs_own_requests_are_sent(run: Interrupted) -> None:
    assert wrong(run, CHANGES[5::97]) == {}


def test_tables_that_are_no_journals_are_not_used(run: Interrupted) -> None:
    assert wrong(run, [(name, in_journal(change)) for name, change in list(schemas())[::4]]) == {}


def test_a_plan_whose_lines_are_gone_is_no_run_without_lines(run: Interrupted) -> None:
    with run.copy() as (folder, _):
        in_journal(dict(rows())["plan is empty"])(folder)
        ended = command(*USES[6], folder=folder)
    assert ended.code == 2
    assert "its table meta does not fit to the others" in ended.err


def test_a_line_that_is_longer_than_any_file_is_no_fault_of_the_program(run: Interrupted) -> None:
    with run.copy() as (folder, _):
        in_journal(dict(values())["plan.length = 9223372036854775807"])(folder)
        ended = command(*USES[8], folder=folder)
    assert ended.code == 2
    assert "is damaged" in ended.err


@pytest.mark.parametrize("forgotten", ["'{}'", """replace(learnt, ' 2"', ' x"')""", "replace(learnt, '{', '[')"])
def test_what_a_run_made_and_its_journal_forgot_is_kept_in_words(run: Interrupted, forgotten: str) -> None:
    with run.copy() as (folder, _):
        in_journal(lambda journal: journal.execute(f"UPDATE result SET learnt = {forgotten}"))(folder)
        ended = command(*USES[3], folder=folder)
    assert ended.code in {0, 1, 2, 3}
    assert "fault of its own" not in ended.out + ended.err


def test_a_request_that_no_line_leads_to_stops_its_accounts_in_words(run: Interrupted) -> None:
    _, change = next(requests())
    with run.copy() as (folder, guard):
        in_journal(change)(folder)
        ended = command(*USES[6], folder=folder)
    assert ended.code == 3
    assert "'DELETE /3dCartWebAPI/v1/Orders/4711' was sent for line" in ended.out + ended.err
    assert guard.asked == set()


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(48))
def test_no_change_of_a_journal_sends_a_request_that_is_not_the_jobs(run: Interrupted, first: int) -> None:
    assert wrong(run, CHANGES[first::48]) == {}
