"""`run --on-end`: a command of the operator's gets the summary at the end, however that comes, and changes nothing."""

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest
from cli_harness import Cli, ShopServer, batchcart, create, open_cli, until

CODE = "import sys; open('ended.json', 'wb').write(sys.stdin.buffer.read())"
SAVE = shlex.join([sys.executable, "-c", CODE])


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path) -> Cli:
    made = open_cli(shop_server, tmp_path)
    made.job([create("loja", "c1"), create("loja", "c2")])
    return made


def test_the_command_gets_what_json_prints_and_its_output_is_no_part_of_that(shop: Cli) -> None:
    command = shlex.join([sys.executable, "-c", f"{CODE}; print('sent')"])
    ended = batchcart("run", "job.jsonl", "--json", "--on-end", command, folder=shop.folder, code=0)

    given = json.loads((shop.folder / "ended.json").read_text())
    assert given == json.loads(ended.out)
    assert given["ok"] == 2
    assert ended.err == "sent\n"
    again = batchcart("run", "job.jsonl", "--on-end", command, folder=shop.folder, code=0)
    assert "this run is finished" in again.out


@pytest.mark.parametrize("signals", [1, 2])
def test_the_command_runs_after_ctrl_c_once_and_twice(shop: Cli, signals: int) -> None:
    shop.hook("loja", "delay" if signals == 1 else "hang")
    with shop.started("run", "job.jsonl", "--concurrency", "1", "--on-end", SAVE) as process:
        until(lambda: shop.requests() > 0)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            if signals == 2:
                assert process.stderr is not None
                process.stderr.readline()
        process.communicate(timeout=60)

    assert process.returncode == 3
    assert json.loads((shop.folder / "ended.json").read_text())["not_attempted"] >= 1


def test_a_command_that_fails_is_said_and_changes_no_exit_code(shop: Cli) -> None:
    fails = shlex.join([sys.executable, "-c", "raise SystemExit(7)"])
    ended = batchcart("run", "job.jsonl", "--on-end", fails, folder=shop.folder, code=0)

    assert "failed with exit code 7; the run's own exit code stays as it is" in ended.err


def test_a_command_that_cannot_run_is_told_before_anything_is_sent(shop: Cli) -> None:
    for line, told in {
        "no-such-program-here -x": "--on-end: the command 'no-such-program-here -x' cannot run: there is no program",
        "mail 'x": "has a quotation mark or backslash too many",
        "": "--on-end: the command is empty",
    }.items():
        assert told in batchcart("run", "job.jsonl", "--on-end", line, folder=shop.folder, code=2).err
    assert shop.requests() == 0


def test_ctrl_c_stops_a_command_that_hangs_and_the_runs_exit_code_stays(shop: Cli) -> None:
    hangs = shlex.join([sys.executable, "-c", "open('begun', 'w').close(); import time; time.sleep(600)"])
    with shop.started("run", "job.jsonl", "--on-end", hangs) as process:
        until((shop.folder / "begun").exists)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "was stopped by Ctrl-C; the run's own exit code stays as it is" in told.decode()


def test_a_command_that_a_signal_ends_is_said(shop: Cli) -> None:
    dies = shlex.join([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert "was ended by signal 9;" in batchcart("run", "job.jsonl", "--on-end", dies, folder=shop.folder, code=0).err
