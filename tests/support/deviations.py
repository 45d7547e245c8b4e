"""Owns which readings the tests try: every deviation from the usual ones alone, and many together."""

from collections.abc import Mapping
from itertools import zip_longest

from engine_harness import CONFIG
from hypothesis import strategies as st

from batchcart.sandbox.readings import READINGS, deviate
from batchcart.sandbox.server import Sandbox

PLATFORMS = ("3dcart", "tray", "shoplo")
Chosen = Mapping[str, str]
"""Values by the names of readings, of all platforms."""

SINGLE = {
    platform: [
        (reading.name, value)
        for reading in READINGS.values()
        for value in reading.values
        if reading.platform == platform and value != reading.usual
    ]
    for platform in PLATFORMS
}
"""Every deviation, by its platform."""

ROUNDS: list[dict[str, str]] = [dict(filter(None, dealt)) for dealt in zip_longest(*SINGLE.values())]
"""Every deviation once, those of different platforms side by side: the shop of each platform has one."""


def named(chosen: Chosen) -> str:
    """The deviations as one would ask for them."""
    return " ".join(f"{name}={value}" for name, value in chosen.items())


def combinations(most: int) -> st.SearchStrategy[dict[str, str]]:
    """Several deviations at once, at most one of each point."""
    all_of_them = [one for single in SINGLE.values() for one in single]
    return st.lists(st.sampled_from(all_of_them), max_size=most, unique_by=lambda pair: pair[0]).map(dict)


def turn(sandbox: Sandbox, chosen: Chosen) -> None:
    """Make the nameless shop of each platform read the documents so."""
    for platform in PLATFORMS:
        sandbox.shop(platform).shop.readings = deviate(platform, chosen)


def config_for(chosen: Chosen) -> str:
    """The harness's accounts, which speak in forms to a shop that understands nothing else."""
    config = CONFIG
    for platform in PLATFORMS:
        if chosen.get(f"{platform}.request_form") == "form":
            own = f'platform = "{platform}"\n'
            config = config.replace(own, f'{own}encoding = "form"\n')
    return config
