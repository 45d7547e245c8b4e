"""Owns which late answers a hub takes, of seats that were cut off; it does not know how they come.

A late answer is no row of the seat that has the account now. It is taken for a write that the journal has without an
answer, word for word and of the same moment, whose line nobody has been given since: so nothing that was decided
without it is decided anew.
"""

from collections.abc import Mapping, Sequence

from batchcart.journal.seated import find_unanswered
from batchcart.journal.writer import JournalWriter
from batchcart.runs.context import RunContext
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import AccountRows, LateAnswer
from batchcart.runs.seats.write_rows import write_rows


async def take_answers(
    context: RunContext[JournalWriter], holdings: Mapping[int, Holding], answers: Sequence[LateAnswer]
) -> int:
    """Write down the answers that are waited for, and let their chains go on; how many these are.

    Nobody is given an account meanwhile. Raises JournalFailed.
    """
    await context.journal.flush()
    taken: dict[int, tuple[Holding, int]] = {}
    for answer in answers:
        line = answer.intent[0]
        holding = holdings.get(answer.account)
        chain = _find_chain(context, holding, answer) if holding is not None and line not in taken else None
        if holding is not None and chain is not None:
            responses = [answer.response] if answer.response else []
            results = [answer.result] if answer.result else []
            rows = AccountRows(answer.account, holding.epoch, [], responses, results, [], [])
            write_rows(context.journal, holding, rows, context.monitor.emit)
            taken[line] = holding, chain
    await context.journal.flush()
    for holding, chain in taken.values():
        if holding.walk is not None:
            holding.walk.release(chain)
    return len(taken)


def _find_chain(context: RunContext[JournalWriter], holding: Holding, answer: LateAnswer) -> int | None:
    """The chain of the write that the answer is for, held back from now on; None if the answer is not waited for."""
    line, number, at, request = answer.intent
    open_write = find_unanswered(context.plan, holding.number, line)
    if open_write is None or (open_write.number, open_write.at, open_write.request) != (number, at, request):
        return None
    if (answer.response and answer.response[:2] != (line, number)) or (answer.result and answer.result[0] != line):
        return None
    is_free = holding.walk is None or holding.walk.hold(open_write.chain)
    return open_write.chain if is_free else None
