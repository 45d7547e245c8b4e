"""Owns the command line: names of commands, and turning errors into sentences and exit codes.

A command's module is imported only when it is called, so that `--help` stays quick.
"""

import importlib
import os
import sys

import click

from batchcart import __version__
from batchcart.errors import BatchcartError, Stopped

COMMANDS = {
    "run": "Check the whole job file, then run it, or go on with it.",
    "check": "Check the job file and show the plan; nothing is sent.",
    "status": "Show where a run stands, also while it runs.",
    "settle": "Settle what is in doubt, by reading the shops again or by your word.",
    "platforms": "Show which operations each platform has.",
    "schema": "Print the JSON Schema of a job line.",
    "init": "Write a first config and a first job into the current folder.",
    "sandbox": "Run a simulator of all three platforms on this machine.",
}


class Commands(click.Group):
    """The commands of COMMANDS, each in a module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from COMMANDS, so that none of them is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="batchcart")
def cli() -> None:
    """Run a JSONL file of shopping-cart operations against 3dcart, Tray and Shoplo shops.

    First try: batchcart run jobs/quickstart.jsonl
    """


def main() -> None:
    """Run the command line; every error a person can cause becomes a sentence and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 3
    except click.ClickException as error:
        error.show()
        code = 2
    except BatchcartError as error:
        click.echo(f"batchcart: {error}" if "\n" not in str(error) else str(error), err=True)
        code = 3 if isinstance(error, Stopped) else 2
    except BrokenPipeError:
        # Who read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
