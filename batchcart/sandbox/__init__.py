"""Owns a simulator of shop platforms on loopback; it knows neither real shops nor the engine.

``Sandbox`` is the simulator and needs aiohttp; ``Fault`` and ``parse_fault`` are words and do not. So it is
loaded when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from batchcart.sandbox.faults import Fault, parse_fault

if TYPE_CHECKING:
    from batchcart.sandbox.server import Sandbox

__all__ = ["Fault", "Sandbox", "parse_fault"]


def __getattr__(name: str) -> Any:
    if name == "Sandbox":
        return importlib.import_module("batchcart.sandbox.server").Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
