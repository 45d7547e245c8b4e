"""Owns what an account was told to wait for, and since when; the waiting itself is the limiter's."""

from dataclasses import dataclass

from batchcart.model.events import QuotaUsedUp


@dataclass(slots=True)
class Throttling:
    """The pauses that a shop asked for without a good answer between them; ``why`` is in its own words."""

    why: str = ""
    quota: QuotaUsedUp | None = None  # what was waited for last
    in_a_row: int = 0
    _since: float | None = None

    def record(self, why: str, now: float, *, fresh: bool) -> float:
        """The shop asked for a pause; for how many seconds it has asked for nothing else.

        One that is not ``fresh`` tells the same once more: its request was on its way before the last pause began.
        """
        self.why = why
        self.in_a_row += fresh
        if self._since is None:
            self._since = now
        return now - self._since

    def record_success(self) -> None:
        """The shop answered without asking for a pause."""
        self.in_a_row, self._since = 0, None

    def record_pause(self, why: str) -> None:
        """The shop asked to be left alone for a while, for another reason than too many requests."""
        self.why = why

    def record_quota(self, quota: QuotaUsedUp) -> None:
        """A long window is used up."""
        self.quota = quota
