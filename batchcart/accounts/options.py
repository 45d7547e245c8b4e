"""Owns the config keys that an account of any platform may have; it does not know where they are used."""

from typing import Literal

import msgspec

from batchcart.model.adapter import SecretText
from batchcart.model.cart import Currency
from batchcart.model.limits import Pacing

_LEAST_ANSWER, _MOST_ANSWER = 0.1, 32.0  # MiB; the most is what one account may have of all answers' memory


class AccountOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The config keys that every account may have beside its platform's own.

    ``concurrency`` counts operations in flight; ``timeout`` is in seconds, the longest answers are in MiB.
    """

    platform: str
    limits: list[str] | None = None
    concurrency: int = 8
    timeout: float = 30.0
    max_read_answer: float = 8.0
    max_write_answer: float = 1.0
    pacing: Pacing = "burst"
    strict: bool = False
    busy: list[int] = []
    encoding: Literal["json", "form"] = "json"
    currency: Currency | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: SecretText | None = None
    insecure: bool = False
    allow_bench: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= 10_000:
            raise ValueError("concurrency is a whole number from 1 to 10000")
        if not 0 < self.timeout <= 3600:
            raise ValueError("timeout is a number of seconds above 0 and at most 3600")
        if not all(400 <= status <= 599 for status in self.busy):
            raise ValueError("busy is a list of the statuses, 400 to 599, with which the shop asks for a pause: [503]")
        for name in ("max_read_answer", "max_write_answer"):
            if not _LEAST_ANSWER <= getattr(self, name) <= _MOST_ANSWER:
                raise ValueError(f"{name} is a number of MiB from {_LEAST_ANSWER:g} to {_MOST_ANSWER:g}")
