"""Owns how long seats that are gone may still send, and the shops still act on it."""

from collections.abc import Mapping

LASTS = 3.0
"""Seconds for which an intent allows its request to leave."""

SETTLE = 2.0
"""Seconds that a shop is left, after the last moment at which a lost seat may have sent, to act on it."""


def seconds_until_settled(asked: float, now: float) -> float:
    """Seconds until nothing follows any more from an intent that was asked for then; both by the wall clock."""
    return min(max(0.0, asked + LASTS + SETTLE - now), LASTS + SETTLE)


def wait_for_seats(unsettled: Mapping[int, float], now: float) -> float:
    """Seconds until nothing follows any more from the last intents of all accounts."""
    return max((seconds_until_settled(asked, now) for asked in unsettled.values()), default=0.0)
