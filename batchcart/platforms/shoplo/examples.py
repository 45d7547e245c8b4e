"""Owns what a newcomer to Shoplo is shown; it does not know where."""

from batchcart.model.adapter import Examples, SecretRef, Workload

EXAMPLES = Examples(
    account=("sklep", {"auth": "bearer", "access_token": SecretRef(env="SKLEP_TOKEN"), "app_id": "1234"}),
    job=(
        '{"op":"cart.create","cart":"c1","item":"first","data":{"variant_id":54,"quantity":1}}',
        '{"op":"item.add","cart":"c1","item":"second","data":{"variant_id":55,"quantity":2}}',
        '{"op":"cart.get","cart":"c1"}',
        '{"op":"discount.set","cart":"c1","item":"first","data":{"discount_type":2,"discount_value":10}}',
        '{"op":"item.delete","cart":"c1","item":"second"}',
    ),
    workload=Workload(
        lambda product, quantity: {"data": {"variant_id": int(product), "quantity": quantity}},
        lambda product, quantity: {"data": {"variant_id": int(product), "quantity": quantity}},
        lambda quantity: {"op": "item.update", "item": "first", "data": {"quantity": quantity}},
        first_item=True,
    ),
)
