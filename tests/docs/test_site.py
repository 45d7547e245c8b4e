"""The documentation site: every page has a place, and nothing is fetched from elsewhere. CI builds it with --strict."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
CONFIG = (ROOT / "mkdocs.yml").read_text()
PICTURES = sorted(path for path in (DOCS / "pictures").iterdir() if path.suffix != ".js")


def test_every_page_has_one_place_on_the_site() -> None:
    named = re.findall(r"^ +- .+: ([\w./-]+\.md)$", CONFIG.partition("\nnav:\n")[2], flags=re.MULTILINE)
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}

    assert sorted(named) == sorted(pages)


def test_the_site_uses_the_readers_own_fonts() -> None:
    assert re.search(r"^  font: false\b", CONFIG, flags=re.MULTILINE)


def test_the_search_of_pages_opened_from_a_folder_brings_its_script_along() -> None:
    polyfills = re.findall(r"^  polyfills: \[(.*)\]", CONFIG, flags=re.MULTILINE)

    assert polyfills == ["pictures/iframe-worker.js"]  # of that name, else the plugin "offline" adds one from elsewhere
    assert "://" not in (DOCS / polyfills[0]).read_text()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_and_styles_fetch_nothing(picture: Path) -> None:
    text = picture.read_text()
    addresses = re.findall(r"""(?:url\(|href=|src=|@import)\s*["']?([^#"')\s][^"')\s]*)""", text)

    assert addresses == []


def test_readme_shows_pictures_that_are_there() -> None:
    shown = re.findall(r"!\[.+?\]\((docs/pictures/[\w.]+)\)", (ROOT / "README.md").read_text())

    assert len(shown) == 2
    assert all((ROOT / path).is_file() for path in shown)
