"""pyreqwest: a client written in Rust, 50 workers on asyncio.

python pyreqwests.py JOB RESULTS ORIGIN
"""

import asyncio
import json
import sys

from pyreqwest.client import ClientBuilder

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}


async def main(job: str, results: str, origin: str) -> None:
    with open(job) as file:
        lines = iter([(number, json.loads(line)) for number, line in enumerate(file, 1)])
    url = f"{origin}/3dCartWebAPI/v1/Cart"
    async with ClientBuilder().default_headers(HEADERS).build() as client:
        with open(results, "w") as out:

            async def work() -> None:
                for number, line in lines:
                    answer = await client.post(url).body_json(line["data"]).build().send()
                    found = {"line": number, "status": answer.status, "body": await answer.json()}
                    out.write(json.dumps(found) + "\n")

            await asyncio.gather(*(work() for _ in range(50)))


asyncio.run(main(*sys.argv[1:]))
