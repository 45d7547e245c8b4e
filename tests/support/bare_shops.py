"""Owns small bare shops of all three platforms over a raw socket, each with one operation that it answers oddly.

They share no code with batchcart, neither its sandbox nor its readers. A shop is a path prefix of one server.
"""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Said = tuple[int, Any]
"""A status and the JSON value of a body; bytes are sent as they are, None is an empty body."""


@dataclass(frozen=True)
class Oddity:
    """How a shop answers the operation it is odd about: ``status`` and ``body``, or nothing at all for ``cut``.

    ``acts`` says whether it does what it was asked to. Only the first ``times`` answers are odd.
    """

    name: str
    acts: bool
    status: int = 200
    body: bytes = b""
    headers: tuple[str, ...] = ()
    cut: bool = False
    times: int = 10**6


@dataclass
class Shop:
    """One shop: its carts by key, each with fields and lines; ``done`` is how often it did what it is odd about."""

    platform: str
    route: str
    oddity: Oddity
    carts: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(101))
    heard: int = 0
    done: int = 0
    discounts: dict[str, Any] = field(default_factory=dict)

    def hear(self, method: str, target: str, body: bytes) -> tuple[int, bytes, tuple[str, ...], bool]:
        """Status, body and headers of the answer, and whether it is cut off."""
        asked = f"{method} {self._route(target, body)}" == self.route
        odd = asked and self.heard < self.oddity.times
        self.heard += odd
        if odd and not self.oddity.acts:
            status, value = 0, None
        else:
            status, value = {"3dcart": self._threedcart, "tray": self._tray, "shoplo": self._shoplo}[self.platform](
                method, target, json.loads(body) if body else None
            )
            self.done += asked and status < 400
        if odd:
            return self.oddity.status, self.oddity.body, self.oddity.headers, self.oddity.cut
        return status, b"" if value is None else json.dumps(value).encode(), ("Content-Type: application/json",), False

    def _route(self, target: str, body: bytes) -> str:
        """What is asked about, without keys; an add of product 12 is another thing than one of product 11."""
        words = [word for word in urlsplit(target).path.split("/") if word]
        kinds = [word for word in words if word in {"Cart", "Item", "carts", "carts_discount", "count", "complete"}]
        second = re.search(rb'"(CatalogID|product_id|variant_id)": *"?12\b', body)
        return "/".join(kinds) + ("#12" if second else "") + ("#Shipping" if b"Shipping" in body else "")

    def lines(self) -> dict[str, list[float]]:
        """How many of each product the shop holds, line by line."""
        held: dict[str, list[float]] = {}
        for cart in self.carts.values():
            for line in cart["lines"].values():
                held.setdefault(line["product"], []).append(line["quantity"])
        return held

    def _cart(self, key: str) -> dict[str, Any]:
        return self.carts.setdefault(key, {"fields": {}, "lines": {}})

    # ---- 3dcart, as S000 has it

    def _threedcart(self, method: str, target: str, data: Any) -> Said:
        words = [unquote(word) for word in target.split("/")[4:]]

        def row(key: str, value: str, status: int) -> Said:
            return status, [{"Key": key, "Value": value, "Status": str(status), "Message": "…"}]

        if method == "POST" and len(words) == 1:
            key = f"6F027F81gg{next(self.ids)}"
            self._cart(key)["fields"].update(data)
            return row("OrderKey", key, 201)
        key = words[1]
        if key not in self.carts:
            return 404, None
        cart = self.carts[key]
        if method == "GET":
            items = [
                {"CartItemID": int(number), "CatalogID": int(line["product"]), "ItemQuantity": line["quantity"]}
                for number, line in cart["lines"].items()
            ]
            return 200, [{"OrderKey": key, **cart["fields"], "CartItemList": items}]
        if len(words) == 2:
            if method == "PUT":
                cart["fields"].update(data)
            else:
                del self.carts[key]
            return row("OrderKey", key, 200)
        if method == "POST":
            number = str(next(self.ids))
            cart["lines"][number] = {"product": str(data["CatalogID"]), "quantity": float(data["ItemQuantity"])}
            return row("CartItemID", number, 201)
        return self._change(method, cart, words[3], data and float(data["ItemQuantity"]), row)

    def _change(
        self, method: str, cart: dict[str, Any], number: str, quantity: Any, row: Callable[[str, str, int], Said]
    ) -> Said:
        if number not in cart["lines"]:
            return 404, None
        if method == "PUT":
            cart["lines"][number]["quantity"] = quantity
        else:
            del cart["lines"][number]
        return row("CartItemID", number, 200)

    # ---- Tray, as S003 has it

    def _tray(self, method: str, target: str, data: Any) -> Said:
        words = [unquote(word) for word in urlsplit(target).path.split("/")[3:]]
        gone = (404, {"code": 404, "name": "Not Found", "causes": ["Not Found"]})
        if method == "POST":
            given = data["Cart"]
            lines = self._cart(given["session_id"])["lines"]
            product = str(given["product_id"])
            line = lines.setdefault(product, {"product": product, "quantity": 0.0, "id": str(next(self.ids))})
            line["quantity"] += float(given["quantity"])
            done = {"message": "Created", "id": line["id"], "session_id": given["session_id"], "code": 201}
            return 201, done
        key = words[1]
        if key not in self.carts:
            return gone
        cart = self.carts[key]
        if method == "GET":
            head = {"session_id": key, "email": cart["fields"].get("email", "")}
            rows = [(line["product"], f"{line['quantity']:g}", line["id"]) for line in cart["lines"].values()]
            if words[-1] == "complete":
                products = [{"id": p, "quantity": q, "variant_id": "0", "cart_id": number} for p, q, number in rows]
                return 200, {"Cart": {**head, "Products": products}}
            return 200, [{"Cart": {**head, "product_id": p, "quantity": q, "variant_id": "0"}} for p, q, _ in rows]
        if method == "PUT":
            cart["fields"].update(data["Cart"])
            return 200, {"message": "Saved", "session_id": key, "code": 200}
        del self.carts[key]
        return 200, {"message": "Deleted", "session_id": key, "code": 200}

    # ---- Shoplo, as S004 has it

    def _shoplo(self, method: str, target: str, data: Any) -> Said:
        parts = urlsplit(target)
        words, query = parts.path.split("/")[3:], {name: values[-1] for name, values in parse_qs(parts.query).items()}
        gone = (200, {"status": "err", "error": 404, "error_msg": "Not found"})
        if words[0] == "carts_discount":
            if not any(words[1] in cart["lines"] for cart in self.carts.values()):
                return gone
            self.discounts[words[1]] = data
            return 200, {"status": "ok"}
        if len(words) == 1 and method == "POST":
            given = data["cart"]
            number = str(next(self.ids))
            line = {"product": str(given["variant_id"]), "quantity": float(given["quantity"])}
            self._cart(given["user_key"])["lines"][number] = line
            return 200, {"cart": self._shown(given["user_key"], number)}
        owners = {number: key for key, cart in self.carts.items() for number in cart["lines"]}
        own = [number for number, key in owners.items() if query.get("user_key", key) == key]
        if words[-1] == "count":
            return 200, {"count": len(own)}
        if len(words) == 1:
            first = (int(query.get("page", 1)) - 1) * int(query.get("limit", 50))
            chosen = own[first : first + int(query.get("limit", 50))]
            return 200, {"carts": [self._shown(owners[number], number) for number in chosen]}
        if words[1] not in owners:
            return gone
        cart, number = self.carts[owners[words[1]]], words[1]
        if method == "PUT":
            cart["lines"][number]["quantity"] = float(data["cart"]["quantity"])
        if method == "DELETE":
            del cart["lines"][number]
            return 200, {"status": "ok"}
        return 200, {"cart": self._shown(owners[number], number)}

    def _shown(self, key: str, number: str) -> dict[str, Any]:
        line = self.carts[key]["lines"][number]
        return {"id": int(number), "user_key": key, "variant_id": int(line["product"]), "quantity": line["quantity"]}


@asynccontextmanager
async def serving(shops: dict[str, Shop]) -> AsyncIterator[int]:
    """The shops on loopback, each under its name as the first part of the path; the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *rest = head.split("\r\n")
                method, target, _ = first.split(" ")
                named = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in rest if line}
                body = await reader.readexactly(int(named.get("content-length", 0)))
                status, said, headers, cut = shops[target.split("/")[1]].hear(method, target, body)
                if cut:
                    break
                lines = (f"HTTP/1.1 {status} Odd", f"Content-Length: {len(said)}", *headers, "", "")
                writer.write("\r\n".join(lines).encode() + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
