"""Owns `batchcart sandbox`: the simulator as a server of its own; what it simulates is sandbox/'s."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo
from batchcart.model.errors import UsageError, suggest
from batchcart.model.limits import Limit, parse_limit
from batchcart.platforms import load_adapters
from batchcart.sandbox.faults import KINDS, parse_fault
from batchcart.sandbox.platforms import list_simulated
from batchcart.sandbox.readings import list_readings, parse_reading
from batchcart.sandbox.server import Sandbox

_KINDS = "\n".join(f"  {kind}: {text}" for kind, text in KINDS.items())


def _list_readings(context: click.Context, _parameter: click.Parameter, wanted: object) -> None:
    if wanted:
        echo(list_readings())
        context.exit(0)


@click.command("sandbox", epilog=f"\b\nFault kinds:\n{_KINDS}\n\n{examples_text('sandbox')}")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option(
    "--limit", "limits", multiple=True, metavar="PLATFORM=LIMIT", help="As in PLATFORM=180/min; PLATFORM= has none."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND[:PLATFORM]=RATE", help="Misbehave at this rate, 0 to 1."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Faults fall the same for the same seed.")
@click.option("--sloppy", is_flag=True, help="Answer with the malformed JSON that the documents print.")
@click.option(
    "--reading",
    "readings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Take a point that the documents leave open as VALUE says; --readings lists them.",
)
@click.option(
    "--readings",
    "shows_readings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_readings,
    help="List readings and exit.",
)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep carts in this file.")
def command(
    port: int,
    limits: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    readings: tuple[str, ...],
    state: Path | None,
    *,
    sloppy: bool,
) -> int:
    """Run a simulator of the platforms on this machine.

    It keeps carts in memory, answers as the platforms' documents say, counts what it sees, and listens on loopback
    only. Where the documents contradict themselves or are silent it takes one reading, or the one that --reading
    names. It is no shop. Stop it with Ctrl-C; it then prints what it saw.
    """
    sandbox = Sandbox(
        limits=_limits(limits),
        faults=[parse_fault(text) for text in faults],
        seed=seed,
        sloppy=sloppy,
        state_file=state,
        readings=_readings(readings),
    )
    try:
        asyncio.run(_serve(sandbox, port))
    except OSError as error:
        raise UsageError(f"--state {state}: cannot write there: {error.strerror}") from None
    echo_json(sandbox.counters())
    return 0


def _limits(given: Sequence[str]) -> dict[str, Sequence[Limit]]:
    limits: dict[str, list[Limit]] = {}
    for text in given:
        platform, _, limit = text.partition("=")
        if platform not in list_simulated():
            raise UsageError(
                f"--limit {text}: there is no simulator of {platform!r}; {suggest(platform, list_simulated())}"
            )
        limits.setdefault(platform, [])
        if limit:
            limits[platform].append(parse_limit(limit))
    return {platform: tuple(found) for platform, found in limits.items()}


def _readings(given: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for text in given:
        name, value = parse_reading(text)
        if chosen.setdefault(name, value) != value:
            raise UsageError(
                f"--reading {name} is given as {chosen[name]!r} and as {value!r}: a shop takes one of them"
            )
    return chosen


async def _serve(sandbox: Sandbox, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop.set))
    async with sandbox.serving(port) as origin:
        echo(f"batchcart sandbox, a simulator and no shop, on {origin}; counters: {origin}/sandbox/counters\n")
        echo(_config_text(sandbox))
        echo("\nCtrl-C stops it.")
        await stop.wait()


def _config_text(sandbox: Sandbox) -> str:
    """Accounts for a batchcart.toml that point here."""
    parts = ["# for batchcart.toml:"]
    for name in list_simulated():
        adapter = load_adapters()[name]
        own = adapter.account
        keys = {"platform": name, **own.sandbox_settings, own.address_key: sandbox.address(name)}
        parts += [f"[accounts.local-{name}]", *(f'{key} = "{value}"' for key, value in keys.items())]
    return "\n".join(parts)
