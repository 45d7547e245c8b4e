"""Owns what an account must remember between runs: its last sends, its renewed tokens, and who works on it now.

It lives in the state folder, mode 0700: two files for the sends and the locks of all accounts, so that thousands of
them hold no file each, and a folder for each account that has anything else to remember.
"""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import platformdirs

from batchcart.accounts.account_locks import AccountLock
from batchcart.accounts.locks import FileLock, LockHeld
from batchcart.accounts.old_sends import read_old_sends
from batchcart.accounts.send_history import SendHistory
from batchcart.accounts.send_store import KEY
from batchcart.model.errors import UsageError
from batchcart.model.files import make_private_dir, move_into_place, read_bounded, replace_atomically
from batchcart.model.json_text import UNDECODABLE

Clock = Callable[[], float]

_SENDS, _LOCKS, _OLD_LOCK = "sends", "locks", "lock"
_TOKENS = "tokens.json"
_LEARNT, _LONGEST_LEARNT = "limit.json", 4096
_LARGEST_TOKENS = 1 << 20
_MOST_PAST = 64  # tokens that were good once, kept so that they are not shown


def state_place() -> Path:
    """Where the folder that outlives runs lies, or will lie."""
    return Path(platformdirs.user_state_dir("batchcart"))


def _private(folder: Path) -> Path:
    """The folder, made if it is not there, for its owner alone; raises UsageError if that fails."""
    try:
        make_private_dir(folder)
    except OSError as error:
        raise UsageError(
            f"the state folder {folder} cannot be created: {error.strerror}; it keeps limits across runs. "
            "Set XDG_STATE_HOME to a folder you can write to"
        ) from None
    return folder


def find_account_holder(name: str, identity: str) -> int | None:
    """The pid of the run that works on the account now; None where none does."""
    return _place(name, identity)[1].holder()


def _place(name: str, identity: str) -> tuple[Path, AccountLock]:
    """The account's own folder, and its lock."""
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
    digest = hashlib.blake2b(f"{name}\n{identity}".encode(), digest_size=6)
    place = state_place()
    return place / f"{slug}-{digest.hexdigest()}", AccountLock(_share(place / _LOCKS), int.from_bytes(digest.digest()))


@lru_cache(maxsize=8)
def _share(path: Path) -> Path:
    """One object for a path that thousands of accounts have."""
    return path


def _respect_old_lock(folder: Path, name: str) -> None:
    """Raises LockHeld where a run of a version up to 0.1 works on the account; it had a lock file for each."""
    if (folder / _OLD_LOCK).exists():
        old = FileLock(folder / _OLD_LOCK)
        old.acquire(f"account {name!r}")
        old.release()


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
    lock: AccountLock | None = None

    @classmethod
    def open(cls, name: str, identity: str) -> "AccountState":
        """The memory of the account ``name`` at the address that ``identity`` tells, locked for this process."""
        folder, lock = _place(name, identity)
        _private(folder.parent)
        try:
            lock.acquire(f"account {name!r}")
            if folder.exists():
                _respect_old_lock(folder, name)
        except LockHeld:
            lock.release()
            raise
        except OSError as error:
            lock.release()
            raise UsageError(f"{lock.path} cannot be locked: {error.strerror}; is it somebody else's?") from None
        return cls(folder, lock)

    def sends(self, capacity: int, clock: Clock = time.monotonic, wall: Clock = time.time) -> SendHistory:
        """The account's last sends, at least ``capacity`` of them; times are of the monotonic ``clock``."""
        if self.folder is None:
            return SendHistory(None, capacity, clock, wall)
        key = hashlib.blake2b(self.folder.name.encode(), digest_size=KEY).digest()
        history = SendHistory(_share(self.folder.parent / _SENDS), capacity, clock, wall, key)
        if (old := read_old_sends(self.folder / _SENDS)) is not None:
            history.take_over(*old)
            (self.folder / _SENDS).unlink(missing_ok=True)
        return history

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
        """Put renewed tokens on the disk, durably; raises OSError if that fails."""
        if self.folder is not None:
            make_private_dir(self.folder)
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
                    make_private_dir(self.folder)
                    replace_atomically(self.folder / _LEARNT, learnt, durable=False)
                else:
                    (self.folder / _LEARNT).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the next run have the account."""
        if self.lock is not None:
            self.lock.release()
