"""Owns what one platform says about one operation before anything is sent; it does not know other lines."""

import msgspec

from batchcart.model.adapter import NEW_CART, Adapter, CartContext, OperationSpec
from batchcart.model.errors import quote
from batchcart.model.http import Request
from batchcart.model.ids import id_problem
from batchcart.model.json_text import has_member
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.validation import field_names, validation_errors

_CREATE, _ADD = OperationKind.CART_CREATE, OperationKind.ITEM_ADD
_OF_ACCOUNT = tuple(kind for kind in OperationKind if kind.is_shop_wide)
_plain_query = msgspec.json.Decoder(dict[str, str | int | float | list[str]])
_ON_ITEM = tuple(kind for kind in OperationKind if kind.targets_item)


def validate(operation: Operation, adapter: Adapter, *, allow_unknown: bool = False) -> list[str]:
    """What is wrong with the operation on its platform, one sentence per problem."""
    spec = adapter.operations.get(operation.kind)
    if spec is None:
        return [f"op: {_cannot(operation.kind, adapter)}"]
    found = _cart_problems(operation, adapter) + _item_problems(operation, adapter)
    if operation.data or spec.data_schema is not None:
        found += _data_problems(operation, spec, adapter, allow_unknown=allow_unknown)
    if operation.query:
        found += _query_problems(operation, spec, adapter, allow_unknown=allow_unknown)
    if operation.view is not None and operation.view not in spec.views:
        takes = " or ".join(f'"{view}"' for view in spec.views)
        found.append(f"view: {adapter.name} {operation.kind} takes {takes or 'none'}, found {quote(operation.view)}")
    # Where every field is in a table, a request can be built (a test builds from all tables). The others are tried.
    if allow_unknown and not found:
        preview_request(operation, adapter)
    return found


def cart_key(operation: Operation, adapter: Adapter) -> tuple[str | None, list[str]]:
    """The cart's own key where the line gives one, as cart_id or in data, and what is wrong with what data gives."""
    name, data = adapter.keys.cart, operation.data
    if not adapter.keys.client_chooses or not data or not has_member(data, name):
        return operation.cart_id, []
    inside = msgspec.json.decode(data).get(name)
    if not isinstance(inside, str):
        return operation.cart_id, []
    if inside and (problem := id_problem(inside, f"a {name}", len(inside))):  # its length is the table's to say
        return inside, [f"data.{name}: {problem}"]
    if operation.cart_id not in {None, inside}:
        return operation.cart_id, [f"cart_id: {quote(operation.cart_id or '')} contradicts data.{name} {inside!r}"]
    return inside, []


def preview_request(operation: Operation, adapter: Adapter) -> Request:
    """The operation's write, or its first request, with placeholders for what only a shop can tell."""
    made = operation.kind is _CREATE and operation.cart_id is None
    known = _placeholders(None if made else operation.cart_id or "{cart_id}", operation.item)
    return adapter.operations[operation.kind].build(operation, known)


def _placeholders(cart_id: str | None, item: str | None) -> CartContext:
    return CartContext(cart_id, "{new_key}", {item: "{item_id}"} if item else {}, NEW_CART)


def _data_problems(operation: Operation, spec: OperationSpec, adapter: Adapter, *, allow_unknown: bool) -> list[str]:
    if spec.data_schema is None:
        return [f"data: {adapter.name} {operation.kind} takes no data"]
    if operation.data:
        found = validation_errors(operation.data, spec.data_schema, "data", allow_unknown=allow_unknown)
    else:
        found = validation_errors(b"{}", spec.data_schema, "data") if spec.data_required else []
    if not found and spec.data_required and not operation.data.strip(b" \t\r{}"):
        return [f"data: {operation.kind} needs at least one field; it has {', '.join(field_names(spec.data_schema))}"]
    return found


def describe_route(kind: OperationKind, adapter: Adapter) -> str:
    """The cell of the operations table, such as "PUT /carts/{cart_id}"; "–" where there is none."""
    spec = adapter.operations.get(kind)
    if spec is None:
        return "–"
    request = preview_request(Operation(0, kind, "", cart="c", item="i", data=_smallest(spec)), adapter)
    path = request.path.replace("%7B", "{").replace("%7D", "}")
    views = "".join(f"[/{view}]" for view in spec.views)
    return f"{request.method} {path}{views}" + (f" ({spec.note})" if spec.note else "")


def _smallest(spec: OperationSpec) -> bytes:
    if spec.data_schema is None:
        return b""
    required = {field.encode_name: 1 for field in msgspec.structs.fields(spec.data_schema) if field.required}
    return msgspec.json.encode(required)


def _query_problems(operation: Operation, spec: OperationSpec, adapter: Adapter, *, allow_unknown: bool) -> list[str]:
    if spec.query_schema is None:
        return [f"query: {adapter.name} {operation.kind} takes no query"]
    found = validation_errors(operation.query, spec.query_schema, "query", allow_unknown=allow_unknown)
    if found or not allow_unknown:
        return found
    try:
        _plain_query.decode(operation.query)
    except msgspec.ValidationError:
        return ["query: an address holds texts, numbers and arrays of texts, nothing else"]
    return []


def _cannot(kind: OperationKind, adapter: Adapter) -> str:
    noun = kind.value.partition(".")[0]
    same_noun = sorted(other.value for other in adapter.operations if other.value.startswith(f"{noun}."))
    if not same_noun:
        return f"{adapter.name} has no {noun} operation"
    return f"{adapter.name} has no {kind}; it has {', '.join(same_noun)}"


def _cart_problems(operation: Operation, adapter: Adapter) -> list[str]:
    kind, cart_id = operation.kind, operation.cart_id
    if kind in _OF_ACCOUNT:
        given = operation.cart or cart_id
        return [f"cart: {kind} asks about the whole shop and takes no cart"] if given else []
    if cart_id is not None:
        return _key_problems(cart_id, kind, adapter)
    if operation.cart or kind is _CREATE or (operation.item_id and not adapter.item_needs_cart):
        return []
    return ["cart: missing; name the cart, or give the key of one that exists as cart_id"]


def _key_problems(cart_id: str, kind: OperationKind, adapter: Adapter) -> list[str]:
    if kind is _CREATE and not adapter.keys.client_chooses:
        return [f"cart_id: {adapter.name} creates the key of a new cart itself; leave it out"]
    problem = id_problem(cart_id, f"a {adapter.keys.cart}", adapter.keys.max_length)
    return [f"cart_id: {problem}"] if problem else []


def _item_problems(operation: Operation, adapter: Adapter) -> list[str]:
    kind, item, item_id = operation.kind, operation.item, operation.item_id
    if item is None and item_id is None:
        if kind in _ON_ITEM:
            return ["item: missing; name an item created earlier in this job, or give the platform's own id as item_id"]
        return []
    if kind in _ON_ITEM:
        if item and item_id:
            return ["item: give item or item_id, not both"]
        return _item_id_problems(item_id) if item_id else []
    if item_id:
        because = ": the platform creates it" if kind.creates_item else ""
        return [f"item_id: {kind} takes none{because}"]
    if not (kind is _ADD or (kind is _CREATE and adapter.create_adds_item)):
        hint = "; add the item with item.add" if kind is _CREATE else ""
        return [f"item: {adapter.name} {kind} works on the whole cart and takes no item{hint}"]
    return []


def _item_id_problems(item_id: str) -> list[str]:
    problem = id_problem(item_id, "an id")
    return [f"item_id: {problem}"] if problem else []
