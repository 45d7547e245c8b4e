"""Owns what an account must remember between runs: its last sends, its renewed tokens, and who works on it now.

It lives in the state folder, one folder an account, mode 0700.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs

from batchcart.accounts.locks import FileLock
from batchcart.accounts.send_history import SendHistory
from batchcart.model.errors import UsageError
from batchcart.model.files import make_private_dir, move_into_place, read_bounded, replace_atomically
from batchcart.model.json_text import UNDECODABLE

Clock = Callable[[], float]

_TOKENS = "tokens.json"
_LEARNT, _LONGEST_LEARNT = "limit.json", 4096
_LARGEST_TOKENS = 1 << 20
_MOST_PAST = 64  # tokens that were good once, kept so that they are not shown


def state_place() -> Path:
    """Where the folder that outlives runs lies, or will lie."""
    return Path(platformdirs.user_state_dir("batchcart"))


def state_folder() -> Path:
    """The folder that outlives runs, made with mode 0700; raises UsageError where it cannot be made."""
    return _private(state_place())


def _private(folder: Path) -> Path:
    """The folder, made if it is not there, for its owner alone; raises UsageError where that fails."""
    try:
        make_private_dir(folder)
    except OSError as error:
        raise UsageError(
            f"the state folder {folder} cannot be made: {error.strerror}; it keeps limits across runs. "
            "Set XDG_STATE_HOME to a folder you can write to"
        ) from None
    return folder


class _Tokens(msgspec.Struct):
    """What tokens.json holds."""

    origin: str
    tokens: dict[str, str]
    past: list[str] = []


def _read_tokens(path: Path) -> _Tokens | None:
    try:
        return msgspec.json.decode(read_bounded(path, _LARGEST_TOKENS), type=_Tokens)
    except (OSError, *UNDECODABLE):
        return None


@dataclass(slots=True)
class AccountState:
    """One account's memory. ``folder`` is None for accounts that end with the run, as the embedded sandbox's do."""

    folder: Path | None
    lock: FileLock | None = None

    @classmethod
    def open(cls, name: str, identity: str, pid: int | None = None) -> "AccountState":
        """The memory of the account ``name`` at the address that ``identity`` tells, locked for the run ``pid``."""
        slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        digest = hashlib.blake2b(f"{name}\n{identity}".encode(), digest_size=6).hexdigest()
        folder = _private(state_folder() / f"{slug}-{digest}")
        lock = FileLock(folder / "lock", os.getpid() if pid is None else pid)
        try:
            lock.acquire(f"account {name!r}")
        except OSError as error:
            raise UsageError(f"{lock.path} cannot be locked: {error.strerror}; is it somebody else's?") from None
        return cls(folder, lock)

    def sends(self, capacity: int, clock: Clock = time.monotonic, wall: Clock = time.time) -> SendHistory:
        """The account's last sends, at least ``capacity`` of them; times are of the monotonic ``clock``."""
        return SendHistory(self.folder / "sends" if self.folder else None, capacity, clock, wall)

    def tokens(self, origin: str) -> Mapping[str, str]:
        """The last renewed tokens, if they descend from the config's own: ``origin`` is a fingerprint of those."""
        if self.folder is None:
            return {}
        self._take_up_tokens()
        kept = _read_tokens(self.folder / _TOKENS)
        return kept.tokens if kept is not None and kept.origin == origin else {}

    def past_secrets(self) -> tuple[str, ...]:
        """Every token that is kept, whatever it descends from, and those that were good before it."""
        if self.folder is None:
            return ()
        self._take_up_tokens()
        kept = _read_tokens(self.folder / _TOKENS)
        return () if kept is None else (*kept.tokens.values(), *kept.past)

    def _take_up_tokens(self) -> None:
        """Put a pair in its place that a killed process wrote and could not put there: it is the newest."""
        assert self.folder is not None
        fresh = self.folder / f"{_TOKENS}.new"
        with suppress(OSError):
            if _read_tokens(fresh) is not None:
                move_into_place(fresh, self.folder / _TOKENS)
            fresh.unlink(missing_ok=True)

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> None:
        """Put renewed tokens on the disk, durably; raises OSError where that fails."""
        if self.folder is not None:
            past = [token for token in dict.fromkeys(self.past_secrets()) if token not in tokens.values()]
            kept = msgspec.json.encode(_Tokens(origin, dict(tokens), past[:_MOST_PAST]))
            replace_atomically(self.folder / _TOKENS, kept)

    def learnt_limit(self) -> bytes:
        """What an earlier run learnt of the shop's true limit, as it was kept; b"" if nothing."""
        if self.folder is None:
            return b""
        try:
            return read_bounded(self.folder / _LEARNT, _LONGEST_LEARNT)
        except (OSError, UsageError):
            return b""

    def keep_learnt_limit(self, learnt: bytes) -> None:
        """Remember what was learnt of the shop's limit; b"" forgets it. A disk that takes it not costs only comfort."""
        if self.folder is not None:
            with suppress(OSError, UsageError):
                if learnt:
                    replace_atomically(self.folder / _LEARNT, learnt, durable=False)
                else:
                    (self.folder / _LEARNT).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the next run have the account."""
        if self.lock is not None:
            self.lock.release()
