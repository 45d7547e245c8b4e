"""Owns how long seats that are gone may still send, and the shops still act on it."""

LASTS = 3.0
"""Seconds for which an intent allows its request to leave."""

UNACKNOWLEDGED = 1.0
"""Seconds for which a seat's system sends again what a shop does not acknowledge, also while the seat is stopped."""

WAITS = 60.0
"""Seconds for which a seat that fell silent may still bring the answers it got, where no shop can be asked instead."""

RESTART_PATIENCE = 20.0
"""Seconds for which a seat that has something to tell tries to reach its hub where nobody listens any more."""

SETTLE = 2.0
"""Seconds that a shop is left, after the last moment at which a lost seat may have sent, to act on it."""
