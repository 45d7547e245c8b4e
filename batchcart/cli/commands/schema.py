"""Owns `batchcart schema`: its options; the schema itself is jobs/json_schema.py's."""

from pathlib import Path

import click

from batchcart.accounts.config import config_path, load_config
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json
from batchcart.jobs.json_schema import Schema, cart_schema, job_line_schema
from batchcart.model.errors import UsageError, quote
from batchcart.platforms import load_adapters


@click.command("schema", epilog=examples_text("schema"))
@click.argument("what", type=click.Choice(["job", "cart"]), default="job")
@shared.config
@click.option("--account", metavar="NAME", help="For the lines of this account, which need not name it.")
def command(what: str, config: Path | None, account: str | None) -> int:
    """Print the JSON Schema of a job line, or of a cart.

    Editors and validators that know JSON Schema can then complete and check a job file. With --config or --account
    a line is held to the accounts of the config and what their platforms take, as strictly as `batchcart check` holds
    it, but for what only other lines tell.
    """
    if what == "cart" and (config is not None or account is not None):
        raise UsageError("a cart belongs to no account; leave out --config and --account")
    echo_json(cart_schema() if what == "cart" else _job_schema(config, account))
    return 0


def _job_schema(config: Path | None, account: str | None) -> Schema:
    if config is None and account is None:
        return job_line_schema()
    entries = load_config(config_path(config), load_adapters())
    if account is None:
        return job_line_schema({name: entry.adapter for name, entry in entries.items()})
    if account not in entries:
        raise UsageError(f"--account: {quote(account)} {entries.absence(account)}")
    return job_line_schema({account: entries[account].adapter}, only=True)
