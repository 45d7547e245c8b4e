"""A platform is its folders: one that is copied under a new name, with its cases, passes; nothing else is edited."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD, NEW = "tray", "novo"
TAKEN = ("batchcart", "tests", "docs", "jobs", "pyproject.toml", "README.md", "CHANGELOG.md")
LEFT = shutil.ignore_patterns("__pycache__", ".*")
HELD = {
    "cases and cells": (
        "tests/contract/test_platform_contract.py",
        "tests/contract/test_platform_recorded.py",
        "tests/contract/test_platform_cells.py",
        "tests/contract/test_platform_effects.py",
    ),
    "carts and accounts": (
        "tests/contract/test_neutral.py",
        "tests/e2e/test_convert.py",
        "tests/unit/test_accounts.py",
    ),
    "rules and pages": (
        "tests/docs/test_architecture.py",
        "tests/docs/test_docs.py::test_the_generated_pages_are_fresh",
    ),
}
"""What the copy is held to, a process each."""
CHOSEN = f"{NEW} or architecture or fresh or always or every_operation or belongs"
ELSEWHERE = "import_rules"
"""What looks at the packages that the copy only adds to, and takes long."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with one platform more: every folder and file of the old one's name is copied and renamed inside."""
    root = tmp_path_factory.mktemp("copy")
    for name in TAKEN:
        found = ROOT / name
        shutil.copytree(found, root / name, ignore=LEFT) if found.is_dir() else shutil.copy(found, root / name)
    for found in [path for path in root.rglob(f"{OLD}*") if path.name in {OLD, f"{OLD}.json"}]:
        copied = found.with_name(found.name.replace(OLD, NEW))
        shutil.copytree(found, copied) if found.is_dir() else shutil.copy(found, copied)
        for path in copied.rglob("*") if copied.is_dir() else [copied]:
            if path.is_file():
                text = re.sub(rf"\b{OLD}\b", NEW, path.read_text())
                path.write_text(text.replace(OLD.capitalize(), NEW.capitalize()))
    run(root, "docs/make.py")
    return root


def run(root: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root), "XDG_STATE_HOME": str(root / "state"), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_the_copy_is_a_platform_of_its_own(tree: Path) -> None:
    told = run(tree, "-m", "batchcart", "platforms", "--markdown")
    assert f"| {NEW} |" in told.splitlines()[0]
    assert f"local-{NEW}" not in told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("held", HELD)
def test_the_copy_passes_what_every_platform_must(tree: Path, held: str) -> None:
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "--tb=short")
    told = run(tree, "-m", "pytest", *options, "-k", f"({CHOSEN}) and not ({ELSEWHERE})", *HELD[held])
    assert "100%" in told
