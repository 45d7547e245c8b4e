"""Owns what a shop saw of its clients: requests, effects, their order; it does not know what they mean."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from batchcart.sandbox.messages import Call, Effect
from batchcart.sandbox.rate_meters import Meter

Alive = Callable[[], bool]
"""Whether a request's client still waits for its answer."""


@dataclass(slots=True)
class CartLog:
    """What happened to one cart, in order, each effect with its number in the whole sandbox.

    ``repeats`` counts, by verb, effects whose request was word for word that of an earlier one on this cart.
    """

    effects: list[tuple[int, Effect]] = field(default_factory=list)
    overlapped: bool = False
    repeats: Counter[str] = field(default_factory=Counter)
    words: set[int] = field(default_factory=set)

    def as_dict(self) -> dict[str, Any]:
        """The log as plain JSON."""
        log = [
            {
                "sequence": sequence,
                "verb": effect.verb,
                "item": effect.item,
                "subject": effect.subject,
                "quantity": effect.quantity,
            }
            for sequence, effect in self.effects
        ]
        return {"effects": log, "overlapped": self.overlapped, "repeats": dict(self.repeats)}


@dataclass(slots=True)
class ShopRecorder:
    """The counters of one shop."""

    requests: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    throttled: int = 0
    turned_away: int = 0
    carts: dict[str, CartLog] = field(default_factory=dict)
    meters: dict[str, Meter] = field(default_factory=dict)
    flying: dict[str, list[Alive]] = field(default_factory=dict)

    def log(self, cart: str) -> CartLog:
        """The log of a cart, made where there is none yet."""
        return self.carts.setdefault(cart, CartLog())

    def request_started(self, cart: str, alive: Alive) -> None:
        """A request on ``cart`` has come; two at once that both have a client waiting overlap."""
        flying = self.flying.setdefault(cart, [])
        if any(other() for other in flying):
            self.log(cart).overlapped = True
        flying.append(alive)

    def request_finished(self, cart: str, alive: Alive) -> None:
        """The request on ``cart`` is over."""
        flying = self.flying[cart]
        flying.remove(alive)
        if not flying:
            del self.flying[cart]

    def record_effect(self, call: Call, effect: Effect, sequence: int) -> None:
        """A call had an effect."""
        self.effects[effect.verb] += 1
        if not effect.cart:
            return
        log = self.log(effect.cart)
        log.effects.append((sequence, effect))
        words = hash((call.method, call.path, call.body))
        if words in log.words:
            log.repeats[effect.verb] += 1
        log.words.add(words)

    def as_dict(self) -> dict[str, Any]:
        """The counters as plain JSON."""
        worst: dict[str, float] = {}
        for meter in self.meters.values():
            for limit, most in meter.worst().items():
                worst[limit] = max(most, worst.get(limit, 0))
        repeats: Counter[str] = Counter()
        for log in self.carts.values():
            repeats.update(log.repeats)
        return {
            "requests": dict(self.requests),
            "effects": dict(self.effects),
            "throttled": self.throttled,
            "answered": {str(status): times for status, times in sorted(self.answered.items())},
            "faults": dict(self.faults),
            "turned_away": self.turned_away,
            "accounts": len(self.meters),
            "worst": worst,
            "repeats": dict(repeats),
            "overlaps": sum(log.overlapped for log in self.carts.values()),
            "carts": {key: log.as_dict() for key, log in self.carts.items()},
        }
