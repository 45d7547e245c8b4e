"""What is handed out: the wheel and the source archive, built here and looked into; on demand also installed.

The long form, which needs the package index: pytest -m storm tests/docs/test_packaging.py
"""

import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import batchcart
from batchcart.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def build(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=100)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_package_and_nothing_of_the_tests(wheel: zipfile.ZipFile) -> None:
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "batchcart").rglob("*") if path.is_file()}
    names = set(wheel.namelist())

    assert {name for name in own if "__pycache__" not in name} == {
        name for name in names if name.startswith("batchcart/")
    }
    assert "batchcart/py.typed" in names
    assert "batchcart/report/html/template.html" in names
    assert not [name for name in names if "test" in name.lower()]


def test_the_wheel_brings_command_manual_page_and_licence(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    data = info.replace(".dist-info", ".data")

    assert "batchcart = batchcart.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "MIT" in wheel.read(f"{info}/licenses/LICENSE").decode()
    page = wheel.read(f"{data}/data/share/man/man1/batchcart.1").decode()
    assert all(f".SS batchcart {name} " in page for name in COMMANDS)
    assert f"batchcart {batchcart.__version__}" in page


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    said = email.message_from_bytes(wheel.read(metadata))

    assert (said["Name"], said["Version"]) == ("batchcart", batchcart.__version__)
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    assert (ROOT / "README.md").read_text().strip() in wheel.read(metadata).decode()
    assert set(said.get_all("Provides-Extra", [])) == {"zstd", "speed", "sheets", "parquet", "keyring", "cluster"}
    assert {text.partition(",")[0] for text in said.get_all("Project-URL", [])} == set(PROJECT["urls"])
    versions = [
        text for text in said.get_all("Classifier", []) if text.startswith("Programming Language :: Python :: 3.")
    ]
    assert versions[0].endswith(PROJECT["requires-python"].removeprefix(">="))
    assert [text.rpartition(".")[2] for text in versions] == ["11", "12", "13"]


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    for text in [*PROJECT["dependencies"], *extras]:
        assert re.match(r"[\w.-]+>=\d[\d.]*,<\d+", text), text


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0].partition(" ")[0] == batchcart.__version__


def test_the_constraints_hold_every_dependency_within_its_bounds_with_hashes() -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "release" / "constraints.txt").read_text())
    held = {block.partition("==")[0]: block for block in blocks if not block.startswith("#")}

    assert all("--hash=sha256:" in block for block in held.values())
    for text in [
        *PROJECT["dependencies"],
        *(text for texts in PROJECT["optional-dependencies"].values() for text in texts),
    ]:
        needed = Requirement(text)
        pinned = held[canonicalize_name(needed.name)].split()[0].partition("==")[2]
        assert needed.specifier.contains(pinned), (text, pinned)


def test_the_licences_are_those_of_the_constraints() -> None:
    listed = set(re.findall(r"^\| ([a-z][\w-]+) \|", (ROOT / "docs" / "licences.md").read_text(), flags=re.MULTILINE))
    text = (ROOT / "release" / "constraints.txt").read_text()
    held = set(
        re.findall(r"^([\w.-]+)==(?!.*== 'win32')", text, flags=re.MULTILINE)
    )  # Windows' own are installed nowhere

    assert listed - {"package"} == held


def test_the_source_archive_builds_the_same_wheel(built: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "dist")
    (again,) = (tmp_path / "dist").glob("*.whl")

    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(wheel.namelist())
    for name in (
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "docs/README.md",
        "jobs/quickstart.jsonl",
        "tests/support/cli_harness.py",
    ):
        assert (source / name).exists(), name


@pytest.mark.storm
@pytest.mark.timeout(600)
def test_pipx_installs_the_wheel_and_the_first_job_runs(built: Path, tmp_path: Path) -> None:
    (path,) = built.glob("*.whl")
    own = {"HOME": str(tmp_path), "PATH": f"{tmp_path / '.local' / 'bin'}:{os.environ['PATH']}"}
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PIPX", "XDG", "PYTHON"))}

    def done(*command: str) -> str:
        ended = subprocess.run(
            command, cwd=tmp_path, env={**environment, **own}, capture_output=True, text=True, timeout=500, check=False
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stdout

    done(sys.executable, "-m", "venv", "tools")
    done("tools/bin/pip", "install", "-q", "pipx")
    done("tools/bin/pipx", "install", "--python", sys.executable, f"batchcart[zstd,speed] @ file://{path}")
    assert batchcart.__version__ in done("batchcart", "--version")
    done("batchcart", "run", str(ROOT / "jobs" / "quickstart.jsonl"))
    done("batchcart", "report", "quickstart.results.jsonl", "--html", "report.html")
    done("batchcart", "doctor")
    assert list(tmp_path.rglob("share/man/man1/batchcart.1"))


def test_a_tag_is_refused_while_an_address_is_a_placeholder(tmp_path: Path) -> None:
    kept = ("release/make.py", "pyproject.toml", "mkdocs.yml", "CHANGELOG.md", "batchcart/__init__.py")
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace(".example/", ".test/"))
    site = tmp_path / "mkdocs.yml"
    site.write_text(
        re.sub("^site_url: .*", "site_url: https://batchcart.example/docs/", site.read_text(), flags=re.MULTILINE)
    )
    command = [sys.executable, str(tmp_path / "release" / "make.py"), "dist"]
    tagged = {"RELEASE_TAG": f"v{batchcart.__version__}", "PATH": ""}
    ended = subprocess.run(command, cwd=tmp_path, env=tagged, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr == "no real address yet for site_url (mkdocs.yml): set it first, see docs/releasing.md\n"
