"""Owns `batchcart check`: the checks of a run and its plan in words; checking is `batchcart.check`'s."""

from pathlib import Path

import click

from batchcart.api import plan as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.folding import fold
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo
from batchcart.cli.tables import table_text
from batchcart.cli.terminal.check_progress import show_check_progress
from batchcart.cli.terminal.screen import Screen
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.text import duration, plural

_UNCHECKED = (
    "Not checked, because only a shop can tell: whether carts, items, products and variants of given ids exist, "
    "prices, stock and rights."
)


@click.command("check", epilog=examples_text("check"))
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
    with show_check_progress("auto", Screen()) as checking:
        try:
            plan = api.check(
                job,
                config=config,
                account=account,
                allow_unknown_fields=allow_unknown_fields,
                on_line=checking,
                on_request=_show_request if show_requests else None,
            )
        except BadLines as error:
            if as_json:
                echo_json(_list_bad(error))
            raise
    if as_json:
        echo_json(plan.as_dict())
    else:
        echo(_plan_text(plan))
    return 0


def _list_bad(error: BadLines) -> dict[str, object]:
    """What `check --json` prints of a job with bad lines: every one of them, by what is wrong with it."""
    alike = [{"problem": one.problem, "count": len(one.lines), "lines": list(one.lines)} for one in error.every]
    return {"problems": alike}


def _show_request(request: api.RequestPreview) -> None:
    text = f"{request.method} {request.address} {request.body}".rstrip()
    echo(f"{request.line}: {request.account}: {text}")


def _plan_text(plan: api.JobPlan) -> str:
    rows = [("account", "operation", "lines")]
    for account, part in plan.accounts.items():
        kinds = sorted(part.operations.items())
        rows += [(account if index == 0 else "", kind, f"{count:,}") for index, (kind, count) in enumerate(kinds)]
    rows.append(("all", "", f"{plan.lines:,}"))
    be = "is" if plan.lines == 1 else "are"
    verdict = f"{plan.name}: {plural(plan.lines, 'operation')} {be} in order; nothing was sent."
    parts = [verdict, table_text(rows, names=2)]
    parts += [_forecast(account, part) for account, part in plan.accounts.items()]
    if len(plan.accounts) > 1:
        slowest, longest = max(plan.accounts.items(), key=lambda found: found[1].seconds_at_best)
        if longest.seconds_at_best:
            parts.append(f"All side by side: at best {duration(longest.seconds_at_best)}, because of {slowest}")
    troubles = [f"A run would stop here: {part.trouble}" for part in plan.accounts.values() if part.trouble]
    looked_up = [
        f"{account}: a run reads {name} from {source}"
        for account, part in plan.accounts.items()
        for name, source in part.looked_up.items()
    ]
    return "\n".join([*parts, *map(fold, [*troubles, *looked_up, _UNCHECKED])])


def _forecast(account: str, part: api.AccountPlan) -> str:
    least = f"{account}: at least {plural(part.lines, 'request')}"
    if part.limit is None:
        return f"{least}, no limit"
    if not part.seconds_at_best:
        return f"{least}, which {'fits' if part.lines == 1 else 'all fit'} into {part.limit} at once"
    return f"{least}, at best {duration(part.seconds_at_best)}, because of {part.limit}"
