"""Owns the words for faults on demand and when one strikes; it does not know how one looks on the wire."""

import difflib
import random
import re
from collections.abc import Iterable, Sequence

import msgspec

from batchcart.model.errors import UsageError
from batchcart.sandbox.platforms import list_simulated

KINDS = {
    "refuse": "the connection is reset before anything is looked at",
    "reset-before": "the connection is reset before the effect",
    "reset-after": "the effect is done, then the connection is reset",
    "hang": "no effect, and never an answer",
    "hang-after": "the effect is done, and never an answer",
    "delay": "the effect is done, the answer comes late",
    "truncate": "the effect is done, the answer is cut short of its Content-Length",
    "html-502": "an HTML error page with 502, no effect",
    "500": "a 500, by chance before or after the effect",
    "500-before": "a 500 before the effect",
    "500-after": "a 500 although the effect is done",
    "429": "too many requests, with Retry-After, no effect",
    "401": "credentials refused in the platform's own form, no effect; an access token that is renewed has expired",
}
"""Every kind of fault with what it does."""

_SPEC = re.compile(r"(?P<kind>[^:=]+)(:(?P<platform>[^/=]+)(/(?P<shop>[^/=]+))?)?=(?P<rate>[^=]+)")


class Fault(msgspec.Struct, frozen=True):
    """What share of the requests of a platform (all where it is "") and a shop (likewise) meets ``kind``."""

    kind: str
    rate: float
    platform: str = ""
    shop: str = ""

    def __post_init__(self) -> None:
        _one_of("fault kind", self.kind, KINDS)
        if self.platform:
            _one_of("platform", self.platform, list_simulated())
        if not 0 <= self.rate <= 1:
            raise UsageError(f"{self.rate} is not a rate: a share of the requests is from 0 to 1")

    def __str__(self) -> str:
        place = f":{self.platform}" + (f"/{self.shop}" if self.shop else "") if self.platform else ""
        return f"{self.kind}{place}={self.rate:g}"

    def concerns(self, platform: str, shop: str) -> bool:
        """Whether requests to that shop can meet this fault."""
        return self.platform in {"", platform} and self.shop in {"", shop}


def parse_fault(text: str) -> Fault:
    """Read ``KIND[:platform[/shop]]=RATE``; raises UsageError with a suggestion where it is not one."""
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a fault: write KIND=RATE or KIND:PLATFORM=RATE, as in "
            f"reset-after:{next(iter(list_simulated()))}=0.05; "
            f"kinds are {', '.join(KINDS)}"
        )
    try:
        rate = float(match["rate"])
    except ValueError:
        raise UsageError(f"{match['rate']!r} in {text!r} is not a rate: write a number from 0 to 1") from None
    return Fault(match["kind"], rate, match["platform"] or "", match["shop"] or "")


class FaultInjector(msgspec.Struct, frozen=True):
    """The faults of one shop with its own source of chance: no shop disturbs another's luck."""

    faults: Sequence[Fault]
    rng: random.Random

    def draw(self) -> str:
        """The kind of fault that the next request meets, "" for none."""
        if not self.faults:
            return ""
        drawn = self.rng.random()
        for fault in self.faults:
            drawn -= fault.rate
            if drawn < 0:
                return fault.kind
        return ""

    def resolve(self, kind: str) -> str:
        """The kind itself, or which of the two where it leaves a choice."""
        return self.rng.choice(("500-before", "500-after")) if kind == "500" else kind


def fault_injector(faults: Iterable[Fault], seed: int, platform: str, shop: str) -> FaultInjector:
    """What can happen to the requests of one shop; the rates that concern it add up to at most 1."""
    concerned = tuple(fault for fault in faults if fault.concerns(platform, shop))
    if sum(fault.rate for fault in concerned) > 1 + 1e-9:
        listed = ", ".join(map(str, concerned))
        raise UsageError(f"the faults of {platform} add up to more than 1: {listed}")
    luck = random.Random(f"{seed} {platform} {shop}")  # noqa: S311 - chance that can be repeated, not a secret
    return FaultInjector(concerned, luck)


def _one_of(what: str, given: str, known: Iterable[str]) -> None:
    names = list(known)
    if given not in names:
        close = difflib.get_close_matches(given, names, n=1)
        suggestion = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
        raise UsageError(f"unknown {what} {given!r}: {suggestion}")
