"""Owns a storm: a job over three platforms, a misbehaving shop in its own process, and a client that is SIGKILLed.

It knows what the shop must hold afterwards from the job and the results alone.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from cli_harness import lines_until

Line = dict[str, Any]
ACCOUNTS = ("local-3dcart", "local-tray", "local-shoplo")
FAULTS = (
    "reset-after=0.06",
    "reset-before=0.03",
    "429=0.03",
    "delay=0.1",
    "truncate=0.03",
    "html-502=0.02",
    "500=0.03",
)


@dataclass(frozen=True)
class Shops:
    """A running sandbox: its origin and the config that points at it."""

    origin: str
    config: Path

    def state(self) -> dict[str, Any]:
        return _fetched(f"{self.origin}/sandbox/state")

    def counters(self) -> dict[str, Any]:
        return _fetched(f"{self.origin}/sandbox/counters")


def _fetched(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextmanager
def shops(
    folder: Path,
    *,
    faults: Sequence[str] = (),
    limits: Mapping[str, str] | None = None,
    quotas: Sequence[str] = (),
    readings: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Shops]:
    """A sandbox as a process of its own; ``limits`` by platform hold at its door and in the config, default none.

    ``quotas`` are limits of the config alone, each account's.
    """
    kept = dict.fromkeys(("3dcart", "tray", "shoplo"), "") | dict(limits or {})
    options = [part for fault in faults for part in ("--fault", fault)]
    options += [part for platform, limit in kept.items() for part in ("--limit", f"{platform}={limit}")]
    options += [part for reading in readings for part in ("--reading", reading)]
    command = [sys.executable, "-m", "batchcart", "sandbox", "--port", "0", "--seed", str(seed), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            *printed, _ = lines_until(process, lambda line: line.startswith("Ctrl-C"))
            text = "".join(printed)
            keys = text[text.index("[") :]
            for platform, limit in kept.items():
                own = f'platform = "{platform}"'
                keys = keys.replace(
                    own, f"{own}\ntimeout = 3\nlimits = {json.dumps([*filter(None, [limit]), *quotas])}"
                )
            config = folder / "batchcart.toml"
            config.write_text(keys)
            yield Shops(text.partition(", on ")[2].partition(";")[0], config)
        finally:
            process.kill()


def place(account: str) -> tuple[str, str]:
    """The platform of an account ``local-PLATFORM``, and the name of its shop: "", or as in ``local-PLATFORM-SHOP``."""
    _, platform, *name = account.split("-", 2)
    return platform, "".join(name)


def job(seed: int, carts: int, accounts: Sequence[str] = ACCOUNTS) -> list[Line]:
    """A seeded job: carts on all three platforms with adds (equal ones too), updates, deletes and discounts."""
    rng = random.Random(seed)
    chains = [_chain(rng, accounts[number % len(accounts)], f"c{number}") for number in range(carts)]
    lines = []
    while chains:
        chain = rng.choice(chains)
        lines.append(chain.pop(0))
        if not chain:
            chains.remove(chain)
    return lines


def _chain(rng: random.Random, account: str, cart: str) -> list[Line]:
    platform, _ = place(account)

    def line(op: str, **keys: Any) -> Line:
        return {"op": op, "account": account, "cart": cart, **keys}

    def bought() -> Line:
        product, quantity = rng.randint(1, 3), rng.randint(1, 4)
        match platform:
            case "3dcart":
                return {"CatalogID": product, "ItemQuantity": quantity}
            case "tray":
                return {"product_id": str(product), "quantity": quantity}
            case _:
                return {"variant_id": product, "quantity": quantity}

    own_key = platform == "3dcart"
    head = {"data": {"BillingFirstName": cart}} if own_key else {"item": "i0", "data": bought()}
    lines = [line("cart.create", **head)]
    items = [] if own_key else ["i0"]
    for number in range(1, rng.randint(2, 5)):
        lines.append(line("item.add", item=f"i{number}", data=bought()))
        items.append(f"i{number}")
    if platform != "tray":
        field = "ItemQuantity" if own_key else "quantity"
        lines.append(line("item.update", item=rng.choice(items), data={field: rng.randint(5, 9)}))
        lines.append(line("item.delete", item=items.pop(rng.randrange(len(items)))))
    if platform == "shoplo" and items:
        discount = {"discount_type": "2", "discount_value": "30", "properties": {"Zestaw": cart}}
        lines.append(line("discount.set", item=items[0], data=discount))
    if platform != "shoplo":
        field = {"3dcart": "ShipmentCity", "tray": "email"}[platform]
        lines.append(line("cart.update", data={field: f"{cart}@example.com"}))
    lines.append(line("cart.get"))
    if rng.random() < 0.2:
        lines.append(line("cart.delete"))
    return lines


def write(lines: Sequence[Line], path: Path) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def results(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def command(job_path: Path, config: Path, out: Path, *options: str) -> list[str]:
    run = ["run", str(job_path), "--config", str(config), "-o", str(out), "--progress", "none"]
    return [sys.executable, "-m", "batchcart", *run, *options]


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a client that keeps its accounts' memory in this folder."""
    return {**os.environ, "XDG_STATE_HOME": str(folder / "state")}


@dataclass
class Kills:
    """What a storm did: starts killed, how many of them with a write on its way, and how the last start ended."""

    killed: int = 0
    landed: int = 0
    code: int = -1
    said: str = ""


def run_under_kills(
    argv: Sequence[str], out: Path, *, kills: int, seed: int, folder: Path, longest: float = 0.4
) -> Kills:
    """Run the command again and again, SIGKILLed ``kills`` times at random moments of its work; then let it end."""
    rng = random.Random(seed)
    environment = environment_of(folder)
    done = Kills()
    while done.killed < kills:
        sent = written(out, "SELECT count(*) FROM send") + written(out, "SELECT count(*) FROM result")
        with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and sent == (
                written(out, "SELECT count(*) FROM send") + written(out, "SELECT count(*) FROM result")
            ):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, longest))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
        done.killed += 1
        done.landed += written(out, "SELECT count(*) FROM send WHERE state = 'sent' AND request NOT LIKE '[\"GET%'") > 0
    last = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)
    done.code, done.said = last.returncode, last.stderr
    assert "Traceback" not in last.stderr, last.stderr
    return done


def written(out: Path, query: str) -> int:
    """A figure of the run's journal, read beside its writer; 0 where there is none yet."""
    journal = Path(f"{out}.journal")
    if not journal.exists():
        return 0
    with closing(sqlite3.connect(f"{journal.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            figure: int = connection.execute(query).fetchone()[0]
        except sqlite3.OperationalError:  # its log is just being made or cleared away
            return 0
    return figure


UNSEEN = {("3dcart", "cart.create"), ("shoplo", "discount.set"), ("shoplo", "discount.delete")}
"""What no read shows, so that lost answers may leave it in doubt."""


def wrong(lines: Sequence[Line], found: Sequence[Line], state: dict[str, Any]) -> list[str]:
    """What is not as it must be: one result per line, no failure, every effect exactly once at the shop."""
    faults = []
    counted = Counter(result["line"] for result in found)
    numbers = range(1, len(lines) + 1)
    faults += [f"line {number} has {counted[number]} results" for number in numbers if counted[number] != 1]
    for result in found:
        line = lines[result["line"] - 1]
        may_be = {"ok", "skipped", *({"in_doubt"} if (result["platform"], line["op"]) in UNSEEN else ())}
        if result["status"] not in may_be:
            faults.append(f"line {result['line']} {line['op']} is {result['status']}: {result['error']}")
    return faults + wrong_effects(lines, found, state)


def wrong_effects(lines: Sequence[Line], found: Sequence[Line], state: dict[str, Any]) -> list[str]:
    """Where the shop does not hold what the results say: what is ok happened once, what failed did not happen."""
    by_cart: dict[tuple[str, str], list[tuple[Line, Line]]] = {}
    for result in sorted(found, key=lambda result: int(result["line"])):
        line = lines[result["line"] - 1]
        by_cart.setdefault((line["account"], line["cart"]), []).append((line, result))
    return [
        f"{account} {cart}: {fault}"
        for (account, cart), pairs in by_cart.items()
        for fault in _wrong_cart(account, pairs, state)
    ]


def _wrong_cart(account: str, pairs: list[tuple[Line, Line]], state: dict[str, Any]) -> Iterator[str]:
    platform, shop = place(account)
    keys = {result["cart_id"] for _, result in pairs if "cart_id" in result}
    if len(keys) > 1:
        yield f"it has the keys {keys}"
    if len(keys) != 1:
        return
    held = state[platform][shop]["carts"].get(keys.pop(), {}).get("items", {})
    there = sorted(_held(platform, item) for item in held.values())
    doubtful = [line for line, result in pairs if result["status"] == "in_doubt"]
    for happened in chain.from_iterable(combinations(doubtful, count) for count in range(len(doubtful) + 1)):
        sure = [line for line, result in pairs if result["status"] == "ok" or line in happened]
        wanted = _wanted(platform, sure)
        if wanted is not None and there == sorted(wanted):
            return
    everything = _wanted(platform, [line for line, _ in pairs])
    yield f"the shop holds {there}, the results say {everything} less what failed"


def _held(platform: str, item: Line) -> tuple[str, Decimal]:
    match platform:
        case "3dcart":
            return str(item["CatalogID"]), Decimal(str(item["ItemQuantity"]))
        case "tray":
            return str(item["product_id"]), Decimal(str(item["quantity"]))
        case _:
            return str(item["variant_id"]), Decimal(str(item["quantity"]))


def _wanted(platform: str, lines: list[Line]) -> list[tuple[str, Decimal]] | None:
    """The cart's items after these lines, each done exactly once; None where one changes an item before its add."""
    product, quantity = {
        "3dcart": ("CatalogID", "ItemQuantity"),
        "tray": ("product_id", "quantity"),
        "shoplo": ("variant_id", "quantity"),
    }[platform]
    items: dict[str, tuple[str, Decimal]] = {}
    for line in lines:
        data = line.get("data", {})
        match str(line["op"]):
            case "item.update" | "item.delete" if line["item"] not in items:
                return None
            case "cart.create" | "item.add" if product in data:
                key = str(data[product]) if platform == "tray" else line["item"]
                before = items.get(key, ("", Decimal(0)))[1]
                items[key] = (str(data[product]), before + Decimal(str(data[quantity])))
            case "item.update":
                items[line["item"]] = (items[line["item"]][0], Decimal(str(data[quantity])))
            case "item.delete":
                del items[line["item"]]
            case "cart.delete":
                items.clear()
            case _:
                pass
    return list(items.values())
