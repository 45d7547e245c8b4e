"""Owns what a journal notes of a run that does some of its lines only: the chains that are chosen now."""

from collections.abc import Iterable, Iterator

import msgspec

from batchcart.journal.queries import write_left
from batchcart.journal.rows import select
from batchcart.journal.schema import Connection, get_meta, set_meta

_KEY = "chosen"
_OPEN = (
    f"SELECT p.chain, p.account, a.name, p.kind, {write_left('p.line')} FROM plan p "  # noqa: S608  # words of our own
    "JOIN account a ON a.id = p.account WHERE NOT EXISTS (SELECT 1 FROM result r WHERE r.line = p.line) ORDER BY p.line"
)


class OpenLine(msgspec.Struct, frozen=True, array_like=True):
    """A line that has not ended: its chain, its account's number and name, its operation, whether a write has left."""

    chain: int
    account: int
    name: str
    kind: str
    under_way: int


def open_lines(connection: Connection) -> Iterator[OpenLine]:
    """All lines that have not ended, in file order."""
    yield from select(connection, OpenLine, _OPEN)


def choose_chains(connection: Connection, chains: Iterable[int]) -> None:
    """Work on these chains alone from now on."""
    connection.execute("BEGIN")
    connection.execute("DELETE FROM chosen")
    connection.executemany("INSERT INTO chosen VALUES (?)", ((chain,) for chain in chains))
    set_meta(connection, _KEY, "1")
    connection.execute("COMMIT")


def forget_choice(connection: Connection) -> None:
    """Work on all chains again."""
    connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def has_choice(connection: Connection) -> bool:
    """Whether only some chains are worked on."""
    return get_meta(connection, _KEY) is not None
