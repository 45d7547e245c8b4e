"""Owns `batchcart settle`: its options and output; settling is `batchcart.settle`'s."""

from pathlib import Path

import click

from batchcart.api import after_run as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.folding import fold
from batchcart.cli.output import echo, echo_err
from batchcart.cli.summary_text import ending_text
from batchcart.cli.terminal.session import drive_quietly
from batchcart.model.errors import UsageError
from batchcart.model.events import Event, is_urgent
from batchcart.model.text import plural


@click.command("settle", epilog=examples_text("settle"))
@click.argument("results", type=click.Path(path_type=Path))
@shared.config
@click.option("--line", type=click.IntRange(1, 1 << 53), help="Settle this line by hand.")
@click.option("--done", multiple=True, metavar="KEY=VALUE", help="It happened; its ids, as in cart_id=6F027F81ggx48to.")
@click.option("--not-done", is_flag=True, help="It did not happen.")
@click.option(
    "--todo", type=click.Path(dir_okay=False, path_type=Path), help="Write what is in doubt as a CSV table to fill in."
)
@click.option(
    "--from", "answers", type=click.Path(dir_okay=False, path_type=Path), help="Take the answers of such a table."
)
def command(
    results: Path,
    config: Path | None,
    line: int | None,
    done: tuple[str, ...],
    todo: Path | None,
    answers: Path | None,
    *,
    not_done: bool,
) -> int:
    """Settle what is in doubt, by reading the shops again or manually.

    Without --line every shop with lines in doubt is read again, and lines that this decides end ok or failed; nothing
    is written to a shop. A failed line can be sent again with: batchcart run JOB --retry-failed

    For many lines, --todo FILE writes a table with what is needed to look each of them up in the shop: put yes or no
    under answer, and for what was made its cart_id or item_id. --from FILE takes the answers, all or none; rows without
    one stay in doubt.

    Exit codes are those the run would end with now.
    """
    by_hand = line is not None or done or not_done
    if bool(todo) + bool(answers) + bool(by_hand) > 1:
        raise UsageError("--todo, --from and --line do not go together; use one of them")
    if by_hand and line is None:
        raise UsageError("--done and --not-done go with --line N")
    if todo is not None:
        return _write_todo(results, todo, config)
    ids = _pairs(done) if done else None
    if line is not None and (ids is None) != not_done:
        raise UsageError("--line N goes with either --done KEY=VALUE or --not-done")
    settled = api.settle(
        results,
        line=line,
        done=ids,
        not_done=not_done,
        answers=answers,
        config=config,
        driver=drive_quietly(_echo_urgent),
    )
    told = "" if by_hand else "The shops were asked about "
    if settled.table is not None:
        told = _answers_text(settled.table, answers)
    echo(_verdict(settled.before, settled.after, told))
    echo(ending_text(settled.summary, str(results), api.reasons(results, config=config)))
    return settled.exit_code


def _echo_urgent(event: Event) -> None:
    if is_urgent(event):
        echo_err(str(event))


def _verdict(before: int, after: int, told: str) -> str:
    settled = before - after
    rest = f"{plural(after, 'remains', 'remain')} in doubt" if after else "none remains"
    return f"{told}{plural(before, 'line')} in doubt: {settled:,} settled, {rest}"


def _write_todo(results: Path, todo: Path, config: Path | None) -> int:
    count = api.settle_todo(results, todo)
    if not count:
        echo(f"No line of {results} is in doubt, so nothing was written")
        return api.status(results, most=0).exit_code
    columns = "".join(f" {words}." for words in api.name_key_columns(results))
    written = fold(
        f"Wrote {todo}: {plural(count, 'line')} in doubt. Look each up in its shop and put yes or no under answer; "
        f"after a yes, the cart_id or item_id of what was made.{columns} Then:"
    )
    echo(f"{written}\n  {api.RunCommands(results, '', config).settle('--from', str(todo))}")
    return api.status(results, most=0).exit_code


def _answers_text(found: api.TableAnswers, answers: Path | None) -> str:
    before = (
        f" ({found.before:,} of them {'was' if found.before == 1 else 'were'} settled before)" if found.before else ""
    )
    return f"Read {plural(found.read, 'row')} of {answers}{before}. "


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--done {text}: write KEY=VALUE, as in cart_id=6F027F81ggx48to")
        pairs[key] = value
    return pairs
