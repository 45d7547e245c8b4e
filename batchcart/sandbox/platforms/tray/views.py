"""Owns the two views in which a simulated Tray shop shows a cart (S003); it does not know how one changes."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson

from batchcart.sandbox.reading import Readings
from batchcart.sandbox.shop import Document

_CENT = Decimal("0.01")


def as_lines(readings: Readings, key: str, cart: Document) -> bytes:
    """S003 §Consultar Dados do Carrinho: one ``Cart`` for each line."""
    lines = [_line(readings, key, cart["head"], line) for _, line in _in_order(readings, cart)]
    carts = [{"Cart": line} for line in lines]
    match readings["get_form"]:
        case "object" if len(carts) == 1:
            return orjson.dumps(carts[0])
        case "joined":
            return b",".join(map(orjson.dumps, carts))
        case "nested":
            return orjson.dumps({"Cart": lines})
        case _:
            return orjson.dumps(carts)


def _in_order(readings: Readings, cart: Document) -> Iterable[tuple[str, Document]]:
    lines = list(cart["items"].items())
    return reversed(lines) if readings["line_order"] == "newest" else lines


def cart_number(cart: Document) -> str:
    """The cart's own id, for shops whose ``id`` and ``cart_id`` mean the cart: 900 before that of its first line."""
    return f"900{min(map(int, cart['items']), default=0)}"


def number(readings: Readings, text: str) -> Any:
    """S003 has every value as text, and calls most of them numbers."""
    return orjson.Fragment(text) if readings["numbers"] == "numbers" else text


def _variant(readings: Readings, line: Document) -> Any:
    if line["variant_id"] == "0":
        return {"0": number(readings, "0"), "empty": "", "null": None}[readings["no_variant"]]
    return number(readings, line["variant_id"]) if line["variant_id"].isdigit() else line["variant_id"]


def _information(readings: Readings, line: Document) -> str | None:
    text: str = line["additional_information"]
    return None if readings["no_information"] == "null" and not text else text


def _empty(readings: Readings) -> Any:
    """What PHP makes of an object without fields."""
    return {"array": [], "object": {}, "null": None}[readings["empty_object"]]


def _line(readings: Readings, key: str, head: Document, line: Document) -> Document:
    product = line["product_id"]
    return {
        "email": head.get("email", ""),
        "variants_kit": head.get("variants_kit", ""),
        "additional_info_kit": head.get("additional_info_kit", ""),
        "session_id": key,
        "product_id": number(readings, product),
        "product_name": _name(product),
        "quantity": number(readings, line["quantity"]),
        "price": number(readings, line["price"]),
        "weight": number(readings, "1000"),
        "date": head.get("date", line["date"]),
        "variant_id": _variant(readings, line),
        "additional_information": _information(readings, line),
        "user_id": head.get("user_id", "0"),
        "customer_id": "0",
        "user_cod": head.get("user_cod", "0"),
        "hour": head.get("hour", line["hour"]),
        "product_url": _both("loja.commercesuite.com.br", f"produto-{product}"),
        "product_image": _image(product),
    }


def as_complete(readings: Readings, shop: str, key: str, cart: Document) -> Document:
    """S003 §Consultar Carrinho Completo: products and totals; PHP's [] stands for empty objects."""
    shipping = cart["shipping"]
    lines = cart["items"]
    total = sum((_sub_total(line) for line in lines.values()), Decimal(0)).quantize(_CENT)
    tax_name, tax_value = shipping.get("tax_name", ""), shipping.get("tax_value", "")
    store = shop or "loja"
    complete = {
        "session_id": key,
        "customer_id": "0",
        "previous_url": f"http://{store}.commercesuite.com.br",
        "progressive_discount": "0",
        "coupon_discount": "0",
        "order_discount": "0",
        "use_taxes": "1",
        "Products": [_product(readings, cart, *line) for line in _in_order(readings, cart)],
        "Store": {"id": "123123", "name": store, "url": f"https://{store}.commercesuite.com.br"},
        "Coupon": _empty(readings),
        "Extensions": {"AdditionalProductInfo": _additional(lines)},
        "partner_id": "",
        "partner_name": "",
        "tax_name": tax_name,
        "Tax": {"name": tax_name, "value": tax_value or "0"} if tax_name or tax_value else _empty(readings),
        "total": number(readings, str(total)),
        "sub_total": number(readings, str(total)),
    }
    return {"Cart": complete}


def _product(readings: Readings, cart: Document, line_id: str, line: Document) -> Document:
    product = line["product_id"]
    return {
        "id": number(readings, product),
        "quantity": number(readings, line["quantity"]),
        "price": number(readings, line["price"]),
        "variant_id": _variant(readings, line),
        "additional_information": _information(readings, line),
        "name": _name(product),
        "bought_together_id": "0",
        "cart_id": number(readings, cart_number(cart) if readings["cart_id"] == "cart" else line_id),
        "text_variant": "",
        "id_campaign": "",
        "PaymentMethodByProduct": [],
        "Category": {"id": "12", "name": "Blusas"},
        "ProductImage": [_image(product)],
        "url": _both("loja.commercesuite.com.br", f"produto-{product}"),
        "ncm": "0",
        "stock": "100",
        "available": "1",
        "brand": "",
        "Variant": _empty(readings),
        "can_be_wrapped": "1",
        "Tax": _empty(readings),
        "sub_total": number(readings, str(_sub_total(line).quantize(_CENT))),
    }


def _additional(lines: Document) -> list[Document]:
    return [
        {
            "product_id": line["product_id"],
            "product_name": _name(line["product_id"]),
            "variant_id": line["variant_id"],
            "information": line["additional_information"],
        }
        for line in lines.values()
        if line["additional_information"]
    ]


def _sub_total(line: Document) -> Decimal:
    return Decimal(line["price"]) * int(line["quantity"])


def _name(product: str) -> str:
    return f"Produto {product}"


def _image(product: str) -> dict[str, Any]:
    host = "images.tcdn.com.br/img/img_prod"
    thumbs = {size: _both(host, f"{size}_produto_{product}.jpg") for size in ("30", "90", "180")}
    return {**_both(host, f"produto_{product}.jpg"), "thumbs": thumbs}


def _both(host: str, path: str) -> dict[str, str]:
    return {scheme: f"{scheme}://{host}/{path}" for scheme in ("http", "https")}
