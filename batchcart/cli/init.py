"""Owns `batchcart init`: a first config and a first job, written where there are none."""

import os
from pathlib import Path

import click

from batchcart.cli.output import show
from batchcart.errors import UsageError

_CONFIG = """\
# Accounts that a job may name. A secret is { env = "NAME" }, { file = "PATH" } or a plain string.
# The accounts sandbox-3dcart, sandbox-tray and sandbox-shoplo are always there and need no entry.

# [accounts.acme]
# platform    = "3dcart"
# secure_url  = "https://acme.3dcartstores.com"
# private_key = { env = "ACME_PRIVATE_KEY" }
# token       = { env = "ACME_TOKEN" }

# [accounts.loja]
# platform      = "tray"
# api_address   = "https://loja.commercesuite.com.br/web_api"
# access_token  = { env = "LOJA_ACCESS_TOKEN" }
# refresh_token = { env = "LOJA_REFRESH_TOKEN" }
# limits        = ["180/min", "10000/day"]

# [accounts.sklep]
# platform     = "shoplo"
# auth         = "bearer"
# access_token = { env = "SKLEP_TOKEN" }
# app_id       = "1234"
"""

_JOB = """\
{"op":"cart.create","account":"sandbox-3dcart","cart":"c1","data":{"BillingFirstName":"Anna"}}
{"op":"item.add","account":"sandbox-3dcart","cart":"c1","item":"i1","data":{"CatalogID":123,"ItemQuantity":2}}
{"op":"cart.get","account":"sandbox-3dcart","cart":"c1"}
"""


@click.command("init")
def command() -> int:
    """Write a first config and a first job into the current folder.

    batchcart.toml gets mode 0600, because it may come to hold secrets. Files that are there are never touched.
    """
    config, job = Path("batchcart.toml"), Path("first.jsonl")
    for path in (config, job):
        if path.exists():
            raise UsageError(f"{path} is there already and was not touched; remove it, or work in another folder")
    try:
        _write(config, _CONFIG)
        _write(job, _JOB)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from None
    show(f"Wrote {config} and {job}. Next: batchcart run {job}")
    return 0


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
