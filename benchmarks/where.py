"""Owns saying where the CPU of a run goes, module by module, from samples that py-spy takes; it times nothing."""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import generate
from figures import Table
from processes import SERVER_CORE, Process, alive, pin
from workbench import Bench, forget, run_words

_FRAME = re.compile(r"(?P<function>.*) \((?P<path>.*?)(:\d+)?\)$")
_LIBRARIES = ("aiohttp/", "asyncio/", "selectors.py", "uvloop/", "yarl/", "multidict/")
_WAITS = re.compile(r"select \(.*selectors\.py(:\d+)?\)$")
_LOOP, _CLIENT = "runs/event_loop.py", "the client: aiohttp and the event loop"
_LEAST = 0.005  # of all samples, to be worth a line


def py_spy() -> str | None:
    """The path of py-spy, beside this Python or elsewhere; None where it is not installed."""
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


def measure(bench: Bench, loop: str) -> Table:
    """Shares of the main thread's samples while requests are sent. Needs py-spy, and the right to trace a process."""
    job, config = bench.job(generate.Job(bench.size(30_000, 2_000))), bench.config()
    results, samples = bench.new(".results.jsonl"), bench.new(".samples")

    samplers = []

    def sample(process: Process) -> None:
        while alive(process.pid) and not (results.exists() and results.stat().st_size):
            time.sleep(0.01)
        # It ends when the process has been waited for, so it is not waited for here.
        words = ["record", "-t", "-r", "400", "-f", "raw", "-o", str(samples), "--pid", str(process.pid)]
        sampler = subprocess.Popen([py_spy() or "", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pin(sampler.pid, SERVER_CORE)
        samplers.append(sampler)

    bench.command(*run_words(job, config, results), loop=loop, meanwhile=sample)
    for sampler in samplers:
        sampler.wait()
    forget(results)
    return folded(samples.read_text(), loop)


def folded(samples: str, loop: str) -> Table:
    """The table of collapsed stacks: each sample counts for the innermost module of batchcart, or for the client.

    Where the loop waits nothing is done, so that counts for nobody.
    """
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if "MainThread" in frames[0] and not _WAITS.match(frames[-1]):
            counts[_owner(frames)] += int(count)
    everything = sum(counts.values()) or 1
    rows = [[name, f"{100 * n / everything:.1f} %"] for name, n in counts.most_common() if n >= _LEAST * everything]
    small = sum(n for n in counts.values() if n < _LEAST * everything)
    rows.append(["all the others", f"{100 * small / everything:.1f} %"])
    return Table(f"Samples of the main thread on {loop}, by the innermost module", ["", "share"], rows)


def _owner(frames: list[str]) -> str:
    paths = [match["path"] for frame in frames if (match := _FRAME.match(frame))]
    leaf = paths[-1] if paths else ""
    if any(library in leaf for library in _LIBRARIES):
        return _CLIENT
    own = [path.rpartition("batchcart/")[2] for path in paths if "batchcart/" in path]
    return own[-1] if own and own[-1].endswith(".py") and own[-1] != _LOOP else _CLIENT
