"""Owns a page in one file: its head, its style sheet and script, and the policy that lets in nothing else.

A page's own template extends ``page.html`` and fills its blocks ``title`` and ``body``.
"""

import base64
import hashlib
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from batchcart import __version__

_FRAME = "page.html"


def render_page(template: str, style: str, script: str = "", **shown: object) -> str:
    """The page of this template, with what it shows; every text in it is escaped."""
    frame = (files(__package__) / _FRAME).read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({_FRAME: frame}),
    )
    return environment.from_string(template).render(
        version=__version__, style=style, script=script, policy=_policy(style, script), **shown
    )


def _policy(style: str, script: str) -> str:
    """What the browser lets the page do: show text, with the style sheet and the script of these very texts."""
    scripts = f"script-src {_digest(script)}; " if script else ""
    return f"default-src 'none'; style-src {_digest(style)}; {scripts}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
