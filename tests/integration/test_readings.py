"""However a shop reads the documents: nothing is done twice, nothing is lost unsaid, ok stands where the shop did it.

A referee judges by what the simulated shops did and hold, never by their answers. Every deviation is tried alone, and
many together. The long form: pytest -m readings
"""

import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from deviations import PLATFORMS, ROUNDS, Chosen, combinations, config_for, named, turn
from engine_harness import Harness
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from in_memory_shops import FAULTS, Script, Shops
from witness import SOLD, Line, Referee, job, stock, witness

from batchcart.model.adapter import NEW_CART, CartContext
from batchcart.model.http import Exchange, LostWrite, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Foreign, Unavailable
from batchcart.platforms import load_adapters
from batchcart.sandbox.readings import READINGS

CANNOT: Mapping[tuple[str, str], set[str]] = {
    ("tray.update_route", "body"): {"cart.update"},
    ("tray.write_slash", "needed"): {"cart.create", "item.add", "cart.get", "cart.update", "cart.delete"},
    ("shoplo.user_key_filter", "product"): {"cart.get", "cart.delete"},
}
"""What cannot end ok under a reading, though nothing goes wrong: it says so instead."""

OTHERS = ("page-403", "page-502-after", "redirect-301", "redirect-302-after", "401")


def fine(_account: str, _request: Request) -> str:
    return ""


def by_chance(seed: int, share: float, faults: tuple[str, ...] = FAULTS) -> Script:
    """This share of the requests meets one of the faults."""
    rng = random.Random(seed)
    return lambda _account, _request: rng.choice(faults) if rng.random() < share else ""


def judged(chosen: Chosen, script: Script = fine, *, seed: int = 0, stops: tuple[float, ...] = ()) -> list[Line]:
    """The results of a run with every operation at shops of these readings, once the referee found nothing wrong."""
    shops = Shops(script)
    jobs = {platform: job(f"local-{platform}", platform) for platform in PLATFORMS}
    turn(shops.sandbox, chosen)
    referees = {}
    for platform in PLATFORMS:
        endpoint = shops.sandbox.shop(platform)
        stock(endpoint)
        referees[platform] = Referee(endpoint, witness(endpoint))
    with TemporaryDirectory() as folder:
        lines = [line for platform in PLATFORMS for line in jobs[platform]]
        shop = Harness(Path(folder), lines, shops, config=config_for(chosen))
        for seconds in stops:
            shop.run(stop_after=seconds, seed=seed)
        results = shop.run(seed=seed).results
    first = 1
    for platform, referee in referees.items():
        own = [{**result, "line": result["line"] - first + 1} for result in results if result["platform"] == platform]
        assert referee.wrong(jobs[platform], own) == [], named(chosen)
        first += len(jobs[platform])
    # There an empty list is judged by the list of another cart, which is read while that is at work.
    elsewhere = chosen.get("shoplo.count_filter") == "ignored" or chosen.get("shoplo.user_key_filter") == "product"
    assert [one for one in shops.troubles if not (elsewhere and "at once on local-shoplo" in one)] == []
    return results


@pytest.mark.parametrize("chosen", ROUNDS, ids=named)
def test_every_operation_is_right_under_every_reading(chosen: Chosen) -> None:
    results = judged(chosen)
    excused = {(READINGS[name].platform, op) for name, value in chosen.items() for op in CANNOT.get((name, value), ())}
    assert len(results) == sum(len(job("", platform)) for platform in PLATFORMS)
    assert {(one["platform"], one["op"]) for one in results if one["status"] != "ok"} <= excused
    for platform, op in excused:
        ended = {one["status"] for one in results if (one["platform"], one["op"]) == (platform, op)}
        assert ended & {"failed", "skipped"}, f"{platform} {op} is not to be excused"


@pytest.mark.parametrize("chosen", ROUNDS, ids=named)
def test_lost_and_odd_answers_do_no_harm_under_any_reading(chosen: Chosen) -> None:
    results = judged(chosen, by_chance(len(named(chosen)), 0.25))
    assert {"ok"} < {one["status"] for one in results} | {"?"}


def any_run(chosen: Chosen, seed: int, share: float, stops: list[float]) -> None:
    judged(chosen, by_chance(seed, share, (*FAULTS, *OTHERS)), seed=seed, stops=tuple(stops))


RUNS = (
    combinations(12),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.lists(st.floats(0, 5), max_size=2),
)


@settings(max_examples=30)
@given(*RUNS)
def test_many_readings_at_once_do_no_harm_with_faults_and_stops(
    chosen: dict[str, str], seed: int, share: float, stops: list[float]
) -> None:
    any_run(chosen, seed, share, stops)


@pytest.mark.readings
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(20))
def test_thousands_of_combinations_do_no_harm(part: int) -> None:
    many = settings(
        max_examples=150,
        deadline=None,
        phases=[Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    with_seed(part)(many(given(*RUNS)(any_run)))()


CUT = (
    Response(404, b'{"code": 404, "url": "/car'),
    Response(404, b'[{"Key": "Error", "Sta'),
    Response(200, b'[{"Cart": {"session_id": "k"'),
    Response(400, b'{"status": "err", "err'),
    Response(301, b"", {"location": "https://elsewhere.example/"}),
    Response(302, b"[]", {"location": "https://elsewhere.example/"}),
    Response(404, b"<html><body>Not Found</body></html>"),
)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("answer", CUT, ids=lambda answer: f"{answer.status} {answer.body[:12]!r}")
def test_a_look_that_was_cut_off_or_sent_elsewhere_is_taken_again(platform: str, answer: Response) -> None:
    cell = load_adapters()[platform].operations[OperationKind.ITEM_ADD]
    product, counted = SOLD[platform]
    data = f'{{"{product}": 5, "{counted}": 2}}'.encode()
    operation = Operation(2, OperationKind.ITEM_ADD, "a", cart="c", item="i", data=data)
    known = CartContext("k", "", {}, NEW_CART)
    lost = LostWrite(cell.build(operation, known), "cut", 0.0)
    look = cell.recover(operation, known, (lost,))
    assert isinstance(look, Request)
    assert not look.writes
    step = cell.interpret(operation, known, (lost, Exchange(look, answer)))
    assert isinstance(step, Foreign | Unavailable), step
    assert step.then == look


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_carts_are_deleted_side_by_side_in_a_list_of_all_carts_that_moves(tmp_path: Path, order: str) -> None:
    chosen = {"shoplo.user_key_filter": "ignored", "shoplo.list_order": order}
    shops = Shops(latency=partial(random.Random(1).uniform, 0.02, 0.2))
    turn(shops.sandbox, chosen)
    carts = [{"account": "local-shoplo", "cart_id": f"cart-{number}"} for number in range(30)]
    bought = {"data": {"variant_id": 1, "quantity": 1}}
    for name, ops in {"made": (("cart.create", bought), ("item.add", bought)), "gone": (("cart.delete", {}),)}.items():
        (tmp_path / name).mkdir()
        lines = [{"op": op, **cart, **data} for cart in carts for op, data in ops]
        ended = Harness(tmp_path / name, lines, shops, config=config_for(chosen), concurrency=8).run()
        assert {result["status"] for result in ended.results} == {"ok"}
    assert shops.sandbox.shop("shoplo").saw.effects["item-delete"] == 60
