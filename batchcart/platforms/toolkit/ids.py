"""Owns reading a shop's own key of a cart or an item; it does not know which field of an answer holds one."""

from batchcart.model.ids import LONGEST_ID, usable_id
from batchcart.platforms.toolkit.lenient_json import text_of


def id_of(value: object, longest: int = LONGEST_ID) -> str:
    """The key that a shop wrote as a text or a number; "" for what can be none, as if the shop had left it out."""
    text = text_of(value)
    return text if usable_id(text, longest) else ""
