"""Owns the command line: names of commands, and turning errors into sentences and exit codes.

A command's module is imported only when it is called, so that `--help` stays quick.
"""

import importlib
import sys
from typing import TYPE_CHECKING

import click

from batchcart import __version__
from batchcart.cli.output import detach_broken, echo_err
from batchcart.model.errors import BadLines, BatchcartError, Stopped, quote, suggest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETE_VAR = "_BATCHCART_COMPLETE"
"""The environment variable by which a shell asks for completion, however the program was called."""

COMMANDS = {
    "run": "Check the whole job file, then run it, or resume it.",
    "check": "Check the job file and show the plan; nothing is sent.",
    "status": "Show where a run stands, also while it runs.",
    "settle": "Settle what is in doubt, by reading the shops again or manually.",
    "rest": "Write what did not end well in a run as a job, to be corrected and run.",
    "results": "Write the results of a run as a table: .csv, .xlsx or .parquet.",
    "undo": "Write the job that takes back what a run did, and list what cannot be.",
    "report": "Summarize one or several runs, as text, JSON or a web page.",
    "export": "Write a shop's carts to a file of neutral carts.",
    "convert": "Turn a carts file into a job for another account, and list what is lost.",
    "verify": "Read the new carts back and compare them with their sources.",
    "migrate": "Move carts from one account to another: export, convert, run and verify.",
    "platforms": "Show which operations each platform has.",
    "template": "Write a spreadsheet to begin a job with: its columns, what each takes, and rows that show it.",
    "schema": "Print the JSON Schema of a job line, or of a cart.",
    "init": "Put an account into the config, write a first job, and check the account.",
    "accounts": "Show which config is read, which accounts it has, and where their secrets come from.",
    "doctor": "Check config, secrets, shops, clock and disk, and say what to fix.",
    "help": "Show the help of a command, or of batchcart.",
    "completion": "Print the script that completes words in bash, zsh or fish.",
    "bench": "Measure how fast a synthetic job runs, against a sandbox or a shop that allows it.",
    "seat": "Work on the accounts of a run that listens for seats.",
    "sandbox": "Run a simulator of the platforms on this machine.",
}


class Commands(click.Group):
    """The commands of COMMANDS, each in a module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; a word that is none of them ends with a suggestion."""
        if cmd_name.startswith("-"):
            return None
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell asks for completion
                return None
            ctx.fail(f"{quote(cmd_name)} is not a command; {suggest(cmd_name, COMMANDS)}")
        command: click.Command = importlib.import_module(f"{__name__}.commands.{cmd_name}").command
        if ctx.resilient_parsing:
            command = importlib.import_module(f"{__name__}.completers").with_completion(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The commands that begin so, from COMMANDS, and the group's own options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # only where a shell asks

        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from COMMANDS, so that none of them is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="batchcart")
def cli() -> None:
    """Run a JSONL file of shopping-cart operations against shops; `batchcart platforms` lists whose.

    First try: batchcart init. In a checkout, without a shop: batchcart run jobs/quickstart.jsonl
    """


def _tell(error: BatchcartError) -> str:
    """What is wrong; bad lines begin with their own place, and end with what became of the file."""
    if isinstance(error, BadLines) and error.verdict:
        return f"{error}\nbatchcart: {error.verdict}"
    return f"batchcart: {error}" if "\n" not in str(error) else str(error)


def main() -> None:
    """Run the command line; every error a person can cause becomes a sentence and an exit code."""
    try:
        code = cli.main(standalone_mode=False, complete_var=COMPLETE_VAR)
    except click.exceptions.Abort:
        code = 3
    except click.exceptions.NoArgsIsHelpError as error:
        echo_err(error.format_message())
        code = 2
    except click.ClickException as error:
        from batchcart.cli.usage_errors import usage_text  # noqa: PLC0415  # only what went wrong needs it

        echo_err(usage_text(error))
        code = 2
    except BatchcartError as error:
        echo_err(_tell(error))
        code = 3 if isinstance(error, Stopped) else 2
    except OSError as error:
        echo_err(f"batchcart: {error.filename or 'the output'}: {error.strerror or error}")
        code = 3
    except Exception as error:  # noqa: BLE001  # 1 means that every line ended; a fault of ours is no such end
        from batchcart.model.fault import fault_sentence  # noqa: PLC0415  # only what went wrong needs it

        echo_err(f"batchcart: {fault_sentence(error, 'running the command')}. Run the same command again to resume")
        code = 3
    detach_broken()
    sys.exit(code if isinstance(code, int) else 0)
