"""Owns reading a run's carts out of its journal, one after the other, the last first; it changes nothing there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import msgspec

from batchcart.engine.chain_state import ChainState
from batchcart.jobs.job_file import InvalidLine, JobSource, RawLine, parse_line
from batchcart.journal.carts import READS, LineOfCart, PlannedCart, lines_of_cart
from batchcart.journal.queries import PlannedLine
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection
from batchcart.model.adapter import Adapter
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import ErrorKind, Status
from batchcart.undo.model import CompletedLine

_IN_DOUBT = "it is in doubt: settle it first, with `batchcart settle`"
_ON_ITS_WAY = "it was on its way when the run stopped: let the run end first"
_TOLD_EVERY = 256  # lines
_UNANSWERED = "it failed unanswered and may have happened all the same: run the job with --retry-failed first"


class _ResultError(msgspec.Struct):
    kind: str


class _ResultLine(msgspec.Struct):
    cart: str | None = None
    cart_id: str | None = None
    item_id: str | None = None
    body: msgspec.Raw = msgspec.Raw()
    error: _ResultError | None = None


@dataclass(frozen=True, slots=True)
class RunReader:
    """A run as its journal and its job tell of it; ``source`` is None where the job is not there any more.

    ``checking`` is told now and then how many lines were read: of a million lines it takes minutes.
    """

    connection: Connection
    run: str
    source: JobSource | None
    default_account: str | None
    checking: Callable[[int], None] | None = None
    _numbers: Iterator[int] = field(init=False, default_factory=lambda: count(1))

    def lines(self, cart: PlannedCart, account: str, adapter: Adapter) -> Iterator[CompletedLine]:
        """The cart's lines in the order in which they ended, then those that were on their way."""
        for line in lines_of_cart(self.connection, cart):
            number = next(self._numbers)
            if self.checking is not None and not number % _TOLD_EVERY:
                self.checking(number)
            result = decode_value(self.connection, "result", line.text, _ResultLine)
            doubt = _ON_ITS_WAY if line.status is None else _doubt(line.status, result, line.kind, adapter)
            own_key = not adapter.keys.client_chooses or result.cart_id == self._own_key(line, account, result.cart)
            yield CompletedLine(
                line=line.planned.line,
                kind=line.kind,
                status=Status.IN_DOUBT if doubt or line.status is None else line.status,
                cart_id=result.cart_id,
                item_id=result.item_id,
                facts=line.facts,
                said=self._line_data(line.planned),
                body=bytes(result.body),
                fresh=own_key,
                doubt=doubt,
            )

    def _line_data(self, planned: PlannedLine) -> bytes | None:
        """The line's data; None where the job's text is not what was planned."""
        if self.source is None:
            return None
        raw = RawLine(planned.line, planned.offset, self.source.read(planned.offset, planned.length))
        try:
            return parse_line(raw, self.default_account).data or b"{}" if raw.digest == planned.digest else None
        except InvalidLine:  # another text of the same checksum
            return None

    def _own_key(self, line: LineOfCart, account: str, name: str | None) -> str:
        """The key that the engine makes for this cart, and no other run for any."""
        return (
            ChainState(self.run, line.planned.chain)
            .context(Operation(0, OperationKind.CART_CREATE, account, cart=name))
            .generated_key
        )


def _doubt(status: Status, result: _ResultLine, kind: OperationKind, adapter: Adapter) -> str:
    """Why nobody can say whether the line happened, "" where one can.

    A write that may be repeated fails once it has been sent often enough without an answer that settles it.
    """
    if status is Status.IN_DOUBT:
        return _IN_DOUBT
    unanswered = result.error is not None and result.error.kind in {ErrorKind.NETWORK, ErrorKind.PLATFORM}
    return _UNANSWERED if unanswered and kind not in READS and adapter.operations[kind].idempotent else ""
