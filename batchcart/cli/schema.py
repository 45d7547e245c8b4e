"""Owns `batchcart schema`; the schema itself is lineschema.py's."""

import sys

import click
import orjson

from batchcart.lineschema import job_line_schema


@click.command("schema")
def command() -> int:
    """Print the JSON Schema of a job line.

    Editors and validators that know JSON Schema can then complete and check a job file.
    """
    sys.stdout.buffer.write(orjson.dumps(job_line_schema(), option=orjson.OPT_INDENT_2) + b"\n")
    return 0
