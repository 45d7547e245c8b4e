"""Owns the check of a job from Python: a run's own checks, and the plan; nothing is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchcart.accounts.config import AccountConfig, Accounts, find_config, load_config
from batchcart.accounts.secrets import describe_source, is_looked_up
from batchcart.api.driving import Config, config_source
from batchcart.jobs.checks import preview_request
from batchcart.jobs.job_file import JobSource, parse_line
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.model.errors import UsageError
from batchcart.model.limits import min_duration
from batchcart.platforms import load_adapters
from batchcart.runs.request_text import preview_text


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account's part of a job.

    ``seconds_at_best`` is what its limits allow at the least, because of ``limit``, None where there is none;
    ``trouble`` is why a run would stop there; ``looked_up`` are the secrets that only a run reads, by name with where
    from.
    """

    lines: int
    operations: Mapping[str, int]
    seconds_at_best: float
    limit: str | None
    trouble: str | None
    looked_up: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a job asks for, by account; ``name`` is what messages call the job."""

    name: str
    lines: int
    accounts: Mapping[str, AccountPlan]

    def as_dict(self) -> dict[str, object]:
        """What `check --json` prints."""
        fields = [name for name in AccountPlan.__dataclass_fields__ if name != "looked_up"]
        accounts = {name: {key: getattr(one, key) for key in fields} for name, one in self.accounts.items()}
        return {"lines": self.lines, "accounts": accounts}


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """The first request of a job line as it would be sent, unsigned, with placeholders for ids."""

    line: int
    account: str
    method: str
    address: str
    body: str


def check(
    job: str | Path,
    *,
    config: Config = None,
    account: str | None = None,
    allow_unknown_fields: bool = False,
    on_line: Callable[[int], None] | None = None,
    on_request: Callable[[RequestPreview], None] | None = None,
) -> JobPlan:
    """Check a job file as a run does before its first request, and give the plan; nothing is sent.

    ``on_line`` is told now and then how far the check is; ``on_request`` each line's request once all are in order.

    Raises BadLines with every bad line, UsageError where job or config cannot be read.
    """
    entries = load_config(find_config(config_source(config), job), load_adapters())
    with open_job(str(job)) as source:
        planned = Planner(source, entries, account, allow_unknown_fields, on_line).build_plan()
        if on_request is not None:
            _preview(source, entries, account, on_request)
        return JobPlan(source.name, planned.lines, {name: _part(entries[name], planned) for name in planned.accounts})


def _part(entry: AccountConfig, planned: PlanStats) -> AccountPlan:
    operations = {kind: count for (owner, kind), count in planned.kinds.items() if owner == entry.name}
    lines = sum(operations.values())
    slowest = max(entry.limits, key=lambda limit: min_duration([limit], lines), default=None)
    limit = None if slowest is None else str(slowest)
    return AccountPlan(lines, operations, min_duration(entry.limits, lines), limit, _trouble(entry), _looked_up(entry))


def _trouble(entry: AccountConfig) -> str | None:
    try:
        entry.check()
    except UsageError as error:
        return str(error)
    return None


def _looked_up(entry: AccountConfig) -> dict[str, str]:
    secrets = entry.secret_settings
    return {name: describe_source(one, entry.folder) for name, one in secrets.items() if is_looked_up(one)}


def _preview(
    source: JobSource, entries: Accounts, account: str | None, on_request: Callable[[RequestPreview], None]
) -> None:
    for raw in source.lines():
        operation = parse_line(raw, account)
        entry = entries[operation.account]
        request = preview_request(operation, entry.adapter)
        on_request(RequestPreview(raw.number, operation.account, request.method, *preview_text(request, entry)))
