"""Owns how numbers of things stand in a sentence; it does not know the things."""


def plural(count: int, one: str, several: str = "") -> str:
    """The number with its noun: "1 line", "2,000 lines"; ``several`` is the noun's plural if an s does not make it."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
