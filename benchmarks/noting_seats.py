"""Owns seats that send nothing: they note an intent, an answer and a result for each line; they show what a hub takes.

python benchmarks/noting_seats.py PORT HUB_PID SEATS WIDTH LATENCY        (prints the hub's CPU as JSON)

WIDTH lines of an account are under way at a time, and each has its answer after LATENCY seconds, half of it more or
less; with 0 at once, so that the hub never waits.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from batchcart import __version__
from batchcart.runs.seats.frames import FrameStream, hear_hub
from batchcart.runs.seats.parcel_feed import parcel_lines
from batchcart.runs.seats.protocol import (
    AccountRows,
    Bye,
    Finished,
    FromHub,
    Hello,
    More,
    Parcel,
    Rows,
    Seen,
    Take,
    Written,
)
from batchcart.runs.snapshot import AccountSnapshot

_REQUEST = '["POST","/3dCartWebAPI/v2/Carts",[],null]'
_KEY = "8a0a5d2e7c8d4c1b9f"
_BODY = f'[{{"Key":"CartID","Value":"{_KEY}","Status":"201","Message":"Created successfully"}}]'.encode()
_ANSWER = (201, '{"content-type":"application/json; charset=utf-8"}', _BODY, None)
_LEARNT = f'{{"cart_id":"{_KEY}"}}'
_RESULT = (
    b'{"line":%d,"account":"%s","platform":"3dcart","op":"cart.create","cart":"c%d","status":"ok","http_status":201,'
    b'"cart_id":"' + _KEY.encode() + b'","attempts":1,"sent_at":"2026-01-01T00:00:00.123Z",'
    b'"ended_at":"2026-01-01T00:00:00.125Z","body":' + _BODY + b"}"
)
_BEAT, _PATIENCE = 0.5, 60.0  # seconds between two signs of life, and for which a hub is waited for


@dataclass(slots=True, eq=False)
class Account:
    """An account that a seat was given: lines that are not begun, and how many are under way."""

    take: Take
    steps: deque[int] = field(default_factory=deque)
    asked: bool = False
    rest: bool = False
    low: int = 0
    flying: int = 0
    done: int = 0


@dataclass(slots=True, eq=False)
class NotingSeat:
    """One connection to the hub."""

    stream: FrameStream[FromHub]
    width: int
    latency: float
    accounts: dict[int, Account] = field(default_factory=dict)
    bundle: dict[int, AccountRows] = field(default_factory=dict)
    under_way: dict[int, AccountRows] | None = None
    lines: int = 0

    async def work(self) -> None:
        """Note what the hub gives until it says good-bye."""
        beating = asyncio.create_task(self._beat())
        while (word := await self.stream.receive()) is not None and not isinstance(word, Bye):
            match word:
                case Take():
                    self._ask(self.accounts.setdefault(word.account, Account(word)))
                case Parcel():
                    account = self.accounts[word.account]
                    account.asked, account.rest, account.low = False, word.rest, len(word.steps) // 2
                    account.steps += (step.line for step in word.steps)
                    self._begin(account)
                case Written():
                    self._finish_bundle()
                case _:
                    pass
            self._hand_over()
        beating.cancel()
        self.stream.cut()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            self.stream.send(Seen([(number, one.take.epoch, _look(one)) for number, one in self.accounts.items()]))

    def _ask(self, account: Account) -> None:
        if not (account.asked or account.rest) and len(account.steps) <= account.low:
            account.asked = True
            self.stream.send(More(account.take.account, account.take.epoch, parcel_lines(len(self.accounts))))

    def _rows(self, account: Account) -> AccountRows:
        number = account.take.account
        if number not in self.bundle:
            self.bundle[number] = AccountRows(number, account.take.epoch, [], [], [], [], [])
        return self.bundle[number]

    def _begin(self, account: Account) -> None:
        while account.steps and account.flying < self.width:
            account.flying += 1
            self._rows(account).intents.append((account.steps.popleft(), 1, time.time(), _REQUEST))
        self._ask(account)

    def _end(self, account: Account, line: int) -> None:
        rows = self._rows(account)
        rows.responses.append((line, 1, "answered", _ANSWER))
        rows.results.append((line, "ok", _LEARNT, _RESULT % (line, account.take.name.encode(), line), False))
        account.flying -= 1
        account.done += 1
        self.lines += 1
        self._begin(account)

    def _hand_over(self) -> None:
        if self.under_way is None and self.bundle:
            self.under_way, self.bundle = self.bundle, {}
            self.stream.send(Rows(list(self.under_way.values())))

    def _finish_bundle(self) -> None:
        written, self.under_way = self.under_way or {}, None
        for number, rows in written.items():
            account = self.accounts[number]
            for line, *_ in rows.intents:
                if self.latency:
                    after = self.latency * random.uniform(0.5, 1.5)
                    asyncio.get_running_loop().call_later(after, self._end_later, account, line)
                else:
                    self._end(account, line)
            if account.rest and not (account.steps or account.flying or number in self.bundle):
                del self.accounts[number]
                self.stream.send(Finished(number, account.take.epoch, _look(account), [], b""))

    def _end_later(self, account: Account, line: int) -> None:
        self._end(account, line)
        self._hand_over()


def _look(account: Account) -> AccountSnapshot:
    take = account.take
    return AccountSnapshot(take.name, take.platform, 0, {}, sent=account.done, in_flight=account.flying, limit=1000.0)


async def _reach(port: int) -> FrameStream[FromHub]:
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                return FrameStream(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20), hear_hub())
            except OSError:
                await asyncio.sleep(0.02)


def _cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def note(port: int, hub: int, count: int, width: int, latency: float) -> dict[str, float]:
    """The hub's seconds of CPU from when all seats are there to its last word, by how many lines, in how long."""
    streams = [await _reach(port) for _ in range(count)]
    for stream in streams:
        stream.send(Hello(__version__, os.getpid(), "noting"))
    for stream in streams:
        await stream.receive()
    seats = [NotingSeat(stream, width, latency) for stream in streams]
    before, began = _cpu(hub), time.monotonic()
    await asyncio.gather(*(seat.work() for seat in seats))
    took, cpu = time.monotonic() - began, _cpu(hub) - before
    return {"lines": sum(seat.lines for seat in seats), "cpu": cpu, "seconds": took}


if __name__ == "__main__":
    port, hub, count, width = map(int, sys.argv[1:5])
    print(json.dumps(asyncio.run(note(port, hub, count, width, float(sys.argv[5])))))
