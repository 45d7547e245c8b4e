"""Large answers are read beside the loop: whatever one shop sends, the others have their turns meanwhile."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_harness import Harness
from in_memory_shops import SeenRequest, Shops
from msgspec.structs import replace
from platform_parts import snapshot_of
from test_odd_answers import Shop

from batchcart.accounts.config import Account
from batchcart.engine.offload import LARGE, offload
from batchcart.model.http import Exchange, Reply, Request, Response
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Succeeded
from batchcart.platforms import load_adapters

MIB = 1 << 20


def _rows(count: int) -> list[dict[str, object]]:
    return [
        {"id": number, "user_key": "K", "variant_id": 7, "quantity": 2, "price": 19900, "name": f"Zestaw {number}"}
        for number in range(count)
    ]


BODIES: dict[str, Callable[[], bytes]] = {
    "rows": lambda: json.dumps({"carts": _rows(20_000)}).encode(),
    "empty arrays": lambda: b"[" + b"[]," * (8 * MIB // 3) + b"1]",
    "objects in objects": lambda: b"[" + b'{"a":{}},' * (8 * MIB // 9) + b"1]",
    "one text": lambda: b'{"a":"' + b"x" * (8 * MIB) + b'"}',
    "a text without end": lambda: b'{"a":"' + b"x" * (8 * MIB),
    "half emoji": lambda: b'{"a":"' + b"\\ud83d" * (MIB // 6) + b'"}',
    "line ends": lambda: b"[" + b"\n" * (8 * MIB) + b"]",
    "no text": lambda: b"\xff" * (8 * MIB),
    "missing commas": lambda: b'{"a":1' + b'\n"a":1' * 40_000 + b"}",
}


async def _shares_of_the_loop(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that this process worked while the work was done beside the loop, and the most of them in one wait.

    Seconds of its own, not of the clock: so a machine that does much else makes no wait longer.
    """
    longest, over, begun = 0.0, asyncio.Event(), asyncio.Event()

    async def probe() -> None:
        nonlocal longest
        while not over.is_set():
            before = time.process_time()
            begun.set()
            await asyncio.sleep(0.001)
            longest = max(longest, time.process_time() - before)

    probing = asyncio.create_task(probe())
    await begun.wait()
    before = time.process_time()
    await offload(asyncio.Lock(), work)
    whole = time.process_time() - before
    over.set()
    await probing
    return whole, longest


@pytest.mark.parametrize("name", BODIES)
async def test_no_other_account_waits_while_a_large_answer_is_read(name: str) -> None:
    shop = Shop("shoplo")
    operation = shop.operation(OperationKind.CART_GET)
    cell = shop.adapter.operations[OperationKind.CART_GET]
    body = BODIES[name]()

    def read() -> object:
        request = cell.build(operation, shop.known)
        assert isinstance(request, Request)
        return cell.interpret(operation, shop.known, (Exchange(request, Response(200, body)),))

    # The longest step that is not ours to cut: a look at each byte of the body. Of several, the least noisy is taken.
    step = _took(lambda: (body.count(b","), body.decode("latin-1")))
    tries = [await _shares_of_the_loop(read) for _ in range(3)]
    assert any(longest < max(whole / 3, 2 * step) for whole, longest in tries), tries


def _took(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


async def test_one_account_reads_one_large_answer_at_a_time_and_turns_are_usual_again_after_it() -> None:
    usual, alone, at_work, most = sys.getswitchinterval(), asyncio.Lock(), 0, 0

    def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        assert sys.getswitchinterval() < usual
        time.sleep(0.01)
        at_work -= 1

    await asyncio.gather(*(offload(alone, work) for _ in range(5)))
    assert most == 1
    assert sys.getswitchinterval() == usual


async def test_what_is_raised_beside_the_loop_is_raised_to_who_waits() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await offload(asyncio.Lock(), fail)


def test_what_is_read_on_the_loop_takes_a_few_milliseconds_at_the_worst() -> None:
    shop = Shop("tray")
    worst = b'{"a":1' + b'\n"a":1' * (LARGE // 6) + b",}"
    assert isinstance(shop.ended(shop.operation(OperationKind.CART_GET)), Succeeded)
    assert min(_took(lambda: snapshot_of(shop.adapter).is_missing(Response(200, worst))) for _ in range(5)) < 0.25


class _Heavy(Shops):
    """Shops whose first answer to each of the engine's own questions is large and says nothing."""

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        own = request.path in {"/auth", account.adapter.health_check.path}
        if own and not any(seen.request.path == request.path and seen.fault == "heavy" for seen in self.seen):
            self.seen.append(SeenRequest(asyncio.get_running_loop().time(), account.name, "", request, "heavy"))
            leaving()
            return Response(500, b"[" + b"[]," * LARGE + b"1]")
        return await super().answer(account, journal, request, leaving)


def test_large_answers_to_the_engines_own_questions_are_read_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, here, read_by = load_adapters()["tray"], threading.get_ident(), list[tuple[str, bool]]()
    renewal = adapter.auth.token_refresh
    assert renewal is not None

    def watched(name: str, read: Callable[..., Any], body_of: Callable[[Any], bytes]) -> Callable[..., Any]:
        def reads(said: Any) -> Any:
            if len(body_of(said)) >= LARGE:
                read_by.append((name, threading.get_ident() == here))
            return read(said)

        return reads

    renewal = replace(
        renewal,
        parse_tokens=watched("tokens", renewal.parse_tokens, lambda response: response.body),
        refused=watched("refused", renewal.refused, lambda response: response.body),
    )
    classify = watched("classify", adapter.errors.classify, lambda exchange: exchange.response.body)
    bent = replace(
        adapter,
        auth=replace(adapter.auth, token_refresh=renewal),
        errors=replace(adapter.errors, classify=classify),
    )
    monkeypatch.setitem(load_adapters(), "tray", bent)
    faults = iter(["not-sent", "401"])
    line = {"op": "cart.get", "account": "local-tray", "cart_id": "s1"}
    shops = _Heavy(lambda _account, _request: next(faults, ""))
    Harness(tmp_path, [line], shops).run()

    assert {name for name, _ in read_by} == {"classify", "tokens", "refused"}
    assert not any(on_loop for _, on_loop in read_by)
