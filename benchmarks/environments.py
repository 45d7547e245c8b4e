"""Owns an environment of its own for each peer, made once in a cache folder; it does not know what a peer does."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def cache() -> Path:
    """Where environments are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "batchcart-benchmarks"


def environment(name: str, packages: Sequence[str]) -> Path:
    """The environment's Python, with the packages installed; made where it is not there yet."""
    folder = cache() / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python, made = folder / "bin" / "python", folder / "packages.json"
    if not made.exists() or json.loads(made.read_text()) != list(packages):
        print(f"making an environment for {name} in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        made.write_text(json.dumps(list(packages)))
    return python


def node_environment(name: str, packages: Sequence[str]) -> Path:
    """A folder with the packages of Node installed; made where it is not there yet."""
    folder = cache() / name
    made = folder / "packages.json"
    if not made.exists() or json.loads(made.read_text()) != list(packages):
        print(f"making an environment for {name} in {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", "--no-audit", *packages], check=True, cwd=folder)
        made.write_text(json.dumps(list(packages)))
    return folder


def node_version(folder: Path, package: str) -> str:
    """The version of a package of Node in an environment."""
    version: str = json.loads((folder / "node_modules" / package / "package.json").read_text())["version"]
    return version


def version(python: Path, package: str) -> str:
    """The version of a package in an environment of Python."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
