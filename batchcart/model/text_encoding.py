"""Owns telling from a text's first bytes that it is in UTF-16 or UTF-32; it decodes nothing."""

_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def utf_of(head: bytes) -> str:
    """The encoding of a text that begins so, "UTF-16" or "UTF-32", with or without its mark; "" for all others."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    shown = head[:4096]
    zeros = [shown[place::4].count(0) * 4 > len(shown) * 0.8 for place in range(4)]
    if sum(zeros) == 3:
        return "UTF-32"
    return "UTF-16" if zeros in ([False, True, False, True], [True, False, True, False]) else ""


def codec_of(head: bytes) -> str:
    """What Python calls the encoding that ``utf_of`` finds, which takes a mark away; "" for none."""
    encoding = utf_of(head)
    if not encoding or head.startswith(tuple(mark for mark, _ in _MARKS)):
        return encoding.lower()
    return f"{encoding.lower()}{'-be' if head.startswith(bytes(1)) else '-le'}"
