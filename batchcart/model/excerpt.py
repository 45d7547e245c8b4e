"""Owns how much of what a shop says people are shown; it does not know where the words stand."""

MOST_SHOWN = 2048
"""Bytes of a shop's answer, or of a sentence with a shop's words in it, that an error or a message has at most."""

_TAIL = 512
_GAP = " […] "
_SURELY_FITS = MOST_SHOWN // 4  # characters, which have four bytes at most


def shorten(sentence: str) -> str:
    """The sentence with at most MOST_SHOWN bytes: where it is longer, its middle is left out."""
    if len(sentence) <= _SURELY_FITS:
        return sentence
    text = sentence.encode(errors="replace")
    if len(text) <= MOST_SHOWN:
        return sentence
    head = text[: MOST_SHOWN - _TAIL - len(_GAP.encode())]
    return head.decode(errors="ignore") + _GAP + text[-_TAIL:].decode(errors="ignore")


def excerpt(body: bytes) -> str:
    """The beginning of an answer's body as text, at most MOST_SHOWN bytes of it."""
    text = body[:MOST_SHOWN].decode("utf-8", "replace")
    return text.encode()[:MOST_SHOWN].decode(errors="ignore")
