"""Owns reading a run's carts out of its journal, one after the other, the last first; it changes nothing there."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from batchcart.engine.chain_state import Chain
from batchcart.jobs.job_file import BadLine, JobSource, RawLine, read_operation
from batchcart.journal.carts import READS, Cart, LineOfCart, lines_of_cart
from batchcart.journal.queries import PlannedLine
from batchcart.journal.schema import Connection
from batchcart.model.adapter import Adapter
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Reason, Status
from batchcart.undo.model import Ended

_IN_DOUBT = "it is in doubt: settle it first, with `batchcart settle`"
_ON_ITS_WAY = "it was on its way when the run stopped: let the run go on to its end first"
_UNANSWERED = "it failed unanswered and may have happened all the same: run the job with --retry-failed first"


class _Error(msgspec.Struct):
    kind: str


class _ResultLine(msgspec.Struct):
    cart: str | None = None
    cart_id: str | None = None
    item_id: str | None = None
    body: msgspec.Raw = msgspec.Raw()
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """A run as its journal and its job tell of it; ``source`` is None where the job is not there any more."""

    connection: Connection
    run: str
    source: JobSource | None
    default_account: str | None

    def ended(self, cart: Cart, account: str, adapter: Adapter) -> Iterator[Ended]:
        """The cart's lines in the order in which they ended, then those that were on their way."""
        for line in lines_of_cart(self.connection, cart):
            result = msgspec.json.decode(line.text, type=_ResultLine)
            doubt = _ON_ITS_WAY if line.status is None else _doubt(line.status, result, line.kind, adapter)
            own_key = adapter.chosen_key is None or result.cart_id == self._own_key(line, account, result.cart)
            yield Ended(
                line=line.planned.line,
                kind=line.kind,
                status=Status.IN_DOUBT if doubt or line.status is None else line.status,
                cart_id=result.cart_id,
                item_id=result.item_id,
                facts=line.facts,
                said=self._said(line.planned),
                body=bytes(result.body),
                fresh=own_key,
                doubt=doubt,
            )

    def _said(self, planned: PlannedLine) -> bytes | None:
        """The line's data; None where the job's text is not what was planned."""
        if self.source is None:
            return None
        raw = RawLine(planned.line, planned.offset, self.source.read(planned.offset, planned.length))
        try:
            return read_operation(raw, self.default_account).data or b"{}" if raw.digest == planned.digest else None
        except BadLine:  # another text of the same checksum
            return None

    def _own_key(self, line: LineOfCart, account: str, name: str | None) -> str:
        """The key that the engine makes for this cart, and no other run for any."""
        return Chain(self.run, line.planned.chain).known(Operation(0, Kind.CART_CREATE, account, cart=name)).new_key


def _doubt(status: Status, result: _ResultLine, kind: Kind, adapter: Adapter) -> str:
    """Why nobody can say whether the line happened, "" where one can.

    A write that may be repeated fails once it has been sent often enough without an answer that settles it.
    """
    if status is Status.IN_DOUBT:
        return _IN_DOUBT
    unanswered = result.error is not None and result.error.kind in {Reason.NETWORK, Reason.PLATFORM}
    return _UNANSWERED if unanswered and kind not in READS and adapter.cells[kind].repeatable else ""
