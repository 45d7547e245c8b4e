"""Owns the words for what is measured: figures with their targets, tables, curves; it does not know how to measure."""

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured number. Without ``bound`` it has no target; ``greater`` says on which side of it is good."""

    what: str
    target: str
    measured: float
    unit: str = ""
    bound: float | None = None
    greater: bool = True
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.bound is None:
            return None
        return self.measured >= self.bound if self.greater else self.measured <= self.bound


class Table(msgspec.Struct, frozen=True):
    """Numbers behind a figure, as they are shown in the report."""

    title: str
    head: list[str]
    rows: list[list[str]]


class Curve(msgspec.Struct, frozen=True):
    """A plot: for each named line its points. ``bars`` draws one bar for each name instead."""

    name: str
    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    bars: bool = False


class Row(msgspec.Struct, frozen=True):
    """What one script measured: figures for the table of targets, and what lies behind them."""

    name: str
    title: str
    figures: list[Figure]
    tables: list[Table] = []
    curves: list[Curve] = []
    notes: list[str] = []
    seconds: float = 0.0
    date: str = ""


class Report(msgspec.Struct, frozen=True):
    """Everything that a run of the benchmarks found, and where."""

    date: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    server: dict[str, str]
    rows: list[Row]
