"""Owns two networks of a test's own with a cable between them, and what is lost on it; they need no root, but Linux."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

NEAR, FAR = "10.77.0.1", "10.77.0.2"
"""The addresses of the two ends."""

_NOBODYS_CARD = "02:00:00:00:00:99"


@dataclass
class Network:
    """Two namespaces with a cable between them, each known by a process that holds it."""

    near: int
    far: int

    def within(self, pid: int, *words: str) -> list[str]:
        return ["nsenter", "-t", str(pid), "-U", "-n", "--preserve-credentials", *words]

    def command(self, pid: int, *words: str) -> None:
        subprocess.run(self.within(pid, *words), check=True, capture_output=True)

    def lose_all(self, *, begin: bool) -> None:
        """Begin or end to lose every packet where it arrives, as one for a card that is not there.

        A link that is down, or a route that leads nowhere, would be noticed by the kernel.
        """
        for pid, other in ((self.near, FAR), (self.far, NEAR)):
            what = ["replace", other, "lladdr", _NOBODYS_CARD] if begin else ["flush"]
            self.command(pid, "ip", "neigh", *what, "dev", "cable", "nud", "permanent")

    def lose(self, port: int, *, begin: bool) -> None:
        """Begin or end to lose what goes over the cable to a port of the near end, and what comes from it."""
        self._drop(self.near, begin, "-i", "cable", "-p", "tcp", "--dport", str(port))
        self._drop(self.far, begin, "-i", "cable", "-p", "tcp", "--sport", str(port))

    def lose_nearby(self, port: int, *, begin: bool) -> None:
        """Begin or end to lose what the near end says to a port of its own."""
        self._drop(self.near, begin, "-i", "lo", "-p", "tcp", "--dport", str(port))

    def _drop(self, pid: int, begin: bool, *which: str) -> None:  # noqa: FBT001
        self.command(pid, "iptables", "-w", "-I" if begin else "-D", "INPUT", *which, "-j", "DROP")


@contextmanager
def network(*needs: str) -> Iterator[Network]:
    """The two networks; who loses a port's packets alone ``needs`` iptables."""
    lacking = [name for name in ("unshare", "nsenter", "ip", *needs) if not shutil.which(name)]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    holders: list[subprocess.Popen[bytes]] = []
    try:
        holders.append(subprocess.Popen(["unshare", "-r", "-n", "sleep", "7200"], stderr=subprocess.DEVNULL))
        time.sleep(0.3)
        if holders[0].poll() is not None:
            pytest.skip("this machine gives no network namespaces")
        net = Network(holders[0].pid, 0)
        holders.append(subprocess.Popen(net.within(net.near, "unshare", "-n", "sleep", "7200")))
        time.sleep(0.3)
        net.far = holders[1].pid
        cable = ["ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(net.far)]
        net.command(net.near, *cable)
        for pid, address in ((net.near, NEAR), (net.far, FAR)):
            for words in (
                ["addr", "add", f"{address}/24", "dev", "cable"],
                ["link", "set", "cable", "up"],
                ["link", "set", "lo", "up"],
            ):
                net.command(pid, "ip", *words)
        yield net
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
