"""Owns how many examples slow property tests take: a part of what the profile says, also in its form ``long``."""

from hypothesis import settings


def divide_examples(by: int) -> settings:
    """Settings with the profile's number of examples, divided."""
    return settings(max_examples=settings().max_examples // by)
