"""aiohttp, a task for each line behind a semaphore, all gathered.

python gather.py JOB RESULTS ORIGIN
"""

import asyncio
import json
import sys
from typing import Any

import aiohttp

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}


async def send(
    session: aiohttp.ClientSession, semaphore: asyncio.Semaphore, url: str, number: int, data: Any
) -> dict[str, Any]:
    async with semaphore, session.post(url, json=data) as answer:
        return {"line": number, "status": answer.status, "body": await answer.json()}


async def main(job: str, results: str, origin: str) -> None:
    with open(job) as file:
        lines = [json.loads(line) for line in file]
    semaphore = asyncio.Semaphore(50)
    url = f"{origin}/3dCartWebAPI/v1/Cart"
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        tasks = [send(session, semaphore, url, number, line["data"]) for number, line in enumerate(lines, 1)]
        found = await asyncio.gather(*tasks)
    with open(results, "w") as file:
        for result in found:
            file.write(json.dumps(result) + "\n")


asyncio.run(main(*sys.argv[1:]))
