"""Owns the seam between engine and platform: a platform is a record of pure functions and knows no I/O."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from batchcart.model.cart import Cart, CartPlan, CartSource
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import AccountError, Step


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret stands: exactly one of these.

    The environment variable ``env``, the first line of ``file``, the first line that ``command`` prints, or what the
    system's keyring has for the service ``keyring`` and its ``user``.
    """

    env: str | None = None
    file: str | None = None
    command: str | None = None
    keyring: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in (self.env, self.file, self.command, self.keyring) if name is not None]
        if len(given) != 1 or (self.user is None) != (self.keyring is None):
            raise ValueError("a secret has one source")


SecretText = str | SecretRef


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Credentials:
    """An account's own settings with the secrets read; its repr shows none of them. A value is equal to itself only."""

    values: Mapping[str, str]
    secret_names: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str:
        """The setting, or "" if the account has none."""
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
    ``rewritten`` says that this run changed or deleted lines of the cart.
    """

    cart_id: str | None
    generated_key: str
    items: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}
    rewritten: bool = False


NEW_CART = {"lines": "known"}
"""The facts about a cart that this run made and put nothing into."""


class Evidence(msgspec.Struct, frozen=True):
    """What makes an operation ``ok``: an answer that says so in a documented form, or a read that shows it.

    ``says`` takes an answer for that: what it gives back is true for such an answer and for no other; ``said`` is the
    same in words. ``shown`` says in words what a later read must show instead; "" if no read can.
    """

    said: str
    says: Callable[[Operation, CartContext, Response], object]
    shown: str = ""


class OperationSpec(msgspec.Struct, frozen=True):
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

    def possible_contexts(self, known: CartContext) -> Iterator[CartContext]:
        """What an earlier start may have known of the cart: perhaps more of its lines, or, before `settle`, none."""
        yield known
        yield msgspec.structs.replace(known, facts=NEW_CART)
        yield msgspec.structs.replace(known, facts={})


class TokenRefresh(msgspec.Struct, frozen=True):
    """How an expiring token is renewed.

    ``build_request`` builds the request, ``parse_tokens`` finds the fresh settings in its answer. ``refused`` is what
    the platform says where it renews nothing, "" if it gives no reason; None if the answer is none of the
    platform's. Without ``required_setting`` nothing is renewed; ``further_settings`` serve a renewal only.
    """

    build_request: Callable[[Credentials], Request]
    parse_tokens: Callable[[Response], Mapping[str, str] | None]
    refused: Callable[[Response], str | None]
    required_setting: str
    further_settings: tuple[str, ...] = ()


class Filters(msgspec.Struct, frozen=True):
    """Which lines a list of all carts shows; "" does not filter. Times are the shop's own clock, without a zone."""

    since_id: str = ""
    created_after: str = ""
    created_before: str = ""
    cart_key: str = ""


class ListedLine(msgspec.Struct, frozen=True):
    """One row of a list of all carts: its number, the key of its cart, and its JSON as the shop wrote it.

    ``created`` is written as in Filters, "" if the row does not say it.
    """

    id: int
    cart: str
    text: bytes
    created: str = ""


class Listing(msgspec.Struct, frozen=True):
    """How a shop lists all its carts, line by line.

    ``query_schema`` is that of a ``cart.list`` for one page, from 1 on. It asks for ``rows`` of them, perhaps for
    more than the filters leave. ``lines`` reads the answer; it raises NotACart if that is no list. ``merge`` puts
    one cart's rows into the form of a ``cart.get``.
    """

    rows: int
    query: Callable[[Filters, int], bytes]
    lines: Callable[[bytes], list[ListedLine]]
    merge: Callable[[Sequence[bytes]], bytes]


class CartSnapshot(msgspec.Struct, frozen=True):
    """What one read shows: how many each line holds, and the cart's own fields as `cart.update` names them, in JSON.

    Lines have the keys that facts about lines have; ``lines`` is None if the read does not show them.
    """

    lines: Mapping[str, Decimal] | None = None
    fields: Mapping[str, bytes] = msgspec.field(default_factory=dict)


class CartReader(msgspec.Struct, frozen=True):
    """How a cart is compared with what was known of it before.

    ``read`` reads the body of a `cart.get` in its plain view, or of an `item.get`; ``is_missing`` says whether an
    answer to one means that there is nothing of that key. ``spreads`` says whether a discount set with this data goes
    onto all lines of the cart.
    """

    read: Callable[[bytes], CartSnapshot]
    is_missing: Callable[[Response], bool]
    spreads: Callable[[bytes], bool] = lambda _data: False


class Migration(msgspec.Struct, frozen=True):
    """What a platform's carts mean as neutral ones, and how such a cart is made there.

    ``to_neutral`` turns the bodies of ``cart.get`` (all views or pages that were read of it) into neutral carts; it
    raises NotACart if they show none. ``from_neutral`` says how a cart, whose products are already the target's, is
    made in a shop of the given currency. ``readable_fields`` names the neutral fields that this platform's answers
    may fill, ``hidden_fields`` those that it may hold and an answer may not show, each with the reason.
    ``merge_items`` puts items, each as its id and the ``data_schema`` that added it, into the body of a ``cart.get``
    that shows none.
    """

    to_neutral: Callable[[CartSource, Sequence[bytes]], tuple[Cart, ...]]
    from_neutral: Callable[[Cart, str | None], CartPlan]
    readable_fields: tuple[str, ...]
    hidden_fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    merge_items: Callable[[bytes, Sequence[tuple[str, bytes]]], bytes] | None = None


class AccountSchema(msgspec.Struct, frozen=True):
    """What an account of the platform has in the config beside what every account may have.

    ``settings`` is the type of its own keys; ``address`` gives the base address from them, which stands under
    ``address_key``. ``shop_key`` is the key by which a person knows the shop: its address, often the same key.
    ``identity_keys`` are further keys that tell one shop from another. ``auth_methods`` are the kinds of credentials by
    name, the usual one first, each with the own keys that it takes. ``sandbox_settings`` are own keys that a simulator
    takes. ``currency`` is what the platform's shops count in unless an account says otherwise, None if that is not
    known.
    """

    settings: type[msgspec.Struct]
    address: Callable[[Mapping[str, str]], str]
    address_key: str
    shop_key: str
    auth_methods: Mapping[str, tuple[str, ...]]
    sandbox_settings: Mapping[str, str]
    identity_keys: tuple[str, ...] = ()
    currency: str | None = None


class KeyNames(msgspec.Struct, frozen=True):
    """What the platform calls the key of a cart, the id of an item, and how many of it there are.

    ``item`` is "" if results have the id under no name but ``item_id``. ``client_chooses`` says that the client
    names a cart, in the field ``cart`` of what creates it; else the shop makes the key. A key has at most
    ``max_length`` characters.
    """

    cart: str
    quantity: str
    item: str = ""
    client_chooses: bool = False
    max_length: int = 200


class AuthScheme(msgspec.Struct, frozen=True):
    """How requests show who asks.

    ``sign`` puts the credentials onto a request, with the time and a nonce where the platform wants them;
    ``token_refresh`` is there where tokens expire.
    """

    sign: Callable[[Request, Credentials, float, str], Request]
    token_refresh: TokenRefresh | None = None


class ErrorForms(msgspec.Struct, frozen=True):
    """What an answer says beyond the operation that it answers.

    ``classify`` says whether it means that shop or credentials fail, or that it is not the platform's at all.
    ``described`` says in words which forms of an error below 500 are taken for the platform's.
    """

    classify: Callable[[Exchange], AccountError | None]
    described: str


class Workload(msgspec.Struct, frozen=True):
    """What the lines of a benchmark's job say; each function gets the product, the quantity, or both.

    ``first_item`` says that a create names the item that it makes.
    """

    create: Callable[[str, int], dict[str, Any]]
    add: Callable[[str, int], dict[str, Any]]
    update: Callable[[int], dict[str, Any]]
    first_item: bool = False


class Examples(msgspec.Struct, frozen=True):
    """What a newcomer is shown.

    ``account`` is a name and the own keys of an account, for a first config. ``job`` are lines about one cart without
    their account, as JSON: the first ones of a first job, and examples of the schema. ``workload`` is what a benchmark
    does; None if there is none yet.
    """

    account: tuple[str, Mapping[str, str | SecretRef]]
    job: tuple[str, ...]
    workload: Workload | None = None


class Adapter(msgspec.Struct, frozen=True):
    """A platform as a value.

    ``health_check`` is a read that changes nothing and shows that the shop is up. ``item_needs_cart`` says that an item
    is found by its cart and its id, ``create_adds_item`` that a new cart holds its first item.

    The last three are optional. Without ``migration`` carts are not moved from or to the platform; without
    ``snapshot`` nobody can see what became of a cart, so that ``undo`` takes nothing back unless it is forced;
    ``listing`` is there where a shop can be asked for all its carts.
    """

    name: str
    account: AccountSchema
    limits: tuple[str, ...]
    operations: Mapping[OperationKind, OperationSpec]
    auth: AuthScheme
    errors: ErrorForms
    health_check: Request
    keys: KeyNames
    examples: Examples
    item_needs_cart: bool = True
    create_adds_item: bool = False
    migration: Migration | None = None
    snapshot: CartReader | None = None
    listing: Listing | None = None


class Adapters(dict[str, Adapter]):
    """Adapters by platform name; ``left_out`` says of other platforms, as the end of a sentence, why they have none."""

    def __init__(self, adapters: Mapping[str, Adapter], left_out: Mapping[str, str]) -> None:
        super().__init__(adapters)
        self.left_out = left_out

    def find(self, name: str) -> Adapter:
        """The platform's adapter; raises UsageError if there is none."""
        if name not in self:
            raise UsageError(f"platform {quote(name)} {self.absence(name)}")
        return self[name]

    def absence(self, name: str) -> str:
        """Why there is no platform of that name, as the end of a sentence."""
        return self.left_out.get(name) or f"is not known ({suggest(name, self)}), unless by a package not installed"
