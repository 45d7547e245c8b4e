"""Owns made-up results for tests of the report, and a report on them with something in each of its parts."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli_harness import Line

from batchcart.model.events import (
    Event,
    LimitLowered,
    LimitRestored,
    Paused,
    RunStarted,
    ShopDown,
    ShopUp,
    ThrottlingEnded,
)
from batchcart.model.text import format_timestamp
from batchcart.report.collect import Report, collect

T0 = 1_800_000_000.0
CONFIG = """
[accounts.a]
platform = "tray"
api_address = "http://127.0.0.1:1/web_api"
access_token = "PLANTED-access-token"
refresh_token = "PLANTED-refresh-token"
limits = ["120/min", "10000/day"]
[accounts.b]
platform = "3dcart"
secure_url = "https://b.example"
private_key = "PLANTED-private-key"
token = "PLANTED-token"
"""
EVENTS: list[tuple[float, Event]] = [
    (T0, RunStarted("job.jsonl", 223, 2)),
    (T0 + 5, Paused("a", T0 + 9, "HTTP 429")),
    (T0 + 9, ThrottlingEnded("a", T0 + 5, T0 + 9, 4, 3.0)),
    (T0 + 20, ShopDown("b", "connection refused", T0 + 15, T0 + 20, T0 + 999)),
    (T0 + 60, ShopUp("b", T0 + 15, 2)),
    (T0 + 30, LimitLowered("a", "120/min", 1.5)),
    (T0 + 100, LimitRestored("a", "120/min")),
]


def result(line: int, account: str = "a", status: str = "ok", **keys: Any) -> Line:
    """A result line; one that is not ok gets an error unless it is given one."""
    plain = {"line": line, "account": account, "platform": "tray", "op": "cart.get", "status": status, "attempts": 1}
    times = {} if status == "skipped" else {"sent_at": format_timestamp(T0 + line), "elapsed_ms": 120.0}
    kinds = {"failed": "rejected", "skipped": "dependency", "in_doubt": "unknown"}
    error = {} if status == "ok" else {"error": {"kind": kinds[status], "message": f"no such cart {line}"}}
    return {**plain, **times, **error, **keys}


def written(path: Path, results: Iterable[Line]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in results))
    return path


def report_on(folder: Path, results: Iterable[Line]) -> Report:
    return collect([written(folder / "job.results.jsonl", results)], None)


def busy_report(folder: Path) -> Report:
    """A report with something in each of its parts; the current folder is to be ``folder``."""
    (folder / "batchcart.toml").write_text(CONFIG)
    results = [result(n, "ab"[n % 2], attempts=1 + n % 3, elapsed_ms=1.5 ** (n % 20)) for n in range(1, 200)]
    results += [result(n, status="failed", http_status=404) for n in range(200, 215)]
    results += [result(n, "b", status="skipped") for n in range(215, 220)]
    results += [result(n, status="in_doubt") for n in range(220, 224)]
    report = report_on(folder, results)
    report.pausing.take(EVENTS)
    return report
