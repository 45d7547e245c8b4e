"""The errors a person is told about as a sentence; everything else is data or a bug of ours.

BatchcartError
├── UsageError   nothing was sent: usage, config or job file is wrong (exit code 2)
│   └── BadLines   the job file's bad lines, one problem each
└── Stopped      the run ended before its end; run the same command again to resume (exit code 3)
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from batchcart.model.text import plural

_SHOWN = 60
_MOST_CHOICES = 40


class BatchcartError(Exception):
    """A sentence for the operator: what happened, where, and what to do next."""


class UsageError(BatchcartError):
    """Nothing was sent, because usage, config or job file is wrong, or somebody else holds the run."""


class AlikeLines(NamedTuple):
    """All lines of a job that have one mistake, in the words for the first of them."""

    problem: str
    lines: Sequence[int]


class BadLines(UsageError):
    """The job file has bad lines; ``problems`` are `FILE:LINE: …` sentences, equal ones folded, ``total`` counts all.

    ``every`` has the number of every bad line, by mistake. ``verdict`` is a sentence on what became
    of the file.
    """

    def __init__(
        self, problems: Sequence[str], total: int, every: Sequence[AlikeLines] = (), verdict: str = ""
    ) -> None:
        self.problems = tuple(problems)
        self.total = total
        self.every = tuple(every)
        self.verdict = verdict
        hidden = total - (sum(len(one.lines) for one in every) if every else len(self.problems))
        more = f"\n… and {plural(hidden, 'more bad line')}" if hidden else ""
        super().__init__("\n".join(self.problems) + more)


class Stopped(BatchcartError):
    """The run ended before its end, for a reason that is not a line's; run the same command again to resume."""


def quote(word: str) -> str:
    """The word as a sentence shows it: in quotes, in one line, cut short where it is long."""
    return repr(word if len(word) <= _SHOWN else f"{word[: _SHOWN - 1]}…")


def suggest(word: str, choices: Iterable[str]) -> str:
    """``did you mean 'X'?`` where a choice is near to the misspelt word, else all choices."""
    return _suggest(word[: 2 * _SHOWN], tuple(str(choice) for choice in choices))


@lru_cache(maxsize=1024)  # a script that misspells a word does so on every line
def _suggest(word: str, choices: tuple[str, ...]) -> str:
    import difflib  # noqa: PLC0415  # most commands have nothing to suggest

    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    if near:
        return f"did you mean {by_lower[near[0]]!r}?"
    hidden = len(choices) - _MOST_CHOICES
    more = f" and {hidden} more" if hidden > 0 else ""
    return f"it is one of {', '.join(choices[:_MOST_CHOICES])}{more}"
