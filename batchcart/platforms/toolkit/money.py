"""Owns exact amounts: decimals as texts, and a currency's minor units; it does not know carts, and no float."""

import re
from decimal import Decimal
from typing import Any

from batchcart.platforms.toolkit.lenient_json import text_of

# ISO 4217, list one, column "minor unit"; every other currency has two decimals. The funds codes are left out.
_NO_DECIMALS = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
)  # fmt: skip
_DECIMALS = {
    **dict.fromkeys(_NO_DECIMALS, 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_LONGEST = 50  # digits; a neutral amount has room for these


def decimals(currency: str) -> int:
    """How many decimals the currency has."""
    return _DECIMALS.get(currency, 2)


def number_of(value: Any) -> Decimal | None:
    """The exact number that a shop or a carts file wrote, as number or text; None if it is none."""
    text = text_of(value)
    number = Decimal(text) if len(text) <= _LONGEST and _NUMBER.fullmatch(text) else None
    return number if number is not None and len(f"{number:f}") <= _LONGEST else None


def plain(number: Decimal, places: int = 0) -> str:
    """The number without an exponent, with ``places`` decimals, and more only where they are not zero; no "-0"."""
    whole, _, fraction = f"{number or abs(number):f}".partition(".")
    kept = fraction.rstrip("0").ljust(places, "0")
    return f"{whole}.{kept}" if kept else whole


def amount(value: Any, currency: str | None = None) -> str | None:
    """An amount that a shop wrote in whole units, as a neutral text; None if it is no number."""
    number = number_of(value)
    return None if number is None else plain(number, decimals(currency) if currency else 0)


def from_minor(value: Any, currency: str) -> str | None:
    """An amount that a shop wrote in minor units (grosze, cents): 19900 in PLN is "199.00"; None for no number."""
    number = number_of(value)
    return None if number is None else plain(Decimal(f"{number:f}E-{decimals(currency)}"), decimals(currency))


def to_minor(text: str, currency: str) -> str | None:
    """The amount in minor units; None if it is finer than the currency's smallest coin."""
    return whole(plain(Decimal(f"{text}E{decimals(currency)}")))


def exact(text: str, currency: str) -> str | None:
    """The amount with the currency's decimals; None if it is finer than its smallest coin."""
    shown = plain(Decimal(text), decimals(currency))
    return shown if len(shown.partition(".")[2]) <= decimals(currency) else None


def whole(text: str) -> str | None:
    """The number without its zero decimals; None if it has others."""
    shown = plain(Decimal(text))
    return None if "." in shown else shown
