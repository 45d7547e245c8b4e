"""Owns which texts can be a platform's key of a cart or an item; it does not know platforms or where a text came from.

A key goes into addresses, those of deletes too, and not every server on the way leaves alone what is percent-encoded.
So a text that could mean another place once decoded is no key, whoever gave it: job, shop, operator or file.
"""

import re

from batchcart.model.errors import quote

LONGEST_ID = 200
"""Characters of a key at most; a platform may allow fewer."""

_IN_ADDRESSES = re.compile(r"[/\\?#%]")


def usable_id(text: str, longest: int = LONGEST_ID) -> bool:
    """Whether the text can be a key: up to ``longest`` visible characters that mean nothing in an address.

    Control characters, lone surrogates, and what shows nothing or turns the direction of a text are not printable.
    """
    return (
        len(text) <= longest
        and text.isprintable()
        and text == text.strip()
        and "\ufffd" not in text  # stands for a character that was lost, so for any
        and text.strip(".") != ""
        and not _IN_ADDRESSES.search(text)
    )


def id_problem(text: str, noun: str, longest: int = LONGEST_ID) -> str:
    """Why the text is no key, as the rest of a sentence; "" if it can be one. ``noun`` comes with its article."""
    if usable_id(text, longest):
        return ""
    if len(text) > longest:
        return f"{len(text):,} characters, but {noun} has at most {longest}"
    rule = "it has visible characters other than / \\ ? # %, not dots alone, no space at an end"
    return f"{quote(text)} is not {noun}: {rule}"
