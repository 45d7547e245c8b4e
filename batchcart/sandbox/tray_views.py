"""Owns the two forms in which a simulated Tray shop shows a cart (S003); it does not know how one changes."""

from decimal import Decimal
from typing import Any

from batchcart.sandbox.shop import Document

_CENT = Decimal("0.01")


def as_lines(key: str, cart: Document) -> list[Document]:
    """S003 §Consultar Dados do Carrinho: one ``Cart`` for each line."""
    return [{"Cart": _line(key, cart["head"], line)} for line in cart["items"].values()]


def _line(key: str, head: Document, line: Document) -> Document:
    product = line["product_id"]
    return {
        "email": head.get("email", ""),
        "variants_kit": head.get("variants_kit", ""),
        "additional_info_kit": head.get("additional_info_kit", ""),
        "session_id": key,
        "product_id": product,
        "product_name": _name(product),
        "quantity": line["quantity"],
        "price": line["price"],
        "weight": "1000",
        "date": head.get("date", line["date"]),
        "variant_id": line["variant_id"],
        "additional_information": line["additional_information"],
        "user_id": head.get("user_id", "0"),
        "customer_id": "0",
        "user_cod": head.get("user_cod", "0"),
        "hour": head.get("hour", line["hour"]),
        "product_url": _both("loja.commercesuite.com.br", f"produto-{product}"),
        "product_image": _image(product),
    }


def as_complete(shop: str, key: str, cart: Document) -> Document:
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
        "Products": [_product(number, line) for number, line in lines.items()],
        "Store": {"id": "123123", "name": store, "url": f"https://{store}.commercesuite.com.br"},
        "Coupon": [],
        "Extensions": {"AdditionalProductInfo": _additional(lines)},
        "partner_id": "",
        "partner_name": "",
        "tax_name": tax_name,
        "Tax": {"name": tax_name, "value": tax_value or "0"} if tax_name or tax_value else [],
        "total": str(total),
        "sub_total": str(total),
    }
    return {"Cart": complete}


def _product(number: str, line: Document) -> Document:
    product = line["product_id"]
    return {
        "id": product,
        "quantity": line["quantity"],
        "price": line["price"],
        "variant_id": line["variant_id"],
        "additional_information": line["additional_information"],
        "name": _name(product),
        "bought_together_id": "0",
        "cart_id": number,
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
        "Variant": [],
        "can_be_wrapped": "1",
        "Tax": [],
        "sub_total": str(_sub_total(line).quantize(_CENT)),
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
