"""Owns reading a run's carts out of its journal, one after the other, the last first; it changes nothing there."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from batchcart.engine.chain_state import Chain
from batchcart.jobs.job_file import BadLine, JobSource, RawLine, read_operation
from batchcart.journal.queries import Learnt
from batchcart.model.adapter import Adapter
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Reason, Status
from batchcart.undo.model import Ended

READS = frozenset({Kind.CART_GET, Kind.CART_LIST, Kind.CART_COUNT, Kind.ITEM_GET})
"""The operations that change nothing."""

_READS = ", ".join(f"'{kind.value}'" for kind in sorted(READS))

# Lines without a result of which a write has left. Below 0 are questions of the engine's own.
_UNDER_WAY = (
    "NOT EXISTS (SELECT 1 FROM result r WHERE r.line = p.line) AND EXISTS "
    "(SELECT 1 FROM send s WHERE s.line = p.line AND s.state <> 'void' AND s.request NOT LIKE '[\"GET\"%')"
)
# Chains that are about the same cart: on Shoplo a line may name an item without its cart, and so have its own chain.
_CHAINS = (
    "CREATE TEMP TABLE IF NOT EXISTS of_cart AS "  # noqa: S608
    "SELECT account, chain, coalesce(max(key), char(0) || chain) AS cart, max(seq) AS last FROM ("
    "SELECT p.account, p.chain, json_extract(CAST(r.text AS TEXT), '$.cart_id') AS key, r.seq, "
    f"p.kind NOT IN ({_READS}) AS writes FROM plan p JOIN result r ON r.line = p.line WHERE r.status <> 'skipped' "
    "UNION ALL SELECT p.account, p.chain, NULL, 9e18, 1 FROM plan p "
    f"WHERE p.line IN (SELECT line FROM send WHERE line > 0) AND {_UNDER_WAY}"
    ") GROUP BY account, chain HAVING max(writes)"
)
_BY_CART = "CREATE INDEX IF NOT EXISTS temp.by_cart ON of_cart (account, cart)"
_CARTS = "SELECT account, cart FROM of_cart GROUP BY account, cart ORDER BY max(last) DESC, max(chain) DESC"
_OF_CART = "p.account = ? AND p.chain IN (SELECT chain FROM of_cart WHERE account = ? AND cart = ?)"
_ENDED = (
    "SELECT p.line, p.chain, p.offset, p.length, p.digest, p.kind, r.status, r.learnt, r.text FROM plan p "  # noqa: S608
    f"JOIN result r ON r.line = p.line WHERE {_OF_CART} ORDER BY r.seq"
)
_ALSO = (
    "SELECT p.line, p.chain, p.offset, p.length, p.digest, p.kind, 'in_doubt', '{}', '{}' FROM plan p "  # noqa: S608
    f"WHERE {_OF_CART} AND {_UNDER_WAY} ORDER BY p.line"
)
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
class Cart:
    """One cart of the run: its account's number in the journal, and its key, or its chain where no key is known."""

    account: int
    key: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A run as its journal and its job tell of it; ``source`` is None where the job is not there any more."""

    connection: sqlite3.Connection
    run: str
    source: JobSource | None
    default_account: str | None

    def carts(self) -> Iterator[Cart]:
        """Every cart that was written to, the one that was worked on last first."""
        for sql in (_CHAINS, _BY_CART):
            self.connection.execute(sql)
        for account, key in self.connection.execute(_CARTS):
            yield Cart(account, key)

    def ended(self, cart: Cart, account: str, adapter: Adapter) -> Iterator[Ended]:
        """The cart's lines in the order in which they ended, then those that were on their way."""
        for sql in (_ENDED, _ALSO):
            for line, chain, offset, length, digest, name, status, learnt, text in self.connection.execute(
                sql, (cart.account, cart.account, cart.key)
            ):
                result, kind = msgspec.json.decode(text, type=_ResultLine), Kind(name)
                doubt = _ON_ITS_WAY if sql is _ALSO else _doubt(Status(status), result, kind, adapter)
                yield Ended(
                    line=line,
                    kind=kind,
                    status=Status.IN_DOUBT if doubt else Status(status),
                    cart_id=result.cart_id,
                    item_id=result.item_id,
                    facts=msgspec.json.decode(learnt, type=Learnt).facts,
                    said=self._said(line, offset, length, digest),
                    body=bytes(result.body),
                    fresh=adapter.chosen_key is None or result.cart_id == self._own_key(chain, account, result.cart),
                    doubt=doubt,
                )

    def unended(self) -> int:
        """How many lines of the run have not ended."""
        query = "SELECT (SELECT count(*) FROM plan) - (SELECT count(*) FROM result)"
        count: int = self.connection.execute(query).fetchone()[0]
        return count

    def _said(self, line: int, offset: int, length: int, digest: int) -> bytes | None:
        """The line's data; None where the job's text is not what was planned."""
        if self.source is None:
            return None
        raw = RawLine(line, offset, self.source.read(offset, length))
        try:
            return read_operation(raw, self.default_account).data or b"{}" if raw.digest == digest else None
        except BadLine:  # another text of the same checksum
            return None

    def _own_key(self, chain: int, account: str, name: str | None) -> str:
        """The key that the engine makes for this cart, and no other run for any."""
        return Chain(self.run, chain).known(Operation(0, Kind.CART_CREATE, account, cart=name)).new_key


def _doubt(status: Status, result: _ResultLine, kind: Kind, adapter: Adapter) -> str:
    """Why nobody can say whether the line happened, "" where one can.

    A write that may be repeated fails once it has been sent often enough without an answer that settles it.
    """
    if status is Status.IN_DOUBT:
        return _IN_DOUBT
    unanswered = result.error is not None and result.error.kind in {Reason.NETWORK, Reason.PLATFORM}
    return _UNANSWERED if unanswered and kind not in READS and adapter.cells[kind].repeatable else ""
