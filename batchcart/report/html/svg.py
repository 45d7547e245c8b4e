"""Owns turning a pygal chart into SVG that may stand in a page: no script, no style, no address, and a name to it.

The page's own style sheet colours it by its classes.
"""

import re
import sys
from typing import Any

from pygal import Config, PluginImportFixer
from pygal.etree import etree
from pygal.style import Style

# The finder of pygal's maps lacks what Python asks a finder for, which it says at every import of what is not there.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

_ADDRESS = "{http://www.w3.org/1999/xlink}href"
_LONG = re.compile(r"-?\d+\.\d+")
_UNWANTED = ("tooltip-overlay", "text-overlay", "titles")
_MEASURES = {"d", "x", "y", "width", "height", "cx", "cy"}
LETTER = 13
"""The size of letters in a chart, in units of its width; the page's style sheet says the same."""


def chart_config(width: int, height: int, **options: Any) -> Config:
    """Settings of pygal for a chart that neither runs nor loads anything."""
    return Config(
        width=width,
        height=height,
        js=[],
        css=[],
        show_legend=False,
        margin=6,
        margin_right=14,
        spacing=8,
        style=Style(label_font_size=LETTER, major_label_font_size=LETTER, value_font_size=LETTER),
        **options,
    )


def to_svg(chart: Any, name: str, title: str, text: str) -> str:
    """The chart as an SVG element: ``name`` is its class and, made unique by the caller, begins its ids."""
    root = chart.render_tree()
    kind = name.partition("-")[0]
    for node in list(root):
        if node.tag in {"defs", "title"} or not isinstance(node.tag, str):
            root.remove(node)
    _strip(root)
    root.attrib.update(
        {"class": f"chart {kind}", "role": "img", "aria-labelledby": f"{name}-t {name}-d", "focusable": "false"}
    )
    root.attrib.pop("id", None)
    for tag, words in (("desc", text), ("title", title)):
        element = etree.Element(tag, {"id": f"{name}-{tag[0]}"})
        element.text = words
        root.insert(0, element)
    return str(etree.tostring(root, encoding="unicode"))


def _strip(node: Any) -> None:
    """Take out what only pygal's script needs; what it would show of a bar becomes the bar's title."""
    for child in list(node):
        classes = child.attrib.get("class", "").split()
        if child.tag in {"script", "style"} or not isinstance(child.tag, str) or set(classes) & set(_UNWANTED):
            node.remove(child)
        elif child.tag == "desc":
            node.remove(child)
            if classes == ["value"] and child.text:
                etree.SubElement(node, "title").text = child.text
        else:
            _strip(child)
    node.attrib.pop("style", None)
    node.attrib.pop(_ADDRESS, None)
    for key in _MEASURES & set(node.attrib):
        node.attrib[key] = _LONG.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), node.attrib[key])
