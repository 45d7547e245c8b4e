"""Owns a test's shops and its command line: a simulator in a thread, and batchcart as a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fork_server
import pytest

from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.messages import Call
from batchcart.sandbox.server import Sandbox

Line = dict[str, Any]
Platform = dict[str, str]
PLATFORMS: Platform = {"acme": "3dcart", "loja": "tray", "sklep": "shoplo"}
"""The account names of a test's config, each with its platform."""

KEYS: Mapping[str, Mapping[str, Any]] = {
    "3dcart": {"secure_url": "https://acme.example.com", "private_key": "a-private-key", "token": "a-token-of-3dcart"},
    "tray": {"access_token": "an-access-token", "refresh_token": "a-refresh-token"},
    "shoplo": {"auth": "bearer", "access_token": "a-bearer-token", "app_id": "1234"},
}
SAMPLE_ITEMS = {
    "acme": {"CatalogID": 5, "ItemQuantity": 2},
    "loja": {"product_id": "5", "quantity": 2},
    "sklep": {"variant_id": 5, "quantity": 2},
}
"""What a line's data says to add two of something."""


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    code: int
    out: str
    err: str

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy answer of ``what``, asked again and again; so long that only what never comes is missed."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
    return found


def lines_until(process: "subprocess.Popen[str]", last: Callable[[str], bool]) -> list[str]:
    """What the process prints up to and with the line that is the ``last``; it fails with them if it ends before."""
    assert process.stdout is not None
    printed: list[str] = []
    for text in process.stdout:
        printed.append(text)
        if last(text):
            return printed
    raise AssertionError(f"{process.args!r} ended with exit code {process.wait()} at its start: {''.join(printed)}")


@dataclass
class ShopServer:
    """Simulated shops without limits; ``hooks`` decide by platform and shop what a call meets."""

    sandbox: Sandbox = field(init=False)
    hooks: dict[str, Callable[[Call], str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(limits=dict.fromkeys(KEYS, ()), hook=self._hook, delay=(0.3, 0.3))

    def _hook(self, call: Call) -> str | None:
        found = self.hooks.get(f"{call.platform}/{call.shop}")
        return found(call) if found else None


@contextmanager
def serving(sandbox: Sandbox) -> Iterator[None]:
    """The sandbox, served by a thread of its own."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with sandbox.serving():
            ready.set()
            await stop.wait()

    with closing(loop), ThreadPoolExecutor(1) as thread:
        served = thread.submit(loop.run_until_complete, serve())
        until(lambda: ready.is_set() or served.done(), 60)
        if served.done():
            served.result()  # it raises why there is no sandbox
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            served.result()


@contextmanager
def open_shop_server() -> Iterator[ShopServer]:
    shop_server = ShopServer()
    with serving(shop_server.sandbox):
        yield shop_server


def environment(folder: Path) -> dict[str, str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}


def argv(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "batchcart", *map(str, words)]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except FileNotFoundError:
        return []
    return [int(word) for words in found for word in words]


def pids_below(pid: int) -> set[int]:
    """The processes that a process has started, and those that these did."""
    own = children(pid)
    return {*own}.union(*map(pids_below, own))


def batchcart(*words: str | Path, folder: Path, given: bytes = b"", code: int | None = None) -> Ended:
    """Run the command in ``folder`` to its end; it never shows a traceback."""
    ended = Ended(*fork_server.run(list(map(str, words)), folder, environment(folder), given, 60))
    assert "Traceback" not in ended.err, ended.err
    assert code is None or ended.code == code, (ended.code, ended.out, ended.err)
    return ended


def side_by_side(todo: Sequence[tuple[Path, Sequence[str]]]) -> list[Ended]:
    """Run command lines, each in its folder, some at a time: for many that wait."""
    with ThreadPoolExecutor(6) as some:
        return list(some.map(lambda one: batchcart(*one[1], folder=one[0]), todo))


_IN_TURN = """
import json, os, sys
from batchcart.cli import main

for folder, words in json.load(sys.stdin):
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["batchcart", *words]
    try:
        main()
    except SystemExit as ended:
        open("code", "w").write(str(ended.code))
    sys.stdout.flush()
"""


def in_turn(todo: Sequence[tuple[Path, Sequence[str]]], folder: Path) -> list[Ended]:
    """Run command lines, each in its folder, by one process: for many that end soon. They leave out, err and code."""
    given = json.dumps([(str(place), words) for place, words in todo])
    command = [sys.executable, "-c", _IN_TURN]
    subprocess.run(command, env=environment(folder), input=given, text=True, timeout=100, check=True)
    read = [[(place / name).read_text() for name in ("code", "out", "err")] for place, _ in todo]
    return [Ended(int(code), out, err) for code, out, err in read]


def entry_text(account: str, keys: Mapping[str, Any]) -> str:
    """An account in the words of the config file."""
    return "\n".join([f"[accounts.{account}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])


@dataclass(frozen=True)
class Cli:
    """A folder with a config, whose accounts acme, loja and sklep are shops that nobody else uses."""

    folder: Path
    shop_server: ShopServer
    shop: str

    def endpoint(self, account: str, shop: str | None = None) -> ShopEndpoint:
        return self.shop_server.sandbox.shop(PLATFORMS[account], self.shop if shop is None else shop)

    def entry(self, account: str, *, platform: str, shop: str, **keys: Any) -> str:
        """An account in the words of the config file; a key given as None is left out."""
        place = {"api_address" if platform == "tray" else "base_url": self.shop_server.sandbox.address(platform, shop)}
        all_keys = {"platform": platform, **KEYS[platform], **place, "limits": [], "timeout": 30, **keys}
        given = {key: value for key, value in all_keys.items() if value is not None}
        return entry_text(account, given)

    def configure(self, *more: str, **keys: Mapping[str, Any]) -> None:
        """Write the config: the three accounts, each with the keys given under its name, and ``more`` entries."""
        own = [
            self.entry(account, **{"platform": platform, "shop": self.shop, **keys.get(account, {})})
            for account, platform in PLATFORMS.items()
        ]
        (self.folder / "batchcart.toml").write_text("\n".join([*own, *more]) + "\n")

    def job(self, lines: Sequence[Line], name: str = "job.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def hook(self, account: str, decide: str | Callable[[Call], str | None]) -> None:
        """What the account's calls meet from now on: one kind of fault, "" for none, or what a function decides."""
        self.shop_server.hooks[f"{PLATFORMS[account]}/{self.shop}"] = (
            decide if callable(decide) else lambda _call: decide
        )

    def run(self, *words: str | Path, code: int | None = None, given: bytes = b"", job: str = "job.jsonl") -> Ended:
        return batchcart("run", job, "--progress", "none", *words, folder=self.folder, code=code, given=given)

    @contextmanager
    def started(self, *words: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
        """The command under way; it is killed at the end of the block if it is still alive."""
        with subprocess.Popen(
            argv(*words), cwd=self.folder, env=environment(self.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def results(self, name: str = "job.results.jsonl") -> list[Line]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def statuses(self, name: str = "job.results.jsonl") -> dict[int, str]:
        """Each line's status; asserts that no line has two results."""
        found = self.results(name)
        assert len({result["line"] for result in found}) == len(found)
        return {result["line"]: result["status"] for result in sorted(found, key=lambda result: result["line"])}

    def requests(self) -> int:
        """How many requests its shops saw, those dropped at the door included."""
        saw = [self.endpoint(account).saw for account in PLATFORMS]
        return sum(sum(one.requests.values()) + one.turned_away + one.faults["refuse"] for one in saw)


def open_cli(shop_server: ShopServer, folder: Path) -> Cli:
    """A command line with its config in ``folder``, whose name names the shops."""
    made = Cli(folder, shop_server, folder.name)
    made.configure()
    return made


def open_cli_here(shop_server: ShopServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A command line whose folder is this process's own, with the state of accounts in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.chdir(folder)
    return open_cli(shop_server, folder)


def line(account: str, op: str, cart: str = "c1", **keys: Any) -> Line:
    return {"op": op, "account": account, "cart": cart, **keys}


def create(account: str, cart: str = "c1", **keys: Any) -> Line:
    """A line that makes a cart; on Tray and Shoplo with its first item."""
    data = {"BillingFirstName": cart} if account == "acme" else SAMPLE_ITEMS[account]
    return {**line(account, "cart.create", cart), "data": data, **keys}


def new_carts(account: str, count: int) -> list[Line]:
    return [create(account, f"c{number}") for number in range(count)]


def add(account: str, cart: str = "c1", **keys: Any) -> Line:
    return {**line(account, "item.add", cart), "data": SAMPLE_ITEMS[account], **keys}


def get(account: str, cart: str = "c1") -> Line:
    return line(account, "cart.get", cart)
