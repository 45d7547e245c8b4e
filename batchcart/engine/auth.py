"""Owns an account's credentials at work, and taking all it ever had out of texts; it does not renew them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchcart.accounts.redaction import SURELY_SECRET, Redactor, compile_redactor, redact_text
from batchcart.accounts.response_redaction import redact_response
from batchcart.model.adapter import Credentials
from batchcart.model.http import Response


@dataclass(slots=True)
class Auth:
    """The credentials in use. ``unproven`` are renewed ones that the shop has not taken yet.

    A short secret may look like an id, which an adapter must read as it is: long ones go as an answer comes in, short
    ones where something is written down.
    """

    credentials: Credentials
    past: Iterable[str] = ()
    unproven: Credentials | None = None
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    redactor: Redactor | None = None
    _long: Redactor | None = None
    _short: Redactor | None = None
    _secrets: set[str] = field(default_factory=set)  # every one that the account ever had

    def __post_init__(self) -> None:
        self._secrets.update(self.past)
        self._take_in()

    def _take_in(self) -> None:
        self._secrets.update(self.credentials.secrets())
        self._long = compile_redactor(self._secrets, least=SURELY_SECRET)
        self._short = compile_redactor(self._secrets, most=SURELY_SECRET - 1)
        self.redactor = compile_redactor(self._secrets) if self._long and self._short else self._long or self._short

    def accept(self, used: Credentials) -> None:
        """The shop took these credentials."""
        if used is self.unproven:
            self.unproven = None

    def replace(self, fresh: Credentials) -> None:
        """Use these from now on; the old ones stay secret."""
        self.credentials = self.unproven = fresh
        self._take_in()

    def redact_incoming(self, response: Response) -> Response:
        """The answer as an adapter may see it."""
        return redact_response(response, self._long)

    def redact_note(self, response: Response) -> Response:
        """An answer that came in, as it may be written down."""
        return redact_response(response, self._short)

    def redact_reason(self, text: str) -> str:
        """A text made of what came in, as a person may see it."""
        return redact_text(text, self._short)
