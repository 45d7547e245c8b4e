"""Owns what one platform says about one operation before anything is sent; it does not know other lines."""

import msgspec

from batchcart.adapter import NEW_CART, Adapter, Cell, Known
from batchcart.exchange import Request
from batchcart.fieldcheck import problems
from batchcart.operation import Kind, Operation


def check_operation(operation: Operation, adapter: Adapter, *, allow_unknown: bool = False) -> list[str]:
    """What is wrong with the operation on its platform, one sentence per problem."""
    cell = adapter.cells.get(operation.kind)
    if cell is None:
        return [f"op: {_cannot(operation.kind, adapter)}"]
    found = [*_cart_problems(operation, adapter), *_item_problems(operation, adapter)]
    for name, text, table in (("data", operation.data, cell.data), ("query", operation.query, cell.query)):
        if text and table is None:
            found.append(f"{name}: {adapter.name} {operation.kind} takes no {name}")
        elif text and table is not None:
            found += problems(text, table, name, allow_unknown=allow_unknown)
    if cell.data is not None and cell.data_required and operation.data.strip(b" \t{}") == b"":
        found += problems(b"{}", cell.data, "data") or [f"data: {operation.kind} needs at least one field"]
    if operation.view is not None and operation.view not in cell.views:
        takes = " or ".join(f'"{view}"' for view in cell.views)
        found.append(f"view: {adapter.name} {operation.kind} takes {takes or 'none'}")
    if not found:
        dry_request(operation, adapter)
    return found


def chosen_key(operation: Operation, adapter: Adapter) -> tuple[str | None, list[str]]:
    """The cart's own key where the line gives one, as cart_id or in data, and what is wrong if it gives both."""
    if adapter.chosen_key is None or adapter.chosen_key.encode() not in operation.data:
        return operation.cart_id, []
    inside = msgspec.json.decode(operation.data).get(adapter.chosen_key)
    if not isinstance(inside, str):
        return operation.cart_id, []
    if operation.cart_id not in {None, inside}:
        return operation.cart_id, [f"cart_id: {operation.cart_id!r} contradicts data.{adapter.chosen_key} {inside!r}"]
    return inside, []


def dry_request(operation: Operation, adapter: Adapter) -> Request:
    """The operation's write, or its first request, with placeholders for what only a shop can tell."""
    cart_id = operation.cart_id or (operation.cart and "{cart_id}") or None
    made = operation.kind is Kind.CART_CREATE and operation.cart_id is None
    items = {operation.item: "{item_id}"} if operation.item else {}
    known = Known(None if made else cart_id or "{cart_id}", "{new key}", items, NEW_CART)
    return adapter.cells[operation.kind].build(operation, known)


def route(kind: Kind, adapter: Adapter) -> str:
    """The cell of the operations table, such as "PUT /3dCartWebAPI/v1/Cart/{OrderKey}"; "–" where there is none."""
    cell = adapter.cells.get(kind)
    if cell is None:
        return "–"
    request = dry_request(Operation(0, kind, "", cart="c", item="i", data=_smallest(cell)), adapter)
    path = request.path.replace("%7B", "{").replace("%7D", "}")
    views = "".join(f"[/{view}]" for view in cell.views)
    return f"{request.method} {path}{views}" + (f" ({cell.note})" if cell.note else "")


def _smallest(cell: Cell) -> bytes:
    if cell.data is None:
        return b""
    required = {field.encode_name: 1 for field in msgspec.structs.fields(cell.data) if field.required}
    return msgspec.json.encode(required)


def _cannot(kind: Kind, adapter: Adapter) -> str:
    noun = kind.value.partition(".")[0]
    same_noun = sorted(other.value for other in adapter.cells if other.value.startswith(f"{noun}."))
    if not same_noun:
        return f"{adapter.name} has no {noun} operation"
    return f"{adapter.name} has no {kind}; it has {', '.join(same_noun)}"


def _cart_problems(operation: Operation, adapter: Adapter) -> list[str]:
    given = operation.cart or operation.cart_id
    if operation.kind.of_account:
        return [f"cart: {operation.kind} asks about the whole shop and takes no cart"] if given else []
    if operation.kind is Kind.CART_CREATE and operation.cart_id and adapter.chosen_key is None:
        return [f"cart_id: {adapter.name} makes the key of a new cart itself; leave it out"]
    if operation.cart_id and len(operation.cart_id) > adapter.key_length:
        key = adapter.chosen_key or "key"
        return [f"cart_id: {len(operation.cart_id)} characters, but a {key} has {adapter.key_length} at the most"]
    if operation.kind is Kind.CART_CREATE:
        return []
    lonely_item = operation.kind.uses_item and operation.item_id and not adapter.item_needs_cart
    if not given and not lonely_item:
        return ["cart: missing; name the cart, or give the key of one that exists as cart_id"]
    return []


def _item_problems(operation: Operation, adapter: Adapter) -> list[str]:
    kind = operation.kind
    if kind.uses_item:
        if operation.item and operation.item_id:
            return ["item: give item or item_id, not both"]
        if not (operation.item or operation.item_id):
            return ["item: missing; name an item made earlier in this job, or give the platform's own id as item_id"]
        return []
    if operation.item_id:
        return [
            f"item_id: {kind} takes none: the platform makes it" if kind.makes_item else f"item_id: {kind} takes none"
        ]
    if operation.item and not (kind.makes_item and (kind is Kind.ITEM_ADD or adapter.create_adds_item)):
        hint = "; add the item with item.add" if kind is Kind.CART_CREATE else ""
        return [f"item: {adapter.name} {kind} works on the whole cart and takes no item{hint}"]
    return []
