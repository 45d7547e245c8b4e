"""The example package of the docs: installed as anybody would, it brings its platform, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-platform"
CONTRACT = ROOT / "tests" / "contract" / "test_platform_contract.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has put the example into, without the package index."""
    folder = tmp_path_factory.mktemp("site")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder), str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(site: Path, folder: Path, *words: str | Path) -> str:
    path = os.pathsep.join([str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_example_brings_its_platform(site: Path, tmp_path: Path) -> None:
    told = run(site, tmp_path, "batchcart", "platforms")
    assert "from package batchcart-medusa 0.1: medusa" in told
    assert "POST /store/carts/{cart_id}/line-items" in told
    assert "medusa" in run(site, tmp_path, "batchcart", "schema")
    (tmp_path / "carts.jsonl").write_text("")
    assert "medusa" not in run(site, tmp_path, "batchcart", "platforms", "--migration").partition("\n\n")[0]


def test_the_examples_own_tests_pass(site: Path, tmp_path: Path) -> None:
    run(site, tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-c", EXAMPLE / "pyproject.toml", EXAMPLE / "tests")


def test_the_example_holds_what_every_adapter_must(site: Path, tmp_path: Path) -> None:
    run(site, ROOT, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", CONTRACT, "-k", "medusa")
