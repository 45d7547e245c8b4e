"""Owns trying batchcart with the lowest or the highest versions that its dependencies' bounds allow, on demand.

``python release/try_bounds.py lowest|highest [PYTHON]`` makes an environment of its own in a temporary folder, shows
what was installed, runs README's first job in it and writes its report, then the tests named below. It needs uv and the
package index. The exit code is that of what failed first.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESOLUTIONS = {"lowest": "lowest-direct", "highest": "highest"}
TESTS = ("tests/unit", "tests/contract", "tests/integration/test_secret_stores.py", "tests/e2e/test_report.py")
LINTERS = re.compile(r"import-linter|mypy|ruff|types-|uv\b|twine|cyclonedx|pip-|mkdocs")


def run(*command: str, folder: Path) -> None:
    """Run a command in the folder, which is also its home for state; ends the script where it fails."""
    print("+", " ".join(command), flush=True)
    own = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    ended = subprocess.run(command, cwd=folder, env={**os.environ, **own}, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def test_tools() -> list[str]:
    """What the tests import: the group ``dev`` without what only reads the code, which may want newer versions."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [text for text in groups["dev"] if isinstance(text, str) and not LINTERS.match(text)]


def main() -> int:
    """Try one end of the bounds with one Python."""
    resolution = RESOLUTIONS[sys.argv[1]]
    python = sys.argv[2] if len(sys.argv) > 2 else sys.executable
    extras = ",".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = folder / "environment"
        programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
        install = ("uv", "pip", "install", "--quiet", "--python", str(environment))
        run("uv", "venv", "--quiet", "--python", python, str(environment), folder=folder)
        run(*install, "--resolution", resolution, f"{ROOT}[{extras}]", folder=folder)
        frozen = folder / "frozen.txt"
        with frozen.open("w") as file:
            subprocess.run(
                ["uv", "pip", "freeze", "--python", str(environment), "--exclude", "batchcart"], stdout=file, check=True
            )
        print(frozen.read_text())
        run(*install, "--constraint", str(frozen), *test_tools(), folder=folder)
        run(str(programs / "batchcart"), "run", str(ROOT / "jobs" / "quickstart.jsonl"), folder=folder)
        run(str(programs / "batchcart"), "report", "quickstart.results.jsonl", "--html", "report.html", folder=folder)
        tests = [str(ROOT / test) for test in TESTS]
        pytest = (str(programs / "python"), "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT))
        run(*pytest, "-p", "no:cacheprovider", *tests, folder=folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
