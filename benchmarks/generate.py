"""Owns the seeded job files of the benchmarks: what stands in them and in which order; it does not run them.

    python benchmarks/generate.py --lines 10000 --mix carts --accounts 10 --seed 1 > job.jsonl

Line by line, so that a job of any size costs the same memory. In the mix `carts` each cart has 3 to 5 lines and they
are spread over the whole file: first the first line of every cart, then the second line of every cart, and so on.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

MIXES = ("creates", "carts", "tray-creates", "both-creates")
_NAMES = ("Ada", "Bruno", "Celina", "Dorota", "Edmund", "Francisca", "Grzegorz", "Helena")
_CITIES = (("Miami", "FL", "33101"), ("Austin", "TX", "73301"), ("Boise", "ID", "83701"), ("Salem", "OR", "97301"))


@dataclass(frozen=True, slots=True)
class Job:
    """What a job file is made of. Accounts are called a0, a1, …; each has the same number of carts, in blocks."""

    lines: int
    mix: str = "creates"
    accounts: int = 1
    seed: int = 1


def write(job: Job, path: Path) -> None:
    """Put the job's lines into the file."""
    with path.open("wb") as file:
        file.writelines(lines(job))


def lines(job: Job) -> Iterator[bytes]:
    """The job's lines, the same for the same seed."""
    match job.mix:
        case "carts":
            yield from _carts(job)
        case mix:
            rng = random.Random(job.seed)
            for number in range(job.lines):
                tray = mix == "tray-creates" or (mix == "both-creates" and number % 2)
                account = _account(number, job.lines, job.accounts) if mix != "both-creates" else f"a{number % 2}"
                yield _line("cart.create", account, _product(rng) if tray else _buyer(rng), cart=f"c{number}")


def _carts(job: Job) -> Iterator[bytes]:
    lengths = _lengths(job)
    rng = random.Random(f"{job.seed} data")
    for step in range(5):
        for cart, length in enumerate(lengths):
            if step < length:
                yield _step(step, cart, _account(cart, len(lengths), job.accounts), rng)


def _lengths(job: Job) -> bytes:
    """How many lines each cart has, a byte a cart; they add up to the job's lines."""
    rng = random.Random(f"{job.seed} lengths")
    found, left = bytearray(), job.lines
    while left:
        length = min(rng.randint(3, 5), left)
        found.append(length)
        left -= length
    return bytes(found)


def _step(step: int, cart: int, account: str, rng: random.Random) -> bytes:
    name = f"c{cart}"
    match step:
        case 0:
            return _line("cart.create", account, _buyer(rng), cart=name)
        case 1 | 2:
            return _line("item.add", account, _item(rng), cart=name, item=f"i{step}")
        case 3:
            return _line("item.update", account, {"ItemQuantity": rng.randint(1, 9)}, cart=name, item="i1")
        case _:
            return _line("cart.update", account, {"BillingPhoneNumber": f"{rng.randrange(10**10):010d}"}, cart=name)


def _line(op: str, account: str, data: dict[str, object], **names: str) -> bytes:
    return msgspec.json.encode({"op": op, "account": account, **names, "data": data}) + b"\n"


def _account(number: int, numbers: int, accounts: int) -> str:
    return f"a{number * accounts // numbers}"


def _buyer(rng: random.Random) -> dict[str, object]:
    name, (city, state, zip_code) = rng.choice(_NAMES), rng.choice(_CITIES)
    return {
        "CustomerId": rng.randint(1, 99_999),
        "BillingFirstName": name,
        "BillingLastName": rng.choice(_NAMES),
        "BillingAddress": f"{rng.randint(1, 9999)} Main Street",
        "BillingCity": city,
        "BillingState": state,
        "BillingZipCode": zip_code,
        "BillingCountry": "US",
        "BillingPhoneNumber": f"{rng.randrange(10**10):010d}",
        "BillingEmail": f"{name.lower()}{rng.randint(1, 99_999)}@shop.example",
    }


def _item(rng: random.Random) -> dict[str, object]:
    return {"CatalogID": rng.randint(1, 9_999), "ItemQuantity": rng.randint(1, 9)}


def _product(rng: random.Random) -> dict[str, object]:
    return {"product_id": rng.randint(1, 9_999), "quantity": rng.randint(1, 9), "price": f"{rng.randint(1, 500)}.90"}


def main() -> None:
    """Write a job to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--mix", choices=MIXES, default="creates")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.stdout.buffer.writelines(lines(Job(given.lines, given.mix, given.accounts, given.seed)))


if __name__ == "__main__":
    main()
