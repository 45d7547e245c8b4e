"""Owns `batchcart accounts`: which config is read, which accounts it has, and where their secrets come from."""

import os
from pathlib import Path

import click

from batchcart.accounts.config import Accounts, config_path, config_places, load_config
from batchcart.accounts.secrets import check_secret, describe_source, secret_file
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.folding import fold
from batchcart.cli.output import echo
from batchcart.cli.tables import table_text
from batchcart.model.adapter import SecretRef, SecretText
from batchcart.model.errors import UsageError
from batchcart.platforms import load_adapters


@click.command("accounts", epilog=examples_text("accounts"))
@shared.config
@click.option("--job", type=click.Path(path_type=Path), help="Look for the config as a run of this job does.")
def command(config: Path | None, job: Path | None) -> int:
    """Show which config is read, which accounts it has, and where their secrets come from.

    No secret is shown, and no shop is asked: `batchcart doctor` tries the accounts.

    Exit codes: 0, or 2 if the config cannot be read.
    """
    path = config_path(config, job)
    entries = load_config(path, load_adapters())
    echo("\n".join(_tell(path, job, entries)))
    return 0


def _tell(path: Path | None, job: Path | None, entries: Accounts) -> list[str]:
    own = [entry for entry in entries.values() if not entry.embedded]
    built_in = ", ".join(name for name, entry in entries.items() if entry.embedded)
    parts = [
        f"Config: {path.absolute()}" if path else "There is no config; `batchcart init` writes one. Looked for at:"
    ]
    if path is None:
        parts += [f"  {place.absolute()}" for place in config_places(job)]
    elif not own and not entries.unusable:
        parts.append("It has no account; `batchcart init` puts one into it")
    for entry in own:
        parts.append(f"{entry.name}: {entry.adapter.name} at {entry.address}")
        rows = [(f"  {name}", _source(secret, entry.folder)) for name, secret in entry.secret_settings.items()]
        parts += [table_text(rows, names=2)] if rows else []
    parts += [fold(f"{name}: {why}") for name, why in entries.unusable.items()]
    return [*parts, fold(f"Always there, each with a simulator that the run starts: {built_in}")]


def _source(secret: SecretText, folder: Path) -> str:
    """Where a secret comes from, and what is seen to be wrong without running a command or opening a keyring."""
    match secret:
        case str():
            return "in the config itself"
        case SecretRef(env=str() as name):
            missing = "" if os.environ.get(name) else ", which is not set"
        case SecretRef(file=str()):
            missing = "" if secret_file(secret, folder).is_file() else ", which does not exist"
        case _:
            missing = _missing_program(secret, folder)
    return describe_source(secret, folder) + missing


def _missing_program(secret: SecretRef, folder: Path) -> str:
    try:
        check_secret(secret, "", folder)
    except UsageError:
        return ", which cannot be read"
    return ""
