"""Owns the list of simulated platforms: every folder here is one; it does not know what they answer.

A folder says its platform's ``NAME``. Its ``simulator`` has the ``PLATFORM``, its ``readings``, if it has any, the
points that the platform's documents leave open. A platform without such a folder has no sandbox.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def list_simulated() -> dict[str, str]:
    """The names of the simulated platforms, each with the package that simulates it."""
    packages = [f"{__name__}.{found.name}" for found in pkgutil.iter_modules(__path__)]
    return dict(sorted((importlib.import_module(package).NAME, package) for package in packages))


def load_part(package: str, part: str) -> ModuleType | None:
    """The module of that name in a simulated platform's package; None if there is none."""
    if any(found.name == part for found in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        return importlib.import_module(f"{package}.{part}")
    return None
