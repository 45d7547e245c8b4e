"""A whole job is checked before anything is sent: all bad lines are told, a good job becomes a plan."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchcart.accounts.config import load_config
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.journal.remaining import lines_done_again
from batchcart.journal.schema import create
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.operation import OperationKind
from batchcart.model.validation import field_names
from batchcart.platforms import load_adapters

KEYS_HAVE = "it has visible characters other than / \\ ? # %, not dots alone, no space at an end"
ENTRIES = load_config(None, load_adapters())


def plan(
    job: Path, *, allow_unknown: bool = False, default: str | None = None, connection: sqlite3.Connection | None = None
) -> PlanStats:
    with open_job(str(job)) as source:
        return Planner(source, ENTRIES, default, allow_unknown).build_plan(connection)


def line(op: str, platform: str, **keys: Any) -> str:
    return json.dumps({"op": op, "account": f"sandbox-{platform}", **keys})


class Bench:
    """Writes jobs and plans them."""

    def __init__(self, folder: Path) -> None:
        self.job = folder / "job.jsonl"
        self.journal = folder / "journal"

    def complaints(self, *lines: str, allow_unknown: bool = False) -> list[str]:
        self.job.write_text("\n".join(lines))
        with pytest.raises(BadLines) as caught:
            plan(self.job, allow_unknown=allow_unknown)
        return [problem.removeprefix(f"{self.job}:") for problem in caught.value.problems]

    def rows(self, *lines: str, columns: str = "line, account, chain, kind") -> list[tuple[Any, ...]]:
        self.job.write_text("\n".join(lines))
        with contextlib.closing(create(self.journal)) as connection:
            plan(self.job, connection=connection)
            return connection.execute(f"SELECT {columns} FROM plan ORDER BY line").fetchall()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


ADD = {"product_id": 1, "quantity": 1}


def test_a_good_job_becomes_rows_with_accounts_and_chains(bench: Bench) -> None:
    rows = bench.rows(
        line("cart.create", "tray", cart="x", data=ADD),
        line("cart.create", "3dcart", cart="x"),
        "",
        line("cart.get", "tray", cart="x", view="complete"),
        line("cart.count", "shoplo"),
    )

    assert rows == [
        (1, 1, 1, "cart.create"),
        (2, 2, 2, "cart.create"),
        (4, 1, 1, "cart.get"),
        (5, 3, 5, "cart.count"),
    ]


def test_the_plan_remembers_where_each_line_stands(bench: Bench) -> None:
    texts = [line("cart.create", "tray", cart=f"é{index}", data=ADD) for index in range(3)]
    places = bench.rows(*texts, columns="offset, length")
    content = bench.job.read_bytes()

    assert [content[offset : offset + length].decode() for offset, length in places] == texts


def test_the_plan_remembers_which_line_of_another_run_each_line_does_again(bench: Bench) -> None:
    why = [{"run": "other", "line": 7000 - number} for number in range(3000)]
    bench.job.write_text("\n".join(line("cart.create", "3dcart", cart=f"c{one['line']}", why=one) for one in why))
    with contextlib.closing(create(bench.journal)) as connection:
        plan(bench.job, connection=connection)

        assert list(lines_done_again(connection)) == [("other", one["line"]) for one in why]


def test_chains_joined_late_are_one_chain_in_the_plan(bench: Bench) -> None:
    rows = bench.rows(
        line("item.get", "shoplo", item_id=5),
        line("item.get", "shoplo", item_id=6),
        line("cart.create", "shoplo", cart="x", data={"variant_id": 1, "quantity": 1}),
        line("item.update", "shoplo", cart="x", item_id=6, data={"quantity": 2}),
        line("item.update", "shoplo", cart="x", item_id=5, data={"quantity": 2}),
    )

    assert [chain for _, _, chain, _ in rows] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (line("discount.set", "tray", cart_id="k"), "op: tray has no discount operation"),
        (line("item.update", "tray", cart_id="k"), "op: tray has no item.update; it has item.add"),
        (
            line("cart.list", "3dcart"),
            "op: 3dcart has no cart.list; it has cart.create, cart.delete, cart.get, cart.update",
        ),
        (
            line("cart.create", "3dcart", cart="x", cart_id="k"),
            "cart_id: 3dcart creates the key of a new cart itself; leave it out",
        ),
        (
            line("cart.create", "3dcart", cart="x", item="i"),
            "item: 3dcart cart.create works on the whole cart and takes no item; add the item with item.add",
        ),
        (line("cart.get", "tray", cart_id="k" * 33), "cart_id: 33 characters, but a session_id has at most 32"),
        (line("cart.get", "tray", cart_id=".."), f"cart_id: '..' is not a session_id: {KEYS_HAVE}"),
        (line("item.get", "shoplo", item_id="."), f"item_id: '.' is not an id: {KEYS_HAVE}"),
        (line("item.get", "shoplo", item_id="1" * 201), "item_id: 201 characters, but an id has at most 200"),
        (line("cart.get", "tray", cart_id="k", view="full"), "view: tray cart.get takes \"complete\", found 'full'"),
        (
            line("cart.get", "3dcart", cart_id="k", view="complete"),
            "view: 3dcart cart.get takes none, found 'complete'",
        ),
        (line("cart.get", "3dcart", cart_id="k", query={}), "query: 3dcart cart.get takes no query"),
        (line("cart.delete", "3dcart", cart_id="k", data={}), "data: 3dcart cart.delete takes no data"),
        (line("cart.get", "3dcart"), "cart: missing; name the cart, or give the key of one that exists as cart_id"),
        (
            line("item.delete", "3dcart", item_id=5),
            "cart: missing; name the cart, or give the key of one that exists as cart_id",
        ),
        (line("cart.count", "shoplo", cart_id="k"), "cart: cart.count asks about the whole shop and takes no cart"),
        (
            line("item.delete", "3dcart", cart_id="k"),
            "item: missing; name an item created earlier in this job, or give the platform's own id as item_id",
        ),
        (line("item.get", "shoplo", item="i", item_id=5, cart_id="k"), "item: give item or item_id, not both"),
        (
            line("item.add", "tray", cart_id="k", item_id=5, data=ADD),
            "item_id: item.add takes none: the platform creates it",
        ),
        (
            line("cart.create", "tray", cart_id="k", data=ADD | {"session_id": "j"}),
            "cart_id: 'k' contradicts data.session_id 'j'",
        ),
        (
            line("cart.create", "shoplo", cart_id="k", data={"variant_id": 1, "quantity": 1, "user_key": "j"}),
            "cart_id: 'k' contradicts data.user_key 'j'",
        ),
        (
            line("cart.create", "tray", cart_id="k", data=ADD | {"session_id": "j"}).replace("n_id", "n\\u005fid"),
            "cart_id: 'k' contradicts data.session_id 'j'",
        ),
        (
            line("cart.create", "tray", data=ADD | {"session_id": ".."}),
            f"data.session_id: '..' is not a session_id: {KEYS_HAVE}",
        ),
        (
            line("cart.create", "tray", data=ADD | {"session_id": "k" * 33}),
            f'data.session_id: expected a string of at most 32 characters, found "{"k" * 33}"',
        ),
        (
            line("cart.get", "try"),
            "account: 'sandbox-try' is not in the config (there is no batchcart.toml",
        ),
    ],
)
def test_a_line_that_its_platform_cannot_take_is_told_why(bench: Bench, text: str, complaint: str) -> None:
    assert any(told.removeprefix("1: ").startswith(complaint) for told in bench.complaints(text))


def test_an_update_without_a_field_is_told_which_there_are(bench: Bench) -> None:
    for text in (line("cart.update", "tray", cart_id="k", data={}), line("cart.update", "tray", cart_id="k")):
        (told,) = bench.complaints(text)

        assert told.startswith("1: data: cart.update needs at least one field; it has email, ")


def test_missing_fields_are_told_once(bench: Bench) -> None:
    for text in (line("item.add", "tray", cart_id="k", data={}), line("item.add", "tray", cart_id="k")):
        told = bench.complaints(text)

        assert [problem.partition(";")[0] for problem in told] == [
            "1: data.product_id: missing",
            "1: data.quantity: missing",
        ]


def test_a_bad_line_still_makes_its_names_for_the_lines_after_it(bench: Bench) -> None:
    told = bench.complaints(
        line("cart.crate", "tray", cart="x", item="i", data=ADD),
        line("cart.create", "tray", cart="y", data={}),
        line("cart.create", "trya", cart="z", data={}),
        *(line("item.add", "tray", cart=name, data=ADD) for name in "xy"),
        line("cart.get", "tray", cart="w"),
    )

    assert {problem.partition(":")[0] for problem in told} == {"1", "2", "3", "6"}


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \n\t\n\r\n"])
def test_a_file_without_operations_is_refused(bench: Bench, content: str) -> None:
    bench.job.write_text(content)
    with pytest.raises(UsageError, match=r"there is no operation in it"):
        plan(bench.job)


def test_lines_of_one_mistake_are_told_once_and_all_counted(bench: Bench) -> None:
    bench.job.write_text("x\n" * 1500 + line("cart.count", "shoplo"))
    with pytest.raises(BadLines) as caught:
        plan(bench.job)

    (told,) = caught.value.problems
    assert told.startswith(f"{bench.job}:1: not JSON")
    assert told.endswith("The same is wrong with 1,499 more lines (2, 3, 4, 5, 6, …)")
    assert caught.value.total == 1500


def test_one_bad_line_keeps_the_whole_job_out_of_the_plan(bench: Bench) -> None:
    with pytest.raises(BadLines):
        bench.rows(line("cart.count", "shoplo"), "x")

    with contextlib.closing(sqlite3.connect(bench.journal)) as journal:
        assert journal.execute("SELECT count(*) FROM plan").fetchone() == (0,)


def test_a_disk_that_takes_no_plan_is_said(bench: Bench) -> None:
    bench.job.write_text("\n".join([line("cart.count", "shoplo")] * 2000))
    with contextlib.closing(create(bench.journal)) as connection:
        connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(UsageError, match=r"cannot be written: database or disk is full; nothing was sent"):
            plan(bench.job, connection=connection)


def test_unknown_fields_pass_when_they_are_allowed(bench: Bench) -> None:
    bench.job.write_text(line("cart.update", "3dcart", cart_id="k", data={"Comment": {"a": [1, None]}}))

    assert plan(bench.job, allow_unknown=True).lines == 1
    assert bench.complaints(bench.job.read_text())


def test_a_query_of_unknown_fields_holds_what_an_address_can(bench: Bench) -> None:
    for value in ({"a": 1}, None, True, [1]):
        told = bench.complaints(line("cart.list", "shoplo", query={"x": value}), allow_unknown=True)

        assert told == ["1: query: an address holds texts, numbers and arrays of texts, nothing else"]


FIELDS = sorted(
    {
        name
        for adapter in load_adapters().values()
        for cell in adapter.operations.values()
        for table in (cell.data_schema, cell.query_schema)
        if table is not None
        for name in field_names(table)
    }
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 10**22)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "1", "0", "x", "..", "k" * 40, "2.5", "2026-01-01", "\x00", "é:😀", "{item_id}", "9" * 400])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=3),
    max_leaves=5,
)
TABLES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
LINES = st.fixed_dictionaries(
    {"op": st.sampled_from([*(kind.value for kind in OperationKind), "cart.x"])},
    optional={
        "account": st.sampled_from([*ENTRIES, "none"]),
        **dict.fromkeys(("cart", "item"), st.sampled_from(["x", "y"])),
        **dict.fromkeys(("cart_id", "item_id", "id"), st.sampled_from(["K", "L", 5, ".."]) | LEAVES),
        "view": st.sampled_from(["complete", "x"]),
        **dict.fromkeys(("data", "query"), TABLES | VALUES),
    },
)
FUZZ = settings(suppress_health_check=list(HealthCheck))  # one folder serves all examples


def attempt(job: Path, allow_unknown: bool) -> None:  # noqa: FBT001
    """Any other error than this one fails the test."""
    with contextlib.suppress(UsageError):
        plan(job, allow_unknown=allow_unknown, default="sandbox-tray")


@given(lines=st.lists(LINES, min_size=1, max_size=8), allow_unknown=st.booleans())
@FUZZ
def test_no_line_that_is_json_makes_the_check_stumble(bench: Bench, lines: list[Any], allow_unknown: bool) -> None:  # noqa: FBT001
    bench.job.write_text("\n".join(json.dumps(entry) for entry in lines))
    attempt(bench.job, allow_unknown)


@given(lines=st.lists(LINES, min_size=1, max_size=2), cut=st.binary(max_size=4), at=st.integers(0, 200))
@FUZZ
def test_no_damaged_line_makes_the_check_stumble(bench: Bench, lines: list[Any], cut: bytes, at: int) -> None:
    text = "\n".join(json.dumps(entry, ensure_ascii=False) for entry in lines).encode()
    bench.job.write_bytes(text[:at] + cut + text[at + len(cut) :])
    attempt(bench.job, allow_unknown=True)


@given(content=st.binary(max_size=200))
@FUZZ
def test_no_bytes_make_the_check_stumble(bench: Bench, content: bytes) -> None:
    bench.job.write_bytes(content)
    if not content.startswith((b"\x1f\x8b", b"\x28\xb5")):
        attempt(bench.job, allow_unknown=False)
