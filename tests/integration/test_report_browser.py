"""The report's page in a real browser: light and dark, narrow and wide, with nothing overflowing, hidden or refused.

Run on demand: ``pytest -m browser``. It needs Debian's ``chromium``; screenshots stay in pytest's folder for the test.
"""

import asyncio
import base64
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from reporting import EVENTS, T0, busy_report, report_on, result

from batchcart.model.events import ShopDown
from batchcart.report.html.page import page

pytestmark = pytest.mark.browser

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-port=0",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

_MEASURES = """(() => {
  const shown = node => node.getClientRects().length > 0;
  const box = node => node.getBoundingClientRect();
  const beside = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1;
  const apart = (a, b) => beside(a, b) || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const light = colour => {
    const parts = colour.match(/[0-9.]+/g).map(Number).slice(0, 3)
      .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const texts = [...document.querySelectorAll('p, li, h1, h2, h3, th, td, code, a, summary, figcaption')].filter(shown);
  const charts = [...document.querySelectorAll('svg')].filter(shown);
  const labels = charts.flatMap(chart => [...chart.querySelectorAll('text')].map(text => [chart, text]));
  return {
    sections: [...document.querySelectorAll('main > section')].map(node => [node.id, box(node).height]),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    charts: charts.map(chart => [chart.querySelector('title').textContent, box(chart).width, box(chart).height]),
    drawn: charts.map(chart => chart.querySelectorAll('.series path, .series rect').length),
    clipped: labels.filter(([chart, text]) => {
      const [outer, inner] = [box(chart), box(text)];
      return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    }).map(([_, text]) => text.textContent),
    overlapping: charts.flatMap(chart => ['.axis.x', '.axis.y'].flatMap(axis => {
      const found = [...chart.querySelectorAll(axis + ' text')].filter(text => text.textContent);
      return found.flatMap((one, i) => found.slice(i + 1).filter(other => !apart(box(one), box(other)))
        .map(other => one.textContent + ' / ' + other.textContent));
    })),
    smallest: Math.min(...labels.map(([chart, text]) =>
      parseFloat(getComputedStyle(text).fontSize) * box(chart).width / chart.viewBox.baseVal.width)),
    faint: texts.filter(node => contrast(getComputedStyle(node).color, behind(node)) < 4.5)
      .map(node => node.textContent.slice(0, 40)),
    faintLabels: labels.filter(([chart, text]) => contrast(getComputedStyle(text).fill, behind(chart)) < 4.5)
      .map(([_, text]) => text.textContent),
    background: getComputedStyle(document.body).backgroundColor,
    scripts: document.scripts.length,
  };
})()"""


class Tab:
    """A page of the browser, spoken to in its debugging protocol; ``events`` are what it said by itself."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = await self._socket.receive_json(timeout=20)
            if said.get("id") == number:
                assert "error" not in said, said
                answer: dict[str, Any] = said["result"]
                return answer
            self.events.append(said)

    async def until(self, method: str) -> None:
        while not any(event["method"] == method for event in self.events):
            self.events.append(await self._socket.receive_json(timeout=20))

    async def value(self, expression: str) -> Any:
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def said(self, *methods: str) -> list[Any]:
        return [event["params"] for event in self.events if event["method"] in methods]


@asynccontextmanager
async def opened(file: Path, profile: Path, *, dark: bool, width: int) -> AsyncIterator[Tab]:
    """The file in a fresh browser of that width and colour scheme."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not installed: apt-get install chromium"
    process = await asyncio.create_subprocess_exec(
        chromium, *_OPTIONS, f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        line = b""
        while b"DevTools listening on" not in line:
            line = await asyncio.wait_for(process.stderr.readline(), 20)
            assert line, "chromium did not start"
        host = line.decode().split("ws://")[1].partition("/")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{host}/json/list") as answer:
                target = next(one for one in await answer.json(content_type=None) if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Log", "Runtime", "Network"):
                    await tab.ask(f"{domain}.enable")
                scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
                await tab.ask("Emulation.setEmulatedMedia", features=[scheme])
                await tab.ask(
                    "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
                )
                await tab.ask("Page.navigate", url=file.as_uri())
                await tab.until("Page.loadEventFired")
                yield tab
    finally:
        process.terminate()
        await process.communicate()


async def shoot(tab: Tab, file: Path) -> None:
    picture = await tab.ask("Page.captureScreenshot", captureBeyondViewport=True)
    await asyncio.to_thread(file.write_bytes, base64.b64decode(picture["data"]))


def busy_page(folder: Path) -> Path:
    file = folder / "report.html"
    file.write_text(page(busy_report(folder)))
    return file


def crowded_page(folder: Path) -> Path:
    """Many accounts with long names, long words in messages, hours of time, very different counts."""
    names = [f"a-shop-whose-name-is-long-enough-to-need-cutting-{n}" for n in range(30)]
    results = [
        result(n, names[min(n % 37, 29)], sent_at=f"2026-11-{20 + n // 2000:02}T{n // 90 % 24:02}:{n % 60:02}:00.000Z")
        for n in range(1, 4000)
    ]
    error = {"kind": "rejected", "message": "x" * 700 + " " + "<b>'\"&" * 40}
    results += [result(n, names[n % 30], status="failed", error=error, http_status=422) for n in range(4000, 4030)]
    results += [result(n, names[0], status="in_doubt", cart="c" * 120) for n in range(4030, 4050)]
    report = report_on(folder, results)
    downs = [(T0 + n * 60, ShopDown(name, "y" * 300, T0 + n * 60, T0, T0)) for n, name in enumerate(names)]
    report.pausing.take([*EVENTS, *downs])
    file = folder / "report.html"
    file.write_text(page(report))
    return file


@pytest.mark.parametrize("make", [busy_page, crowded_page], ids=["busy", "crowded"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_page_is_whole_and_legible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, width: int, *, dark: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    file = make(tmp_path)
    async with opened(file, tmp_path / "profile", dark=dark, width=width) as tab:
        found = await tab.value(_MEASURES)
        await shoot(tab, tmp_path / "closed.png")
        await tab.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
        opened_up = await tab.value(_MEASURES)
        await shoot(tab, tmp_path / "open.png")
        complaints = [one["entry"]["text"] for one in tab.said("Log.entryAdded")]
        complaints += [str(one) for one in tab.said("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
        requested = {one["request"]["url"] for one in tab.said("Network.requestWillBeSent")}

    assert complaints == []
    assert requested == {file.as_uri()}
    assert found["scripts"] == 0
    parts = ["counts", "throughput", "latency", "attempts", "pauses", "failures", "doubts"]
    assert [part for part, height in found["sections"] if height > 60] == parts
    assert found["overflow"] <= 0
    assert opened_up["overflow"] <= 0
    assert len(found["charts"]) == len({title for title, *_ in found["charts"]}) >= 8
    assert all(chart_width > width * 0.75 and height > 60 for _, chart_width, height in found["charts"])
    assert all(found["drawn"])
    assert found["clipped"] == found["overlapping"] == []
    assert found["smallest"] >= 11
    assert opened_up["faint"] == opened_up["faintLabels"] == []
    assert found["background"] == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")
