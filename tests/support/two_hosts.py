"""Owns one run on two hosts: at the near one hub, shops and the hub's own seats, at the far one seats that come to it.

The hosts are two networks with a cable between them. Whoever starts the far seats starts them again when they end, as a
service manager does.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kill_storm
from cable import NEAR, Network, network
from certificates import open_authority
from cli_harness import KEYS, argv, children, entry_text, lines_until

from batchcart.sandbox.routing import address

HUB = 7333
"""The port of the hub."""

_SANDBOX = """
from batchcart.cli import main
from batchcart.sandbox import server

server.HOST = %r
main()
"""
_FETCH = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"
FAULTS = ("reset-after=0.04", "reset-before=0.03", "500=0.03", "delay=0.1", "truncate=0.02", "hang-after=0.01")
"""Resets, errors, slow answers and lost ones."""

_AGAIN = 1.0  # seconds between two starts of a far seat


@dataclass
class Place:
    """Where one far seat after the other sits."""

    process: "subprocess.Popen[bytes]"
    began: float


@dataclass
class TwoHosts:
    """The run, its shops at ``origin`` and its seats; ``near`` seats are the hub's own."""

    net: Network
    folder: Path
    lines: list[kill_storm.Line]
    origin: str
    tls: list[str]
    near: int = 0
    words: Sequence[str] = ()
    far: list[Place] = field(default_factory=list)
    hub: "subprocess.Popen[bytes] | None" = None
    starts: int = 0

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    @property
    def shops_port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def begin(self, *words: str, near: int = 2, far: int = 2) -> None:
        """Start the run and so many seats at both hosts."""
        self.near, self.words = near, words
        self.start_hub()
        self.far = [Place(self._start_seat(), time.monotonic()) for _ in range(far)]

    def start_hub(self) -> None:
        seats = [f"--processes={self.near}"] if self.near else []
        words = ["run", "job.jsonl", "-o", "results.jsonl", "--progress=none", "--stop-after=0", *self.words, *seats]
        self.hub = self.start(self.net.near, "hub", *argv(*words, f"--seats-at={NEAR}:{HUB}", *self.tls))
        self.starts += 1

    def keep_seats(self) -> None:
        """Start again the far seats that ended, but not too often."""
        for place in self.far:
            if place.process.poll() is not None and time.monotonic() - place.began > _AGAIN:
                place.process, place.began = self._start_seat(), time.monotonic()

    def start(self, where: int, name: str, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command at one of the hosts; what it says goes to a file of that name."""
        environment = kill_storm.environment_of(self.folder)
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self.net.within(where, *words), cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def near_seats(self) -> list[int]:
        """The pids of the hub's own seats."""
        assert self.hub is not None
        return children(self.hub.pid)

    def far_seats(self) -> list[int]:
        return [place.process.pid for place in self.far if place.process.poll() is None]

    def said(self, name: str = "hub") -> str:
        return (self.folder / f"{name}.log").read_text()

    def is_over(self) -> bool:
        assert self.hub is not None
        return self.hub.poll() is not None

    def count(self) -> int:
        """How many lines have ended."""
        return kill_storm.written(self.results, "SELECT count(*) FROM result")

    def look(self, what: str) -> dict[str, Any]:
        """What the shops have to say, ``state`` or ``counters``."""
        fetch = self.net.within(self.net.near, sys.executable, "-c", _FETCH, f"{self.origin}/sandbox/{what}")
        found: dict[str, Any] = json.loads(subprocess.run(fetch, check=True, capture_output=True).stdout)
        return found

    def until(self, what: Callable[[], Any], seconds: float = 60.0) -> None:
        """Keep the seats until ``what`` is so."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.said()[-4000:]
            self.keep_seats()
            time.sleep(0.05)

    def wait(self, seconds: float = 240.0) -> int:
        """Keep the seats until the hub has ended; its exit code."""
        self.until(self.is_over, seconds)
        assert self.hub is not None
        return self.hub.wait()

    def _start_seat(self) -> "subprocess.Popen[bytes]":
        return self.start(self.net.far, "seats", *argv("seat", f"{NEAR}:{HUB}", *self.tls))


@contextmanager
def two_hosts(
    folder: Path,
    *,
    seed: int,
    carts: int,
    shops: int = 3,
    faults: Sequence[str] = FAULTS,
    limit: str = "",
    timeout: float = 3,
) -> Iterator[TwoHosts]:
    """A job over so many shops of each platform, which are there; its run is to be begun, and ends with the block."""
    names = [f"local-{platform}-s{number}" for number in range(shops) for platform in KEYS]
    lines = kill_storm.job(seed, carts, names)
    kill_storm.write(lines, folder / "job.jsonl")
    authority = open_authority(folder / "authority")
    pair = authority.sign("node", f"IP:{NEAR}")
    with network("iptables") as net, _open_shops(net, folder, faults, limit, seed) as origin:
        (folder / "batchcart.toml").write_text(_config(origin, names, limit, timeout))
        tls = [f"--tls-ca={authority.certificate}", f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}"]
        hosts = TwoHosts(net, folder, lines, origin, tls)
        try:
            yield hosts
        finally:
            for process in (hosts.hub, *(place.process for place in hosts.far)):
                if process is not None:
                    process.kill()
                    process.wait()


@contextmanager
def _open_shops(net: Network, folder: Path, faults: Sequence[str], limit: str, seed: int) -> Iterator[str]:
    """The shops at the near host, in a process of their own; gives their origin."""
    options = [part for fault in faults for part in ("--fault", fault)]
    options += [part for platform in KEYS for part in ("--limit", f"{platform}={limit}")]
    words = [sys.executable, "-c", _SANDBOX % NEAR, "sandbox", "--port", "0", "--seed", str(seed), *options]
    with subprocess.Popen(
        net.within(net.near, *words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed = "".join(lines_until(process, lambda line: line.startswith("Ctrl-C")))
            yield printed.partition(", on ")[2].partition(";")[0]
        finally:
            process.kill()


def _config(origin: str, names: Sequence[str], limit: str, timeout: float) -> str:
    entries = []
    for name in names:
        platform, shop = kill_storm.place(name)
        at = "api_address" if platform == "tray" else "base_url"
        keys = {**KEYS[platform], "platform": platform, at: address(origin, platform, shop), "insecure": True}
        keys |= {"timeout": timeout, "limits": [limit] if limit else []}
        entries.append(entry_text(name, keys))
    return "\n".join(entries) + "\n"


# What came of it


@dataclass
class Figures:
    """What befell a run, and what came of it."""

    lines: int = 0
    twice: int = 0
    lost: int = 0
    doubts: int = 0
    starts: int = 0
    faults: list[str] = field(default_factory=list)


def look_at(hosts: TwoHosts) -> Figures:
    """Count what the shops hold against what the results say."""
    found, state, counters = kill_storm.results(hosts.results), hosts.look("state"), hosts.look("counters")
    doubts = sum(result["status"] == "in_doubt" for result in found)
    faults = kill_storm.wrong(hosts.lines, found, state)
    created = Counter(result["account"] for result in found if _creates(result) and result["status"] == "ok")
    unsure = Counter(result["account"] for result in found if _creates(result) and result["status"] == "in_doubt")
    twice = lost = 0
    for account in sorted({line["account"] for line in hosts.lines}):
        platform, shop = kill_storm.place(account)
        if platform != "3dcart":
            continue
        made = counters[platform][shop]["effects"].get("create", 0)
        twice += max(0, made - created[account] - unsure[account])
        lost += max(0, created[account] - made)
    twice += sum(" the shop holds " in fault for fault in faults)
    if twice or lost:
        faults.append(f"{twice} twice, {lost} lost")
    return Figures(len(hosts.lines), twice, lost, doubts, hosts.starts, faults)


def _creates(result: kill_storm.Line) -> bool:
    return bool(result["op"] == "cart.create")


# What befalls it


def strike(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process that may be gone; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Storm:
    """A storm over two hosts, the same for the same seed: it kills, freezes and cuts, and heals what it did later."""

    hosts: TwoHosts
    rng: random.Random
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    _later: list[tuple[float, Any]] = field(default_factory=list)

    @property
    def strikes(self) -> int:
        return self.kills + self.freezes

    def rage(self, strikes: int) -> None:
        """Strike so many times, or until the run is over; then everything is healed."""
        following = time.monotonic() + self.rng.uniform(1, 3)
        while self.strikes < strikes and not self._is_done():
            self._heal(time.monotonic())
            self.hosts.keep_seats()
            if time.monotonic() >= following:
                self._strike()
                following = time.monotonic() + self.rng.uniform(0.3, 2.5)
            time.sleep(0.05)
        while self._later:
            self._heal(max(moment for moment, _ in self._later))

    def _is_done(self) -> bool:
        return self.hosts.is_over() and not self._later

    def _heal(self, now: float) -> None:
        due = [heal for moment, heal in self._later if moment <= now]
        self._later = [one for one in self._later if one[0] > now]
        for heal in due:
            heal()

    def _strike(self) -> None:
        hosts, rng = self.hosts, self.rng
        kind = rng.choices(
            ("kill a seat", "freeze a seat", "kill the hub", "freeze the hub", "cut"), (50, 30, 6, 4, 10)
        )[0]
        seats = [*hosts.near_seats(), *hosts.far_seats()]
        if hosts.is_over():
            return
        assert hosts.hub is not None
        match kind:
            case "kill a seat" if seats:
                self.kills += strike(rng.choice(seats), signal.SIGKILL)
            case "freeze a seat" if seats:
                self._freeze(rng.choice(seats), rng.choice((0.5, 2.0, 4.0, 6.5, 8.0, 9.5)))
            case "kill the hub":
                self.kills += strike(hosts.hub.pid, signal.SIGKILL)
                hosts.hub.wait()
                self._later.append((time.monotonic() + rng.uniform(0, 2), hosts.start_hub))
            case "freeze the hub":
                self._freeze(hosts.hub.pid, rng.choice((1.0, 4.0, 8.0)))
            case _:
                self._cut(rng.choice(("hub", "shops", "shops near", "cable")), rng.choice((2.0, 6.0, 20.0)))

    def _freeze(self, pid: int, seconds: float) -> None:
        self.freezes += strike(pid, signal.SIGSTOP)
        self._later.append((time.monotonic() + seconds, lambda: strike(pid, signal.SIGCONT)))

    def _cut(self, what: str, seconds: float) -> None:
        self.cuts += 1
        cut(self.hosts, what, begin=True)
        self._later.append((time.monotonic() + seconds, lambda: cut(self.hosts, what, begin=False)))


def cut(hosts: TwoHosts, what: str, *, begin: bool) -> None:
    """Begin or end to cut the far host from the ``hub``, the ``shops`` or both (``cable``), or the near one's shops."""
    match what:
        case "hub":
            hosts.net.lose(HUB, begin=begin)
        case "shops":
            hosts.net.lose(hosts.shops_port, begin=begin)
        case "shops near":
            hosts.net.lose_nearby(hosts.shops_port, begin=begin)
        case _:
            hosts.net.lose_all(begin=begin)
