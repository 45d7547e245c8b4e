"""The functions that have the commands' names: what they give, what they raise, and what a notebook shows of it."""

import subprocess
import sys
import tomllib
import types
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Cli, ShopServer, create, get, line, new_carts, open_cli_here

import batchcart


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return open_cli_here(shop_server, tmp_path, monkeypatch)


def test_a_run_is_checked_done_looked_at_and_taken_back_from_python(shop: Cli) -> None:
    job = shop.job([create("acme"), create("loja"), get("acme")])
    lines: list[int] = []
    plan = batchcart.check(job, on_request=lambda request: lines.append(request.line))
    assert (plan.lines, lines, sorted(plan.accounts)) == (3, [1, 2, 3], ["acme", "loja"])
    assert plan.accounts["acme"].operations == {"cart.create": 1, "cart.get": 1}
    assert shop.requests() == 0

    run = batchcart.run(job)
    assert run.finish() == run.summary
    assert run.results == Path("job.results.jsonl")
    status = batchcart.status(run.results)
    assert (status.exit_code, status.pid, status.summary.totals["ok"]) == (0, None, 3)
    assert batchcart.report(run.results).exit_code == 0
    assert batchcart.settle(run.results).before == 0
    with pytest.raises(batchcart.UsageError, match="line 9223372036854775808 is not an operation of this run"):
        batchcart.settle(run.results, line=1 << 63, not_done=True)

    undone = batchcart.undo(run.results, "undo.jsonl")
    assert undone.back == {("acme", "cart.delete"): 1, ("loja", "cart.delete"): 1}
    batchcart.run("undo.jsonl").finish()
    assert not shop.endpoint("acme").shop.carts


def test_what_did_not_end_well_is_told_and_becomes_a_job(shop: Cli) -> None:
    run = batchcart.run(
        [{"op": "cart.get", "account": "loja", "cart_id": "nosuch"}, *new_carts("loja", 1)], results="r.jsonl"
    )
    summary = run.finish()
    assert summary.exit_code == 1
    found = batchcart.reasons("r.jsonl")
    assert found is not None
    assert [one["lines"] for one in found.as_list()] == [[1]]
    with pytest.raises(batchcart.UsageError, match="its job"):
        batchcart.rest("r.jsonl", "again.jsonl")


def test_a_config_is_a_mapping_too_and_shows_no_secret(shop: Cli) -> None:
    file = Path("batchcart.toml")
    table = tomllib.loads(file.read_text())
    file.unlink()
    with pytest.raises(batchcart.UsageError, match="loja"):
        list(batchcart.run(new_carts("loja", 1), results="r.jsonl"))
    assert batchcart.run(new_carts("loja", 1), results="r.jsonl", config=table).finish().totals["ok"] == 1
    secret = next(str(value) for key, value in table["accounts"]["loja"].items() if key == "access_token")
    bad = {"accounts": {"loja": {**table["accounts"]["loja"], "nonsense": 1}}}
    with pytest.raises(
        batchcart.UsageError, match="the given config: account 'loja': unknown key 'nonsense'"
    ) as raised:
        batchcart.run(new_carts("loja", 1), results="other.jsonl", config=bad).finish()
    assert secret not in str(raised.value)
    assert secret not in repr(batchcart.run(new_carts("loja", 1), results="r.jsonl", config=table)._options)


def test_a_config_given_as_a_mapping_reaches_the_processes_of_a_run(shop: Cli) -> None:
    file = Path("batchcart.toml")
    table = tomllib.loads(file.read_text())
    file.unlink()
    job = [create("acme"), create("loja")]
    assert batchcart.run(job, results="r.jsonl", config=table, processes=2).finish().totals["ok"] == 2


def test_carts_are_exported_mapped_converted_and_verified_from_python(shop: Cli) -> None:
    item = {**line("acme", "item.add"), "cart": "a", "data": {"CatalogID": 5, "ItemQuantity": 2}}
    batchcart.run([create("acme", "a"), item], results="made.jsonl").finish()
    exported = batchcart.export("acme", "carts.jsonl", keys_from="made.jsonl")
    assert (exported.carts, exported.stopped) == (1, "")
    assert batchcart.write_map_template("carts.jsonl", "map.csv") == 1
    with pytest.raises(batchcart.UsageError, match="nosuch"):
        batchcart.convert("carts.jsonl", to="nosuch", product_map="map.csv", output="job.jsonl")


def test_results_cannot_be_changed(shop: Cli) -> None:
    for name in batchcart._HOMES:
        found = getattr(batchcart, name)
        if isinstance(found, type) and is_dataclass(found):
            assert found.__dataclass_params__.frozen, name  # type: ignore[attr-defined]
            assert fields(found)
    summary = batchcart.run(new_carts("loja", 1), results="r.jsonl").finish()
    with pytest.raises(FrozenInstanceError):
        summary.results = "x"  # type: ignore[misc]


def test_the_package_lists_its_public_names_and_no_others() -> None:
    importlib_names = {name for name in dir(batchcart) if not name.startswith("_")}
    assert importlib_names == {name for name in batchcart.__all__ if name != "__version__"}


@pytest.mark.parametrize(("name", "module"), [("undo", "batchcart.undo.undo"), ("report", "batchcart.report.collect")])
def test_a_function_that_has_a_packages_name_is_one_whichever_is_imported_first(name: str, module: str) -> None:
    package_first = f"import {module}, batchcart"
    function_first = f"import batchcart; batchcart.{name}; import {module}"
    for imports in (package_first, function_first):
        script = f"{imports}; print(type(batchcart.{name}).__name__)"
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert found.stdout == "function\n"


class Cell:
    """Stands for a notebook's kernel: what its cell was asked to show, one after the other."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> "Cell":
        assert raw
        assert display_id
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


def test_a_notebook_shows_progress_and_at_the_end_a_table(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, kernel, display = Cell(), types.ModuleType("IPython"), types.ModuleType("IPython.display")
    shell = type("ZMQInteractiveShell", (), {})()
    vars(kernel)["get_ipython"] = lambda: shell
    vars(display)["display"] = cell.display
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", display)

    run = batchcart.run(new_carts("loja", 2), results="r.jsonl")
    found = list(run)

    assert cell.shown[0]["text/plain"] == "1 ok"
    assert cell.shown[-1]["text/html"] == run.summary._repr_html_()
    assert "<td>loja</td><td>2</td>" in run.summary._repr_html_()
    assert batchcart.table(found)._repr_html_().count("<tr>") == 3
    assert list(batchcart.table(found)) == found


def test_a_table_shows_what_a_shop_says_as_text_and_at_most_a_hundred_rows(tmp_path: Path) -> None:
    error: dict[str, Any] = {"message": "<script>alert(1)</script>"}
    bad = batchcart.Result(1, "a", "tray", "cart.get", batchcart.Status.FAILED, error=error)
    shown = batchcart.table([bad] * 120)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "… and 20 more" in shown
