"""Owns the list of platforms: every module of this folder with an ``ADAPTER`` is one."""

import importlib
import pkgutil
from functools import cache

from batchcart.model.adapter import Adapter


@cache
def load_adapters() -> dict[str, Adapter]:
    """All adapters by platform name, found by listing the folder."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    adapters: list[Adapter] = [module.ADAPTER for module in modules if hasattr(module, "ADAPTER")]
    return {adapter.name: adapter for adapter in sorted(adapters, key=lambda adapter: adapter.name)}
