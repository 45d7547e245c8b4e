"""Owns what a journal tells of each cart that a run wrote to, all its chains together; it changes nothing in it."""

from collections.abc import Iterator

import msgspec

from batchcart.journal.queries import ChainUpdate, Length, PlannedLine, write_left
from batchcart.journal.rows import RowCount, decode_value, legible, select
from batchcart.journal.schema import Connection
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import CartFacts, Status

READS = frozenset({OperationKind.CART_GET, OperationKind.CART_LIST, OperationKind.CART_COUNT, OperationKind.ITEM_GET})
"""The operations that change nothing."""

_READS = ", ".join(f"'{kind.value}'" for kind in sorted(READS))

# Lines without a result of which a write has left. Below 0 are questions of the engine's own.
_UNDER_WAY = f"NOT EXISTS (SELECT 1 FROM result r WHERE r.line = p.line) AND {write_left('p.line')}"  # noqa: S608  # words of our own
# Chains that are about the same cart: some platforms let a line name an item without its cart, in a chain of its own.
_CHAINS = (
    "CREATE TEMP TABLE IF NOT EXISTS of_cart AS "  # noqa: S608  # only words of our own are in these
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
_ON_THEIR_WAY = (
    "SELECT p.line, p.chain, p.offset, p.length, p.digest, p.kind, NULL, '{}', CAST('{}' AS BLOB) FROM plan p "  # noqa: S608
    f"WHERE {_OF_CART} AND {_UNDER_WAY} ORDER BY p.line"
)
_OF_ACCOUNT = (
    "SELECT p.line, p.chain, p.offset, p.length, p.digest, p.kind, r.status, r.text FROM plan p "
    "JOIN account a ON a.id = p.account LEFT JOIN result r ON r.line = p.line WHERE a.name = ? ORDER BY p.line"
)
_NEW = (
    "SELECT p.account, r.line, r.learnt FROM result r JOIN plan p ON p.line = r.line "
    "WHERE r.seq > (SELECT max(seq) FROM result) - 10000 AND p.kind = 'cart.create' AND r.status = 'ok' ORDER BY r.seq"
)


class PlannedCart(msgspec.Struct, frozen=True, array_like=True):
    """One cart of the run: its account's number in the journal, and its key, or its chain where no key is known."""

    account: int
    key: str


class LineOfCart(msgspec.Struct, frozen=True):
    """A line with its result line, and what it brought; ``status`` None: it was on its way when the run stopped."""

    planned: PlannedLine
    kind: OperationKind
    status: Status | None
    facts: CartFacts
    text: bytes


class LineOfAccount(msgspec.Struct, frozen=True):
    """A line with its result line; both None if it has not ended."""

    planned: PlannedLine
    kind: OperationKind
    status: Status | None
    text: bytes | None


def carts(connection: Connection) -> Iterator[PlannedCart]:
    """Every cart that was written to, the one that was worked on last first."""
    with legible(connection, "result"):
        for sql in (_CHAINS, _BY_CART):
            connection.execute(sql)
    yield from select(connection, PlannedCart, _CARTS)


_OfCart = tuple[RowCount, RowCount, RowCount, Length, int, OperationKind, Status | None, str, bytes]
_OfAccount = tuple[RowCount, RowCount, RowCount, Length, int, OperationKind, Status | None, bytes | None]


def lines_of_cart(connection: Connection, cart: PlannedCart) -> Iterator[LineOfCart]:
    """The cart's lines in the order in which they ended, then those that were on their way; after ``carts``."""
    for sql in (_ENDED, _ON_THEIR_WAY):
        rows = select(connection, _OfCart, sql, (cart.account, cart.account, cart.key))
        for *place, kind, status, learnt, text in rows:
            facts = decode_value(connection, "result", learnt, ChainUpdate).facts
            yield LineOfCart(PlannedLine(*place), kind, status, facts, text)


def lines_of_account(connection: Connection, name: str) -> Iterator[LineOfAccount]:
    """All lines of the account of that name, in file order."""
    for *place, kind, status, text in select(connection, _OfAccount, _OF_ACCOUNT, (name,)):
        yield LineOfAccount(PlannedLine(*place), kind, status, text)


def latest_new_carts(connection: Connection) -> dict[int, list[tuple[str, int]]]:
    """By account, the keys of the carts that the run's last lines created, each with its line; the oldest first.

    They are looked for among the last 10,000 lines that ended, since that takes 8 ms where a million have.
    """
    found: dict[int, list[tuple[str, int]]] = {}
    for account, line, learnt in select(connection, tuple[int, RowCount, str], _NEW):
        if (key := decode_value(connection, "result", learnt, ChainUpdate).cart_id) is not None:
            found.setdefault(account, []).append((key, line))
    return found
