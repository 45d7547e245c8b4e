"""Owns which platforms have which optional part, found by listing, for tests that go through all that have it.

It also calls their simulated shops directly, without a server.
"""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from batchcart.model.adapter import Adapter, CartReader
from batchcart.model.http import Request
from batchcart.platforms import load_adapters
from batchcart.sandbox.messages import Answer
from batchcart.sandbox.platforms import list_simulated
from batchcart.sandbox.routing import address, read_call

if TYPE_CHECKING:
    from batchcart.sandbox import Sandbox

MOVABLE = sorted(name for name, adapter in load_adapters().items() if adapter.migration is not None)
"""Platforms whose carts can be moved."""

SIMULATED = sorted(list_simulated())
"""Platforms that the sandbox simulates."""

CLOSELY_KNOWN = ("3dcart", "shoplo", "tray")
"""Platforms whose every quirk some tests write down. Others are held by the contract, by their recorded cases, and by
what their cells do in the simulator."""

_DOORS = {name: urlsplit(address("http://sandbox", name, "")).path for name in SIMULATED}
"""What stands before a path in the simulator."""


def _sold(adapter: Adapter) -> tuple[str, str]:
    """The fields that say what is added, and how many of it."""
    added = next(line for line in map(json.loads, adapter.examples.job) if line["op"] == "item.add")
    return next(name for name in added["data"] if name != adapter.keys.quantity), adapter.keys.quantity


SOLD = {name: _sold(load_adapters()[name]) for name in SIMULATED}


def ask_shop(sandbox: "Sandbox", platform: str, request: Request, *, sloppy: bool = False) -> Answer:
    """What the platform's simulated shop does and answers; ``sloppy`` as a shop prints it that takes little care."""
    call = read_call(request.method, f"{_DOORS[platform]}{request.path}?{urlencode(request.query)}", [], request.body)
    assert call is not None
    endpoint = sandbox.shop(platform)
    answer = endpoint.platform.routes[call.route](endpoint.shop, call)
    return endpoint.platform.as_printed(call, answer) if sloppy else answer


def snapshot_of(adapter: Adapter) -> CartReader:
    assert adapter.snapshot is not None, f"{adapter.name} does not say what its reads show"
    return adapter.snapshot
