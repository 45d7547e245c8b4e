"""Owns telling what is wrong with a job's lines: equal mistakes in one sentence, every bad line by its number."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchcart.jobs.job_file import InvalidLine, RawLine
from batchcart.jobs.sheet_places import SheetPlaces, locate
from batchcart.model.errors import AlikeLines, BadLines, UsageError
from batchcart.model.reasons import normalize
from batchcart.model.text import plural

MOST_LISTED = 1000
"""How many different mistakes are told in words; the lines of the others are counted."""

# How many bad lines, and not one good one, make a file that is no job: lines that lack a job's keys, and lines that are
# no JSON for more than one reason.
_FEW, _MANY = 3, 20

# How many lines of one mistake are told one by one: if they say exactly the same, and if they differ in names.
_SAME, _LIKE = 3, 20
_NAMED = 5

_BYTE = re.compile(r"\bbyte (\d+)\b")
_BEFORE, _AFTER = 40, 30


@dataclass(slots=True)
class _Mistake:
    """One mistake: the lines that have it, and its words where it is met first, with what stands there."""

    told: list[tuple[int, str]] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    same: bool = True
    excerpt: str = ""

    def sentences(self, name: str, sheet: SheetPlaces | None) -> Iterable[tuple[int, str]]:
        """What is told, each with the line that it begins with."""
        count, (first, words) = len(self.lines), self.told[0]
        if count <= (_SAME if self.same else _LIKE):
            yield from ((line, locate(name, sheet, line, each)) for line, each in self.told)
            return
        named = ", ".join(str(line) for line in self.lines[1 : _NAMED + 1]) + (", …" if count > _NAMED + 1 else "")
        also = "The same is wrong with" if self.same else "The like is wrong with"
        end = "" if words.endswith("?") else "."
        more = plural(count - 1, "more line" if sheet is None else "more row")
        yield first, f"{locate(name, sheet, first, words)}{end} {also} {more} ({named})"


@dataclass(slots=True)
class LineProblems:
    """The bad lines so far: all counted, the first of each kind of mistake in words, with the kinds they are of."""

    name: str
    sheet: SheetPlaces | None = None
    lines: int = 0
    found: dict[str, _Mistake] = field(default_factory=dict)
    first: str = ""
    others: int = 0
    kinds: set[str] = field(default_factory=set)
    json: bool = False

    def add(self, raw: RawLine, error: InvalidLine) -> None:
        """Take in a line that is wrong."""
        self.lines += 1
        self.kinds.add(error.kind)
        self.json = self.json or error.json
        self.first = self.first or locate(self.name, self.sheet, raw.number, error.problems[0])
        for problem in error.problems:
            key = normalize(problem)
            mistake = self.found.get(key)
            if mistake is None:
                if len(self.found) >= MOST_LISTED:
                    self.others += 1
                    continue
                mistake = self.found[key] = _Mistake(excerpt="" if error.json else _point_out(raw, problem))
            if not mistake.lines or mistake.lines[-1] != raw.number:  # a line may have the mistake in two fields
                mistake.lines.append(raw.number)
            if len(mistake.lines) <= _LIKE:
                mistake.told.append((raw.number, problem))
            mistake.same = mistake.same and problem == mistake.told[0][1]

    def check(self, good: int) -> None:
        """Raises BadLines if there was one; UsageError, once, where the ``good`` lines show that it is no job at all.

        The last of an array's lines has no comma behind it, and the first mark of a file is no mistake.
        """
        if not self.lines:
            return
        kind = next(iter(self.kinds)) if len(self.kinds) == 1 else ""
        alike = good == 0 or (good == 1 and kind in {"commas", "mark"})
        if alike and kind and not self.json and self.lines > 1:
            raise UsageError(f"{self.first}; so it is with {_all_of(self.lines, good)} lines")
        if alike and kind and self.lines > _FEW:
            raise UsageError(f"job file {self.name} is {kind}")
        if alike and not self.json and self.lines > _MANY:
            raise UsageError(f"{self.first}; none of the file's {self.lines:,} lines is a JSON object")
        told = sorted(
            (line, index, sentence + (f"\n{mistake.excerpt}" if mistake.excerpt and line == mistake.lines[0] else ""))
            for index, mistake in enumerate(self.found.values())
            for line, sentence in mistake.sentences(self.name, self.sheet)
        )
        every = [AlikeLines(mistake.told[0][1], mistake.lines) for mistake in self.found.values()]
        total = sum(len(one.lines) for one in every) + self.others
        whole = plural(self.lines + good, "line" if self.sheet is None else "row")
        be = "is" if self.lines == 1 else "are"
        verdict = f"{self.lines:,} of {whole} in {self.name} {be} wrong; nothing was sent"
        raise BadLines([sentence for _, _, sentence in told], total, every, verdict)


def _point_out(raw: RawLine, problem: str) -> str:
    """The part of the line that the problem names by its byte, with a caret below it.

    "" if it names none, or the line's beginning, or where what stands there cannot be shown.
    """
    found = _BYTE.search(problem)
    if found is None or (place := int(found[1]) - 1) < 1:
        return ""
    before = raw.text[:place].decode(errors="replace")
    after = raw.text[place:].decode(errors="replace")
    start = ("…" if len(before) > _BEFORE else "") + before[-_BEFORE:]
    end = after[:_AFTER] + ("…" if len(after) > _AFTER else "")
    shown = start + end
    return f"    {shown}\n    {' ' * len(start)}^" if shown.isprintable() and "\ufffd" not in shown else ""


def _all_of(bad: int, good: int) -> str:
    return f"{bad:,} of {bad + good:,}" if good else f"all {bad:,}"
