"""Owns what an operator is asked to do about an account that was closed, as the end of the reason; why is not its."""

from enum import Enum

_BEFORE = ". Its lines stay pending; "


class Remedy(Enum):
    """What is to be done before its lines can go on, in words."""

    FIX_CREDENTIALS = "fix the credentials, then run again"
    AUTHORISE_AGAIN = "authorise the application again, put the new tokens into the config, then run again"
    SEE_TO_CERTIFICATE = "see to the certificate, then run again"
    FIX_PROXY = "fix the credentials that its proxy is given, then run again"

    def follow(self, why: str) -> str:
        """The reason of an account that was closed: why, and what to do about it."""
        return f"{why}{_BEFORE}{self.value}"


ABOUT_CREDENTIALS = frozenset({Remedy.FIX_CREDENTIALS, Remedy.AUTHORISE_AGAIN})
"""What is to be done where the credentials were refused."""


def read_remedy(reason: str) -> Remedy | None:
    """The remedy that a reason ends with, as a journal has it; None if it has another end."""
    return next((remedy for remedy in Remedy if reason.endswith(_BEFORE + remedy.value)), None)
