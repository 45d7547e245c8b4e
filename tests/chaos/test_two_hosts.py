"""One run on two hosts: killed and frozen seats and hubs, cut networks, and shops that misbehave beside.

On demand, for it takes Linux, the right to make networks, and minutes: pytest -m network tests/chaos/test_two_hosts.py
The long storm: pytest -m storm -s tests/chaos/test_two_hosts.py
"""

import json
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from cable import NEAR
from cli_harness import argv
from two_hosts import HUB, Storm, TwoHosts, cut, look_at, strike, two_hosts

pytestmark = [pytest.mark.posix, pytest.mark.timeout(600)]


def kill_near(hosts: TwoHosts) -> None:
    strike(hosts.near_seats()[0], signal.SIGKILL)


def kill_the_far_host(hosts: TwoHosts) -> None:
    for pid in hosts.far_seats():
        strike(pid, signal.SIGKILL)


def kill_hub(hosts: TwoHosts) -> None:
    assert hosts.hub is not None
    hosts.hub.kill()
    hosts.hub.wait()
    hosts.start_hub()


def freeze_near(hosts: TwoHosts) -> None:
    freeze(hosts.near_seats()[0], 8)


def freeze_the_far_host(hosts: TwoHosts) -> None:
    first, second = hosts.far_seats()
    strike(first, signal.SIGSTOP)
    freeze(second, 8)
    strike(first, signal.SIGCONT)


def freeze_hub(hosts: TwoHosts) -> None:
    assert hosts.hub is not None
    freeze(hosts.hub.pid, 8)


def freeze(pid: int, seconds: float) -> None:
    strike(pid, signal.SIGSTOP)
    time.sleep(seconds)
    strike(pid, signal.SIGCONT)


def cut_for(what: str, seconds: float) -> Callable[[TwoHosts], None]:
    def do(hosts: TwoHosts) -> None:
        cut(hosts, what, begin=True)
        time.sleep(seconds)
        cut(hosts, what, begin=False)

    do.__name__ = f"cut_{what.replace(' ', '_')}_{seconds}_s"
    return do


CUTS = [cut_for(what, seconds) for what in ("hub", "shops", "shops near", "cable") for seconds in (2, 6, 20)]
EVENTS = [kill_near, kill_the_far_host, kill_hub, freeze_near, freeze_the_far_host, freeze_hub, *CUTS]


@pytest.mark.network
@pytest.mark.parametrize("befall", EVENTS, ids=lambda event: event.__name__)
def test_nothing_happens_twice_or_is_lost(tmp_path: Path, befall: Callable[[TwoHosts], None]) -> None:
    with two_hosts(tmp_path, seed=EVENTS.index(befall), carts=270, limit="20/s") as hosts:
        hosts.begin()
        hosts.until(lambda: hosts.count() > 100, 240)
        befall(hosts)
        assert hosts.wait() in {0, 1}
        assert "Traceback" not in hosts.said() + hosts.said("seats")
        assert look_at(hosts).faults == []


@pytest.mark.network
def test_a_run_whose_seats_are_all_gone_waits_for_new_ones_and_then_ends_with_3(tmp_path: Path) -> None:
    with two_hosts(tmp_path, seed=9, carts=180, limit="20/s") as hosts:
        hosts.begin(near=0)
        hosts.until(lambda: hosts.count() > 100, 240)
        kill_the_far_host(hosts)
        time.sleep(5)  # nobody is there, and nothing ends
        assert not hosts.is_over()
        hosts.until(lambda: hosts.count() > 300)
        kill_the_far_host(hosts)
        kill_hub(hosts)
        hosts.words = ("--patience=0.1",)
        kill_hub(hosts)
        assert hosts.hub is not None
        assert hosts.hub.wait(60) == 3
        assert "no seat was there for 0.1 min" in hosts.said()
        hosts.start_hub()
        assert hosts.wait() in {0, 1}
        assert look_at(hosts).faults == []


@pytest.mark.network
def test_what_a_frozen_seats_system_still_sends_does_not_arrive_after_its_account_went_on(tmp_path: Path) -> None:
    with two_hosts(tmp_path, seed=1, carts=600, shops=1, faults=(), timeout=30) as hosts:
        hosts.begin(near=0, far=1)
        hosts.until(lambda: hosts.count() > 100, 240)
        cut(hosts, "shops", begin=True)
        time.sleep(1)  # what it sends now, its system sends again and again
        (frozen,) = hosts.far_seats()
        strike(frozen, signal.SIGSTOP)
        other = hosts.start(hosts.net.near, "near", *argv("seat", f"{NEAR}:{HUB}", *hosts.tls))
        before = hosts.count()
        hosts.until(lambda: hosts.count() > before + 20)
        cut(hosts, "shops", begin=False)
        time.sleep(12)
        strike(frozen, signal.SIGCONT)
        hosts.wait()
        other.kill()
        other.wait()
        assert look_at(hosts).faults == []


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_long_storm_on_two_hosts_loses_nothing_and_does_nothing_twice(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with two_hosts(tmp_path, seed=seed, carts=1200, shops=4, limit="12/s") as hosts:
        hosts.begin(near=2, far=3)
        hosts.until(lambda: hosts.count() > 100, 240)
        storm = Storm(hosts, rng)
        storm.rage(50)
        code = hosts.wait(900)
        figures = look_at(hosts)
        told = {"seed": seed, "kills": storm.kills, "freezes": storm.freezes, "cuts": storm.cuts, **asdict(figures)}
        sys.stdout.write(json.dumps(told) + "\n")
        assert "Traceback" not in hosts.said() + hosts.said("seats")
        assert figures.faults == []
        assert code in {0, 1}
