"""Records a case from the sandbox: what one job line says to it, and what it answers.

    python tests/support/record_case.py tray tests/cassettes/tray/create-a-cart.http < line.json

The line stands for an account of its own, without a cart that exists; what came of it is to be read before it is kept.
"""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
from cassette import Cassette, Turn, recorded, write_cassette
from msgspec import structs

from batchcart.accounts.config import load_config
from batchcart.engine.http.client import open_client
from batchcart.jobs.checks import cart_key
from batchcart.jobs.job_file import RawLine, parse_line
from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.platforms import load_adapters
from batchcart.sandbox.server import Sandbox

_KEY = "0123456789abcdef0123456789abcdef"


async def record(platform: str, line: bytes, path: Path) -> None:
    """Lead the line's conversation with a new sandbox, and write it down."""
    account = load_config(None, load_adapters())[f"sandbox-{platform}"].resolve()
    adapter, sandbox = account.adapter, Sandbox()
    operation = parse_line(RawLine(1, 0, line.strip()), account.name)
    operation = structs.replace(operation, cart_id=cart_key(operation, adapter)[0])
    cell, known, case = adapter.operations[operation.kind], CartContext(operation.cart_id, _KEY), Cassette(line.strip())
    past: History = ()
    step: object = cell.build(operation, known)
    async with sandbox.serving():
        account = replace(account, address=sandbox.address(platform))
        async with open_client(account) as send:
            while isinstance(step, Request):
                request = step
                signed = adapter.auth.sign(request, account.credentials, time.time(), "0" * 32)
                reply = await send(signed, lambda: None)
                assert isinstance(reply, Response), reply
                reply = structs.replace(reply, headers={})
                case.turns.append(Turn(recorded(request), reply))
                past = (*past, Exchange(request, reply))
                step = cell.interpret(operation, known, past)
    ending = {name: value for name, value in msgspec.to_builtins(step).items() if value and name != "body"}
    case.outcome = {"type": type(step).__name__, **ending}
    write_cassette(path, case)


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1], sys.stdin.buffer.read(), Path(sys.argv[2])))
