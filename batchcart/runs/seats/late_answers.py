"""Owns what a seat that was cut off knows of its requests: how it gathers that, and how it comes to the hub again.

Rows that the hub did not acknowledge are no rows of the journal any more, for others may have the accounts. What they
say of requests is evidence: the hub takes it for a write that the journal has without an answer, and that nobody else
has been given yet.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchcart import __version__
from batchcart.journal.batch import EndRow, IntentRow
from batchcart.journal.codec import encode_loss
from batchcart.model.text import plural
from batchcart.runs.seats.frames import FrameStream, NotSpoken
from batchcart.runs.seats.protocol import AccountRows, FromHub, Hello, Late, LateAnswer, Refused, ResponseRow, Taken

_AGAIN = 1.0  # seconds between two tries to reach the hub

_NEVER_LEFT = encode_loss("its seat was cut off before it might leave")


@dataclass(frozen=True, slots=True)
class WayBack:
    """How a seat comes to its hub again: ``open`` makes a connection, or raises OSError.

    A hub that is gone may be started again within ``restart_patience`` seconds.
    """

    open: Callable[[], Awaitable[FrameStream[FromHub]]]
    restart_patience: float


def gather_answers(sent: Mapping[int, Sequence[IntentRow]], unacknowledged: Sequence[AccountRows]) -> list[LateAnswer]:
    """What rows that no hub acknowledged say of the requests in ``sent``, by line."""
    responses: dict[tuple[int, int], ResponseRow] = {}
    results: dict[int, EndRow] = {}
    whose: dict[int, tuple[int, int]] = {}
    for rows in unacknowledged:
        never_left: list[ResponseRow] = [(line, number, "void", _NEVER_LEFT) for line, number, *_ in rows.intents]
        for response in (*never_left, *rows.responses):
            responses[response[0], response[1]] = response
        results |= {row[0]: row for row in rows.results}
        lines = [row[0] for row in rows.intents] + [row[0] for row in rows.responses] + [row[0] for row in rows.results]
        whose |= dict.fromkeys(lines, (rows.account, rows.epoch))
    found = []
    for line, (account, epoch) in whose.items():
        for intent in sent.get(line, ()):
            answer = responses.get((line, intent[1]))
            result = results.get(line) if intent is sent[line][-1] else None
            if answer or result:
                found.append(LateAnswer(account, epoch, intent, answer, result))
    return found


async def hand_in(late: Late, name: str, back: WayBack) -> str:
    """Bring what came late to the hub; what came of it. Raises ConnectionRefusedError as ``reach_again`` does."""
    taken = None
    while taken is None:
        stream = await reach_again(back)
        try:
            taken = await _say(stream, late, name)
        except NotSpoken:
            break
        finally:
            stream.cut()
    return "; ".join(_sentences(late, taken or Taken(0)))


def _sentences(late: Late, taken: Taken) -> Iterator[str]:
    if count := len(late.answers):
        waited = taken.answers or "none"
        yield f"it was told what became of {plural(count, 'request')}, and waited for {waited} of them"
    if late.tokens:
        yield "it was given renewed tokens" if taken.tokens == len(late.tokens) else "it did not keep renewed tokens"


async def reach_again(back: WayBack) -> FrameStream[FromHub]:
    """A connection to the hub, tried again and again.

    Raises ConnectionRefusedError where nothing has listened there for too long.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + back.restart_patience
    while True:
        try:
            return await back.open()
        except OSError as error:
            if isinstance(error, ConnectionRefusedError) and clock() >= end:
                raise
            await asyncio.sleep(_AGAIN)


async def _say(stream: FrameStream[FromHub], late: Late, name: str) -> Taken | None:
    """What the hub took; None where it did not say."""
    stream.send(Hello(__version__, os.getpid(), name, late=True))
    stream.send(late)
    while (word := await stream.receive()) is not None:
        match word:
            case Taken():
                return word
            case Refused():
                return Taken(0)
            case _:
                pass
    await asyncio.sleep(_AGAIN)
    return None
