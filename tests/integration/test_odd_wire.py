"""Shops that answer odd bodies, oddly framed, over real sockets: no command breaks, and no other account notices."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_harness import PLATFORMS, Cli, ShopServer, batchcart, create, get, open_cli, side_by_side
from neutral_carts import varied, write_carts, write_map
from oddities import BROKEN, VALUES, WIRES, Wire, plainly

from batchcart.model.excerpt import MOST_SHOWN

GOOD = {
    "3dcart": b'[{"Key":"OrderKey","Value":"K1","Status":"201","Message":"Created successfully"}]',
    "tray": b'{"message":"Created","id":"1","code":201,"session_id":"s1"}',
    "shoplo": b'{"cart":{"id":1,"user_key":"k","variant_id":5,"quantity":2}}',
}
NAMES = sorted(PLATFORMS.values())
HEAVY = {
    "far beyond a double, in an object": b'{"x":1e99999999999999999999}',
    "a count beyond a double": b'{"count":1e400}',
    "a MiB of arrays": b"[" + b"[]," * (1 << 20) + b"1]",
    "a MiB of quotes": b'{"""' * (1 << 18),
    "a MiB of levels": b"[" * (1 << 20),
}


def _bodies() -> dict[str, Wire]:
    """Each odd body, sent as HTTP wants it."""
    odd = {**BROKEN, **{name: value.encode() for name, value in VALUES.items()}, **HEAVY}
    return {name: lambda status, _body, body=body: (plainly(status, body), False) for name, body in odd.items()}  # type: ignore[misc]


@contextmanager
def _odd_shops(wires: list[Wire]) -> Iterator[int]:
    """A server whose answer hangs on the number that a path begins with; its port."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                number = int(head.split(b"/", 2)[1].split(b"-")[0])
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                raw, closes = wires[number](200, GOOD[NAMES[number % 3]])
                writer.write(raw)
                await writer.drain()
                if closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _configure(shop: Cli, wires: list[Wire], port: int) -> list[dict[str, object]]:
    """An account for each odd shop; the job's lines: one cart at each of them, and several at the others."""
    entries, lines = [], []
    for number in range(len(wires)):
        platform = NAMES[number % 3]
        place = {"api_address" if platform == "tray" else "base_url": f"http://127.0.0.1:{port}/{number}-shop"}
        keys = {**place, "timeout": 1, "allow_bench": True}
        entries.append(shop.entry(f"odd{number}", platform=platform, shop="x", **keys))
        account = next(name for name, of in PLATFORMS.items() if of == platform)
        lines += [{**create(account), "account": f"odd{number}"}, {**get(account), "account": f"odd{number}"}]
    shop.configure(*entries)
    for number in range(20):
        lines += [create(account, f"c{number}") for account in PLATFORMS]
    return lines


@pytest.mark.parametrize(("kind", "processes"), [("wires", "1"), ("bodies", "1"), ("bodies", "2")])
def test_odd_shops_break_no_command_and_no_other_account(
    kind: str, processes: str, shop_server: ShopServer, tmp_path: Path
) -> None:
    shop = open_cli(shop_server, tmp_path)
    wires = list((WIRES if kind == "wires" else _bodies()).values())
    with _odd_shops(wires) as port:
        shop.job(_configure(shop, wires, port))
        ended = shop.run("--patience", "0.001", "--json", "--processes", processes)
        assert ended.code in {1, 3}, ended.err
        assert "a fault of its own" not in ended.err
        figures = ended.figures
        assert (
            sum(figures[name] for name in ("ok", "failed", "skipped", "in_doubt", "not_attempted")) == figures["lines"]
        )
        for account in PLATFORMS:
            assert figures["accounts"][account]["ok"] == 20, figures["accounts"][account]
        for result in shop.results():
            assert len(result.get("error", {}).get("message", "").encode()) <= MOST_SHOWN
            assert len(result.get("error", {}).get("body", "").encode()) <= MOST_SHOWN
            assert all(len(result.get(key) or "") <= 200 for key in ("cart_id", "item_id"))
        for words in (("status", "job.results.jsonl", "--json"), ("report", "job.results.jsonl")):
            assert batchcart(*words, folder=tmp_path).code in {0, 1, 3}
        settled = batchcart("settle", "job.results.jsonl", folder=tmp_path)
        assert settled.code in {0, 1, 2, 3}, settled.err
        undone = batchcart("undo", "job.results.jsonl", "-o", "undo.jsonl", folder=tmp_path)
        assert undone.code in {0, 1, 2, 3}, undone.err
        for line in (tmp_path / "job.results.jsonl").read_bytes().splitlines():
            json.loads(line)


@pytest.mark.parametrize("kind", ["wires", "bodies"])
def test_doctor_tells_of_odd_shops_in_sentences(kind: str, shop_server: ShopServer, tmp_path: Path) -> None:
    shop = open_cli(shop_server, tmp_path)
    wires = list((WIRES if kind == "wires" else _bodies()).values())[::3]
    with _odd_shops(wires) as port:
        _configure(shop, wires, port)
        examined = batchcart("doctor", folder=tmp_path)
    assert examined.code in {0, 1}, examined.err
    assert "loja" in examined.out
    assert max(len(line) for line in examined.out.splitlines()) < 2 * MOST_SHOWN


_PLACE = {"3dcart": "--base-url", "tray": "--address", "shoplo": "--base-url"}
_KEYS = {
    "3dcart": ["--address", "https://a.example", "--private-key", "file:secret", "--token", "file:secret"],
    "tray": ["--access-token", "file:secret"],
    "shoplo": ["--auth", "bearer", "--access-token", "file:secret", "--app-id", "1"],
}


def _reading(command: str, number: int, platform: str, folder: Path, port: int) -> list[str]:
    """A command line that reads the odd shop of that number, from a folder of its own."""
    config = ("--config", str(folder.parent / "batchcart.toml"))
    match command:
        case "init":
            (folder / "secret").write_text("a-secret-of-init")
            (folder / "secret").chmod(0o600)
            place = f"http://127.0.0.1:{port}/{number}-shop"
            return ["init", "--platform", platform, "--account", "neu", *_KEYS[platform], _PLACE[platform], place]
        case "export":
            (folder / "keys.txt").write_text("6F027F81ggx48to\n")
            words = ["export", f"odd{number}", "-o", "carts.jsonl", "--patience", "0.001", *config]
            return words if platform == "shoplo" else [*words, "--from", "keys.txt"]
        case "bench":
            words = ["bench", "--account", f"odd{number}", "--product", "5", "--carts", "2", "--progress", "none"]
            return [*words, "--mix", "create=1,add=1,get=1,delete=1", *config]
        case _:
            write_carts(folder / "carts.jsonl", varied(1))
            write_map(folder / "map.csv", "elsewhere", platform)
            made = {"line": 1, "account": f"odd{number}", "platform": platform, "op": "cart.create", "cart": "cart-0"}
            made |= {"status": "ok", "cart_id": "6F027F81ggx48to"}
            (folder / "moved.results.jsonl").write_text(json.dumps(made) + "\n")
            words = ["verify", "carts.jsonl", "moved.results.jsonl", "--map", "map.csv", "--patience", "0.001"]
            return [*words, *config]


def _some_of_all(count: int) -> list[int]:
    """Each eleventh body, so that every platform has its turns, and the heavy ones."""
    return [*range(0, count - len(HEAVY), 11), *range(count - len(HEAVY), count)]


@pytest.mark.parametrize("command", ["export", "verify", "init", "bench"])
def test_a_command_that_reads_an_odd_shop_ends_in_sentences(
    command: str, shop_server: ShopServer, tmp_path: Path
) -> None:
    shop = open_cli(shop_server, tmp_path)
    wires = list(_bodies().values())
    todo = []
    with _odd_shops(wires) as port:
        _configure(shop, wires, port)
        # A benchmark has no patience to set: bodies that are cut off look like a shop that is down, and it would wait.
        some = range(len(BROKEN), len(wires) - len(HEAVY), 11) if command == "bench" else _some_of_all(len(wires))
        for number in some:
            folder = tmp_path / f"{number}"
            folder.mkdir()
            todo.append((folder, _reading(command, number, NAMES[number % 3], folder, port)))
        for (folder, words), ended in zip(todo, side_by_side(todo), strict=True):
            assert ended.code in {0, 1, 3}, (words, ended)
            assert "Traceback" not in ended.err
            assert "a fault of its own" not in ended.out + ended.err, (words, ended)
            assert len(ended.out + ended.err) < 3 * MOST_SHOWN, folder


@pytest.mark.parametrize(
    "name", ["half an emoji", "far beyond a double", "10,000 digits", "60 levels", "a whole emoji"]
)
def test_an_export_of_a_shop_with_odd_rows_is_whole_and_converts(
    name: str, shop_server: ShopServer, tmp_path: Path
) -> None:
    shop = open_cli(shop_server, tmp_path)
    row = json.dumps({"id": 1, "user_key": "key1", "variant_id": 5, "product_id": 5, "quantity": 2, "odd": "@here@"})
    body = f'{{"carts":[{row}]}}'.replace('"@here@"', VALUES[name]).encode()
    with _odd_shops([lambda _status, _body: (plainly(200, body), False)]) as port:
        entry = shop.entry("odd", platform="shoplo", shop="x", base_url=f"http://127.0.0.1:{port}/0-shop")
        shop.configure(entry)
        exported = batchcart("export", "odd", "-o", "carts.jsonl", folder=tmp_path)
        assert exported.code == 0, exported.err
    (tmp_path / "map.csv").write_text("source_product,source_variant,target_product,target_variant\n5,5,7,\n")
    words = ("convert", "carts.jsonl", "--to", "loja", "--map", "map.csv", "-o", "moved.jsonl")
    assert batchcart(*words, folder=tmp_path).code == 0
    assert len((tmp_path / "moved.jsonl").read_text().splitlines()) == 1
