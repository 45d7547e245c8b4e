"""Owns what a newcomer to Tray is shown; it does not know where."""

from batchcart.model.adapter import Examples, SecretRef, Workload

EXAMPLES = Examples(
    account=(
        "loja",
        {
            "api_address": "https://loja.commercesuite.com.br/web_api",
            "access_token": SecretRef(env="LOJA_ACCESS_TOKEN"),
            "refresh_token": SecretRef(env="LOJA_REFRESH_TOKEN"),
        },
    ),
    job=(
        '{"op":"cart.create","cart":"c1","data":{"product_id":"10","quantity":1}}',
        '{"op":"item.add","cart":"c1","data":{"product_id":"11","quantity":2}}',
        '{"op":"cart.get","cart":"c1"}',
        '{"op":"cart.update","cart":"c1","data":{"email":"anna@example.com"}}',
        '{"op":"cart.delete","cart":"c1"}',
    ),
    workload=Workload(
        lambda product, quantity: {"data": {"product_id": product, "quantity": quantity}},
        lambda product, quantity: {"data": {"product_id": product, "quantity": quantity}},
        lambda quantity: {"op": "cart.update", "data": {"email": f"benchmark{quantity}@example.com"}},
    ),
)
