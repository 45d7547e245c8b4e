"""Owns what one simulated shop holds and what a platform is; it does not know which platforms there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from batchcart.model.limits import Limit
from batchcart.sandbox.messages import Answer, Call
from batchcart.sandbox.reading import Readings

Document = dict[str, Any]
"""A cart as plain JSON: the platform's own fields, and ``items`` by their ids."""


@dataclass(slots=True)
class Tokens:
    """A shop's pair of renewable tokens: "" until the first renewal, when whatever the client has is good.

    All are hashes. ``known`` are access tokens that were good once, ``spent`` the refresh tokens that were used.
    """

    access: str = ""
    refresh: str = ""
    expired: bool = False
    renewals: int = 0
    known: set[str] = field(default_factory=set)
    spent: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Shop:
    """One shop: its carts, the last id it gave out, and who may come in.

    ``owners`` finds an item's cart. ``credentials`` pins what clients must show, in the words of the config
    file; without them any that are not empty will do. ``readings`` say how it takes each contested point of its
    platform; they may be set while it runs. ``nonces`` are the OAuth nonces seen.
    """

    platform: str
    name: str
    credentials: Mapping[str, str]
    wall: Callable[[], datetime]
    readings: Readings
    carts: dict[str, Document] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    last_id: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    nonces: set[tuple[str, str]] = field(default_factory=set)

    def new_id(self) -> str:
        """An id that this shop never gave out before."""
        self.last_id += 1
        return str(self.last_id)


@dataclass(frozen=True, slots=True)
class Platform:
    """A simulated platform as a record of functions over a shop and a call.

    ``limits`` are those of its shops, ``hours`` is its clock's distance from UTC. ``door`` is the path segment before
    its routes, with ``versions`` segments behind it that are not looked at; ``address_has_door`` says that an account's
    address ends with it. ``pattern`` splits the rest into words and keys.
    ``account`` tells whose limits a call uses, ``cart`` which cart it is about ("" for none).
    ``refusal`` answers who may not come in, ``denied`` does so by fault (None if that cannot strike).
    ``as_printed`` turns an answer into the malformed one that the document prints.
    """

    name: str
    limits: Sequence[Limit]
    hours: int
    door: str
    versions: int
    pattern: Callable[[tuple[str, ...]], tuple[str, tuple[str, ...]]]
    routes: Mapping[str, Callable[[Shop, Call], Answer]]
    account: Callable[[Call], str]
    refusal: Callable[[Shop, Call], Answer | None]
    denied: Callable[[Shop, Call], Answer | None]
    missing: Callable[[Shop, Call], Answer]
    throttled: Callable[[Shop, Call], Answer]
    cart: Callable[[Shop, Call], str]
    as_printed: Callable[[Call, Answer], Answer]
    address_has_door: bool = False
