"""Owns what a newcomer to 3dcart is shown; it does not know where."""

from batchcart.model.adapter import Examples, SecretRef, Workload

EXAMPLES = Examples(
    account=(
        "acme",
        {
            "secure_url": "https://acme.3dcartstores.com",
            "private_key": SecretRef(env="ACME_PRIVATE_KEY"),
            "token": SecretRef(env="ACME_TOKEN"),
        },
    ),
    job=(
        '{"op":"cart.create","cart":"c1","data":{"BillingFirstName":"Anna"}}',
        '{"op":"item.add","cart":"c1","item":"i1","data":{"CatalogID":123,"ItemQuantity":2}}',
        '{"op":"cart.get","cart":"c1"}',
        '{"op":"item.update","cart":"c1","item":"i1","data":{"ItemQuantity":3}}',
        '{"op":"cart.delete","cart":"c1"}',
    ),
    workload=Workload(
        lambda _product, quantity: {"data": {"BillingFirstName": f"Benchmark {quantity}"}},
        lambda product, quantity: {"data": {"CatalogID": int(product), "ItemQuantity": quantity}},
        lambda quantity: {"op": "cart.update", "data": {"ShipmentCity": f"City {quantity}"}},
    ),
)
