"""Owns making what a release holds beside the code; it pushes nothing.

``python release/make.py constraints``  versions and hashes of all that is installed: release/constraints.txt
``python release/make.py licences``     licences of all that is installed: docs/licences.md
``python release/make.py dist``         wheel, source archive and SBOM in dist/, each checked, the wheel tried

It needs the group ``release`` (pip install --group release) and the package index.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "release" / "constraints.txt"
LICENCES = ROOT / "docs" / "licences.md"
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_HEAD = """# Licences of what is installed with batchcart

<!-- Made by release/make.py licences: run it again when release/constraints.txt changes. -->

batchcart is under the MIT licence. These are the packages that come with it and its extras, in the versions of
`release/constraints.txt`, with the licence that each one states.

"""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Run a command and give what it printed; ends the script, with what it said, where it fails."""
    print("+", *command, file=sys.stderr)
    own = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    ended = subprocess.run(command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{ended.stdout}\nexit code {ended.returncode} of: {' '.join(map(str, command))}")
    return ended.stdout


def make_constraints() -> None:
    """The newest versions within the bounds, for every Python and system, with the hashes of their files."""
    said = ("--custom-compile-command", "python release/make.py constraints")
    where = ("--universal", "--python-version", _PROJECT["requires-python"].removeprefix(">="), "--all-extras")
    run("uv", "pip", "compile", "pyproject.toml", *where, "--generate-hashes", "--upgrade", "--no-emit-index-url",
        "--quiet", *said, "--output-file", CONSTRAINTS)  # fmt: skip


def install(folder: Path, wheel: Path | None = None) -> Path:
    """A fresh environment of exactly the constraints, with the wheel if one is given; gives its programs' folder."""
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", environment)
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    run(programs / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", CONSTRAINTS)
    if wheel is not None:
        run(programs / "python", "-m", "pip", "install", "-q", "--no-deps", wheel)
    return programs


def make_licences() -> None:
    """A table of package and licence, of an environment with the constraints alone."""
    with tempfile.TemporaryDirectory() as name:
        python = install(Path(name)) / "python"
        found = json.loads(run("pip-licenses", "--python", python, "--from", "mixed", "--format", "json"))
    needed = set(re.findall(r"^([\w.-]+)==", CONSTRAINTS.read_text(), flags=re.MULTILINE))
    rows = {_normal(one["Name"]): one["License"] for one in found if _normal(one["Name"]) in needed}
    lines = [f"| {name} | {licence.replace(chr(10), ' ')} |" for name, licence in sorted(rows.items())]
    LICENCES.write_text(_HEAD + "\n".join(["| package | licence |", "| --- | --- |", *lines]) + "\n")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def make_dist() -> None:
    """What is handed out, built into an empty dist/, checked, and the wheel tried with README's first job."""
    _check_texts()
    for old in DIST.glob("*"):
        old.unlink()
    run("uv", "build", "--quiet", "--out-dir", DIST)
    (wheel,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    print(run("twine", "check", "--strict", wheel, source))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = install(folder, wheel)
        print(run(programs / "batchcart", "--version", folder=folder))
        print(run(programs / "batchcart", "run", ROOT / "jobs" / "quickstart.jsonl", folder=folder))
        run("cyclonedx-py", "environment", programs / "python", "--pyproject", ROOT / "pyproject.toml", "--mc-type",
            "application", "--output-reproducible", "-o", DIST / "sbom.cdx.json")  # fmt: skip
    print(*sorted(path.name for path in DIST.glob("*")), sep="\n")


def _check_texts() -> None:
    """Ends the script where version, changelog or addresses are not those of a release."""
    version = re.findall(r'^__version__ = "(.+)"$', (ROOT / "batchcart" / "__init__.py").read_text(), re.MULTILINE)[0]
    newest = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    if newest != version:
        sys.exit(f"CHANGELOG.md begins with {newest}, and batchcart/__init__.py says {version}: make them the same")
    tag = os.environ.get("RELEASE_TAG", f"v{version}")
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, and batchcart/__init__.py says {version}: tag v{version}")
    if unset := list(_placeholders()):
        said = f"no real address yet for {', '.join(unset)}: set it first, see docs/releasing.md"
        if "RELEASE_TAG" in os.environ:
            sys.exit(said)
        print(f"{said}; until then these files are to be handed to nobody", file=sys.stderr)


def _placeholders() -> Iterator[str]:
    """The addresses that still are those of no site."""
    for name, url in _PROJECT["urls"].items():
        if ".example/" in url:
            yield f"{name} ([project.urls] in pyproject.toml)"
    if ".example/" in re.findall(r"^site_url: (\S+)", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)[0]:
        yield "site_url (mkdocs.yml)"


def main() -> None:
    """Make what the command line names."""
    {"constraints": make_constraints, "licences": make_licences, "dist": make_dist}[sys.argv[1]]()


if __name__ == "__main__":
    main()
