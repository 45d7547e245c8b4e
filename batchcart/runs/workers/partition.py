"""Owns which accounts go to which process; it does not know what an account is."""

from collections.abc import Mapping


def partition(open_lines: Mapping[str, int], processes: int) -> list[tuple[str, ...]]:
    """The accounts in at most so many groups, none of them empty, with about equally many open lines in each."""
    count = min(processes, len(open_lines))
    groups: list[list[str]] = [[] for _ in range(count)]
    weights = [0] * count
    for name in sorted(open_lines, key=lambda name: (-open_lines[name], name)):
        lightest = weights.index(min(weights))
        groups[lightest].append(name)
        weights[lightest] += max(1, open_lines[name])
    return [tuple(group) for group in groups]
