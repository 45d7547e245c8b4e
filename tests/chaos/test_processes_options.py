"""What `run` can be asked for holds with --processes as well, while one process after the other is killed.

On demand: pytest -m storm tests/chaos/test_processes_options.py
"""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from cli_harness import PLATFORMS, Cli, Ended, add, children, create, until
from test_processes import everywhere

from batchcart.sandbox.messages import Call

pytestmark = [pytest.mark.storm, pytest.mark.posix]

SAVE = shlex.join([sys.executable, "-c", "import sys; open('ended.json', 'ab').write(sys.stdin.buffer.read())"])


def run_struck(shop: Cli, *words: str, kills: int = 3) -> Ended:
    """The run in three processes, of which one after the other is killed in the middle of its work."""
    rng = random.Random(1)
    words = ("run", "job.jsonl", "--processes", "3", "--concurrency", "2", "--progress", "none", "--json", *words)
    with shop.started(*words) as process:
        for _ in range(kills):
            wait_for_requests(shop, process)
            if found := children(process.pid):
                os.kill(rng.choice(found), signal.SIGKILL)
            time.sleep(0.3)
        out, err = process.communicate(timeout=90)
    assert b"Traceback" not in err
    return Ended(process.returncode, out.decode(), err.decode())


def wait_for_requests(shop: Cli, process: subprocess.Popen[bytes]) -> None:
    """Wait for some more, or the end."""
    before = shop.requests()
    until(lambda: shop.requests() > before + 6 or process.poll() is not None, 40)


def slow_down(shop: Cli) -> None:
    for account in PLATFORMS:
        shop.hook(account, "delay")


def assert_once(shop: Cli, carts: int, adds: int) -> None:
    """Each account's carts and adds are there once; what 3dcart cannot be asked about is in doubt."""
    doubts = [result for result in shop.results() if result["status"] != "ok"]
    assert {result["account"] for result in doubts} <= {"acme"}, doubts
    for account in PLATFORMS:
        effects = shop.endpoint(account).saw.effects
        own = Counter(result["op"] for result in doubts if result["account"] == account)
        assert carts - own["cart.create"] <= effects["create"] <= carts, account
        assert adds - own["item.add"] <= effects["add"] <= adds, account


def test_order_log_metrics_and_the_command_at_the_end(shop: Cli) -> None:
    shop.job(everywhere(8))
    slow_down(shop)
    ended = run_struck(shop, "--in-order", "--log=log.jsonl", "--metrics=m.prom", f"--on-end={SAVE}")

    assert ended.code in {0, 1}, ended.err
    assert_once(shop, 8, 8)
    assert [result["line"] for result in shop.results()] == list(range(1, 73))
    assert json.loads((shop.folder / "ended.json").read_text()) == ended.figures  # once
    kinds = Counter(json.loads(text)["event"] for text in (shop.folder / "log.jsonl").read_text().splitlines())
    assert (kinds["run_began"], kinds["run_finished"]) == (1, 1), kinds
    assert 1 <= kinds["process_lost"] <= 3, kinds  # none for a process that has not come yet
    for account, saw in ended.figures["accounts"].items():
        assert (
            f'batchcart_lines{{account="{account}",platform="{PLATFORMS[account]}"}} 24'
            in (shop.folder / "m.prom").read_text()
        )
        assert saw["state"] == "done"


def test_lines_that_failed_are_tried_again_once(shop: Cli) -> None:
    gone = [{"op": "cart.get", "account": account, "cart_id": f"none{n}"} for account in PLATFORMS for n in range(12)]
    shop.job([*everywhere(1), *gone])
    shop.run("--processes", "2", "--stop-after", "0", code=1)
    failed = Counter(shop.statuses().values())["failed"]
    assert failed >= 24
    slow_down(shop)
    ended = run_struck(shop, "--retry-failed", "--stop-after", "0")
    assert ended.code == 1, ended.err
    assert len(shop.statuses()) == 45
    assert Counter(shop.statuses().values())["failed"] == failed
    assert [shop.endpoint(account).saw.effects["create"] for account in PLATFORMS] == [1, 1, 1]


def test_chosen_limited_and_appended_lines(shop: Cli) -> None:
    job = everywhere(8)
    shop.job(job)
    slow_down(shop)
    assert run_struck(shop, "--only", "loja", "--only", "sklep").code == 3
    assert {result["account"] for result in shop.results()} == {"loja", "sklep"}
    assert len(shop.statuses()) == 48
    assert run_struck(shop, "--limit", "12", kills=1).code == 3
    assert len(shop.statuses()) == 60
    more = [make(account, f"more{n}") for account in PLATFORMS for n in range(3) for make in (create, add)]
    shop.job(job + more)
    ended = run_struck(shop, "--append", "--in-order")
    assert ended.code in {0, 1}, ended.err
    assert [result["line"] for result in shop.results()] == list(range(1, 91))
    assert_once(shop, 11, 11)


def test_tokens_are_renewed_and_kept(shop: Cli) -> None:
    shop.configure(**{account: {"limits": ["20/s"]} for account in PLATFORMS})
    shop.job(everywhere(15))
    asked = Counter[str]()

    def expire(call: Call) -> str:
        asked[call.route] += 1
        return "401" if asked.total() % 25 == 0 and "auth" not in call.route else "delay"

    slow_down(shop)
    shop.hook("loja", expire)
    ended = run_struck(shop)
    assert ended.code in {0, 1}, ended.err
    assert_once(shop, 15, 15)
    shop.hook("loja", "")
    known = {result["cart_id"] for result in shop.results() if result["account"] == "loja"}
    shop.job([{"op": "cart.get", "account": "loja", "cart_id": key} for key in known], "next.jsonl")
    renewed = shop.endpoint("loja").saw.requests["GET auth"]
    shop.run(job="next.jsonl", code=0)
    assert shop.endpoint("loja").saw.requests["GET auth"] == renewed  # the tokens that were kept are good


def test_an_account_whose_lines_end_badly_is_stopped(shop: Cli) -> None:
    gone = [{"op": "cart.get", "account": "loja", "cart_id": f"none{n}"} for n in range(60)]
    shop.job([*everywhere(6), *gone])
    slow_down(shop)
    ended = run_struck(shop, "--stop-after", "8")
    assert ended.code == 3, ended.err
    found = Counter((result["account"], result["status"]) for result in shop.results())
    assert 8 <= found["loja", "failed"] <= 8 * 4 + 8, found  # a new process begins to count anew
    assert ended.figures["accounts"]["loja"]["state"] == "stopped"
    assert shop.endpoint("sklep").saw.effects["create"] == 6
