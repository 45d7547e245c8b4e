"""Platforms that other packages bring: found by their entry points; what is broken is named and harms nobody else."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import batchcart

from batchcart.accounts.config import load_config
from batchcart.model.errors import UsageError
from batchcart.platforms import find_platforms, load_adapters

COPY = """
from msgspec.structs import replace

from batchcart.platforms.tray import ADAPTER as TRAY

ADAPTER = replace(TRAY, name="{name}")
"""
GOOD = COPY.format(name="loja-nova")
LOJA = """
[accounts.loja]
platform = "tray"
api_address = "https://loja.example/web_api"
access_token = "made-up"
"""
NOVA = LOJA.replace("accounts.loja", "accounts.nova").replace('"tray"', '"loja-nova"')
GET = '{"op":"cart.get","account":"%s","cart_id":"K"}\n'
BROKEN = {
    "raises": ("1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
    "exits": ("raise SystemExit(3)", "cannot be imported (SystemExit: 3)"),
    "needs what is not there": ("import nobody_has_this", "cannot be imported (ModuleNotFoundError: No module named"),
    "has no adapter": ("ADAPTER = 'loja-nova'", "has no Adapter at nova:ADAPTER"),
    "has half an adapter": (GOOD + "ADAPTER = replace(ADAPTER, account=None)", "cannot be imported (AttributeError: "),
    "has another name": (COPY.format(name="nova"), "calls its platform 'nova' and its entry point 'loja-nova', but"),
    "has a limit that is none": (GOOD + "ADAPTER = replace(ADAPTER, limits=('often',))", "has a limit that is not"),
}


def install(folder: Path, text: str, package: str = "nova", platform: str = "loja-nova") -> None:
    """What pip leaves of a package with one module: the module, its metadata and its entry point."""
    site = folder / "site"
    info = site / f"batchcart_{package}-1.2.dist-info"
    info.mkdir(parents=True)
    (site / f"{package}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: batchcart-{package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[batchcart.platforms]\n{platform} = {package}:ADAPTER\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path / "site"), os.environ.get("PYTHONPATH"))))
    )
    (tmp_path / "batchcart.toml").write_text(LOJA + NOVA)
    (tmp_path / "loja.jsonl").write_text(GET % "loja")
    (tmp_path / "nova.jsonl").write_text(GET % "nova")
    return tmp_path


def run(folder: Path, *words: str, code: int = 0) -> str:
    ended = batchcart(*words, folder=folder, code=code)
    return ended.out + ended.err


def test_a_package_brings_a_platform_and_the_list_says_which(folder: Path) -> None:
    install(folder, GOOD)

    told = run(folder, "platforms")
    assert "from package batchcart-nova 1.2: loja-nova\n" in told
    assert "\nbuilt in: " in told
    assert "nova" in json.loads(run(folder, "check", "nova.jsonl", "--json"))["accounts"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages this process finds, as if it had just begun."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    caches = (find_platforms, load_adapters)
    for found in caches:
        found.cache_clear()
    yield tmp_path
    for found in caches:
        found.cache_clear()
    for name in ("nova", "one", "two"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_package_is_named_and_left_out_and_no_other_account_suffers(site: Path, how: str) -> None:
    text, why = BROKEN[how]
    install(site, text)
    (site / "batchcart.toml").write_text(LOJA + NOVA)

    (found,) = [found for found in find_platforms() if found.problem]
    assert (found.name, found.package, found.version) == ("loja-nova", "batchcart-nova", "1.2")
    assert found.complaint.startswith(f"package batchcart-nova 1.2 {why}")
    accounts = load_config(site / "batchcart.toml", load_adapters())
    assert accounts.find("loja").adapter.name == "tray"
    with pytest.raises(UsageError) as caught:
        accounts.find("nova")
    assert "is of platform 'loja-nova', which is left out: package batchcart-nova 1.2" in str(caught.value)


def test_a_platform_that_is_there_already_is_not_replaced(site: Path) -> None:
    install(site, COPY.format(name="tray"), platform="tray")
    install(site, GOOD, package="one")
    install(site, GOOD, package="two")

    complaints = {found.package: found.complaint for found in find_platforms() if found.problem}
    assert complaints["batchcart-nova"].startswith(
        "package batchcart-nova 1.2 brings a platform 'tray', which is built"
    )
    assert "brings a platform 'loja-nova', and so does batchcart-two" in complaints["batchcart-one"]
    assert load_adapters()["tray"].account.shop_key == "api_address"
    assert "loja-nova" not in load_adapters()


def test_a_broken_package_stands_in_the_list_and_stops_no_command(folder: Path) -> None:
    install(folder, "1 / 0")

    assert "left out: loja-nova: package batchcart-nova 1.2 cannot be imported (ZeroDiv" in run(folder, "platforms")
    run(folder, "check", "loja.jsonl")
    assert "which is left out: package batchcart-nova" in run(folder, "check", "nova.jsonl", code=2)


def test_an_account_whose_platform_is_not_installed_says_so_and_harms_no_other(folder: Path) -> None:
    run(folder, "check", "loja.jsonl")
    refused = run(folder, "check", "nova.jsonl", code=2)
    assert "is of platform 'loja-nova', which is not known" in refused
    assert "unless by a package not installed" in refused
    told = run(folder, "doctor", "--offline", code=1)
    assert "account nova" in told
    assert "which is not known" in told
