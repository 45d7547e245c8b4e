"""Owns the words for where an account's address and credentials stand, for a person to put right; it reads none."""

from typing import Literal

from batchcart.accounts.config import AccountConfig
from batchcart.accounts.secrets import describe_source

Part = Literal["address", "credentials"]
"""What of an account may be wrong."""


def describe_place(entry: AccountConfig, part: Part, config: str) -> str:
    """Which keys the ``part`` stands under, and in which file or other source; never what stands there.

    ``config`` is what messages call the config of the account.
    """
    if part == "address":
        schema = entry.adapter.account
        keys = [key for key in (schema.address_key, *schema.identity_keys) if key in entry.settings]
        return f"address: {' and '.join(dict.fromkeys(keys))} of {entry.name} in {config}"
    sources = [
        f"{name} from {config if isinstance(value, str) else describe_source(value, entry.folder)}"
        for name, value in sorted(entry.settings.items())
        if name in entry.secret_names
    ]
    return f"credentials of {entry.name}: {', '.join(sources)}"
