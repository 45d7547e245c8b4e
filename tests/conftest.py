"""The shops that most tests of commands work with: opened once a module, with a folder of its own for each test."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

if TYPE_CHECKING:  # what most unit tests do without takes most of a second to load
    from cli_harness import Cli, ShopServer

for _profile, _examples in (("steady", 40), ("long", 2000)):  # pytest --hypothesis-profile=long, on demand
    hypothesis_settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,  # a busy machine is no fault
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=_profile == "steady",  # the same examples each time; new ones are found on demand
    )
hypothesis_settings.load_profile("steady")


def pytest_configure() -> None:
    """Ctrl-C reaches the programs that tests start, also where these run behind a shell that goes on without them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about links, modes and kills as POSIX has them is not for Windows; many examples take their time."""
    if config.getoption("--hypothesis-profile") == "long":
        for item in items:
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(7200))
    if sys.platform == "win32":
        for item in items:
            if item.get_closest_marker("posix"):
                item.add_marker(pytest.mark.skip(reason="POSIX only"))


@pytest.fixture(autouse=True)
def _no_proxy_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _no_fault_of_the_simulator(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A simulator that breaks answers with 500: the run asks again for a minute, and the test may pass by luck.

    A request that it cannot read, and refuses with 400, is no fault of its own.
    """
    yield
    broken = [
        record.exc_text
        for record in caplog.get_records("call")
        if record.name == "aiohttp.server" and not (record.exc_info and _is_unreadable(record.exc_info[1]))
    ]
    assert not broken, broken[0]


def _is_unreadable(error: BaseException | None) -> bool:
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415

    return isinstance(error, HttpProcessingError)


@pytest.fixture(scope="module")
def shop_server() -> "Iterator[ShopServer]":
    from cli_harness import open_shop_server  # noqa: PLC0415

    with open_shop_server() as shop_server:
        yield shop_server


@pytest.fixture
def shop(shop_server: "ShopServer", tmp_path: Path) -> "Cli":
    from cli_harness import open_cli  # noqa: PLC0415

    return open_cli(shop_server, tmp_path)
