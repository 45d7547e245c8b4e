"""Owns a referee that knows what a simulated shop did: it judges results by the shop's own store, not by answers.

Its jobs hold every operation of a platform. Each write carries a mark of its own, so that whatever the shop did belongs
to one line of the job.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.messages import Answer, Call, Effect
from batchcart.sandbox.recorder import ShopRecorder
from batchcart.sandbox.shop import Shop

Line = dict[str, Any]
OLD = {"3dcart": "0000AB01old0001", "tray": "old-session", "shoplo": "old-user"}
"""The key of a cart that the shop has before the job, with one item."""
SOLD = {
    "3dcart": ("CatalogID", "ItemQuantity"),
    "tray": ("product_id", "quantity"),
    "shoplo": ("variant_id", "quantity"),
}
ADDS = ("cart.create", "item.add")
NOTHING = ("failed", "skipped")
"""Endings which say that the line did nothing."""


@dataclass(slots=True)
class Witness(ShopRecorder):
    """The counters of one shop, with every call that changed it, and what each cart held whenever one was read."""

    deeds: list[tuple[Call, Effect]] = field(default_factory=list)
    held: dict[str, list[list[Decimal]]] = field(default_factory=dict)

    def record_effect(self, call: Call, effect: Effect, sequence: int) -> None:
        """A call had an effect."""
        ShopRecorder.record_effect(self, call, effect, sequence)
        self.deeds.append((call, effect))


def witness(endpoint: ShopEndpoint) -> Witness:
    """Somebody who watches the shop from now on."""
    endpoint.saw = monitoring = Witness()
    counted = SOLD[endpoint.platform.name][1]

    def monitored(route: Callable[[Shop, Call], Answer]) -> Callable[[Shop, Call], Answer]:
        def answer(shop: Shop, call: Call) -> Answer:
            for key in {endpoint.platform.cart(shop, call), *shop.carts} if call.method == "GET" else ():
                items = shop.carts.get(key, {"items": {}})["items"].values()
                monitoring.held.setdefault(key, []).append(sorted(Decimal(str(item[counted])) for item in items))
            return route(shop, call)

        return answer

    routes = {name: monitored(route) for name, route in endpoint.platform.routes.items()}
    endpoint.platform = replace(endpoint.platform, routes=routes)
    return monitoring


def stock(endpoint: ShopEndpoint) -> None:
    """Put the old cart into the shop, one item in it."""
    shop, name = endpoint.shop, endpoint.platform.name
    number, now = shop.new_id(), "2026-11-21 12:00:00"
    match name:
        case "3dcart":
            cart: Line = {
                "fields": {"BillingCity": "Porto"},
                "created": now.replace(" ", "T"),
                "updated": now.replace(" ", "T"),
                "items": {number: {"CatalogID": "5", "ItemQuantity": "7"}},
            }
        case "tray":
            line = {"product_id": "5", "variant_id": "0", "quantity": "7", "price": "100.00"}
            line |= {"additional_information": "", "date": now[:10], "hour": now[11:]}
            cart = {"head": {"email": "old@example.com"}, "shipping": {}, "items": {number: line}}
        case _:
            row = {"id": int(number), "user_key": OLD[name], "product_id": 1, "variant_id": 5, "price": 19900}
            row |= {"tax": 23, "quantity": 7, "weight": 500, "sku": "sku-5", "require_shipping": 1}
            row |= {"created_at": now, "expire_at": "2099-01-01 00:00:00"}
            cart = {"items": {number: row}}
            shop.owners[number] = OLD[name]
    shop.carts[OLD[name]] = cart


@dataclass
class Writing:
    """A job under way; every quantity is used once."""

    account: str
    platform: str
    lines: list[Line] = field(default_factory=list)

    def line(self, op: str, cart: str | None, **keys: Any) -> None:
        place = {"cart_id": OLD[self.platform]} if cart == "old" else {"cart": cart} if cart else {}
        self.lines.append({"op": op, "account": self.account, **place, **keys})

    def mark(self) -> int:
        return 100 + len(self.lines)

    def bought(self, product: int, **more: Any) -> Line:
        named, counted = SOLD[self.platform]
        return {named: str(product) if self.platform == "tray" else product, counted: self.mark(), **more}

    def add(self, cart: str, item: str, product: int, op: str = "item.add", **more: Any) -> None:
        self.line(op, cart, item=item, data=self.bought(product, **more))

    def amount(self) -> Line:
        return {SOLD[self.platform][1]: self.mark()}


def job(account: str, platform: str) -> list[Line]:
    """A job with every operation of the platform, on new carts and on an old one."""
    writing = Writing(account, platform)
    {"3dcart": _threedcart, "tray": _tray, "shoplo": _shoplo}[platform](writing)
    return writing.lines


def _threedcart(writing: Writing) -> None:
    write, add = writing.line, writing.add
    for cart in ("a", "b"):
        write("cart.create", cart, data={"BillingFirstName": f"mark {writing.mark()}", "BillingCity": "Porto"})
    for item, product in (("a0", 5), ("a1", 5), ("a2", 6)):
        add("a", item, product)
    add("a", "a3", 7, ItemOptions=[{"OptionSetID": 1, "OptionID": 2}])
    write("cart.get", "a")
    write("item.update", "a", item="a2", data=writing.amount())
    write("cart.update", "a", data={"ShipmentCity": f"mark {writing.mark()}"})
    write("item.delete", "a", item="a1")
    add("a", "a4", 8)
    write("cart.get", "a")
    add("b", "b0", 5)
    write("cart.delete", "b")
    add("old", "o0", 5)
    add("old", "o1", 6)
    write("item.update", "old", item="o1", data=writing.amount())
    write("cart.get", "old")


def _tray(writing: Writing) -> None:
    write, add = writing.line, writing.add
    for cart in ("a", "b"):
        add(cart, f"{cart}0", 5, "cart.create")
    add("a", "a1", 5)
    add("a", "a2", 6, variant_id="61")
    add("a", "a3", 6, variant_id="61", additional_information="in red")
    write("cart.get", "a")
    write("cart.get", "a", view="complete")
    write("cart.update", "a", data={"email": f"mark-{writing.mark()}@example.com"})
    add("a", "a4", 7, Shipping={"name": "Sedex"})
    write("cart.get", "a")
    write("cart.delete", "b")
    add("old", "o0", 5)
    add("old", "o1", 6)
    write("cart.get", "old")


def _shoplo(writing: Writing) -> None:
    write, add = writing.line, writing.add
    for cart in ("a", "b"):
        add(cart, f"{cart}0", 5, "cart.create")
    for item, product in (("a1", 5), ("a2", 6), ("a3", 7)):
        add("a", item, product)
    write("cart.get", "a")
    write("item.get", "a", item="a2")
    write("item.update", "a", item="a2", data=writing.amount())
    discount = {"discount_type": "2", "discount_value": "30"}
    properties = {"discount_code": f"MARK{writing.mark()}", "properties": {"Zestaw": "1"}}
    write("discount.set", "a", item="a2", data=discount | properties)
    write("discount.delete", "a", item="a2")
    write("discount.set", "a", item="a3", data=discount | {"discount_code": f"MARK{writing.mark()}"})
    write("item.delete", "a", item="a1")
    add("a", "a4", 8)
    write("cart.get", "a")
    write("cart.count", None)
    write("cart.list", None, query={"limit": 5})
    add("b", "b1", 9)
    write("cart.delete", "b")
    add("old", "o0", 5)
    add("old", "o1", 6)
    write("item.update", "old", item="o1", data=writing.amount())
    write("cart.get", "old")


VERBS = {
    "cart.create": {"create", "add"},
    "item.add": {"create", "add"},
    "item.update": {"item-update"},
    "cart.update": {"update"},
    "discount.set": {"discount-set"},
    "item.delete": {"item-delete"},
    "discount.delete": {"discount-delete"},
    "cart.delete": {"delete", "item-delete"},
}


@dataclass(frozen=True)
class Referee:
    """Judges the results of one account's job by what its shop did and holds."""

    endpoint: ShopEndpoint
    monitoring: Witness

    @property
    def platform(self) -> str:
        return self.endpoint.platform.name

    def wrong(self, lines: Sequence[Line], results: Sequence[Line]) -> list[str]:
        """What is not as it must be, a sentence each; ``results`` name the account's lines by their numbers from 1."""
        by_line = {int(result["line"]): result for result in results}
        found = [] if len(by_line) == len(results) else ["a line has two results"]
        items = {one["item"]: one.get("item_id") for one in results if "item" in one and one["status"] == "ok"}
        deeds = list(self.monitoring.deeds)
        creates = [line for line in lines if line["op"] == "cart.create"]
        carts = {(line["cart"], effect.cart) for line in creates for effect in self._made(line)}
        for number, line in enumerate(lines, 1):
            result = by_line.get(number, {"status": "open"})
            mine = [deed for deed in deeds if self._is_of(line, deed, items, carts)]
            deeds = [deed for deed in deeds if deed not in mine]
            effects = [effect for _, effect in mine]
            found += [f"line {number} {line['op']}: {fault}" for fault in self._faults(line, result, effects)]
        return found + [f"nobody asked for {effect} by {call.body!r}" for call, effect in deeds if effect.cart]

    def _made(self, line: Line) -> list[Effect]:
        """What the shop did for a line that makes a cart."""
        return [
            effect
            for call, effect in self.monitoring.deeds
            if effect.verb in VERBS[line["op"]] and self._bears_mark(line, call, effect)
        ]

    def _is_of(
        self,
        line: Line,
        deed: tuple[Call, Effect],
        items: Mapping[str, str | None],
        carts: Collection[tuple[str, str]],
    ) -> bool:
        """Whether this is what the line asked for."""
        call, effect = deed
        if effect.verb not in VERBS.get(line["op"], ()):
            return False
        match line["op"]:
            case "item.delete" | "discount.delete":
                return effect.item == items.get(line["item"])
            case "cart.delete":
                return (line["cart"], effect.cart) in carts
            case _:
                return self._bears_mark(line, call, effect)

    def _bears_mark(self, line: Line, call: Call, effect: Effect) -> bool:
        """Whether what was done bears the mark of the line: its quantity, or a text that only it says."""
        data = line["data"]
        counted = SOLD[self.platform][1]
        if counted in data:
            return effect.quantity == str(data[counted])
        marked = next(text for text in data.values() if isinstance(text, str) and text.lower().startswith("mark"))
        return marked in unquote_plus(call.body.decode())

    def _faults(self, line: Line, result: Line, effects: Sequence[Effect]) -> Iterator[str]:
        status, op = result["status"], line["op"]
        if op in ADDS and len(effects) > 1:
            yield f"it is {status}, and was done {len(effects)} times"
        said = result.get("error", {}).get("message", "")
        given_up = op not in ADDS and "in each of" in said  # what may be repeated: its last try may have happened
        on_its_way = op == "cart.delete" and self.platform == "shoplo" and status == "failed"  # line by line
        if status in NOTHING and effects and not (given_up or on_its_way):
            yield f"it is {status} ({result['error']['message']}), and was done: {effects}"
        if status == "ok":
            yield from self._unearned(op, result, effects)

    def _unearned(self, op: str, result: Line, effects: Sequence[Effect]) -> Iterator[str]:
        """Why the shop's store does not bear out that the line is ok."""
        match op:
            case "cart.get":
                yield from self._unlike(result)
            case "cart.delete":
                if result["cart_id"] in self.endpoint.shop.carts:
                    yield "it is ok, and the cart is there"
            case _ if op in VERBS and not effects:
                yield "it is ok, and the shop never did it"
            case _ if op in ADDS and effects[0].cart != result["cart_id"]:
                yield f"it is ok with the cart {result['cart_id']}, and was done to {effects[0].cart}"
            case _ if self._names_item(op) and effects[0].item != result.get("item_id"):
                yield f"it is ok with the item {result.get('item_id')}, and made {effects[0].item}"
            case _:
                pass

    def _unlike(self, result: Line) -> Iterator[str]:
        """Why what a read shows is not what the cart ever held."""
        found = sorted(shown(result["body"], SOLD[self.platform][1]))
        held = self.monitoring.held.get(result["cart_id"], [])
        hidden = self.platform == "3dcart" and not found
        if found not in held and not hidden:
            yield f"it is ok and shows {found}, and the shop held {held[-1:]}"

    def _names_item(self, op: str) -> bool:
        return op in ADDS if self.platform == "shoplo" else self.platform == "3dcart" and op == "item.add"


def shown(body: Any, counted: str) -> Iterator[Decimal]:
    """All quantities in an answer, whatever its form."""
    if isinstance(body, list):
        for each in body:
            yield from shown(each, counted)
    elif isinstance(body, dict):
        if counted in body:
            yield Decimal(str(body[counted]))
        else:
            for each in body.values():
                yield from shown(each, counted)
