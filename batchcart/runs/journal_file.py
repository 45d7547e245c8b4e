"""Owns the journal that a run works with: the one that is there, or a fresh one with the plan; it sends nothing."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from batchcart.accounts.config import AccountConfig, Accounts
from batchcart.jobs.job_file import JobSource
from batchcart.jobs.planner import Planner, check_account
from batchcart.journal.changes import commit_plan, reopen
from batchcart.journal.queries import has_progress
from batchcart.journal.result_file import repair_result_file
from batchcart.journal.schema import Connection, create, get_meta, open_existing
from batchcart.model.errors import UsageError
from batchcart.model.files import sync_dir
from batchcart.model.outcome import Status
from batchcart.model.text import plural
from batchcart.runs.deps import Deps
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path, sandbox_path
from batchcart.runs.resume import check_not_replaced, check_same_accounts, check_same_job, follow_accounts, is_longer

_RETRIED = (Status.FAILED, Status.SKIPPED)


def take_up(
    options: RunOptions, source: JobSource, entries: Accounts, monitor: RunMonitor, deps: Deps
) -> tuple[Connection, bool]:
    """The journal of this run: the one that is there, if it is this job's, or a fresh one with the plan in it."""
    results, path = options.results_path, journal_path(options.results_path)
    if path.exists() and not options.fresh:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(open_existing(path)))
            if has_progress(connection):
                check_not_replaced(connection, results)
                check_same_accounts(connection, entries)
                follow_accounts(connection, entries)
                check_account(options.account, entries)
                _check_same_default(connection, options.account)
                if options.append and is_longer(connection, source):
                    default = get_meta(connection, "account") or options.account
                    planner = Planner(source, entries, default, options.allow_unknown_fields, monitor.checking)
                    planner.extend_plan(connection)
                check_same_job(connection, source, path)
                if options.retry_failed:
                    reopen(connection, _RETRIED, options.choice.fits)
                repair_result_file(connection, results)
                stack.pop_all()
                return connection, True
        # Nothing was sent: the plan may be made anew.
    if results.exists() and results.stat().st_size and not options.fresh:
        lacks = f"knows none of its results (is {path}-wal gone?)" if path.exists() else "does not"
        raise UsageError(
            f"{results} exists, but its journal {path} {lacks}, so this run cannot resume from it. Choose other "
            "results with -o, or start over with --fresh, which keeps the old file under another name"
        )
    fresh = path.with_name(f"{path.name}.new")
    try:
        planner = Planner(source, entries, options.account, options.allow_unknown_fields, monitor.checking)
        _plan(options, planner, fresh, deps)
        if options.fresh:
            _set_aside(results)
        for leftover in run_files(results)[1:]:
            leftover.unlink(missing_ok=True)
        fresh.rename(path)
        sync_dir(path.absolute().parent)  # a plan that a power cut takes back must not have been begun
    finally:
        for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
            leftover.unlink(missing_ok=True)
    return open_existing(path), False


def _check_same_default(connection: Connection, account: str | None) -> None:
    """Raises UsageError where the lines without an account would now go to another one than when the run began."""
    began = get_meta(connection, "account") or ""
    if began and account is not None and account != began:
        raise UsageError(
            f"this run began with --account {began}, not {account}; give the old one to resume, or start over with "
            "--fresh"
        )


def _plan(options: RunOptions, planner: Planner, path: Path, deps: Deps) -> None:
    with contextlib.closing(create(path)) as connection:
        planned = planner.build_plan(connection)
        _check_usable([planner.entries[name] for name in planned.accounts])
        facts = {
            "run": f"{deps.rng.getrandbits(128):032x}",
            "job": planner.source.name if options.job == "-" else str(Path(options.job).absolute()),
            "sha256": planner.source.digest(),
            "account": options.account or "",
            "planned": str(planned.lines),
        }
        # A file name may hold bytes that are no text.
        texts = ((key, value.encode("utf-8", "backslashreplace").decode()) for key, value in facts.items())
        commit_plan(connection, texts)


def _check_usable(entries: Sequence[AccountConfig]) -> None:
    """Raises UsageError where secrets cannot be read, before anything is sent: of which account, and how many more."""
    for number, entry in enumerate(entries):
        try:
            entry.resolve()
        except UsageError as error:
            if not (more := sum(map(_is_wrong, entries[number + 1 :]))):
                raise
            have = "has" if more == 1 else "have"
            raise UsageError(
                f"{error}. {plural(more, 'more account')} {have} something to fix too; list all of it with: "
                "batchcart doctor"
            ) from None


def _is_wrong(entry: AccountConfig) -> bool:
    """Whether the account cannot be used, as far as that can be told without asking other programs one by one."""
    try:
        entry.check()
    except UsageError:
        return True
    return False


def _set_aside(results: Path) -> None:
    """Keep the files of an earlier run under the first free number."""
    files = [path for path in run_files(results) if path.exists()]
    number = _last_number(results) + 1
    for path in files:
        path.rename(f"{path}.{number}")


def leave_nothing(options: RunOptions, was_there: Sequence[Path]) -> Callable[[type | None, object, object], None]:
    """What a refused run does on its way out: its files go, and those that --fresh set aside come back."""
    results, number = options.results_path, _last_number(options.results_path)

    def leave(refusal: type | None, _error: object, _trace: object) -> None:
        if refusal is None or not issubclass(refusal, UsageError):
            return
        for path in run_files(results):
            if options.fresh or path != results or path not in was_there:
                path.unlink(missing_ok=True)
        for path in was_there if options.fresh else ():
            Path(f"{path}.{number}").rename(path)

    return leave


def _last_number(results: Path) -> int:
    """The greatest number under which the files of an earlier run are kept; 0 for none."""
    number = 0
    while any(Path(f"{path}.{number + 1}").exists() for path in run_files(results)):
        number += 1
    return number


def run_files(results: Path) -> list[Path]:
    """The result file and what stands beside it; the result file first."""
    journal = journal_path(results)
    return [results, journal, Path(f"{journal}-wal"), Path(f"{journal}-shm"), sandbox_path(results)]
