"""Owns which platforms have which optional part, found by listing, for tests that go through all that have it."""

from batchcart.model.adapter import Adapter, CartReader
from batchcart.platforms import load_adapters
from batchcart.sandbox.platforms import list_simulated

MOVABLE = sorted(name for name, adapter in load_adapters().items() if adapter.migration is not None)
"""Platforms whose carts can be moved."""

SIMULATED = sorted(list_simulated())
"""Platforms that the sandbox simulates."""


def snapshot_of(adapter: Adapter) -> CartReader:
    assert adapter.snapshot is not None, f"{adapter.name} does not say what its reads show"
    return adapter.snapshot
