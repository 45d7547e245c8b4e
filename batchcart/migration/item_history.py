"""Owns which items a run put into its carts, as its job and journal tell; it does not know platforms' words.

It serves shops whose answers show no items: what was added, updated and not deleted since is what is there.
"""

import contextlib
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.jobs.job_file import JobSource, RawLine, parse_line
from batchcart.jobs.opening import open_job
from batchcart.journal.carts import LineOfAccount, lines_of_account
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import DatabaseError, get_meta, open_reading
from batchcart.journal.spill import SpillDict
from batchcart.journal.writer import JournalFailed
from batchcart.model.errors import UsageError
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.runs.paths import journal_path
from batchcart.runs.resume import check_same_job

_CHANGES = {OperationKind.ITEM_ADD, OperationKind.ITEM_UPDATE, OperationKind.ITEM_DELETE}


class _Ids(msgspec.Struct):
    cart_id: str | None = None
    item_id: str | None = None


class _Chain(msgspec.Struct):
    """What the run did to one cart: its key, its items by id, each with the line that added it and its data."""

    key: str | None = None
    doubtful: bool = False
    items: dict[str, tuple[int, bytes]] = {}


class ItemHistory:
    """The items that a run put into the account's carts, kept on disk. To be closed."""

    def __init__(self) -> None:
        self._chains = SpillDict[_Chain](_Chain)
        self._of_key = SpillDict[list[int]](list[int])

    def close(self) -> None:
        """Forget them."""
        self._chains.close()
        self._of_key.close()

    def items(self, cart_id: str) -> list[tuple[str, bytes]] | None:
        """The cart's items, each its id and its data; None where the run did not create the cart or left doubts."""
        chains = self._of_key.get(cart_id, [])
        if len(chains) != 1 or (chain := self._chain(chains[0])).doubtful:
            return None
        return [(number, data) for number, (_, data) in sorted(chain.items.items(), key=lambda item: item[1][0])]

    def learn(self, results: Path, entry: AccountConfig) -> None:
        """Read what the run of this result file did; raises UsageError where its job or journal is not what it was."""
        path = journal_path(results)
        try:
            with contextlib.closing(open_reading(path)) as plan, open_job(get_meta(plan, "job") or "") as source:
                check_same_job(plan, source, path)
                account = get_meta(plan, "account") or entry.name
                for line in lines_of_account(plan, entry.name):
                    ids = decode_value(plan, "result", line.text or b"{}", _Ids)
                    self._take(source, account, line, ids)
        except (DatabaseError, JournalFailed) as error:
            self._chains.clear()  # a part of what was done is not what is there
            self._of_key.clear()
            raise UsageError(f"the journal {path} cannot be read: {error}") from None

    def _chain(self, number: int) -> _Chain:
        return self._chains.get(str(number)) or _Chain()

    def _take(self, source: JobSource, account: str, line: LineOfAccount, ids: _Ids) -> None:
        number, chain = line.planned.chain, self._chain(line.planned.chain)
        if line.kind is OperationKind.CART_CREATE and line.status is Status.OK:
            self._name(number, chain, ids.cart_id)
        elif line.kind in _CHANGES and line.status is Status.OK:
            _change(chain, source, account, line, ids.item_id or "")
        elif line.kind in _CHANGES and line.status not in {Status.FAILED, Status.SKIPPED}:
            # What failed or was skipped did not happen; what is open or in doubt may have.
            chain.doubtful = True
        self._chains[str(number)] = chain

    def _name(self, number: int, chain: _Chain, key: str | None) -> None:
        if chain.key is not None:
            self._of_key[chain.key] = [other for other in self._of_key[chain.key] if other != number]
        chain.key = key
        if key is not None:
            self._of_key[key] = [*self._of_key.get(key, []), number]


def _change(chain: _Chain, source: JobSource, account: str, line: LineOfAccount, number: str) -> None:
    """What the item of this number is after the line."""
    if line.kind is OperationKind.ITEM_DELETE:
        chain.items.pop(number, None)
        return
    planned = line.planned
    operation = parse_line(RawLine(planned.line, planned.offset, source.read(planned.offset, planned.length)), account)
    place, old = chain.items.get(number, (planned.line, b"{}"))
    chain.items[number] = place, _merge(old, operation.data)


def _merge(old: bytes, new: bytes) -> bytes:
    fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    return msgspec.json.encode({**fields(old), **fields(new or b"{}")})
