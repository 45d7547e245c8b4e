"""Owns how a run looks on a terminal: the whole of it with a bar, a row for each account; it does not draw them."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from batchcart.cli.terminal.bar import bar_text
from batchcart.cli.terminal.throughput import Throughput
from batchcart.cli.terminal.wait_text import (
    held_up_texts,
    time_left_text,
    wait_text,
)
from batchcart.model.text import near_time, plural, rate, short_duration
from batchcart.runs.snapshot import AccountSnapshot

_WIDE = 110  # columns from which on there is room for what an account waits for beside its figures
_NAME = 30
_FAR = 366 * 86400.0  # seconds ahead from which on nobody wants to know the day
_FAVOUR = 1.5  # how much busier another account must be to take the row of one that is shown
_ROOMY = 12  # rows from which on there is room for the bar and the reasons
_LONGEST_BAR = 100
_MOST_REASONS = 3
_BURST = 1.2  # times a limit's lasting rate from which on it is a burst and no unevenness
_SHORT = 3.0  # seconds of a wait that is over before a line of its own could be read
_COLUMNS = ("account", "lines", "requests/s", "in flight", "retries", "failed", "skipped", "in doubt", "left")
_DROPPED = ("in flight", "retries", "requests/s", "left")  # where the terminal is narrow, in this order

TableRow = dict[str, Text]


class Dashboard:
    """The lines to draw. It remembers accounts and widths that it showed, so that nothing jumps about."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._shown: set[str] = set()
        self._widths = {name: len(name) for name in _COLUMNS}

    def lines(
        self,
        snapshots: Sequence[AccountSnapshot],
        pace: Throughput,
        now: float,
        began: float,
        size: tuple[int, int],
        reasons: Sequence[str] = (),
    ) -> list[str]:
        """The run as it is ``now``, in at most one row less than the terminal of ``size`` has.

        ``reasons`` say why lines are not ok; they stand below, if there is room.
        """
        width, rows = size[0] - 1, size[1]
        wide = size[0] >= _WIDE
        above = [_whole(snapshots, pace, now, began, width)]
        below = []
        if rows >= _ROOMY:
            above.append(bar_text(snapshots, min(width, _LONGEST_BAR)))
            below = [Text(reason, style="dim") for reason in reasons[:_MOST_REASONS]]
            below += [Text(text, style="yellow") for text in held_up_texts(snapshots, now)]
        room = max(1, rows - 3 - len(above) - len(below))
        chosen = self._busiest(snapshots, pace, room, now, wide=wide)
        found = [_row(snapshot, pace, now) for snapshot in chosen]
        self._widen(found)
        columns = self._fitting(width)
        texts = [*above, self._align(_HEADINGS, columns)]
        for snapshot, row in zip(chosen, found, strict=True):
            line, waits = self._align(row, columns), Text(wait_text(snapshot, now), style=_colour(snapshot))
            if wide:
                line.append("  ").append_text(waits)
            texts.append(line)
            if not wide and _lasting(snapshot, now):
                texts.append(Text("  └ ").append_text(waits))
        if hidden := len(snapshots) - len(chosen):
            at_work = sum(one.at_work for one in snapshots) - sum(one.at_work for one in chosen)
            more = f"… and {plural(hidden, 'more account')}, {at_work:,} of them at work"
            texts.append(Text(more, style="dim"))
        return self._draw([*texts, *below][: rows - 1], width)

    def _busiest(
        self, snapshots: Sequence[AccountSnapshot], pace: Throughput, room: int, now: float, *, wide: bool
    ) -> list[AccountSnapshot]:
        def busy(snapshot: AccountSnapshot) -> tuple[bool, float, int]:
            favour = _FAVOUR if snapshot.account in self._shown else 1.0
            return snapshot.at_work, pace.rate(snapshot) * favour, snapshot.in_flight

        chosen: set[str] = set()
        for snapshot in sorted(snapshots, key=busy, reverse=True):
            room -= 1 if wide or not _lasting(snapshot, now) else 2
            if room < 0:
                break
            chosen.add(snapshot.account)
        self._shown = chosen
        return [snapshot for snapshot in snapshots if snapshot.account in chosen]

    def _widen(self, rows: Sequence[TableRow]) -> None:
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

    def _align(self, row: TableRow, columns: Sequence[str]) -> Text:
        line = Text()
        for name in columns:
            text = row[name].copy()
            room = " " * (self._widths[name] - text.cell_len)
            line.append(room if name != "account" else "").append_text(text)
            line.append(room if name == "account" else "").append("" if name == columns[-1] else "  ")
        return line

    def _draw(self, texts: Sequence[Text], width: int) -> list[str]:
        for text in texts:
            text.rstrip()
            text.truncate(width, overflow="ellipsis")
        with self._console.capture() as captured:
            whole = Text("\n").join(texts)
            self._console.print(whole, width=width + 1, no_wrap=True, overflow="ignore", crop=False, end="")
        return captured.get().split("\n")


_HEADINGS = {name: Text(name, style="dim") for name in _COLUMNS}


def _whole(snapshots: Sequence[AccountSnapshot], pace: Throughput, now: float, began: float, width: int) -> Text:
    lines, done = sum(one.lines for one in snapshots), sum(one.done for one in snapshots)
    share = f" ({100 * done / lines:.1f} %)" if lines else ""
    left = pace.estimate_seconds(snapshots, now)
    parts = [
        f"{done:,} of {plural(lines, 'line')}{share}",
        "" if left is None else _ending(left, now, snapshots),
        f"{sum(map(pace.rate, snapshots)):.1f} requests/s",
        f"{short_duration(now - began)} elapsed",
    ]
    texts = [" · ".join(filter(None, parts[:count])) for count in range(len(parts), 0, -1)]
    return Text(next((text for text in texts if cell_len(text) <= width), texts[-1]), style="bold")


def _ending(left: float, now: float, snapshots: Sequence[AccountSnapshot]) -> str:
    until = f", until {near_time(now + left, now, seconds=False)}" if left < _FAR else ""
    return f"{time_left_text(left, snapshots)}{until}"


def _row(snapshot: AccountSnapshot, pace: Throughput, now: float) -> TableRow:
    left = pace.estimate_seconds([snapshot], now)
    failed, skipped, doubts = (snapshot.ended.get(status, 0) for status in ("failed", "skipped", "in_doubt"))
    name = Text(snapshot.account, style="" if snapshot.at_work else "dim")
    name.truncate(_NAME, overflow="ellipsis")
    ending = (
        Text("done", style="green")
        if snapshot.done >= snapshot.lines
        else Text("" if left is None else short_duration(left))
    )
    texts = (
        name,
        Text(f"{snapshot.done:,}/{snapshot.lines:,}"),
        Text(_speed(snapshot, pace.rate(snapshot))),
        Text(f"{snapshot.in_flight}"),
        Text(f"{snapshot.retries:,}"),
        Text(f"{failed:,}", style="red" if failed else ""),
        Text(f"{skipped:,}", style="magenta" if skipped else ""),
        Text(f"{doubts:,}", style="yellow" if doubts else ""),
        ending,
    )
    return dict(zip(_COLUMNS, texts, strict=True))


def _speed(snapshot: AccountSnapshot, now: float) -> str:
    """The rate now, beside the limit's in the long run; more than that is the burst that a bucket lets through."""
    if not snapshot.at_work or not snapshot.limit:
        return f"{now:.1f}" if snapshot.at_work else ""
    return f"{now:.1f}{', then' if now > snapshot.limit * _BURST else ' of'} {rate(snapshot.limit)}"


def _lasting(snapshot: AccountSnapshot, now: float) -> bool:
    """Whether it waits, and long enough for a line that says so."""
    return bool(snapshot.waiting) and (
        snapshot.waiting != "throttled" or (snapshot.waiting_until or now) - now >= _SHORT
    )


def _colour(snapshot: AccountSnapshot) -> str:
    return "red" if snapshot.waiting == "closed" else "yellow"
