"""Owns holding the README against the program: its commands, tables and script must be true."""

import json
import re
import subprocess
import sys
from pathlib import Path

from batchcart.sandbox.faults import parse_fault

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def _batchcart(*argv: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "batchcart", *argv]
    environment = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def _without_figures(text: str) -> str:
    return re.sub(r"[\d.]+", "#", text)


def test_the_quickstart_prints_what_the_readme_shows(tmp_path: Path) -> None:
    done = _batchcart("run", str(ROOT / "jobs" / "quickstart.jsonl"), folder=tmp_path)

    assert done.returncode == 0
    shown = _without_figures(_blocks("text")[0])
    assert _without_figures(done.stdout).endswith(shown)
    assert "all                              28\n" in done.stdout


def test_the_job_in_the_readme_is_the_quickstarts_beginning() -> None:
    job = (ROOT / "jobs" / "quickstart.jsonl").read_text()
    assert job.startswith(_blocks("json")[0])


def test_a_result_of_the_quickstart_has_the_keys_that_the_readme_shows(tmp_path: Path) -> None:
    _batchcart("run", str(ROOT / "jobs" / "quickstart.jsonl"), folder=tmp_path)
    found = {
        line["line"]: line for line in map(json.loads, (tmp_path / "quickstart.results.jsonl").read_text().splitlines())
    }
    shown = [json.loads(line) for line in _blocks("json")[1].splitlines()]
    assert [list(found[line["line"]]) for line in shown] == [list(line) for line in shown]


def test_the_broken_job_gets_the_sentence_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "broken.jsonl").write_text((ROOT / "jobs" / "broken.jsonl").read_text())

    done = _batchcart("run", "jobs/broken.jsonl", folder=tmp_path)

    assert done.returncode == 2
    assert _blocks("text")[1] in done.stderr


def test_the_python_script_runs_and_makes_its_cart(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(_blocks("python")[0])
    environment = {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(ROOT), "PATH": ""}

    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert re.search(r"^1 old-cart-17 ok \w+$", done.stdout, flags=re.MULTILINE)
    assert "'ok': 1" in done.stdout


def test_the_sandbox_options_in_the_readme_are_understood() -> None:
    faults = re.findall(r"--fault (\S+)", README)

    assert [parse_fault(text).rate for text in faults] == [0.05, 0.1]


def test_the_config_in_the_readme_is_understood(tmp_path: Path) -> None:
    (tmp_path / "batchcart.toml").write_text(_blocks("toml")[0])
    (tmp_path / "job.jsonl").write_text('{"op":"cart.get","account":"acme","cart_id":"k"}\n')

    done = _batchcart("check", "job.jsonl", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "environment variable ACME_PRIVATE_KEY is not set" in done.stdout


def test_ci_runs_the_readmes_test_command() -> None:
    commands = [line for line in README.splitlines() if re.fullmatch(r"python3 -m venv \.venv && .*pytest", line)]

    assert len(commands) == 1
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_the_figures_are_those_of_the_benchmark_report() -> None:
    quoted = README.partition("## How fast\n")[2].partition("\n## ")[0]
    rows = [line for line in quoted.splitlines() if line.startswith("| ")][2:]
    reported = (ROOT / "benchmarks" / "REPORT.md").read_text().splitlines()

    assert len(rows) > 5
    assert [row for row in rows if row not in reported] == []
