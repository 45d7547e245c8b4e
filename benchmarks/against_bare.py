"""Operations a second with everything on, against a bare aiohttp loop with the same requests, side by side in one run.

    .venv/bin/python benchmarks/against_bare.py [--operations 3000] [--rounds 5] [--concurrency 50]

Both talk to the sandbox (a simulator) in a process of its own, limits off. It prints the ratio of each round and their
median. The sandbox is written in Python and is part of what is measured, so the ratio flatters neither side by much;
absolute rates are of the machine at hand and are not printed.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox without limits; the origin it listens on."""
    command = [sys.executable, "-m", "batchcart", "sandbox", "--port", "0", "--limit", "tray="]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        origin = process.stdout.readline().partition(", on ")[2].partition(";")[0]
        try:
            yield origin
        finally:
            process.kill()


async def bare(origin: str, operations: int, concurrency: int) -> None:
    """What a script would do: as many workers, the same requests, answers read and decoded, nothing kept."""
    numbers = iter(range(operations))
    url = f"{origin}/tray/web_api/carts"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for number in numbers:
                body = {
                    "Cart": {"session_id": f"bare{time.monotonic_ns():x}{number}"[:32], "product_id": 1, "quantity": 1}
                }
                async with session.post(url, params={"access_token": "sandbox-access-token"}, json=body) as answer:
                    json.loads(await answer.read())

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())


def engine(folder: Path, origin: str, operations: int, concurrency: int, number: int) -> float:
    """Seconds from the first to the last send of a run of the same requests, journal and results on."""
    (folder / "batchcart.toml").write_text(
        '[accounts.t]\nplatform = "tray"\nlimits = []\naccess_token = "sandbox-access-token"\n'
        f'api_address = "{origin}/tray/web_api"\nconcurrency = {concurrency}\n'
    )
    job = folder / f"{number}.jsonl"
    line = '{"op":"cart.create","account":"t","data":{"product_id":1,"quantity":1}}\n'
    job.write_text(line * operations)
    command = [sys.executable, "-m", "batchcart", "run", job.name, "--progress", "none", "--json"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={"XDG_STATE_HOME": str(folder)})
    results = [json.loads(text) for text in (folder / f"{number}.results.jsonl").read_text().splitlines()]
    assert [result["status"] for result in results] == ["ok"] * operations
    seconds = [_seconds(result["sent_at"]) for result in results]
    return max(seconds) - min(seconds)


def _seconds(moment: str) -> float:
    hours, minutes, seconds = moment[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def main() -> None:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=50)
    given = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name, sandbox() as origin:
        for number in range(given.rounds):
            began = time.monotonic()
            asyncio.run(bare(origin, given.operations, given.concurrency))
            without = time.monotonic() - began
            within = engine(Path(name), origin, given.operations, given.concurrency, number)
            ratios.append(without / within)
            print(f"round {number + 1}: batchcart reaches {ratios[-1]:.2f} of the bare loop's operations a second")
    print(f"median: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
