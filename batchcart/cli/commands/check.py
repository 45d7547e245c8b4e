"""Owns `batchcart check`: the checks of a run and its plan in words; the checking itself is planning.py's."""

from pathlib import Path
from urllib.parse import quote, urlencode

import click

from batchcart.accounts.config import AccountConfig, config_path, load_config
from batchcart.cli import options as shared
from batchcart.cli.output import echo, echo_json
from batchcart.cli.tables import duration_text, table_text
from batchcart.cli.terminal.check_progress import show_check_progress
from batchcart.cli.terminal.screen import Screen
from batchcart.engine.http.form_encoding import encode_body
from batchcart.jobs.checks import preview_request
from batchcart.jobs.job_file import JobSource, parse_line
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.http import Request
from batchcart.model.limits import min_duration
from batchcart.platforms import load_adapters

_UNCHECKED = (
    "Not checked, because only a shop can tell: whether carts, items, products and variants of given ids exist, "
    "prices, stock and rights."
)


@click.command("check")
@click.argument("job")
@shared.config
@click.option("--account", metavar="NAME", help="Account of the lines that name none.")
@click.option("--allow-unknown-fields", is_flag=True, help="Let data fields through that the documents lack.")
@click.option("--show-requests", is_flag=True, help="Print each line's request, with placeholders for ids.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(
    job: str,
    config: Path | None,
    account: str | None,
    *,
    allow_unknown_fields: bool,
    show_requests: bool,
    as_json: bool,
) -> int:
    """Check the job file and show the plan; nothing is sent.

    The same checks as a run makes before its first request. Equal mistakes are told once; --json has the number of
    every bad line. Exit codes: 0 in order, 2 something is wrong.
    """
    if show_requests and as_json:
        raise UsageError("--show-requests and --json do not go together; give one of them")
    entries = load_config(config_path(config, job), load_adapters())
    with open_job(job) as source:
        with show_check_progress("auto", Screen()) as checking:
            try:
                planned = Planner(source, entries, account, allow_unknown_fields, checking).build_plan()
            except BadLines as error:
                if as_json:
                    echo_json(_list_bad(error))
                raise
        if show_requests:
            _show_requests(source, entries, account)
    if as_json:
        echo_json(_plan(planned, entries))
    else:
        echo(_plan_text(source.name, planned, entries))
    return 0


def _list_bad(error: BadLines) -> dict[str, object]:
    """What `check --json` prints of a job with bad lines: every one of them, by what is wrong with it."""
    alike = [{"problem": one.problem, "count": len(one.lines), "lines": list(one.lines)} for one in error.every]
    return {"problems": alike}


def _plan(planned: PlanStats, entries: dict[str, AccountConfig]) -> dict[str, object]:
    """What `check --json` prints; an account's `trouble` is why a run would stop there, or null."""
    accounts = {}
    for name in planned.accounts:
        operations = {kind: count for (owner, kind), count in planned.kinds.items() if owner == name}
        lines = sum(operations.values())
        seconds, limit = _slowest(entries[name], lines)
        accounts[name] = {
            "lines": lines,
            "operations": operations,
            "seconds_at_best": seconds,
            "limit": limit,
            "trouble": _trouble(entries[name]),
        }
    return {"lines": planned.lines, "accounts": accounts}


def _show_requests(source: JobSource, entries: dict[str, AccountConfig], account: str | None) -> None:
    for raw in source.lines():
        operation = parse_line(raw, account)
        entry = entries[operation.account]
        request = preview_request(operation, entry.adapter)
        echo(f"{raw.number}: {operation.account}: {_request_text(request, entry)}")


def _request_text(request: Request, entry: AccountConfig) -> str:
    query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
    address = f"{entry.address}{request.path}{query}".replace("%7B", "{").replace("%7D", "}")
    return f"{request.method} {address} {encode_body(request, entry.options.encoding).body.decode()}".rstrip()


def _plan_text(name: str, planned: PlanStats, entries: dict[str, AccountConfig]) -> str:
    rows = [("account", "operation", "lines")]
    for account in planned.accounts:
        kinds = sorted((kind, count) for (owner, kind), count in planned.kinds.items() if owner == account)
        rows += [(account if index == 0 else "", kind, f"{count:,}") for index, (kind, count) in enumerate(kinds)]
    rows.append(("all", "", f"{planned.lines:,}"))
    parts = [f"{name}: {planned.lines:,} operations are in order; nothing was sent.", table_text(rows, names=2)]
    parts += [_forecast(entries[account], planned) for account in planned.accounts]
    return "\n".join([*parts, *_secrets_missing(planned, entries), _UNCHECKED])


def _forecast(entry: AccountConfig, planned: PlanStats) -> str:
    sends = sum(count for (owner, _), count in planned.kinds.items() if owner == entry.name)
    seconds, limit = _slowest(entry, sends)
    if limit is None:
        return f"{entry.name}: at least {sends:,} requests, no limit"
    because = f", because of {limit}" if seconds else ""
    return f"{entry.name}: at least {sends:,} requests, at best {duration_text(seconds)}{because}"


def _slowest(entry: AccountConfig, sends: int) -> tuple[float, str | None]:
    """The seconds that so many sends take at best, and the limit that makes it so."""
    slowest = max(entry.limits, key=lambda limit: min_duration([limit], sends), default=None)
    return min_duration(entry.limits, sends), None if slowest is None else str(slowest)


def _trouble(entry: AccountConfig) -> str | None:
    try:
        entry.resolve()
    except UsageError as error:
        return str(error)
    return None


def _secrets_missing(planned: PlanStats, entries: dict[str, AccountConfig]) -> list[str]:
    troubles = (_trouble(entries[account]) for account in planned.accounts)
    return [f"A run would stop here: {trouble}" for trouble in troubles if trouble]
