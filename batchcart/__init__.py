"""batchcart: runs a JSONL file of shopping-cart operations against shops of several platforms.

From Python:

    import batchcart

    with batchcart.run("job.jsonl") as run:
        for result in run:
            print(result.line, result.status, result.cart_id)
    print(run.summary.totals)

In an event loop it is ``async for result in batchcart.arun("job.jsonl")``. The other functions have the names of the
commands, and do what those do.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchcart.api.after_run import (
        SettleResult,
        TableWritten,
        rest,
        results,
        settle,
        settle_todo,
    )
    from batchcart.api.migration import convert, export, migrate, verify, write_map_template
    from batchcart.api.notebook import ResultTable, table
    from batchcart.api.plan import AccountPlan, JobPlan, RequestPreview, check
    from batchcart.api.report import report
    from batchcart.api.run import AsyncRun, Run, arun, read_results, run
    from batchcart.api.run_status import RunStatus, reasons, status
    from batchcart.api.undo import undo
    from batchcart.journal.result_line import Result
    from batchcart.journal.summary import AccountSummary, Summary
    from batchcart.migration.convert import ConvertResult
    from batchcart.migration.export import ExportResult
    from batchcart.migration.pipeline import MigrationResult
    from batchcart.migration.verify import VerifyResult
    from batchcart.model.errors import BadLines, BatchcartError, Stopped, UsageError
    from batchcart.model.events import Event
    from batchcart.model.outcome import Status
    from batchcart.report.collect import Report
    from batchcart.report.run_reasons import RunReasons
    from batchcart.runs.rest import RestResult
    from batchcart.undo.undo import UndoResult

__version__ = "0.2.0"

_HOMES = {
    "AccountPlan": "api.plan",
    "AccountSummary": "journal.summary",
    "AsyncRun": "api.run",
    "BadLines": "model.errors",
    "BatchcartError": "model.errors",
    "ConvertResult": "migration.convert",
    "Event": "model.events",
    "ExportResult": "migration.export",
    "JobPlan": "api.plan",
    "MigrationResult": "migration.pipeline",
    "Report": "report.collect",
    "RequestPreview": "api.plan",
    "RestResult": "runs.rest",
    "Result": "journal.result_line",
    "ResultTable": "api.notebook",
    "Run": "api.run",
    "RunReasons": "report.run_reasons",
    "RunStatus": "api.run_status",
    "SettleResult": "api.after_run",
    "Status": "model.outcome",
    "Stopped": "model.errors",
    "TableWritten": "api.after_run",
    "Summary": "journal.summary",
    "UndoResult": "undo.undo",
    "UsageError": "model.errors",
    "VerifyResult": "migration.verify",
    "arun": "api.run",
    "check": "api.plan",
    "convert": "api.migration",
    "export": "api.migration",
    "migrate": "api.migration",
    "read_results": "api.run",
    "reasons": "api.run_status",
    "report": "api.report",
    "rest": "api.after_run",
    "results": "api.after_run",
    "run": "api.run",
    "settle": "api.after_run",
    "settle_todo": "api.after_run",
    "status": "api.run_status",
    "table": "api.notebook",
    "undo": "api.undo",
    "verify": "api.migration",
    "write_map_template": "api.migration",
}

__all__ = [
    "AccountPlan",
    "AccountSummary",
    "AsyncRun",
    "BadLines",
    "BatchcartError",
    "ConvertResult",
    "Event",
    "ExportResult",
    "JobPlan",
    "MigrationResult",
    "Report",
    "RequestPreview",
    "RestResult",
    "Result",
    "ResultTable",
    "Run",
    "RunReasons",
    "RunStatus",
    "SettleResult",
    "Status",
    "Stopped",
    "Summary",
    "TableWritten",
    "UndoResult",
    "UsageError",
    "VerifyResult",
    "__version__",
    "arun",
    "check",
    "convert",
    "export",
    "migrate",
    "read_results",
    "reasons",
    "report",
    "rest",
    "results",
    "run",
    "settle",
    "settle_todo",
    "status",
    "table",
    "undo",
    "verify",
    "write_map_template",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that the command line starts quickly."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batchcart' has no attribute {name!r}")
    return getattr(importlib.import_module(f"batchcart.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, and no others."""
    return sorted(__all__)


class _Package(types.ModuleType):
    """This package. Its rooms `undo` and `report` are called like functions, and ``batchcart.undo`` is the function."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
