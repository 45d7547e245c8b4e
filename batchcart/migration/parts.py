"""Owns the refusal of platforms whose adapter cannot move carts; it does not know how carts are moved."""

from batchcart.model.adapter import Adapter, Migration
from batchcart.model.errors import UsageError


def require_migration(adapter: Adapter) -> Migration:
    """What the adapter knows about moving carts; raises UsageError where it knows nothing."""
    if adapter.migration is None:
        raise UsageError(
            f"carts cannot be moved from or to {adapter.name}: its adapter does not say what its carts mean; "
            "`batchcart platforms --migration` shows the platforms that can"
        )
    return adapter.migration
