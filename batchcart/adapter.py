"""Owns the seam between engine and platform: a platform is a record of pure functions and knows no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from batchcart.exchange import Exchange, Past, Request, Response
from batchcart.operation import Kind, Operation
from batchcart.outcome import Busy, Denied, Failing, Step


class SecretReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret stands: the environment variable ``env``, or the first line of ``file``."""

    env: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if (self.env is None) == (self.file is None):
            raise ValueError('a secret is a string, { env = "NAME" } or { file = "PATH" }')


SecretText = str | SecretReference


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An account's own settings with the secrets read; its repr shows none of them."""

    values: Mapping[str, str]
    secret_names: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str:
        """The setting, or "" where the account has none."""
        return self.values.get(name, "")

    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return tuple(self.values[name] for name in self.secret_names if self.values.get(name))

    def renewed(self, fresh: Mapping[str, str]) -> "Credentials":
        """The same account with a fresh set of tokens."""
        return Credentials({**self.values, **fresh}, self.secret_names | frozenset(fresh))


@dataclass(frozen=True, slots=True)
class Known:
    """What the engine has learnt about a cart before an operation on it begins.

    ``new_key`` is the key that a cart gets where the client may choose it: the same in every try of one run.
    ``items`` maps the job's item names to the platform's ids; ``facts`` is the adapter's own memory.
    """

    cart_id: str | None
    new_key: str
    items: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


NEW_CART = {"lines": "known"}
"""The facts about a cart that this run made and put nothing into."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One operation on one platform: the fields it takes and what is said to the shop.

    ``repeatable`` says that the write may be sent again without a look at the shop, since it is absolute.
    """

    build: Callable[[Operation, Known], Request]
    interpret: Callable[[Operation, Known, Past], Step]
    recover: Callable[[Operation, Known, Past], Step]
    data: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    data_required: bool = True
    repeatable: bool = True
    views: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """How an expiring token is renewed: ``ask`` builds the request, ``read`` finds the fresh settings in its answer."""

    ask: Callable[[Credentials], Request]
    read: Callable[[Response], Mapping[str, str] | None]
    needs: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """A platform as a value.

    ``settings`` is the type of an account's own config keys; ``address`` gives the base address from them.
    ``chosen_key`` is the field in which the client names a cart, with ``key_length``, its greatest length;
    None where the shop makes the key. ``trouble`` says whether an answer means that shop or credentials fail.
    ``ping`` is a read that changes nothing and shows that the shop is up. ``sample`` holds own config keys as an
    example; the built-in sandbox account uses them.
    """

    name: str
    settings: type[msgspec.Struct]
    address: Callable[[Mapping[str, str]], str]
    limits: tuple[str, ...]
    cells: Mapping[Kind, Cell]
    sign: Callable[[Request, Credentials, float, str], Request]
    trouble: Callable[[Exchange], Busy | Failing | Denied | None]
    ping: Request
    sample: Mapping[str, str]
    renewal: Renewal | None = None
    chosen_key: str | None = None
    key_length: int = 200
    item_needs_cart: bool = True
    create_adds_item: bool = False
