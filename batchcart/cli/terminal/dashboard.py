"""Owns how a run looks on a terminal: a line for the whole of it, a row for each account; it does not draw them."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from batchcart.cli.terminal.throughput import Pace
from batchcart.cli.terminal.wait_text import brief, moment_text, wait_text
from batchcart.model.events import rate
from batchcart.runs.snapshot import Glance

_WIDE = 110  # columns from which on there is room for what an account waits for beside its figures
_NAME = 30
_FAR = 366 * 86400.0  # seconds ahead from which on nobody wants to know the day
_FAVOUR = 1.5  # how much busier another account must be to take the row of one that is shown
_SHORT = 3.0  # seconds of a wait that is over before a line of its own could be read
_COLUMNS = ("account", "lines", "requests/s", "in flight", "retries", "failed", "in doubt", "left")
_DROPPED = ("in flight", "retries", "requests/s", "left")  # where the terminal is narrow, in this order

Row = dict[str, Text]


class Dashboard:
    """The lines to draw. It remembers accounts and widths that it showed, so that nothing jumps about."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._shown: set[str] = set()
        self._widths = {name: len(name) for name in _COLUMNS}

    def lines(
        self, glances: Sequence[Glance], pace: Pace, now: float, began: float, size: tuple[int, int]
    ) -> list[str]:
        """The run as it is ``now``, in at most one row less than the terminal of ``size`` has."""
        width, rows = size[0] - 1, size[1]
        wide = size[0] >= _WIDE
        chosen = self._busiest(glances, pace, max(1, rows - 4), now, wide=wide)
        found = [_row(glance, pace, now) for glance in chosen]
        self._widen(found)
        columns = self._fitting(width)
        texts = [_whole(glances, pace, now, began, width), self._aligned(_HEADINGS, columns)]
        for glance, row in zip(chosen, found, strict=True):
            line, waits = self._aligned(row, columns), Text(wait_text(glance, now), style=_colour(glance))
            if wide:
                line.append("  ").append_text(waits)
            texts.append(line)
            if not wide and _lasting(glance, now):
                texts.append(Text("  └ ").append_text(waits))
        if hidden := len(glances) - len(chosen):
            at_work = sum(one.at_work for one in glances) - sum(one.at_work for one in chosen)
            texts.append(Text(f"… and {hidden:,} more accounts, {at_work:,} of them at work", style="dim"))
        return self._drawn(texts[: rows - 1], width)

    def _busiest(self, glances: Sequence[Glance], pace: Pace, room: int, now: float, *, wide: bool) -> list[Glance]:
        def busy(glance: Glance) -> tuple[bool, float, int]:
            favour = _FAVOUR if glance.account in self._shown else 1.0
            return glance.at_work, pace.rate(glance) * favour, glance.in_flight

        chosen: set[str] = set()
        for glance in sorted(glances, key=busy, reverse=True):
            room -= 1 if wide or not _lasting(glance, now) else 2
            if room < 0:
                break
            chosen.add(glance.account)
        self._shown = chosen
        return [glance for glance in glances if glance.account in chosen]

    def _widen(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for name, text in row.items():
                self._widths[name] = max(self._widths[name], text.cell_len)

    def _fitting(self, width: int) -> list[str]:
        columns = list(_COLUMNS)
        for name in _DROPPED:
            if sum(self._widths[column] + 2 for column in columns) - 2 <= width:
                break
            columns.remove(name)
        return columns

    def _aligned(self, row: Row, columns: Sequence[str]) -> Text:
        line = Text()
        for name in columns:
            text = row[name].copy()
            room = " " * (self._widths[name] - text.cell_len)
            line.append(room if name != "account" else "").append_text(text)
            line.append(room if name == "account" else "").append("" if name == columns[-1] else "  ")
        return line

    def _drawn(self, texts: Sequence[Text], width: int) -> list[str]:
        for text in texts:
            text.rstrip()
            text.truncate(width, overflow="ellipsis")
        with self._console.capture() as captured:
            whole = Text("\n").join(texts)
            self._console.print(whole, width=width + 1, no_wrap=True, overflow="ignore", crop=False, end="")
        return captured.get().split("\n")


_HEADINGS = {name: Text(name, style="dim") for name in _COLUMNS}


def _whole(glances: Sequence[Glance], pace: Pace, now: float, began: float, width: int) -> Text:
    lines, done = sum(one.lines for one in glances), sum(one.done for one in glances)
    share = f" ({100 * done / lines:.1f} %)" if lines else ""
    left = pace.left(glances, now)
    parts = [
        f"{done:,} of {lines:,} lines{share}",
        "" if left is None else _ending(left, now),
        f"{sum(map(pace.rate, glances)):.1f} requests/s",
        f"{brief(now - began)} gone",
    ]
    texts = [" · ".join(filter(None, parts[:count])) for count in range(len(parts), 0, -1)]
    return Text(next((text for text in texts if cell_len(text) <= width), texts[-1]), style="bold")


def _ending(left: float, now: float) -> str:
    until = f", until {moment_text(now + left, now, seconds=False)}" if left < _FAR else ""
    return f"about {brief(left)} left{until}"


def _row(glance: Glance, pace: Pace, now: float) -> Row:
    left = pace.left([glance], now)
    failed, doubts = glance.ended.get("failed", 0), glance.ended.get("in_doubt", 0)
    speed = f"{pace.rate(glance):.1f}" if glance.at_work else ""
    name = Text(glance.account, style="" if glance.at_work else "dim")
    name.truncate(_NAME, overflow="ellipsis")
    ending = Text("done", style="green") if glance.done >= glance.lines else Text("" if left is None else brief(left))
    texts = (
        name,
        Text(f"{glance.done:,}/{glance.lines:,}"),
        Text(f"{speed} of {rate(glance.limit)}" if speed and glance.limit else speed),
        Text(f"{glance.in_flight}"),
        Text(f"{glance.retries:,}"),
        Text(f"{failed:,}", style="red" if failed else ""),
        Text(f"{doubts:,}", style="yellow" if doubts else ""),
        ending,
    )
    return dict(zip(_COLUMNS, texts, strict=True))


def _lasting(glance: Glance, now: float) -> bool:
    """Whether it waits, and long enough for a line that says so."""
    return bool(glance.waiting) and (glance.waiting != "throttled" or (glance.until or now) - now >= _SHORT)


def _colour(glance: Glance) -> str:
    return "red" if glance.waiting == "closed" else "yellow"
