"""`--metrics` keeps a file in the Prometheus text format that its own parser reads, whole at any time."""

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_harness import Cli, create
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from batchcart.model.errors import UsageError
from batchcart.runs.metrics import METRICS, RUN_METRICS, metrics_file, render
from batchcart.runs.snapshot import AccountSnapshot

ACME = AccountSnapshot(
    "acme",
    "3dcart",
    1000,
    {"ok": 90, "failed": 2},
    sent=120,
    retries=5,
    refusals=3,
    in_flight=2,
    limit=2.0,
    adapted_rate=True,
    best=454.0,
    waiting="throttled",
    waiting_until=1_800_000_000.5,
    why="429",
)
Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Sample, float]:
    """Every sample; the parser raises ValueError where the text is not the format."""
    found: dict[Sample, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def test_an_account_is_told_in_full() -> None:
    text = render([ACME], (1, 1_790_000_000.25, 1_790_000_010))
    acme = {"account": "acme", "platform": "3dcart"}

    assert value(text, "batchcart_run_alive") == 1
    assert value(text, "batchcart_run_began_seconds") == 1_790_000_000.25
    assert value(text, "batchcart_lines", **acme) == 1000
    assert value(text, "batchcart_operations_total", **acme, status="ok") == 90
    assert value(text, "batchcart_operations_total", **acme, status="in_doubt") == 0
    assert value(text, "batchcart_requests_total", **acme) == 120
    assert value(text, "batchcart_limit_per_second", **acme) == 2
    assert value(text, "batchcart_waiting", **acme, reason="throttled") == 1
    assert value(text, "batchcart_waiting", **acme, reason="quota") == 0
    assert value(text, "batchcart_waiting_until_seconds", **acme) == 1_800_000_000.5


def test_every_metric_has_its_help_and_its_type() -> None:
    families = {family.name: family for family in text_string_to_metric_families(render([ACME], (1, 2, 3)))}

    for metric in METRICS:
        family = families[metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
    assert {name for name, _ in RUN_METRICS} <= set(families)


def test_an_account_without_a_limit_has_none_in_the_file() -> None:
    free = AccountSnapshot("sklep", "shoplo", 1, {})

    assert "batchcart_limit_per_second{" not in render([free], (1, 2, 3))


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029\v\f\x1c\x1d\x1e")),
        unique=True,
        max_size=4,
    )
)
def test_any_account_name_comes_back_from_the_file(names: Sequence[str]) -> None:
    text = render([AccountSnapshot(name, "tray", 7, {}) for name in names], (1, 2, 3))
    found = {dict(labels)["account"] for (name, labels) in samples(text) if name == "batchcart_lines"}

    assert found == set(names)


@given(st.floats(0, 1e12))
def test_a_number_is_exact_to_the_millisecond_or_to_twelve_digits(number: float) -> None:
    text = render([], (number, 0, 0))

    assert value(text, "batchcart_run_alive") == pytest.approx(number, rel=1e-11, abs=1e-3)


async def test_the_file_is_replaced_at_once_and_ends_with_a_run_that_is_not_alive(tmp_path: Path) -> None:
    path = tmp_path / "run.prom"
    snapshots = [AccountSnapshot("acme", "3dcart", 2, {})]
    async with metrics_file(path, lambda: snapshots):
        before = path.stat().st_ino
        assert value(path.read_text(), "batchcart_run_alive") == 1
        snapshots[0] = AccountSnapshot("acme", "3dcart", 2, {"ok": 2})
        await asyncio.sleep(0)

    assert path.stat().st_ino != before
    assert value(path.read_text(), "batchcart_run_alive") == 0
    assert value(path.read_text(), "batchcart_operations_total", account="acme", platform="3dcart", status="ok") == 2
    assert not path.with_name("run.prom.new").exists()


async def test_a_folder_that_is_not_there_is_told_before_the_run_begins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--metrics"):
        async with metrics_file(tmp_path / "no" / "run.prom", list):
            raise AssertionError


async def test_a_pipe_or_device_is_not_replaced_by_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a regular file and was not replaced"):
        async with metrics_file(tmp_path / "pipe", list):
            pass
    assert (tmp_path / "pipe").is_fifo()


def test_every_metric_stands_in_the_documentation_with_type_and_labels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "watching.md").read_text().split("## Metrics")[1]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", page, flags=re.MULTILINE)
    found = {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    shown: dict[str, tuple[str, set[str]]] = {name: ("gauge", set()) for name, _ in RUN_METRICS}
    for metric in METRICS:
        own = {name for labels, _ in metric.read(ACME) for name, _ in labels}
        shown[metric.name] = metric.kind, {"account", "platform", *own}

    assert found == shown


def test_the_figures_of_a_run_stand_in_its_file_at_the_end(shop: Cli) -> None:
    shop.job([create(account, f"c{number}") for account in ("acme", "sklep") for number in range(5)])
    shop.run("--metrics", "run.prom", code=0)
    text = (shop.folder / "run.prom").read_text()

    for account, platform in (("acme", "3dcart"), ("sklep", "shoplo")):
        of = {"account": account, "platform": platform}
        assert value(text, "batchcart_operations_total", **of, status="ok") == 5
        assert value(text, "batchcart_requests_total", **of) >= 5
        assert value(text, "batchcart_in_flight", **of) == 0
