"""requests in 32 threads, a session in each.

python threads.py JOB RESULTS ORIGIN
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}
own = threading.local()


def send(url: str, number: int, data: Any) -> dict[str, Any]:
    if not hasattr(own, "session"):
        own.session = requests.Session()
        own.session.headers.update(HEADERS)
    answer = own.session.post(url, json=data, timeout=30)
    answer.raise_for_status()
    return {"line": number, "status": answer.status_code, "body": answer.json()}


def main(job: str, results: str, origin: str) -> None:
    url = f"{origin}/3dCartWebAPI/v1/Cart"
    with ThreadPoolExecutor(max_workers=32) as pool, open(job) as lines, open(results, "w") as file:
        waiting = [pool.submit(send, url, number, json.loads(line)["data"]) for number, line in enumerate(lines, 1)]
        for future in waiting:
            file.write(json.dumps(future.result()) + "\n")


main(*sys.argv[1:])
