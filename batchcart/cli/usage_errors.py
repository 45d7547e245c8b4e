"""Owns the sentences for a command line that cannot be understood; click finds the mistakes and says them otherwise."""

import click

from batchcart.model.errors import suggest

_WORDS = {
    "a valid integer range": "a whole number",
    "a valid integer": "a whole number",
    "a valid float range": "a number",
    "is not in the range": "is outside of",
    "Got unexpected extra argument": "One argument too many",
}


def usage_text(error: click.ClickException) -> str:
    """What is wrong, at which command, and where its help is."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is None:
        return f"batchcart: {_plain(error.format_message())}"
    where = f"{ctx.info_name}: " if ctx.parent is not None else ""
    return f"batchcart: {where}{_sentence(error, ctx)}\nHelp: {ctx.command_path} --help"


def _sentence(error: click.ClickException, ctx: click.Context) -> str:
    match error:
        case click.NoSuchOption(option_name=str() as name):
            options = [option for parameter in ctx.command.get_params(ctx) for option in parameter.opts]
            near = suggest(name, [option for option in options if option.startswith("--")])
            return f"there is no option {name}; {near}"
        case click.MissingParameter(param=click.Parameter() as parameter):
            choices = parameter.type.choices if isinstance(parameter.type, click.Choice) else ()
            one_of = f"; it is one of {', '.join(map(str, choices))}" if choices else ""
            return f"{_name_parameter(parameter)} is missing{one_of}"
        case click.BadParameter(param=click.Parameter() as parameter, message=message):
            return f"{_name_parameter(parameter)}: {_plain(message)}"
        case _:
            return _plain(error.format_message())


def _name_parameter(parameter: click.Parameter) -> str:
    """An option by its longest name, an argument as the usage line has it."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.human_readable_name.upper()


def _plain(text: str) -> str:
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return (text[:1].lower() + text[1:]).rstrip(".")
