"""However long answers are, however cut up or packed: they take what they are given, and no shop waits forever."""

import asyncio
import gzip
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from byte_server import account, listening, request, say, serving, told
from cli_harness import argv, environment

from batchcart.engine.http.answer_budget import AnswerBudget, Claim
from batchcart.engine.http.client import open_client
from batchcart.model.http import NoResponse, Response

MIB = 1 << 20
LARGE = b'"' + b"x" * (6 * MIB) + b'"'


def claims(budget: AnswerBudget, account: str, *sizes: int) -> list[Claim]:
    return [budget.claim(account, size, lambda: None) for size in sizes]


def test_one_account_gets_half_of_the_budget_and_others_do_not_wait_for_it() -> None:
    budget = AnswerBudget(80)
    greedy = claims(budget, "a", 20, 20, 20)
    others = claims(budget, "b", 20)
    assert [claim.granted for claim in (*greedy, *others)] == [True, True, False, True]
    budget.release(greedy[0])
    assert greedy[2].granted


def test_claims_are_granted_in_the_order_in_which_they_were_made() -> None:
    budget = AnswerBudget(80)
    first = [*claims(budget, "a", 40), *claims(budget, "b", 30)]
    large, small = claims(budget, "c", 40)[0], claims(budget, "d", 10)[0]
    assert (large.granted, small.granted) == (False, False)
    budget.release(first[1])
    assert (large.granted, small.granted) == (True, False)
    budget.release(first[0])
    assert small.granted


def test_a_claim_that_is_given_up_in_line_lets_the_next_one_through() -> None:
    budget = AnswerBudget(80)
    held = claims(budget, "a", 40) + claims(budget, "b", 30)
    large, small = claims(budget, "c", 40)[0], claims(budget, "d", 10)[0]
    budget.release(large)
    assert small.granted
    for claim in (*held, small):
        budget.release(claim)
    assert [claim.granted for claim in claims(budget, "a", 40) + claims(budget, "b", 40)] == [True, True]


@pytest.mark.parametrize("form", ["length", "chunks", "packed", "to the end"])
async def test_more_large_answers_than_there_is_room_for_all_come_in(tmp_path: Path, form: str) -> None:
    packed = gzip.compress(LARGE)

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        match form:
            case "length":
                writer.write(b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
            case "chunks":
                writer.write(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LARGE) + LARGE + b"\r\n0\r\n\r\n")
            case "packed":
                writer.write(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
            case _:
                writer.write(b"\r\n" + LARGE)
        await writer.drain()
        if form == "to the end":
            writer.close()

    budget = AnswerBudget(16 * MIB)
    async with serving(act) as (_, address), open_client(account(tmp_path, address), budget=budget) as send:
        for _ in range(2):  # the second round goes on the connections that are kept
            replies = await asyncio.gather(*(send(request("GET"), lambda: None) for _ in range(6)))
            assert all(reply == Response(200, LARGE) for reply in replies)
    assert all(claim.granted for claim in claims(budget, "a", 8 * MIB) + claims(budget, "b", 8 * MIB))


async def test_a_shop_whose_answers_never_end_lets_small_and_large_answers_of_others_through(tmp_path: Path) -> None:
    async def drip(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE[: 1 * MIB])
        await writer.drain()
        await asyncio.sleep(60)

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        body = LARGE if number % 2 else b"{}"
        await say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    budget = AnswerBudget(16 * MIB)
    async with (
        serving(drip) as (_, sick),
        serving(answer) as (_, well),
        open_client(replace(account(tmp_path, sick, timeout=1.0), name="sick"), budget=budget) as send,
        open_client(account(tmp_path, well), budget=budget) as send_well,
    ):
        sick_ones = [asyncio.ensure_future(send(request("GET"), lambda: None)) for _ in range(4)]
        await asyncio.sleep(0.3)
        replies = [await send_well(request("GET"), lambda: None) for _ in range(4)]
        assert [len(reply.body) for reply in replies if isinstance(reply, Response)] == [len(LARGE), 2] * 2
        assert await asyncio.gather(*sick_ones) == [NoResponse("no answer within 1 s", timed_out=True)] * 4


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_beyond_its_bound_is_given_up_at_once_with_its_connection(
    tmp_path: Path, method: str, *, packed: bool
) -> None:
    bound = 8 if method == "GET" else 1
    body = bytes(bound * MIB + 1)
    body = gzip.compress(body) if packed else body
    coding = b"Content-Encoding: gzip\r\n" if packed else b""

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (coding, len(body)) + body)

    async with serving(act) as (server, address):
        replies, _left = await told(tmp_path, address, request(method), request(method))
    key = "max_read_answer" if method == "GET" else "max_write_answer"
    assert replies == [NoResponse(f"the answer was longer than {bound} MiB, the account's {key}")] * 2
    assert server.connections == 2


async def _two_byte_chunks() -> AsyncIterator[bytes]:
    yield b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"2\r\n[]\r\n" * 10_000


_MEMBER = gzip.compress(bytes(40 * MIB), 1)


async def _bomb() -> AsyncIterator[bytes]:
    yield b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (10 * len(_MEMBER))
    yield _MEMBER * 10


async def _gigabyte() -> AsyncIterator[bytes]:
    yield b"\r\n"
    for _ in range(1024):
        yield bytes(MIB)


async def _just_too_long_and_slow() -> AsyncIterator[bytes]:
    yield b"Content-Length: %d\r\n\r\n" % (8 * MIB)
    yield bytes(8 * MIB - 1)
    await asyncio.sleep(60)


def _peak(folder: Path) -> int:
    """The most memory, in MiB, that a run of the folder's job had."""
    words = argv("run", "job.jsonl", "--progress", "none", "--patience", "0.001")
    run = subprocess.Popen(
        words, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0
    while run.poll() is None:
        with suppress(OSError):  # it has just ended
            found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{run.pid}/status").read_text())
            peak = max(peak, int(found[1]) >> 10 if found else 0)
        time.sleep(0.02)
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's memory")
@pytest.mark.parametrize("body", [_two_byte_chunks, _bomb, _gigabyte, _just_too_long_and_slow])
async def test_a_hundred_endless_answers_at_once_cost_the_budget_and_little_more(
    tmp_path: Path, body: Callable[[], AsyncIterator[bytes]]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        async for part in body():
            writer.write(part)
            await writer.drain()

    async with listening(serve) as port:
        lines: list[str] = []
        accounts = []
        for number in range(5):
            accounts.append(
                f'[accounts.a{number}]\nplatform = "shoplo"\naccess_token = "token-12345"\napp_id = "1"\n'
                f'base_url = "http://127.0.0.1:{port}"\nlimits = []\nconcurrency = 20\ntimeout = 1\n'
            )
            lines += [
                json.dumps({"op": "cart.get", "account": f"a{number}", "cart_id": f"k{one}"}) for one in range(20)
            ]
        (tmp_path / "batchcart.toml").write_text("".join(accounts))
        (tmp_path / "job.jsonl").write_text("\n".join(lines))
        peak = await asyncio.to_thread(_peak, tmp_path)
    assert 20 < peak < 200
