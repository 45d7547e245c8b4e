"""Owns choosing the lines of a run that are done now, whole chains at a time; the others stay open."""

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec

from batchcart.journal.choice import choose_chains, forget_choice, open_lines
from batchcart.journal.queries import count_pending
from batchcart.journal.schema import Connection
from batchcart.model.errors import UsageError, quote


class Choice(msgspec.Struct, frozen=True):
    """Which open lines are done now; ``only`` are accounts, operations or patterns of either, one of which must fit.

    ``limit`` lines are done at most, and ``sample`` of each account, spread over its carts; 0: all. A chain is done
    whole, so a first one may be longer. With ``under_way`` only chains are done of which a write has left.
    """

    only: tuple[str, ...] = ()
    limit: int = 0
    sample: int = 0
    under_way: bool = False

    def __bool__(self) -> bool:
        return bool(self.only or self.limit or self.sample or self.under_way)

    def fits(self, account: str, kind: str) -> bool:
        """Whether a line of that account and operation is one of ``only``."""
        return not self.only or any(word in {account, kind} or _matches(word, account, kind) for word in self.only)


def _matches(pattern: str, account: str, kind: str) -> bool:
    return fnmatchcase(account, pattern) or fnmatchcase(kind, pattern)


def apply_choice(connection: Connection, choice: Choice) -> int:
    """Note in the journal which chains are worked on from now on; how many open lines they have.

    Raises UsageError if no open line fits.
    """
    if not choice:
        forget_choice(connection)
        return count_pending(connection)
    chains, fits = _chains(connection, choice)
    if choice.sample:
        chains = Counter({chain: chains[chain] for chain in _sample(chains, fits, choice.sample)})
    if choice.limit:
        chains = Counter(dict(_limit(chains, choice.limit)))
    if not chains:
        patterns = ", ".join(quote(word) for word in choice.only)
        raise UsageError(
            f"--only: no open line has the account or operation {patterns}; `batchcart status` and `batchcart check` "
            "show both"
        )
    choose_chains(connection, chains)
    return chains.total()


def _chains(connection: Connection, choice: Choice) -> tuple[Counter[int], dict[int, int]]:
    """The open lines of each chain that fits, in file order of the chains' first lines, and each chain's account."""
    lines: Counter[int] = Counter()
    fits: dict[int, int] = {}
    for line in open_lines(connection):
        lines[line.chain] += 1
        if choice.under_way and not line.under_way:
            continue
        if line.chain not in fits and choice.fits(line.name, line.kind):
            fits[line.chain] = line.account
    return Counter({chain: lines[chain] for chain in sorted(fits)}), fits


def _sample(chains: Counter[int], accounts: dict[int, int], most: int) -> Iterator[int]:
    """Of each account chains from all over the file, until they have ``most`` lines."""
    by_account: dict[int, list[int]] = {}
    for chain in chains:
        by_account.setdefault(accounts[chain], []).append(chain)
    for found in by_account.values():
        taken = 0
        needed = max(1, most * len(found) // sum(chains[chain] for chain in found))  # chains of average length
        step = max(1, len(found) // needed)
        spread = [*found[::step], *(chain for index, chain in enumerate(found) if index % step)]
        for chain in spread:
            if taken and taken + chains[chain] > most:
                continue
            taken += chains[chain]
            yield chain
            if taken >= most:
                break


def _limit(chains: Counter[int], most: int) -> Iterator[tuple[int, int]]:
    taken = 0
    for chain, lines in chains.items():
        if taken and taken + lines > most:
            return
        taken += lines
        yield chain, lines
