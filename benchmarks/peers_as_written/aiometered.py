"""httpx with aiometer's bound on concurrency.

python aiometered.py JOB RESULTS ORIGIN
"""

import asyncio
import json
import sys
from functools import partial
from typing import Any

import aiometer
import httpx

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}


async def send(client: httpx.AsyncClient, url: str, line: tuple[int, Any]) -> dict[str, Any]:
    number, data = line
    answer = await client.post(url, json=data)
    answer.raise_for_status()
    return {"line": number, "status": answer.status_code, "body": answer.json()}


async def main(job: str, results: str, origin: str) -> None:
    with open(job) as file:
        lines = [(number, json.loads(line)["data"]) for number, line in enumerate(file, 1)]
    url = f"{origin}/3dCartWebAPI/v1/Cart"
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=30) as client:
        with open(results, "w") as file:
            async with aiometer.amap(partial(send, client, url), lines, max_at_once=50) as found:
                async for result in found:
                    file.write(json.dumps(result) + "\n")


asyncio.run(main(*sys.argv[1:]))
