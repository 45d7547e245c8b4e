"""Owns drawing README's pictures from a real run against the sandbox: a terminal half-way, and the report's charts.

``python docs/make_pictures.py`` writes docs/pictures/run.svg and docs/pictures/report.svg. It takes about a minute, and
needs the group ``dev``. The shops misbehave a little, so that there is something to see.
"""

import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
COMMAND = "batchcart run carts.jsonl"
_FAULTS = ("--fault", "reset-after=0.03", "--fault", "429:shoplo=0.04", "--seed", "7")
_CARTS = {"local-3dcart": 45, "local-tray": 120, "local-shoplo": 20}
_CREATE = {
    "local-3dcart": {"BillingFirstName": "Anna", "BillingEmail": "anna@example.com"},
    "local-tray": {"product_id": "123", "quantity": 1, "price": "50.00"},
    "local-shoplo": {"variant_id": 54, "quantity": 2},
}
_ADD = {
    "local-3dcart": {"CatalogID": 123, "ItemQuantity": 1},
    "local-tray": {"product_id": "124", "quantity": 1, "price": "9.90"},
    "local-shoplo": {"variant_id": 62, "quantity": 1},
}
_SECONDS = 12  # from the start to the picture
_COLUMNS, _ROWS = 88, 18
_CHARTS = {
    "status-accounts": "Lines by account and how they ended",
    "rates-2": "Sends each second in the Shoplo shop, and its limit",
    "latency-all": "From a line's first request to its end",
}
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@contextmanager
def sandbox(folder: Path) -> Iterator[None]:
    """A simulator under way, with its config in the folder."""
    command = [sys.executable, "-u", "-m", "batchcart", "sandbox", "--port", "0", *_FAULTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "Ctrl-C stops it.\n")
            config = "".join(lines).partition("# for batchcart.toml:\n")[2]
            (folder / "batchcart.toml").write_text(config)
            yield
        finally:
            process.terminate()


def job() -> Iterator[str]:
    """The job's lines: each cart is made and gets an item, shops in turn."""
    for account, carts in _CARTS.items():
        for number in range(carts):
            cart = {"account": account, "cart": f"cart-{number}"}
            yield json.dumps({"op": "cart.create", **cart, "data": _CREATE[account]})
            yield json.dumps({"op": "item.add", **cart, "item": "second", "data": _ADD[account]})


def drawn(screen: pyte.HistoryScreen) -> Text:
    """What the terminal shows, with its colours, without the empty lines at its end."""
    text = Text()
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            colour = "" if cell.fg == "default" else f"#{cell.fg}" if re.fullmatch(r"[0-9a-f]{6}", cell.fg) else cell.fg
            text.append(cell.data, f"{'bold ' if cell.bold else ''}{colour.replace('brown', 'yellow')}")
        text.append("\n")
    text.rstrip()
    return text


def terminal_picture(text: Text, title: str) -> str:
    """An SVG of a terminal that fetches nothing: the reader's own fixed-width font."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), COMMAND, "\n"), text, sep="")
    picture = console.export_svg(title=title, unique_id="run")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code, ", "")


def page_picture(page: str) -> str:
    """An SVG of some of the report's wide charts, one below the other, in the page's own style, light or dark."""
    parts, height = [], 20
    for name, title in _CHARTS.items():
        found = re.search(rf'<svg ([^>]*viewBox="0 0 (\d+) (\d+)"[^>]*"{name}-wide-t [^>]*>.*?</svg>)', page, re.DOTALL)
        assert found, name
        parts += [f'<text x="20" y="{height + 18}" class="title">{title}</text>']
        parts += [f'<svg x="20" y="{height + 32}" width="{found[2]}" height="{found[3]}" {found[1]}']
        height += int(found[3]) + 56
    style = "".join(_STYLE.findall(page)) + ".title { font: 600 17px system-ui, sans-serif; fill: var(--ink); }"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 {height}"><style>{style}</style>'
    return f'{head}<rect width="1040" height="{height}" rx="10" fill="var(--card)"/>{"".join(parts)}</svg>\n'


def main() -> None:
    """Run the job, and draw it half-way and at its end."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from pseudo_terminal import terminal  # noqa: PLC0415  # found only now

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sandbox(folder):
            (folder / "carts.jsonl").write_text("".join(f"{line}\n" for line in job()))
            with terminal("run", "carts.jsonl", folder=folder, columns=_COLUMNS, rows=_ROWS, stdout=True) as seen:
                time.sleep(_SECONDS)
                with seen.lock:
                    text = drawn(seen.screen)
                seen.process.wait()
            (PICTURES / "run.svg").write_text(terminal_picture(text, "batchcart"))
        page = folder / "report.html"
        command = [sys.executable, "-m", "batchcart", "report", "carts.results.jsonl", "--html", str(page)]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (PICTURES / "report.svg").write_text(page_picture(page.read_text()))


if __name__ == "__main__":
    main()
