"""Owns `batchcart schema`; the schema itself is lineschema.py's."""

import click

from batchcart.cli.output import echo_json
from batchcart.jobs.json_schema import cart_schema, job_line_schema

_SCHEMAS = {"job": job_line_schema, "cart": cart_schema}


@click.command("schema")
@click.argument("what", type=click.Choice(list(_SCHEMAS)), default="job")
def command(what: str) -> int:
    """Print the JSON Schema of a job line, or of a cart.

    Editors and validators that know JSON Schema can then complete and check a job file.
    """
    echo_json(_SCHEMAS[what]())
    return 0
