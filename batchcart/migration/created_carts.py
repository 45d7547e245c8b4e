"""Owns which new cart a result file has for each cart of a carts file; it does not know what is in them."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import structs

from batchcart.journal.spill import SpillDict
from batchcart.model.errors import UsageError, quote
from batchcart.model.files import lines_of
from batchcart.model.json_text import UNDECODABLE
from batchcart.model.operation import OperationKind

_CREATED = OperationKind.CART_CREATE.value


class _CreateError(msgspec.Struct):
    message: str = ""


class _CreateResult(msgspec.Struct):
    line: int
    account: str
    op: str
    status: str
    cart: str | None = None
    cart_id: str | None = None
    error: _CreateError | None = None


_result = msgspec.json.Decoder(_CreateResult).decode


@dataclass(frozen=True, slots=True)
class Target:
    """A new cart's key; None with the reason, where there is none or, if ``doubtful``, nobody knows of one."""

    key: str | None = None
    why: str = ""
    doubtful: bool = False


class _NewCart(msgspec.Struct):
    """What the result file says of one cart: its first line there, and the new cart, if there is one."""

    line: int
    key: str | None = None
    why: str = ""
    doubtful: bool = False
    known: bool = False


class CreatedCarts:
    """The new carts by the names that `convert` gave them, which are the source carts' ids; kept on disk."""

    def __init__(self, carts: SpillDict[_NewCart], results: Path, later: Sequence[Path]) -> None:
        self._carts = carts
        self._results = results
        self._later = later
        self.account = self._learn()

    def of(self, name: str) -> Target:
        """The new cart of that name."""
        cart = self._carts.get(name)
        if cart is None or (cart.key is None and not cart.why):
            return Target(why="the result file has no line that created it: it was not sent, or has not ended")
        return Target(cart.key, cart.why, cart.doubtful)

    def check(self, names: Iterable[str], carts: Path) -> None:
        """Raises UsageError where the result file is of other carts than these."""
        for name in names:
            if cart := self._carts.get(name):
                self._carts[name] = structs.replace(cart, known=True)
        for name, cart in self._carts.items():
            if not cart.known:
                raise UsageError(
                    f"{self._results}:{cart.line}: cart: {quote(name)} is not a cart of {carts}; is it the result file "
                    "of another job?"
                )

    def _learn(self) -> str:
        account = ""
        for path, number, result in self._read_all():
            account = account or result.account
            if result.account != account:
                raise UsageError(
                    f"{path}:{number}: account: {quote(result.account)} after {quote(account)}; a job that "
                    "`batchcart convert` wrote has one account"
                )
            if result.cart is None:
                raise UsageError(
                    f"{path}:{number}: cart: missing; every line of a job that `batchcart convert` wrote names one"
                )
            self._carts[result.cart] = _after(self._carts.get(result.cart) or _NewCart(number), result)
        if not account:
            raise UsageError(f"{self._results}: there is no result in it")
        return account

    def _read_all(self) -> Iterator[tuple[Path, int, _CreateResult]]:
        for path in (self._results, *self._later):
            yield from ((path, number, result) for number, result in _read(path))


def _after(cart: _NewCart, result: _CreateResult) -> _NewCart:
    """What is known of a cart once a line of its came."""
    if result.op != _CREATED:
        return cart
    if result.status == "ok":
        return structs.replace(cart, key=result.cart_id)
    message = result.error.message if result.error else ""
    if result.status == "in_doubt":
        why = f"line {result.line} of the job is in doubt, settle it with `batchcart settle`: {message}"
        return structs.replace(cart, why=why, doubtful=True)
    return structs.replace(
        cart, why=f"line {result.line} of the job did not create it ({result.status}): {message}", doubtful=False
    )


@contextlib.contextmanager
def read_created_carts(results: Path, later: Sequence[Path] = ()) -> Iterator[CreatedCarts]:
    """The new carts that a result file knows, and those of ``later`` ones, which made what it had not.

    Raises UsageError, naming the line, where it is not the result file of a job that `convert` wrote.
    """
    with contextlib.closing(SpillDict[_NewCart](_NewCart)) as carts:
        yield CreatedCarts(carts, results, later)


def _read(path: Path) -> Iterator[tuple[int, _CreateResult]]:
    try:
        for number, text in enumerate(lines_of(path), 1):
            try:
                yield number, _result(text)
            except UNDECODABLE as error:
                raise UsageError(f"{path}:{number}: not a result line: {error}") from None
    except FileNotFoundError:
        raise UsageError(f"result file {path} does not exist; `batchcart run` writes one") from None
    except OSError as error:
        raise UsageError(f"result file {path} cannot be read: {error.strerror}") from None
