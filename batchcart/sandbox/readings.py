"""Owns the switches for what the platforms' documents leave open; it does not know how a shop turns them.

Adapter and simulator were made from the same documents by the same people. A shop may read them otherwise: each
``Reading`` is one point where it could, and tests run under every one.
"""

from collections.abc import Mapping

from batchcart.model.errors import UsageError, quote, suggest
from batchcart.sandbox.platforms import list_simulated, load_part
from batchcart.sandbox.reading import Reading, Readings

__all__ = ["READINGS", "Reading", "Readings", "deviate", "list_readings", "parse_reading", "usual"]

READINGS: Mapping[str, Reading] = {
    reading.name: reading
    for package in list_simulated().values()
    if (part := load_part(package, "readings")) is not None
    for reading in part.READINGS
}
"""Every contested point by the name of its switch."""


def parse_reading(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``; raises UsageError with a suggestion where there is no such point or value."""
    name, sign, value = text.strip().partition("=")
    if not sign:
        raise UsageError(f"{quote(text)} is not a reading: write NAME=VALUE, as in {_example()}")
    _check(name, value)
    return name, value


def usual(platform: str) -> dict[str, str]:
    """How a shop of the platform takes each point if nobody asks for anything else."""
    return {reading.point: reading.usual for reading in READINGS.values() if reading.platform == platform}


def deviate(platform: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """How a shop of the platform takes each point, where ``chosen`` has values by the names of switches.

    Raises UsageError for a name or value that there is not; those of other platforms are left out.
    """
    for name, value in chosen.items():
        _check(name, value)
    own = {READINGS[name].point: value for name, value in chosen.items() if READINGS[name].platform == platform}
    return {**usual(platform), **own}


def _check(name: str, value: str) -> None:
    reading = READINGS.get(name)
    if reading is None:
        raise UsageError(f"there is no reading {quote(name)}: {_nearest(name)}")
    if value not in reading.values:
        raise UsageError(f"reading {name} has no value {quote(value)}: {suggest(value, reading.values)}")


def _example() -> str:
    reading = next(iter(READINGS.values()))
    return f"{reading.name}={list(reading.values)[-1]}"


def _nearest(name: str) -> str:
    """What may have been meant: a point may be named without its platform."""
    same_point = [reading.name for reading in READINGS.values() if reading.point == name]
    if same_point:
        return f"did you mean {' or '.join(map(repr, same_point))}?"
    found = suggest(name, READINGS)
    return found if found.startswith("did you mean") else "batchcart sandbox --readings lists them"


def list_readings() -> str:
    """All readings as text for a person: each point's sentence, then its values, the usual one first."""
    parts = []
    for reading in READINGS.values():
        parts.append(f"{reading.name}  {reading.sentence} ({reading.source})")
        parts += [f"    {value}: {text}" for value, text in reading.values.items()]
    return "\n".join(parts)
