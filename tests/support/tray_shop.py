"""A small Tray shop as a process, for networks that are taken away from it: it adds to carts, shows and notes them.

python tests/support/tray_shop.py HOST EFFECTS     (prints its port; a line in EFFECTS for each thing put into a cart)
"""

import asyncio
import json
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_carts: dict[str, list[dict[str, Any]]] = defaultdict(list)


def answer(method: str, path: str, body: bytes, effects: Path) -> tuple[int, Any]:
    """The status and the JSON of the answer; what is put into a cart is noted."""
    if method == "POST":
        wanted = json.loads(body)["Cart"]
        with effects.open("a") as file:
            file.write(wanted["session_id"] + "\n")
        number = sum(map(len, _carts.values())) + 1
        row = {"id": str(number), "session_id": wanted["session_id"], "product_id": str(wanted["product_id"])}
        row |= {"variant_id": "0", "quantity": str(wanted["quantity"]), "price": "10.00"}
        _carts[wanted["session_id"]].append(row)
        return 201, {"message": "Created", "code": 201, "id": row["id"], "session_id": row["session_id"]}
    rows = _carts.get(path.split("/")[3])
    return (200, [{"Cart": row} for row in rows]) if rows else (404, {"code": 404, "name": "Not Found"})


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, effects: Path) -> None:
    """One connection."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            lengths = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")]
            body = await reader.readexactly(lengths[0] if lengths else 0)
            method, target, _ = first.split(" ")
            status, said = answer(method, urlsplit(target).path, body, effects)
            text = json.dumps(said).encode()
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)
    writer.close()


async def main() -> None:
    """Serve until killed."""
    host, effects = sys.argv[1], Path(sys.argv[2])
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, effects), host, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
