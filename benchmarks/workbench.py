"""Owns what all rows share: a folder, the server, jobs and configs, and running batchcart as users do."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

import generate
import msgspec
from answers import HEADERS
from loadserver import LoadServer
from processes import Ended, Process, weigh

BATCHCART = Path(sys.executable).with_name("batchcart")


def far_above(accounts: int) -> str:
    """A limit that is on and never reached: 100,000 a second, shared by the accounts, and 1,000 for each at least."""
    return f"{max(1_000, 100_000 // accounts)}/s"


@dataclass(slots=True)
class Bench:
    """One run of rows: ``folder`` lies on a disk; ``quick`` asks for a smoke test whose figures mean little.

    ``loops`` are the event loops that batchcart can run on here, the one it takes by itself last.
    """

    folder: Path
    server: LoadServer
    quick: bool = False
    loops: Sequence[str] = ("asyncio",)
    numbers: Iterator[int] = field(default_factory=count)
    jobs: dict[generate.Job, Path] = field(default_factory=dict)

    def size(self, whole: int, quick: int) -> int:
        """How much of something: ``quick`` in a smoke test."""
        return quick if self.quick else whole

    @property
    def loop(self) -> str:
        """The event loop that batchcart takes by itself."""
        return self.loops[-1]

    def new(self, ending: str) -> Path:
        """A path in the folder that nothing else has."""
        return self.folder / f"{next(self.numbers)}{ending}"

    def job(self, job: generate.Job) -> Path:
        """The job's file, written once."""
        if job not in self.jobs:
            self.jobs[job] = self.new(".jsonl")
            generate.write(job, self.jobs[job])
        return self.jobs[job]

    def config(
        self,
        *,
        accounts: int = 1,
        concurrency: int = 50,
        limits: Sequence[str] = (),
        tray: Sequence[int] = (),
        origin: str = "",
    ) -> Path:
        """A config of so many accounts called a0, a1, …, those of ``tray`` on Tray, the others on 3dcart.

        Without ``limits`` they have one each that is far above what is reached.
        """
        path = self.new(".toml")
        shared = f"limits = {list(limits) or [far_above(accounts)]}\nconcurrency = {concurrency}\n"
        with path.open("w") as file:
            for number in range(accounts):
                own = _tray if number in tray else _threedcart
                file.write(f"[accounts.a{number}]\n{own(origin or self.server.origin)}{shared}\n")
        return path

    def command(
        self,
        *words: str | Path,
        codes: Sequence[int] = (0,),
        loop: str = "",
        meanwhile: Callable[[Process], None] | None = None,
        env: Mapping[str, str] | None = None,
        batchcart: Path | None = None,
    ) -> Ended:
        """Run `batchcart` to its end, pinned to the clients' core, with a new state folder.

        ``env`` goes on top of the environment here; ``batchcart`` is another version than the one here.
        """
        around = {**os.environ, "XDG_STATE_HOME": str(self.new(".state")), **(env or {})}
        if (loop or self.loop) == "asyncio":
            before = [around["PYTHONPATH"]] if "PYTHONPATH" in around else []
            around["PYTHONPATH"] = os.pathsep.join([str(without_uvloop(self.folder)), *before])
        command = [batchcart or BATCHCART, *words]
        return weigh(command, cwd=self.folder, env=around, codes=codes, meanwhile=meanwhile)

    def run(
        self,
        job: Path,
        config: Path,
        *,
        loop: str = "",
        more: Sequence[str] = (),
        meanwhile: Callable[[Process], None] | None = None,
        env: Mapping[str, str] | None = None,
        batchcart: Path | None = None,
    ) -> "Run":
        """Run the job to its end; its results are read for what is to be known of them and removed."""
        results = self.new(".results.jsonl")
        words = (*run_words(job, config, results), *more)
        ended = self.command(*words, loop=loop, meanwhile=meanwhile, env=env, batchcart=batchcart)
        ok = int(msgspec.json.decode(ended.output)["ok"])
        run = Run(ended, first_sent(results), ok, results.stat().st_mtime)
        forget(results)
        return run


@dataclass(frozen=True, slots=True)
class Run:
    """A run of batchcart that ended: when its first request left, on the wall clock, and how many lines ended ok.

    ``ended_last`` is when its last result was written.
    """

    ended: Ended
    began: float
    lines: int
    ended_last: float

    @property
    def rate(self) -> float:
        """Operations a second from the first request to the end of the process."""
        return self.lines / (self.ended.ended - self.began)


def without_uvloop(folder: Path) -> Path:
    """A folder that, put in front of the import path, hides uvloop."""
    hiding = folder / "no-uvloop"
    hiding.mkdir(exist_ok=True)
    (hiding / "uvloop.py").write_text("raise ImportError\n")
    return hiding


def loops_of(folder: Path, job: Path, config: Path) -> tuple[str, ...]:
    """The loops that batchcart can run on here: asyncio, and uvloop where it is installed and a run imports it."""
    if find_spec("uvloop") is None:
        return ("asyncio",)
    env: Mapping[str, str] = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    results = folder / "which-loop.results.jsonl"
    command = [sys.executable, "-X", "importtime", "-m", "batchcart", *run_words(job, config, results)]
    said = weigh(command, cwd=folder, env=env).errors
    forget(results)
    return ("asyncio", "uvloop") if "| uvloop" in said else ("asyncio",)


def run_words(job: Path, config: Path, results: Path) -> list[str | Path]:
    """The words of a quiet `batchcart run` that prints its summary as JSON and soon gives up a shop that is gone."""
    return ["run", job, "-o", results, "--config", config, "--progress", "none", "--json", "--patience", "0.5"]


def forget(results: Path) -> None:
    """Remove a result file and what lies beside it."""
    for path in results.parent.glob(f"{results.name}*"):
        path.unlink()


def first_sent(results: Path) -> float:
    """When the first request of a run left, on the wall clock: it is among the first that ended."""
    with results.open("rb") as file:
        sent = [msgspec.json.decode(line)["sent_at"] for line in islice(file, 1000)]
    return datetime.fromisoformat(min(sent)).timestamp()


def _threedcart(origin: str) -> str:
    return (
        f'platform = "3dcart"\nsecure_url = "{HEADERS["SecureURL"]}"\nprivate_key = "{HEADERS["PrivateKey"]}"\n'
        f'token = "{HEADERS["Token"]}"\nbase_url = "{origin}"\n'
    )


def _tray(origin: str) -> str:
    return f'platform = "tray"\napi_address = "{origin}/web_api"\naccess_token = "bench-token"\n'
