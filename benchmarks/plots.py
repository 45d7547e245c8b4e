"""Owns drawing a curve as an SVG file; it does not know what the numbers mean."""

import re
from pathlib import Path

import pygal
from figures import Curve
from pygal.style import Style

_STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    label_font_size=11,
    major_label_font_size=11,
    legend_font_size=12,
    title_font_size=15,
    value_font_size=12,
    colors=("#1f6fb2", "#c2571a", "#3c8a4e", "#7d4fa8", "#8a8a8a", "#b03a52", "#5b6b2f"),
)
_SCRIPT = re.compile("<script.*?</script>", flags=re.DOTALL)
_SIZE = {"width": 720, "height": 360, "style": _STYLE, "js": [], "disable_xml_declaration": True}


def draw(curve: Curve, folder: Path) -> Path:
    """Draw the curve into the folder and give the file's path."""
    path = folder / f"{curve.name}.svg"
    chart = _bars(curve) if curve.bars else _lines(curve)
    chart.uuid = curve.name  # else every drawing differs
    path.write_text(_SCRIPT.sub("", chart.render()) + "\n")
    return path


def _bars(curve: Curve) -> pygal.HorizontalBar:
    chart = pygal.HorizontalBar(
        title=f"{curve.title} ({curve.y})",
        print_values=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        **_SIZE,
    )
    for name, points in curve.lines.items():
        chart.add(name, [y for _, y in points], formatter=lambda value: f"{value:,.0f}")
    return chart


def _lines(curve: Curve) -> pygal.XY:
    chart = pygal.XY(
        title=curve.title,
        x_title=curve.x,
        y_title=curve.y,
        show_legend=len(curve.lines) > 1,
        legend_at_bottom=True,
        **_SIZE,
    )
    chart.range = (0, 1.1 * max(y for points in curve.lines.values() for _, y in points))
    chart.x_value_formatter = lambda x: f"{x:,.0f}"
    for name, points in curve.lines.items():
        chart.add(name, points)
    return chart
