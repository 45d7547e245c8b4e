"""The report's page in a real browser: light and dark, narrow and wide, with nothing overflowing, hidden or refused.

Run on demand: ``pytest -m browser``. It needs Debian's ``chromium``; screenshots stay in pytest's folder for the test.
"""

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from report_samples import EVENTS, T0, busy_report, report_on, result

from batchcart.migration.folder import MigrateOptions, State, StepResult
from batchcart.migration.owner_report import write_owner_report
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
  const tags = 'p, li, label, output, small, pre, dt, h1, h2, h3, th, td, code, a, summary, figcaption';
  const texts = [...document.querySelectorAll(tags)].slice(0, 5000).filter(shown);
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
    filtered: document.getElementById('filter')?.getClientRects().length > 0,
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


async def shoot(tab: Tab, file: Path, width: int) -> None:
    """The top of the page: the table of all lines at its end may be higher than any picture."""
    clip = {"x": 0, "y": 0, "width": width, "height": 9000, "scale": 1}
    picture = await tab.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
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
@pytest.mark.parametrize("width", [400, 1000, 1900])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_page_is_whole_and_legible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, width: int, *, dark: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    file = make(tmp_path)
    async with opened(file, tmp_path / "profile", dark=dark, width=width) as tab:
        found = await tab.value(_MEASURES)
        await shoot(tab, tmp_path / "closed.png", width)
        await tab.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
        opened_up = await tab.value(_MEASURES)
        await shoot(tab, tmp_path / "open.png", width)
        complaints = [one["entry"]["text"] for one in tab.said("Log.entryAdded")]
        complaints += [str(one) for one in tab.said("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
        requested = {one["request"]["url"] for one in tab.said("Network.requestWillBeSent")}

    assert complaints == []
    assert requested == {file.as_uri()}
    assert found["filtered"]
    parts = ["failures", "doubts", "timeline", "counts", "throughput", "latency", "attempts", "pauses", "lines"]
    assert [part for part, height in found["sections"] if height > 60] == parts
    assert found["overflow"] <= 0
    assert opened_up["overflow"] <= 0
    assert len(found["charts"]) == len({title for title, *_ in found["charts"]}) >= 8
    assert all(chart_width > min(width, 1100) * 0.75 and height > 60 for _, chart_width, height in found["charts"])
    assert all(found["drawn"])
    assert found["clipped"] == found["overlapping"] == []
    assert found["smallest"] >= 11
    assert opened_up["faint"] == opened_up["faintLabels"] == []
    assert found["background"] == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")


_SWATCHES = """[...new Set(
  [...document.querySelectorAll('.legend span')].map(swatch => getComputedStyle(swatch).printColorAdjust))]"""
_OUTSIDE = """[...document.querySelectorAll('main td, main th')].filter(cell => cell.getClientRects().length > 0
  && cell.getBoundingClientRect().right > cell.closest('section').getBoundingClientRect().right + 1)
  .map(cell => cell.textContent)"""


async def test_the_page_is_printed_in_dark_ink_with_no_cell_beyond_its_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = busy_page(tmp_path)
    async with opened(file, tmp_path / "profile", dark=True, width=718) as tab:  # A4 between Chromium's margins
        scheme = {"name": "prefers-color-scheme", "value": "dark"}
        await tab.ask("Emulation.setEmulatedMedia", media="print", features=[scheme])
        ink = await tab.value("getComputedStyle(document.querySelector('h1')).color")
        swatches = await tab.value(_SWATCHES)
        outside = await tab.value(_OUTSIDE)

    assert max(map(int, ink.removeprefix("rgb(").removesuffix(")").split(","))) < 100
    assert swatches == ["exact"]
    assert outside == []


_SHOWN = "[...document.querySelectorAll('#all-lines tbody tr')].filter(row => !row.hidden).length"


def _choose(name: str, value: str, event: str) -> str:
    return (
        f"(() => {{ const one = document.getElementById('filter-{name}'); one.value = {value!r}; "
        f"one.dispatchEvent(new Event({event!r})); }})()"
    )


async def test_lines_are_filtered_and_a_link_finds_one_that_the_filter_hides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = busy_page(tmp_path)
    async with opened(file, tmp_path / "profile", dark=False, width=1000) as tab:
        every = await tab.value(_SHOWN)
        await tab.value(_choose("status", "not-ok", "change"))
        not_ok = await tab.value(_SHOWN)
        await tab.value(_choose("account", "b", "change"))
        of_b = await tab.value(_SHOWN)
        await tab.value(_choose("words", "CART 217", "input"))
        found = await tab.value(_SHOWN)
        said = await tab.value("document.getElementById('filter-shown').textContent")
        await tab.value("location.hash = 'l0-1'")
        await asyncio.sleep(0.2)
        revealed = await tab.value("!document.getElementById('l0-1').hidden")
        again = await tab.value(_SHOWN)

    assert (every, not_ok, of_b, found) == (223, 24, 5, 1)
    assert said == "1 of 223 shown"
    assert revealed
    assert again == 223


async def test_without_scripts_all_lines_are_there_and_no_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = busy_page(tmp_path)
    text = file.read_text().replace("'use strict';", "'use strict'; window.changed = true;")
    file.write_text(text)  # its hash fits no more
    async with opened(file, tmp_path / "profile", dark=False, width=1000) as tab:
        changed = await tab.value("window.changed === undefined")
        shown = await tab.value(_SHOWN)
        filters = await tab.value("document.getElementById('filter').getClientRects().length")

    assert changed
    assert shown == 223
    assert filters == 0


def owners_page(folder: Path) -> Path:
    """A shop owner's report with carts of every fate, long keys, and much that was lost."""
    lost = [{"field": f"items[{n}].note", "value": "Sem açúcar, por favor", "why": "no place for it"} for n in range(9)]
    records: list[dict[str, Any]] = [
        {"cart": "c" * 64, "account": "loja", "status": "equal", "cart_id": "k" * 64, "not_carried": lost},
        {"cart": "c2", "account": "loja", "status": "missing", "why": "the product map lacks 2 of its products"},
        {"cart": "c3", "account": "loja", "status": "cannot be read", "why": "line 3 of the job is in doubt: x"},
        {"cart": "c4", "account": "loja", "status": "different", "cart_id": "k4",
         "different": [{"field": "items[0].quantity", "source": "2", "target": "3"}]},
    ]  # fmt: skip
    records += [{"cart": f"d{n}", "account": "loja", "status": "equal", "cart_id": f"e{n}"} for n in range(60)]
    (folder / "parity.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = {name: StepResult(0, "", at=T0) for name in ("export", "convert", "run", "verify")}
    task = {"--from": f"loja https://{'a-long-name.' * 9}example/web_api", "--to": "acme https://acme.example"}
    return write_owner_report(MigrateOptions("loja", "acme", None, folder), State(task, done)).page


@pytest.mark.parametrize("width", [400, 1000, 1900])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_owners_page_is_whole_and_legible(tmp_path: Path, width: int, *, dark: bool) -> None:
    file = owners_page(tmp_path)
    async with opened(file, tmp_path / "profile", dark=dark, width=width) as tab:
        found = await tab.value(_MEASURES)
        await shoot(tab, tmp_path / "page.png", width)
        printed = await tab.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        complaints = [one["entry"]["text"] for one in tab.said("Log.entryAdded")]
        requested = {one["request"]["url"] for one in tab.said("Network.requestWillBeSent")}

    assert complaints == []
    assert requested == {file.as_uri()}
    assert found["overflow"] <= 0
    assert found["faint"] == []
    assert base64.b64decode(printed["data"]).count(b"/Type /Page\n") in range(2, 8)
