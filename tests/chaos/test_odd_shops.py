"""Shops that say yes in forms nobody documents without acting, or act and say nothing that can be read.

Run from outside: a process of its own, a config, a job file, and bare shops over raw sockets.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bare_shops import Oddity, Shop, serving

PAGE = b"<!DOCTYPE html><html><head><title>Attention Required!</title></head><body>blocked</body></html>"
HTML = ("Content-Type: text/html",)
SAYINGS: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "204": {"status": 204},
    "empty object": {"body": b"{}"},
    "ok true": {"body": b'{"ok":true}'},
    "success": {"body": b'{"status":"success","message":"done"}'},
    "error in a 200": {"body": b'{"status":"error","code":500,"message":"Internal error"}'},
    "true": {"body": b"true"},
    "text": {"body": b"OK", "headers": ("Content-Type: text/plain",)},
    "page": {"body": PAGE, "headers": HTML},
    "firewall": {"status": 403, "body": PAGE, "headers": HTML},
    "gateway": {"status": 404, "body": b'{"message":"no Route matched with those values"}'},
    "elsewhere": {"status": 302, "headers": ("Location: https://www.shop.example/login",)},
    "another": {"body": b'[{"Key":"OrderKey","Value":"OTHER","Status":"200","Message":"Updated successfully"}]'},
    "another item": {"body": b'[{"Key":"CartItemID","Value":"99999","Status":"200","Message":"Updated"}]'},
    "another session": {"body": b'{"message":"Created","id":"7","session_id":"OTHER","code":201}'},
    "another line": {"body": b'{"cart":{"id":99999,"user_key":"OTHER","variant_id":11,"quantity":3}}'},
    "half": {"body": b'[{"Key":"OrderKey","Val'},
    "no answer": {"cut": True, "times": 2},
}
ODDITIES = [Oddity(name, acts, **saying) for name, saying in SAYINGS.items() for acts in (True, False)]

KEYS = {
    "3dcart": 'secure_url = "https://x.example"\nprivate_key = "a-made-up-key"\ntoken = "made-up"\nbase_url = "{at}"',
    "tray": 'access_token = "made-up-token"\napi_address = "{at}/web_api"',
    "shoplo": 'access_token = "made-up-token"\napp_id = "1"\nbase_url = "{at}"',
}
FIRST: Mapping[str, list[dict[str, Any]]] = {
    "3dcart": [
        {"op": "cart.create", "cart": "c", "data": {"BillingCity": "Miami"}},
        {"op": "item.add", "cart": "c", "item": "i", "data": {"CatalogID": "11", "ItemQuantity": "2"}},
    ],
    "tray": [{"op": "cart.create", "cart": "c", "data": {"product_id": "11", "quantity": "2"}}],
    "shoplo": [{"op": "cart.create", "cart": "c", "item": "i", "data": {"variant_id": "11", "quantity": "2"}}],
}
DISCOUNT = {"discount_type": "2", "discount_value": "30"}
OPERATIONS: Mapping[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("3dcart", "cart.update"): ("PUT Cart", {"data": {"BillingCity": "Tampa"}}),
    ("3dcart", "cart.delete"): ("DELETE Cart", {}),
    ("3dcart", "item.add"): ("POST Cart/Item#12", {"data": {"CatalogID": 12, "ItemQuantity": 3}}),
    ("3dcart", "item.update"): ("PUT Cart/Item", {"item": "i", "data": {"ItemQuantity": 3}}),
    ("3dcart", "item.delete"): ("DELETE Cart/Item", {"item": "i"}),
    ("tray", "cart.update"): ("PUT carts", {"data": {"email": "a@b.example"}}),
    ("tray", "cart.update shipping"): ("PUT carts#Shipping", {"data": {"Shipping": {"price": "16.81"}}}),
    ("tray", "cart.delete"): ("DELETE carts", {}),
    ("tray", "item.add"): ("POST carts#12", {"data": {"product_id": "12", "quantity": "3"}}),
    ("shoplo", "item.add"): ("POST carts#12", {"data": {"variant_id": "12", "quantity": "3"}}),
    ("shoplo", "item.update"): ("PUT carts", {"item": "i", "data": {"quantity": 3}}),
    ("shoplo", "item.delete"): ("DELETE carts", {"item": "i"}),
    ("shoplo", "cart.delete"): ("DELETE carts", {}),
    ("shoplo", "discount.set"): ("PUT carts_discount", {"item": "i", "data": DISCOUNT}),
    ("shoplo", "discount.delete"): ("DELETE carts_discount", {"item": "i"}),
}
DOCUMENTED = {("item.add", "another item")}
"""What is no oddity: a new item has an id that nobody knew."""

UNSEEN = {"cart.update shipping", "discount.set", "discount.delete"}
"""What no read shows."""


def shops_of(platform: str) -> dict[str, tuple[str, Shop]]:
    """A shop for each operation of the platform and each oddity, by account name."""
    found = {}
    for (name, operation), (route, _) in OPERATIONS.items():
        if name == platform:
            for number, oddity in enumerate(ODDITIES):
                if (operation, oddity.name) in DOCUMENTED:
                    continue
                account = f"{operation.replace(' ', '-').replace('.', '-')}-{number}"
                found[account] = (operation, Shop(platform, route, oddity))
    return found


async def results_of(folder: Path, platform: str, shops: Mapping[str, tuple[str, Shop]]) -> dict[str, dict[str, Any]]:
    """The result line of the odd operation in each shop, by account; nothing for a line that stayed open."""
    config, job = [], []
    async with serving({name: shop for name, (_, shop) in shops.items()}) as port:
        for name, (operation, _) in shops.items():
            own = KEYS[platform].format(at=f"http://127.0.0.1:{port}/{name}")
            config.append(f'[accounts.{name}]\nplatform = "{platform}"\nlimits = []\ntimeout = 20\n{own}\n')
            kind, more = operation.partition(" ")[0], OPERATIONS[platform, operation][1]
            last = {"op": kind, "cart": "c", "id": "odd", **more}
            job += [json.dumps({"account": name, **line}) for line in (*FIRST[platform], last)]
        (folder / "batchcart.toml").write_text("\n".join(config))
        (folder / "batchcart.toml").chmod(0o600)
        (folder / "job.jsonl").write_text("\n".join(job) + "\n")
        words = [sys.executable, "-m", "batchcart", "run", "job.jsonl", "-o", "out.jsonl", "--progress", "none"]
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        process = await asyncio.create_subprocess_exec(
            *words, "--patience", "1", cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode in {1, 3}, said.decode()
        assert b"Traceback" not in said, said.decode()
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [line for line in found if line.get("id") != "odd" and line["status"] != "ok"] == []
    return {line["account"]: line for line in found if line.get("id") == "odd"}


def is_done(operation: str, shop: Shop) -> bool:
    """Whether the shop holds what the operation asked for."""
    fields = [cart["fields"] for cart in shop.carts.values()]
    match operation:
        case "cart.update":
            return any(one.get("BillingCity") == "Tampa" or one.get("email") for one in fields)
        case "cart.delete" | "item.delete":
            return shop.lines() == {}
        case "item.add":
            return shop.lines().get("12") == [3]
        case "item.update":
            return shop.lines() == {"11": [3]}
        case _:
            return shop.done > 0


@pytest.mark.parametrize("platform", sorted(KEYS))
async def test_what_a_result_says_is_what_an_odd_shop_holds(tmp_path: Path, platform: str) -> None:
    shops = shops_of(platform)
    results = await results_of(tmp_path, platform, shops)
    wrong = []
    for name, (operation, shop) in shops.items():
        status = results[name]["status"] if name in results else "open"
        done, acts = is_done(operation, shop), shop.oddity.acts
        right = {
            "ok": done,
            "failed": not done,
            "in_doubt": operation in UNSEEN or not acts or not done,
            "open": True,
        }[status]
        once = operation != "item.add" or shop.lines().get("12", []) in ([], [3])
        settled = status == "ok" or not (acts and operation not in UNSEEN)
        believed = status == "ok" and operation in UNSEEN and shop.oddity.name != "no answer"
        if not (right and once and settled) or believed:
            wrong.append((operation, shop.oddity.name, acts, status, shop.lines(), results.get(name)))
    assert wrong == []
