"""Owns what a command says as JSON."""

import orjson

from batchcart.cli.output import echo


def echo_json(document: object) -> None:
    """Write a document to stdout as JSON."""
    echo(json_text(document))


def json_text(document: object) -> str:
    """The document as JSON for people and scripts."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
