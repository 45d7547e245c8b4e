"""A hub and seats that somebody else started: what a lost seat may still do, what is taken from it, what it is told."""

import asyncio
import errno
import itertools
import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from certificates import open_authority
from cli_harness import KEYS, Cli, Line, add, argv, create, environment, get, until

from batchcart import __version__
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.journal.batch import IntentRow
from batchcart.model.adapter import Credentials
from batchcart.model.errors import Stopped, UsageError
from batchcart.runs.seats.frames import FrameStream, hear_hub
from batchcart.runs.seats.protocol import (
    AccountRows,
    Bye,
    Drop,
    Finished,
    FromHub,
    Hello,
    Late,
    LateAnswer,
    LateTokens,
    Leaving,
    More,
    Parcel,
    Refused,
    Rows,
    Seen,
    Take,
    Taken,
    Welcome,
    Written,
)
from batchcart.runs.seats.remote_seat import sit_at
from batchcart.runs.seats.secured import HubAddress, TlsFiles, open_tls, read_address
from batchcart.runs.seats.settling import LASTS
from batchcart.runs.snapshot import AccountSnapshot
from batchcart.sandbox.messages import Call

SUPPORT = Path(__file__).parents[1] / "support"


def carts(account: str, count: int) -> list[Line]:
    names = [f"c{number}" for number in range(count)]
    return [one for name in names for one in (create(account, name), add(account, name), get(account, name))]


_PORTS = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """A port that stays free: no system gives one below 32768 to whoever asks for any, and each process has its own."""
    while True:
        with suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port := 15_000 + next(_PORTS) % 15_000))
            return port


@contextmanager
def started(folder: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def hub(shop: Cli, job: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    words = ("run", job, "--progress", "none", "--json", "--seats-at", f"127.0.0.1:{port}")
    with started(shop.folder, *argv(*words)) as process:
        until(lambda: is_listening(port) or process.poll() is not None)
        yield process


# The fence


def freeze(shop: Cli, account: str, lasts: float) -> None:
    """Have a seat stop just before its first write leaves, another one do the work, and the first one wake up."""
    port = free_port()
    shop.job(carts(account, 2), f"{account}.jsonl")
    frozen = (sys.executable, str(SUPPORT / "freezing_seat.py"), f"127.0.0.1:{port}", str(lasts))
    with hub(shop, f"{account}.jsonl", port) as run, started(shop.folder, *frozen) as seat:
        until(lambda: is_stopped(seat.pid))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as other:
            _, err = run.communicate(timeout=60)
            os.kill(seat.pid, signal.SIGCONT)
            assert run.returncode == 0, err
            assert b"said nothing for 6 s" in err
            assert other.wait(60) == 0
            seat.wait(60)


def test_a_seat_that_wakes_up_after_its_account_went_on_elsewhere_sends_nothing(shop: Cli) -> None:
    with ThreadPoolExecutor(2) as both:
        ends = [both.submit(freeze, shop, "loja", LASTS), both.submit(freeze, shop, "sklep", math.inf)]
        for end in ends:
            end.result()
    once = {"create": 2, "add": 2}
    assert shop.endpoint("loja").saw.effects == once
    assert shop.endpoint("sklep").saw.effects["add"] > 2  # without the fence what was held up leaves


SLOW_DISK = """
import time
from batchcart.cli import main
from batchcart.journal.batch import Batch

write = Batch.write
Batch.write = lambda batch, connection: time.sleep(0.3) or write(batch, connection)
main()
"""

IMPATIENT = """
import asyncio, sys
from batchcart.runs.seats.remote_seat import sit_at
from batchcart.runs.seats.secured import HubAddress

asyncio.run(sit_at(HubAddress("127.0.0.1", int(sys.argv[1])), asyncio.Event(), lasts=0.2))
"""


def test_a_disk_that_takes_longer_than_an_intent_lasts_does_not_keep_a_seat_from_sending(shop: Cli) -> None:
    port = free_port()
    shop.job(carts("loja", 1))
    words = ("run", "job.jsonl", "--progress", "none", "--seats-at", f"127.0.0.1:{port}")
    with started(shop.folder, sys.executable, "-c", SLOW_DISK, *words) as run:
        until(lambda: is_listening(port))
        with started(shop.folder, sys.executable, "-c", IMPATIENT, str(port)):
            _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert shop.endpoint("loja").saw.effects == {"create": 1, "add": 1}


# What is taken from a seat


@asynccontextmanager
async def seated(port: int, version: str = __version__, *, late: bool = False) -> AsyncIterator[FrameStream[FromHub]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stream = FrameStream(reader, writer, hear_hub())
    stream.send(Hello(version, os.getpid(), "scripted", late))
    beating = asyncio.create_task(beat(stream))
    yield stream
    beating.cancel()
    stream.cut()


async def beat(stream: FrameStream[FromHub]) -> None:
    """Show that the seat lives, however long it waits for a word."""
    while True:
        await asyncio.sleep(0.5)
        stream.send(Seen([]))


async def say_wrong_things(port: int) -> None:
    async with seated(port, "0.0.1") as stream:
        refused = await stream.receive()
        assert isinstance(refused, Refused)
        assert "has batchcart 0.0.1, and the run" in refused.why
    async with seated(port) as stream:
        assert isinstance(await stream.receive(), Welcome)
        take = await stream.receive()
        assert isinstance(take, Take)
        invented = (1, "ok", "{}", b'{"line":1}', False)
        stream.send(Rows([AccountRows(take.account, take.epoch + 1, [], [], [invented], [], [])]))
        assert await stream.receive() == Written()
        for text in (b"\xff\xff\xff\xff", len(noise := b"\xc1 no word").to_bytes(4) + noise):
            stream._writer.write(text)
        assert await stream.receive() is None


def test_a_hub_takes_an_accounts_rows_from_the_seat_that_has_it_alone(shop: Cli) -> None:
    port = free_port()
    shop.job(carts("loja", 1))
    with hub(shop, "job.jsonl", port) as run:
        asyncio.run(say_wrong_things(port))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")):
            out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert b"it sent a frame of 4,294,967,295 bytes" in err
    assert json.loads(out)["ok"] == 3
    assert set(shop.statuses().values()) == {"ok"}


# Secrets


async def relay(port: int, to: int, heard: list[bytes], stop: asyncio.Event) -> None:
    """Pass on what two sides say to each other, and keep it."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        while text := await reader.read(1 << 16):
            kept += text
            writer.write(text)
        heard.append(bytes(kept))
        writer.close()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, away, bytearray()), pump(there, writer, bytearray()))

    server = await asyncio.start_server(attend, "127.0.0.1", port)
    while not stop.is_set() or len(heard) < 2:  # noqa: ASYNC110  # it is set by another thread
        await asyncio.sleep(0.02)
    server.close()


def words_of(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Each word's tag and its frame."""
    while text:
        length = int.from_bytes(text[:4])
        frame, text = text[4 : 4 + length], text[4 + length :]
        yield msgspec.msgpack.decode(frame)[0], frame


def test_only_the_handing_over_of_an_account_carries_secrets(shop: Cli) -> None:
    port, between, heard, stop = free_port(), free_port(), list[bytes](), asyncio.Event()
    shop.job([*carts("loja", 2), *carts("acme", 2), *carts("sklep", 2)])
    with hub(shop, "job.jsonl", port) as run, ThreadPoolExecutor(1) as thread:
        relaying = thread.submit(asyncio.run, relay(between, port, heard, stop))
        until(lambda: is_listening(between))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{between}")) as seat:
            _, err = run.communicate(timeout=60)
            said, complaint = seat.communicate(timeout=60)
        stop.set()
        relaying.result()
    assert run.returncode == 0, err
    secrets = [str(value).encode() for keys in KEYS.values() for name, value in keys.items() if "token" in name]
    carriers = {tag for text in heard for tag, frame in words_of(text) if any(secret in frame for secret in secrets)}
    assert carriers == {"take"}
    assert not [secret for secret in secrets if secret in said + complaint + err]


# Who is let in


PATIENT = """
from batchcart.cli import main
from batchcart.runs.seats import open_seats

open_seats._PATIENCE = 3600.0  # seconds that seats have for hanging up
main()
"""


def test_a_run_does_not_wait_for_a_stranger_that_says_nothing(shop: Cli) -> None:
    port = free_port()
    shop.job(carts("loja", 2))
    words = ("run", "job.jsonl", "--progress", "none", "--processes", "2", "--seats-at", f"127.0.0.1:{port}")
    shop.hook("loja", "delay")
    with socket.socket() as stranger, started(shop.folder, sys.executable, "-c", PATIENT, *words) as run:
        until(lambda: stranger.connect_ex(("127.0.0.1", port)) in {0, errno.EISCONN})
        _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert set(shop.statuses().values()) == {"ok"}


async def attend_nobody(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.2)
    writer.close()


async def why_not(files: TlsFiles | None, ours: TlsFiles | None, host: str = "127.0.0.1") -> str:
    """What a seat with ``ours`` is told by a hub with ``files``."""
    context = open_tls(files, server=True) if files else None
    server = await asyncio.start_server(attend_nobody, "127.0.0.1", 0, ssl=context)
    try:
        await sit_at(HubAddress(host, server.sockets[0].getsockname()[1], ours), asyncio.Event())
    except Stopped as stopped:
        return str(stopped)
    finally:
        server.close()
    raise AssertionError


async def test_a_seat_is_told_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    ours, theirs = (open_authority(tmp_path / name) for name in ("ours", "theirs"))
    good, other = ours.sign("good", "IP:127.0.0.1"), ours.sign("other", "DNS:elsewhere.example")
    past, strange = ours.sign("past", "IP:127.0.0.1", until="20210101000000Z"), theirs.sign("strange", "IP:127.0.0.1")
    right = TlsFiles(ours.certificate, good.certificate, good.key)

    def with_pair(pair: object) -> TlsFiles:
        return TlsFiles(ours.certificate, pair.certificate, pair.key)  # type: ignore[attr-defined]

    assert "for another name than 127.0.0.1" in await why_not(with_pair(other), right)
    assert "has expired" in await why_not(with_pair(past), right)
    assert "is not of the authority in --tls-ca" in await why_not(
        TlsFiles(theirs.certificate, strange.certificate, strange.key), right
    )
    assert "is this seat's certificate of the hub's --tls-ca?" in await why_not(right, with_pair(strange))
    assert "does not speak TLS" in await why_not(None, right) or "cut" in await why_not(None, right)
    assert "does it want TLS?" in await why_not(right, None)
    assert "hung up before it said a word" in await why_not(right, right)  # the two of them agree


async def test_a_seat_says_that_nothing_listens() -> None:
    port = free_port()
    with pytest.raises(Stopped, match=f"^no hub at 127.0.0.1:{port}: connection refused$"):
        await sit_at(HubAddress("127.0.0.1", port), asyncio.Event())


@pytest.mark.parametrize(
    ("text", "files", "sentence"),
    [
        ("0.0.0.0:7333", (None, None, None), "secrets would go over the network in the clear"),
        ("hub.example.com:7333", (Path("ca"), None, None), "all three of --tls-ca, --tls-cert and --tls-key"),
        ("127.0.0.1", (None, None, None), "expected HOST:PORT"),
        ("a@b:1", (None, None, None), "expected HOST:PORT"),
        ("127.0.0.1:99999", (None, None, None), "expected HOST:PORT"),
    ],
)
def test_an_address_that_would_show_secrets_or_is_none_is_refused(
    text: str, files: tuple[Path | None, Path | None, Path | None], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_address(text, "--seats-at", files)


def test_a_run_over_tls_ends_as_one_without(shop: Cli, tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "authority")
    pair, port = authority.sign("node", "IP:127.0.0.1"), free_port()
    tls = ("--tls-ca", authority.certificate, "--tls-cert", pair.certificate, "--tls-key", pair.key)
    shop.job(carts("loja", 2))
    words: Sequence[str | Path] = ("run", "job.jsonl", "--progress", "none", "--seats-at", f"127.0.0.1:{port}", *tls)
    with started(shop.folder, *argv(*words)) as run:
        until(lambda: is_listening(port))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}", *tls)) as seat:
            _, err = run.communicate(timeout=60)
            assert run.returncode == 0, err
            assert seat.wait(60) == 0
    assert set(shop.statuses().values()) == {"ok"}


def test_a_seat_that_is_told_to_end_gives_its_accounts_back_at_once(shop: Cli) -> None:
    port = free_port()
    shop.job(carts("loja", 60))
    shop.hook("loja", "delay")
    with hub(shop, "job.jsonl", port) as run, started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as first:
        until(lambda: shop.endpoint("loja").saw.effects["create"] >= 2)
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as second:
            time.sleep(1)
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 0
            shop.hook("loja", "")
            _, err = run.communicate(timeout=60)
            assert second.wait(60) == 0
    assert run.returncode == 0
    assert err == b""
    assert shop.endpoint("loja").saw.effects["create"] == 60


# What a seat that was given up was answered meanwhile


@contextmanager
def frozen_in_mid_create(shop: Cli, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A seat that stopped while the shop made its first cart, and another one beside it."""
    pids: list[int] = []

    def freeze(call: Call) -> str:
        if call.method == "POST" and pids:
            os.kill(pids.pop(), signal.SIGSTOP)
        return ""

    with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as seat:
        pids.append(seat.pid)
        shop.hook("acme", freeze)
        until(lambda: is_stopped(seat.pid))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as other:
            yield seat
            assert other.wait(60) == 0


def assert_taken(shop: Cli, said: bytes) -> None:
    """The seat's one late answer ended its line, and nothing was sent twice."""
    assert b"waited for 1 of them" in said
    assert set(shop.statuses().values()) == {"ok"}
    assert shop.endpoint("acme").saw.effects == {"create": 2, "add": 2}


def test_what_a_shop_answered_a_frozen_seat_ends_the_line_once_the_seat_wakes_up(shop: Cli) -> None:
    port = free_port()
    shop.configure(acme={"concurrency": 1})
    shop.job(carts("acme", 2))
    with hub(shop, "job.jsonl", port) as run, frozen_in_mid_create(shop, port) as seat:
        until(lambda: (shop.folder / "job.results.jsonl").read_bytes().count(b"\n") == 3)
        assert set(shop.statuses()) == {4, 5, 6}  # the other cart did not wait
        os.kill(seat.pid, signal.SIGCONT)
        _, err = run.communicate(timeout=60)
        _, said = seat.communicate(timeout=60)
    assert run.returncode == 0, err
    assert b"said nothing for 6 s" in err
    assert_taken(shop, said)


SHORT_OF_TIME = """
from batchcart.cli import main
from batchcart.runs.seats import hub

hub.WAITS = 0.5
main()
"""


def test_a_line_whose_seat_never_comes_back_ends_in_doubt_after_a_while(shop: Cli) -> None:
    port = free_port()
    shop.configure(acme={"concurrency": 1})
    shop.job(carts("acme", 2))
    words = ("run", "job.jsonl", "--progress", "none", "--seats-at", f"127.0.0.1:{port}")
    with started(shop.folder, sys.executable, "-c", SHORT_OF_TIME, *words) as run:
        until(lambda: is_listening(port))
        with frozen_in_mid_create(shop, port):
            _, err = run.communicate(timeout=60)
    assert run.returncode == 1, err
    assert shop.statuses()[1] == "in_doubt"
    assert shop.endpoint("acme").saw.effects == {"create": 2, "add": 1}


AWAITS_ANSWERS_ALONE = """
from batchcart.cli import main
from batchcart.runs.seats import open_seats

open_seats.LASTS = open_seats.SETTLE = 0.0
open_seats.WAITS = 600.0
main()
"""


@contextmanager
def killed_in_mid_create(shop: Cli, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A seat that stopped while the shop made its first of two carts, and whose hub was killed then."""
    shop.configure(acme={"concurrency": 1})
    shop.job(carts("acme", 2))
    with hub(shop, "job.jsonl", port) as killed, started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as seat:

        def strike(call: Call) -> str:
            if call.method == "POST" and killed.poll() is None:
                os.kill(seat.pid, signal.SIGSTOP)
                killed.kill()
            return ""

        shop.hook("acme", strike)
        killed.wait(60)
        yield seat


@contextmanager
def started_again(shop: Cli, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The hub once more, which leaves former seats no time but for answers."""
    words = ("run", "job.jsonl", "--progress", "none", "--seats-at", f"127.0.0.1:{port}")
    with started(shop.folder, sys.executable, "-c", AWAITS_ANSWERS_ALONE, *words) as run:
        until(lambda: is_listening(port))
        yield run


def test_what_a_shop_answered_a_seat_whose_hub_was_killed_ends_the_line_once_the_run_goes_on(shop: Cli) -> None:
    port = free_port()
    with killed_in_mid_create(shop, port) as seat:
        with started_again(shop, port) as run, started(shop.folder, *argv("seat", f"127.0.0.1:{port}")):
            until(lambda: (shop.folder / "job.results.jsonl").read_bytes().count(b"\n") == 3)
            assert set(shop.statuses()) == {4, 5, 6}  # the other cart did not wait
            os.kill(seat.pid, signal.SIGCONT)
            _, err = run.communicate(timeout=60)
        _, said = seat.communicate(timeout=60)
    assert run.returncode == 0, err
    assert_taken(shop, said)


def test_tokens_that_a_shop_renewed_for_a_seat_whose_hub_was_killed_are_used_once_the_run_goes_on(shop: Cli) -> None:
    port = free_port()
    shop.job(carts("loja", 2))
    shop.endpoint("loja").expire_token()
    with hub(shop, "job.jsonl", port) as killed, started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as seat:

        def strike(call: Call) -> str:
            if "auth" in call.route and killed.poll() is None:
                os.kill(seat.pid, signal.SIGSTOP)
                killed.kill()
            return ""

        shop.hook("loja", strike)
        killed.wait(60)
        with started_again(shop, port) as run:
            os.kill(seat.pid, signal.SIGCONT)
            _, said = seat.communicate(timeout=60)
            with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")):
                _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert b"it was given renewed tokens" in said
    assert set(shop.statuses().values()) == {"ok"}
    assert shop.endpoint("loja").saw.effects == {"renew": 1, "create": 2, "add": 2}


def test_a_run_that_goes_on_later_waits_for_no_answers(shop: Cli) -> None:
    port = free_port()
    with killed_in_mid_create(shop, port):
        with closing(sqlite3.connect(shop.folder / "job.results.jsonl.journal")) as journal, journal:
            journal.execute("UPDATE send SET at = at - 600")
        with started_again(shop, port) as run, started(shop.folder, *argv("seat", f"127.0.0.1:{port}")):
            _, err = run.communicate(timeout=100)
    assert run.returncode == 1, err
    assert shop.statuses()[1] == "in_doubt"
    assert shop.endpoint("acme").saw.effects == {"create": 2, "add": 1}


SENT = '["POST","/3dCartWebAPI/v1/Cart",[],null]'


def late_answer(account: int, intent: IntentRow, status: str = "ok") -> LateAnswer:
    line = intent[0]
    text = json.dumps({"line": line, "status": status, "cart_id": f"key-{line}"}).encode()
    return LateAnswer(account, 1, intent, None, (line, status, "{}", text, False))


async def bring_answers(port: int) -> None:
    """Be a seat that sends five creates and is cut off, and then knows what became of them; of two it is too late."""
    at = time.time()
    async with seated(port) as former, seated(port, late=True) as stream:
        welcome, take = await former.receive(), await former.receive()
        assert isinstance(welcome, Welcome)
        assert isinstance(take, Take)
        intents = [(line, 1, at, SENT) for line in range(1, 6)]
        former.send(Rows([AccountRows(take.account, take.epoch, intents, [], [], [], [])]))
        assert await former.receive() == Written()
        assert isinstance(await stream.receive(), Welcome)

        async def count_taken(*answers: LateAnswer, run: str = welcome.run) -> int:
            stream.send(Late(run, list(answers)))
            taken = await stream.receive()
            assert isinstance(taken, Taken)
            return taken.answers

        yes, no = late_answer(take.account, (1, 1, at, SENT)), late_answer(take.account, (2, 1, at, SENT), "failed")
        assert await count_taken(yes) == 1  # also if the hub has not noticed yet that the seat was cut off
        assert await former.receive() is None
        wrong = [
            yes,  # the line has ended
            late_answer(take.account, (2, 1, at + 1, SENT)),
            late_answer(take.account, (2, 2, at, SENT)),
            late_answer(take.account, (2, 1, at, SENT.replace("v1", "v2"))),
            late_answer(take.account + 1, (2, 1, at, SENT)),
            LateAnswer(take.account, take.epoch, no.intent, None, yes.result),
        ]
        assert await count_taken(*wrong) == 0
        assert await count_taken(no, run="another") == 0
        assert await count_taken(no, no) == 1
        async with seated(port) as other:
            assert isinstance(await other.receive(), Welcome)
            again = await other.receive()
            assert isinstance(again, Take)
            other.send(More(again.account, again.epoch, 1))
            parcel = await other.receive()
            assert isinstance(parcel, Parcel)
            assert [step.line for step in parcel.steps] == [3]
            assert await count_taken(late_answer(take.account, (3, 1, at, SENT))) == 0
            assert await count_taken(late_answer(take.account, (5, 1, at, SENT))) == 1  # nobody was given it yet
            other.send(More(again.account, again.epoch, 9))
            parcel = await other.receive()
            assert isinstance(parcel, Parcel)
            assert [step.line for step in parcel.steps] == [4]
            seen = AccountSnapshot(take.name, take.platform, 0, {})
            other.send(Leaving())
            assert isinstance(await other.receive(), Drop)
            other.send(Finished(again.account, again.epoch, seen, [], b""))
            assert isinstance(await other.receive(), Bye)


def test_a_hub_takes_late_answers_for_the_writes_alone_that_it_has_open(shop: Cli) -> None:
    port = free_port()
    shop.job([create("acme", f"c{number}") for number in range(5)])
    with hub(shop, "job.jsonl", port) as run:
        asyncio.run(bring_answers(port))
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")):
            _, err = run.communicate(timeout=60)
    assert run.returncode == 1, err
    assert shop.statuses() == {1: "ok", 2: "failed", 3: "in_doubt", 4: "in_doubt", 5: "ok"}
    assert not shop.endpoint("acme").saw.effects


def obstruct(folder: Path, text: bytes) -> None:
    """Have a folder in the place of the file with this text: no file can take that place any more."""
    (kept,) = (path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes())
    kept.unlink()
    kept.mkdir()


async def bring_tokens(port: int, state: Path) -> list[int]:
    """Be a seat whose hub keeps some renewed tokens, then none that others replaced, then none for want of a disk."""
    async with seated(port) as former, seated(port, late=True) as stream:
        welcome, take = await former.receive(), await former.receive()
        assert isinstance(welcome, Welcome)
        assert isinstance(take, Take)
        assert isinstance(await stream.receive(), Welcome)
        origin = token_fingerprint(Credentials(take.origin, frozenset(take.secret_names)))
        first, second = {"access_token": "first"}, {"access_token": "second"}

        async def count_kept(replaced: dict[str, str], tokens: dict[str, str]) -> int:
            stream.send(Late(welcome.run, [], [LateTokens(take.account, origin, replaced, tokens)]))
            taken = await stream.receive()
            assert isinstance(taken, Taken)
            return taken.tokens

        counts = [await count_kept({}, first), await count_kept({}, second)]
        # The seat that has the account gives it back, and gets it anew with these.
        assert await asyncio.wait_for(former.receive(), 20) == Drop(take.account, take.epoch)
        obstruct(state, b"first")
        return [*counts, await count_kept(first, second)]


def test_a_hub_says_which_late_tokens_it_keeps_and_why_it_cannot(shop: Cli) -> None:
    port = free_port()
    shop.job([create("loja", "c")])
    with hub(shop, "job.jsonl", port) as run:
        assert asyncio.run(bring_tokens(port, shop.folder / "state")) == [1, 0, 0]
        run.kill()
        _, err = run.communicate(timeout=60)
    assert b"account 'loja': tokens that the shop renewed for a seat that was cut off cannot be kept" in err
