"""Owns a seat as the hub sees it: what it said of itself, when it was heard, and which accounts it has."""

from dataclasses import dataclass, field
from typing import Protocol

from batchcart.runs.seats.frames import FrameStream
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import FromSeat, Hello


@dataclass(slots=True, eq=False)
class SeatLink:
    """A seat as the hub sees it; times are of the hub's own clock."""

    stream: FrameStream[FromSeat]
    hello: Hello
    heard_at: float
    acked_at: float
    held: dict[int, Holding] = field(default_factory=dict)
    leaving: bool = False
    gone: bool = False

    def __str__(self) -> str:
        return f"the seat {self.hello.name}" if self.hello.name else f"the process {self.hello.pid}"

    def find(self, account: int, epoch: int) -> Holding | None:
        """The account, if it is this seat's now."""
        holding = self.held.get(account)
        return holding if holding is not None and holding.epoch == epoch and not self.gone else None


class Starter(Protocol):
    """Who starts seats."""

    @property
    def expected(self) -> int:
        """How many seats are there or will be soon."""

    async def explain(self, pid: int) -> str:
        """How the process ended, "" if nobody here knows."""


def describe_death(link: SeatLink, how: str, *, stopping: bool) -> str:
    """The sentence about a seat that died, and what becomes of its accounts."""
    names = [repr(holding.account.name) for holding in link.held.values()]
    more = len(names) - 5
    affected = ", ".join(names[:5]) + (f" and {more} more accounts" if more > 0 else "")
    for_whom = f" for {affected}" if affected else ""
    outlook = "its lines stay pending; run the same command again" if stopping else "others go on with its accounts"
    return f"{link}{for_whom} ended in the middle of its work ({how}); {outlook if names else 'it had no account'}"
