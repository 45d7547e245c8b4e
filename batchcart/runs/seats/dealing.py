"""Owns which seat gets which accounts; it does not know what either is.

An account weighs what it may send a second: its limits keep it below that, however many lines it has.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from batchcart.model.limits import Limit, min_duration

_Seat = TypeVar("_Seat", bound=Hashable)
_FASTEST = 1000.0  # operations a second of an account without a limit: what a core does
_FULL = 100.0  # operations a second from which on a seat is worth relieving
_LEAST_LEFT = 2.0  # seconds of work that an account must have to be worth taking back


def estimate_rate(limits: Sequence[Limit], lines: int) -> float:
    """The operations a second that an account with so many open lines comes to at the most."""
    if not lines:
        return 0.0
    return lines / max(min_duration(limits, lines), lines / _FASTEST)


def deal(rates: Mapping[int, float], loads: Mapping[_Seat, Sequence[float]]) -> list[tuple[int, _Seat]]:
    """Each account with the seat that gets it: the heaviest first, to whoever has least; ``loads`` has their rates."""
    have = {seat: (sum(held), len(held)) for seat, held in loads.items()}
    dealt = []
    for account in sorted(rates, key=lambda account: (-rates[account], account)):
        seat = min(have, key=have.__getitem__)
        load, count = have[seat]
        have[seat] = load + rates[account], count + 1
        dealt.append((account, seat))
    return dealt


def relieve(held: Mapping[_Seat, Mapping[int, tuple[float, int]]]) -> list[int]:
    """The accounts that are taken back from the fullest seat where one has nothing to do.

    ``held`` has, of each seat, the rates and open lines of its accounts.
    """
    if all(held.values()):
        return []
    full = max(held.values(), key=lambda accounts: sum(rate for rate, _ in accounts.values()))
    load = sum(rate for rate, _ in full.values())
    if len(full) < 2 or load < _FULL:
        return []
    taken: list[int] = []
    moved = 0.0
    for account, (rate, lines) in sorted(full.items(), key=lambda item: (item[1][0], item[0])):
        if moved + rate > load / 2 or len(taken) + 1 == len(full):
            break
        if rate and lines / rate >= _LEAST_LEFT:
            taken.append(account)
            moved += rate
    return taken
