"""Owns the seam between engine and platform: a platform is a record of pure functions and knows no I/O."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from batchcart.model.cart import Cart, CartPlan, CartSource
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import AccountTrouble, Step


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret stands: the environment variable ``env``, or the first line of ``file``."""

    env: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if (self.env is None) == (self.file is None):
            raise ValueError('a secret is a string, { env = "NAME" } or { file = "PATH" }')


SecretText = str | SecretRef


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Credentials:
    """An account's own settings with the secrets read; its repr shows none of them. A value is equal to itself only."""

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

    def replace(self, fresh: Mapping[str, str]) -> "Credentials":
        """The same account with a fresh set of tokens."""
        return Credentials({**self.values, **fresh}, self.secret_names | frozenset(fresh))


class CartContext(msgspec.Struct, frozen=True):
    """What the engine has learnt about a cart before an operation on it begins.

    ``generated_key`` is the key that a cart without one gets where the client may choose it: the same in every try of
    one run. ``items`` maps the job's item names to the platform's ids; ``facts`` is the adapter's own memory.
    """

    cart_id: str | None
    generated_key: str
    items: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}


NEW_CART = {"lines": "known"}
"""The facts about a cart that this run made and put nothing into."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What makes an operation ``ok``: an answer that says so in a documented form, or a read that shows it.

    ``says`` takes an answer for that: what it gives back is true for such an answer and for no other; ``said`` is the
    same in words. ``read`` says in words what a later read must show instead; "" where no read can.
    """

    said: str
    says: Callable[[Operation, CartContext, Response], object]
    shown: str = ""


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation on one platform: the fields it takes, what is said to the shop, and what makes it ``ok``.

    ``idempotent`` says that the write may be sent again without a look at the shop, since it is absolute.
    """

    build: Callable[[Operation, CartContext], Request]
    interpret: Callable[[Operation, CartContext, History], Step]
    recover: Callable[[Operation, CartContext, History], Step]
    evidence: Evidence
    data_schema: type[msgspec.Struct] | None = None
    query_schema: type[msgspec.Struct] | None = None
    data_required: bool = True
    idempotent: bool = True
    views: tuple[str, ...] = ()
    note: str = ""

    def possible_first_requests(self, operation: Operation, known: CartContext) -> Iterator[Request]:
        """What the operation may have begun with in an earlier start, which may have known more of the cart's lines."""
        yield self.build(operation, known)
        yield self.build(operation, msgspec.structs.replace(known, facts=NEW_CART))


@dataclass(frozen=True, slots=True)
class TokenRefresh:
    """How an expiring token is renewed.

    ``build_request`` builds the request, ``parse_tokens`` finds the fresh settings in its answer. ``refused`` is what
    the platform says where it renews nothing, "" where it gives no reason; None where the answer is none of the
    platform's. Without ``required_setting`` nothing is renewed; ``further_settings`` serve a renewal only.
    """

    build_request: Callable[[Credentials], Request]
    parse_tokens: Callable[[Response], Mapping[str, str] | None]
    refused: Callable[[Response], str | None]
    required_setting: str
    further_settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines a list of all carts shows; "" does not filter. Times are the shop's own clock, without a zone."""

    since_id: str = ""
    created_after: str = ""
    created_before: str = ""
    cart_key: str = ""


@dataclass(frozen=True, slots=True)
class ListedLine:
    """One row of a list of all carts: its number, the key of its cart, and its JSON as the shop wrote it.

    ``created`` is written as in Filters, "" where the row does not say it.
    """

    id: int
    cart: str
    text: bytes
    created: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a shop lists all its carts, line by line.

    ``query_schema`` is that of a ``cart.list`` for one page, from 1 on. It asks for ``rows`` of them, perhaps for
    more than the filters leave. ``lines`` reads the answer; it raises NoCart where that is no list. ``merge`` puts
    one cart's rows into the form of a ``cart.get``.
    """

    rows: int
    query: Callable[[Filters, int], bytes]
    lines: Callable[[bytes], list[ListedLine]]
    merge: Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class CartSnapshot:
    """What one read shows: how many each line holds, and the cart's own fields as `cart.update` names them, in JSON.

    Lines have the keys that facts about lines have; ``lines`` is None where the read does not show them.
    """

    lines: Mapping[str, Decimal] | None = None
    fields: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CartReader:
    """How a cart is compared with what was known of it before.

    ``read`` reads the body of a `cart.get` in its plain view, or of an `item.get`; ``is_missing`` says whether an
    answer to one means that there is nothing of that key. ``quantity`` is the field in which adds and updates say how
    many. ``spreads`` says whether a discount set with this data goes onto all lines of the cart.
    """

    read: Callable[[bytes], CartSnapshot]
    is_missing: Callable[[Response], bool]
    quantity: str
    spreads: Callable[[bytes], bool] = lambda _data: False


@dataclass(frozen=True, slots=True)
class Adapter:
    """A platform as a value.

    ``settings`` is the type of an account's own config keys; ``address`` gives the base address from them.
    ``client_key`` is the field in which the client names a cart, with ``key_length``, its greatest length;
    None where the shop makes the key. ``classify_error`` says whether an answer means that shop or credentials fail,
    or that it is not the platform's at all. ``errors`` says in words which forms of an error below 500 are taken for
    the platform's. ``health_check`` is a read that changes nothing and shows that the shop is up.
    ``sandbox_settings`` holds own config keys as an example; the built-in sandbox account uses them. ``auth_methods``
    are the kinds of credentials by name, the usual one first, each with the own config keys that it takes.

    ``to_neutral`` turns the bodies of ``cart.get`` (all views or pages that were read of it) into neutral carts; it
    raises NoCart where they show none. ``from_neutral`` says how a cart, whose products are already the target's, is
    made in a shop of the given currency. ``currency`` is what the platform's shops count in unless an account says
    otherwise, None where that is not known. ``readable_fields`` names the neutral fields that this platform's answers
    may fill, ``hidden_fields`` those that it may hold and an answer may not show, each with the reason. ``listing``
    is there where a shop can be asked for all its carts. ``merge_items`` puts items, each as its id and the
    ``data_schema`` that added it, into the body of a ``cart.get`` that shows none.
    """

    name: str
    settings: type[msgspec.Struct]
    address: Callable[[Mapping[str, str]], str]
    limits: tuple[str, ...]
    operations: Mapping[OperationKind, OperationSpec]
    sign: Callable[[Request, Credentials, float, str], Request]
    classify_error: Callable[[Exchange], AccountTrouble | None]
    errors: str
    health_check: Request
    sandbox_settings: Mapping[str, str]
    auth_methods: Mapping[str, tuple[str, ...]]
    to_neutral: Callable[[CartSource, Sequence[bytes]], tuple[Cart, ...]]
    from_neutral: Callable[[Cart, str | None], CartPlan]
    cart_reader: CartReader
    readable_fields: tuple[str, ...]
    currency: str | None = None
    hidden_fields: Mapping[str, str] = field(default_factory=dict)
    listing: Listing | None = None
    merge_items: Callable[[bytes, Sequence[tuple[str, bytes]]], bytes] | None = None
    token_refresh: TokenRefresh | None = None
    client_key: str | None = None
    key_length: int = 200
    item_needs_cart: bool = True
    create_adds_item: bool = False
