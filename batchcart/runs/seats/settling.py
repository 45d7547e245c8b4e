"""Owns how long seats that are gone may still send, and the shops still act on it."""

LASTS = 3.0
"""Seconds for which an intent allows its request to leave."""

SETTLE = 2.0
"""Seconds that a shop is left, after the last moment at which a lost seat may have sent, to act on it."""
