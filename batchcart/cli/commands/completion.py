"""Owns `batchcart completion`: the script that a shell reads; what is offered is completers.py's."""

import click
from click.shell_completion import get_completion_class

from batchcart.cli import COMPLETE_VAR
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", epilog=examples_text("completion"))
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> int:
    r"""Print the script that completes words in bash, zsh or fish.

    Commands, options, accounts of the config and files are completed. To have it in every new shell:

    \b
    bash  echo 'eval "$(batchcart completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(batchcart completion zsh)"' >> ~/.zshrc  (below the line with compinit)
    fish  batchcart completion fish > ~/.config/fish/completions/batchcart.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    echo(script(click.Command("batchcart"), {}, "batchcart", COMPLETE_VAR).source().rstrip())
    return 0
