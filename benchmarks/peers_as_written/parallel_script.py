"""The parallel-request script for JSONL batches that is copied from project to project, its mechanism written anew.

One loop reads a line at a time, refills a capacity of requests and one of tokens by the clock, starts a task where
both suffice, sleeps a millisecond, and goes round; each task appends its own result and puts failures on a queue for
another try.

    python parallel_script.py JOB RESULTS ORIGIN
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}
REQUESTS_PER_MINUTE = 6_000_000
TOKENS_PER_MINUTE = 600_000_000
PAUSE = 0.001
PAUSE_AFTER_LIMIT = 15.0


@dataclass
class Status:
    started: int = 0
    in_progress: int = 0
    succeeded: int = 0
    failed: int = 0
    limited_at: float = 0.0


@dataclass
class Call:
    number: int
    data: Any
    tokens: int
    left: int = 5
    errors: list[Any] = field(default_factory=list)

    async def make(
        self, session: aiohttp.ClientSession, url: str, retries: "asyncio.Queue[Call]", results: str, status: Status
    ) -> None:
        error: object = None
        body: Any = None
        try:
            async with session.post(url, headers=HEADERS, json=self.data) as answer:
                body = await answer.json()
                if answer.status == 429:
                    status.limited_at = time.time()
                if answer.status >= 400:
                    error = body
        except Exception as failure:
            logging.warning("request %d failed: %s", self.number, failure)
            error = str(failure)
        if error is not None and self.left:
            self.errors.append(error)
            retries.put_nowait(self)
            return
        append({"line": self.number, "request": self.data, "answer": self.errors or body}, results)
        status.in_progress -= 1
        if error is None:
            status.succeeded += 1
        else:
            status.failed += 1


def append(result: dict[str, Any], results: str) -> None:
    with open(results, "a") as file:
        file.write(json.dumps(result) + "\n")


def tokens_of(data: Any) -> int:
    return len(json.dumps(data)) // 4


async def main(job: str, results: str, origin: str) -> None:
    url = f"{origin}/3dCartWebAPI/v1/Cart"
    retries: asyncio.Queue[Call] = asyncio.Queue()
    status = Status()
    requests_free, tokens_free = float(REQUESTS_PER_MINUTE), float(TOKENS_PER_MINUTE)
    updated = time.time()
    following: Call | None = None
    unread = True
    with open(job) as file:
        lines: Iterator[tuple[int, str]] = enumerate(file, 1)
        async with aiohttp.ClientSession() as session:
            while True:
                if following is None:
                    if not retries.empty():
                        following = retries.get_nowait()
                    elif unread:
                        try:
                            number, line = next(lines)
                            data = json.loads(line)["data"]
                            following = Call(number, data, tokens_of(data))
                            status.started += 1
                            status.in_progress += 1
                        except StopIteration:
                            unread = False
                now = time.time()
                requests_free = min(requests_free + REQUESTS_PER_MINUTE * (now - updated) / 60, REQUESTS_PER_MINUTE)
                tokens_free = min(tokens_free + TOKENS_PER_MINUTE * (now - updated) / 60, TOKENS_PER_MINUTE)
                updated = now
                if following is not None and requests_free >= 1 and tokens_free >= following.tokens:
                    requests_free -= 1
                    tokens_free -= following.tokens
                    following.left -= 1
                    asyncio.create_task(following.make(session, url, retries, results, status))  # type: ignore[unused-awaitable]
                    following = None
                if status.in_progress == 0:
                    break
                await asyncio.sleep(PAUSE)
                since = time.time() - status.limited_at
                if since < PAUSE_AFTER_LIMIT:
                    await asyncio.sleep(PAUSE_AFTER_LIMIT - since)
    logging.warning("done: %d succeeded, %d failed", status.succeeded, status.failed)


asyncio.run(main(*sys.argv[1:]))
