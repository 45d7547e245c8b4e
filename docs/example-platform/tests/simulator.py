"""Owns a small simulated Medusa backend; what it keeps is gone when it stops."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Cart = dict[str, Any]


@dataclass
class Backend:
    """The carts by id. ``cuts`` says how many of the next adds are done and not answered."""

    key: str
    cuts: int = 0
    carts: dict[str, Cart] = field(default_factory=dict)
    origin: str = ""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def answer(self, method: str, path: str, given: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
        """What the backend answers, once it has done it."""
        if key != self.key:
            return 400, _error("not_allowed", "A valid publishable key is required to proceed with the request")
        match [method, *path.removeprefix("/store/carts").strip("/").split("/")]:
            case ["POST", ""]:
                cart = {"id": f"cart_{next(self._numbers)}", "email": None, "region_id": None, **given, "items": []}
                self.carts[cart["id"]] = cart
                return 200, {"cart": cart}
            case [_, cart_id, *_] if cart_id not in self.carts:
                return 404, _error("not_found", f"Cart id not found: {cart_id}")
            case ["GET", cart_id]:
                return 200, {"cart": self.carts[cart_id]}
            case ["POST", cart_id]:
                self.carts[cart_id].update(given)
                return 200, {"cart": self.carts[cart_id]}
            case ["POST", cart_id, "line-items"]:
                self._add(self.carts[cart_id], given)
                return 200, {"cart": self.carts[cart_id]}
            case [_, cart_id, "line-items", line_id]:
                return self._change(method, self.carts[cart_id], line_id, given)
            case _:
                return 404, _error("not_found", "no such route")

    def _add(self, cart: Cart, given: dict[str, Any]) -> None:
        for line in cart["items"]:
            if line["variant_id"] == given["variant_id"]:
                line["quantity"] += given["quantity"]
                return
        cart["items"].append({"id": f"line_{next(self._numbers)}", **given})

    def _change(self, method: str, cart: Cart, line_id: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        (line,) = [line for line in cart["items"] if line["id"] == line_id] or [None]
        if line is None:
            return 404, _error("not_found", f"Line item not found: {line_id}")
        if method == "DELETE":
            cart["items"].remove(line)
            return 200, {"id": line_id, "object": "line-item", "deleted": True, "parent": cart}
        line.update(given)
        return 200, {"cart": cart}


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "message": message}


@contextmanager
def serving(backend: Backend) -> Iterator[Backend]:
    """The backend on a free port of loopback, for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            status, body = backend.answer(self.command, self.path, given, self.headers.get("x-publishable-api-key"))
            if self.path.endswith("/line-items") and backend.cuts:
                backend.cuts -= 1
                self.close_connection = True
                return
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        backend.origin = f"http://127.0.0.1:{server.server_port}"
        yield backend
        server.shutdown()
