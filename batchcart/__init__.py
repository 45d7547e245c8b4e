"""batchcart: runs a JSONL file of shopping-cart operations against shops of several platforms.

From Python::

    import batchcart

    with batchcart.run("job.jsonl") as run:
        for result in run:
            print(result.line, result.status, result.cart_id)
    print(run.summary.totals)
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchcart.api import Run, read_results, run
    from batchcart.journal.result_line import Result
    from batchcart.journal.summary import Summary
    from batchcart.model.errors import BadLines, BatchcartError, Stopped, UsageError
    from batchcart.model.outcome import Status

__version__ = "0.2.0"

_HOMES = {
    "BadLines": "model.errors",
    "BatchcartError": "model.errors",
    "Result": "journal.result_line",
    "Run": "api",
    "Status": "model.outcome",
    "Stopped": "model.errors",
    "Summary": "journal.summary",
    "UsageError": "model.errors",
    "read_results": "api",
    "run": "api",
}

__all__ = [
    "BadLines",
    "BatchcartError",
    "Result",
    "Run",
    "Status",
    "Stopped",
    "Summary",
    "UsageError",
    "__version__",
    "read_results",
    "run",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that the command line starts quickly."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batchcart' has no attribute {name!r}")
    return getattr(importlib.import_module(f"batchcart.{_HOMES[name]}"), name)
