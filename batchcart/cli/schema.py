"""Owns `batchcart schema`; the schema itself is lineschema.py's."""

import click

from batchcart.cli.output import show_json
from batchcart.lineschema import job_line_schema


@click.command("schema")
def command() -> int:
    """Print the JSON Schema of a job line.

    Editors and validators that know JSON Schema can then complete and check a job file.
    """
    show_json(job_line_schema())
    return 0
