"""Owns where a simulated shop is found and how a request is read into a call; it does not know sockets."""

import importlib
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, unquote

from batchcart.model.errors import UsageError, suggest
from batchcart.sandbox.messages import Call
from batchcart.sandbox.platforms import list_simulated
from batchcart.sandbox.shop import Platform


def _load_platforms() -> Mapping[str, Platform]:
    modules = [importlib.import_module(f"{package}.simulator") for package in list_simulated().values()]
    return {module.PLATFORM.name: module.PLATFORM for module in modules}


PLATFORMS = _load_platforms()


def find_platform(name: str) -> Platform:
    """The platform of that name; raises UsageError if there is none."""
    if name not in PLATFORMS:
        raise UsageError(f"there is no simulator of a platform {name!r}; {suggest(name, PLATFORMS)}")
    return PLATFORMS[name]


def address(origin: str, platform: str, shop: str) -> str:
    """The address that an account of the shop has in its config."""
    named = find_platform(platform)
    parts = [origin, named.name, quote(shop, safe=""), named.door if named.address_has_door else ""]
    return "/".join(filter(None, parts))


def read_call(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Call | None:
    """The call that a request makes, as in ``/PLATFORM/SHOP/DOOR/carts/KEY``; None if no shop is there."""
    path, _, query = target.partition("?")
    segments = [unquote(segment) for segment in path.split("/")[1:]]
    if segments[-1:] == [""]:
        segments.pop()
    platform = PLATFORMS.get(segments[0]) if segments else None
    if platform is None:
        return None
    door = 1 if segments[1:2] == [platform.door] else 2
    if segments[door : door + 1] != [platform.door]:
        return None
    rest = tuple(segments[door + 1 + platform.versions :])
    words, keys = platform.pattern(rest)
    lowered = {name.lower(): value for name, value in headers}
    return Call(
        platform=platform.name,
        shop=segments[1] if door > 1 else "",
        method=method,
        url=f"http://{lowered.get('host', '')}{target}",
        path="/".join(rest),
        route=f"{method} {words}",
        keys=keys,
        query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers=lowered,
        body=body,
    )
