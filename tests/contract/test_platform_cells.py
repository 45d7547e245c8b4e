"""Each cell of the operations table, run by the real engine against the simulator over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest
from platform_parts import SIMULATED, SOLD

from batchcart.model.limits import Limit
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.runner import run_job
from batchcart.sandbox import Sandbox

CASES = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parents[1] / "cells").glob("*.json")}
"""What each simulated platform's cells do, by its name: the account, how a job begins, and each operation's lines,
what the shop then holds that differs from the beginning, and what its answers say."""
UNLIMITED: dict[str, tuple[Limit, ...]] = dict.fromkeys(SIMULATED, ())
CELLS = [(name, kind) for name in SIMULATED for kind in load_adapters()[name].operations]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def _run(
    folder: Path, sandbox: Sandbox, platform: str, lines: list[dict[str, Any]], own: str
) -> list[dict[str, Any]]:
    """The results of a job on one account, in line order."""
    account = own.format(address=sandbox.address(platform))
    config, job, results = folder / "batchcart.toml", folder / "job.jsonl", folder / "results.jsonl"
    config.write_text(f'[accounts.shop]\nplatform = "{platform}"\nlimits = []\nconcurrency = 1\n{account}\n')
    job.write_text("".join(json.dumps({"account": "shop", **line}) + "\n" for line in lines))
    await run_job(RunOptions(str(job), results=results, config=config, in_order=True), RunMonitor())
    return [json.loads(line) for line in results.read_text().splitlines()]


def _lines(platform: str, kind: OperationKind) -> list[dict[str, Any]]:
    case = CASES[platform]
    return [*case["begin"], *({"op": kind.value, **line} for line in case["operations"][kind.value]["lines"])]


def _own(platform: str) -> str:
    """The keys of the account, whose address is not known yet."""
    address = load_adapters()[platform].account.address_key
    return "\n".join(
        f'{key} = "{value}"' for key, value in {**CASES[platform]["account"], address: "{address}"}.items()
    )


def _held(sandbox: Sandbox, platform: str) -> dict[str, Any]:
    """What the shop's only cart holds, in one flat view; its lines are None where there is no cart."""
    carts = sandbox.state()[platform][""]["carts"]
    if not carts:
        return {"lines": None}
    ((_, cart),) = carts.items()
    items = list(cart["items"].values())
    names = SOLD[platform]
    lines = sorted([str(item[name]) for name in names] for item in items)
    discount = items[0].get("discount") if items else None
    return {
        **cart.get("fields", {}),
        **cart.get("head", {}),
        **cart.get("shipping", {}),
        "lines": lines,
        "discount": discount,
    }


async def _shown(tmp_path: Path, platform: str, kind: OperationKind, sandbox: Sandbox, own: str) -> None:
    """The cell's job ends ok in every line, names what it made, and the shop holds what it asked for."""
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, platform, _lines(platform, kind), own)
    assert [result["status"] for result in results] == ["ok"] * len(results)
    assert results[0]["cart_id"]
    assert not load_adapters()[platform].create_adds_item or results[0]["item_id"] == "1"
    text = (tmp_path / "results.jsonl").read_text()
    assert "made-up" not in text
    case = CASES[platform]["operations"][kind.value]
    assert all(part in text for part in case.get("answers", ()))
    expected = {"lines": CASES[platform]["begun"], **case.get("holds", {})}
    assert {name: _held(sandbox, platform).get(name) for name in expected} == expected


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_does_what_it_says(tmp_path: Path, platform: str, kind: OperationKind) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED), _own(platform))


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_reads_answers_as_the_documents_print_them(
    tmp_path: Path, platform: str, kind: OperationKind
) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED, sloppy=True), _own(platform))


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_can_be_said_as_a_form(tmp_path: Path, platform: str, kind: OperationKind) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED), _own(platform) + '\nencoding = "form"')


async def test_shoplo_takes_what_oauth_signed(tmp_path: Path) -> None:
    secrets = {name: f"{name}-made-up" for name in ("consumer_key", "consumer_secret", "token", "token_secret")}
    sandbox = Sandbox(limits=UNLIMITED, credentials={"shoplo": secrets})
    own = "\n".join(f'{name} = "{secret}"' for name, secret in secrets.items())
    await _shown(
        tmp_path, "shoplo", OperationKind.DISCOUNT_SET, sandbox, f'auth = "oauth1"\nbase_url = "{{address}}"\n{own}'
    )


async def test_a_cart_of_several_pages_is_read_and_deleted_whole(tmp_path: Path) -> None:
    adds = [{"op": "item.add", "cart": "c", "data": {"variant_id": number, "quantity": 1}} for number in range(1, 61)]
    lines = [*CASES["shoplo"]["begin"], *adds, {"op": "cart.get", "cart": "c"}, {"op": "cart.delete", "cart": "c"}]
    sandbox = Sandbox(limits=UNLIMITED)
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, "shoplo", lines, _own("shoplo"))
    assert len(results[-2]["body"]["carts"]) == 61
    assert results[-1]["status"] == "ok"
    assert _held(sandbox, "shoplo") == {"lines": None}


@pytest.mark.parametrize("platform", SIMULATED)
async def test_an_add_whose_answer_is_cut_off_is_found_again(tmp_path: Path, platform: str) -> None:
    hits = iter(["", "reset-after", "", "truncate"])
    sandbox = Sandbox(limits=UNLIMITED, hook=lambda call: next(hits, "") if call.method == "POST" else "")
    product, quantity = SOLD[platform]
    adds = [{"op": "item.add", "cart": "c", "data": {product: 12, quantity: 3}} for _ in range(3)]
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, platform, [CASES[platform]["begin"][0], *adds], _own(platform))
    assert [result["status"] for result in results] == ["ok"] * 4
    held = [int(amount) for name, amount in _held(sandbox, platform)["lines"] if name == "12"]
    assert sum(held) == 9
