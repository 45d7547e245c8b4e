"""What an account remembers between runs: its sends, its tokens, and who works on it, whatever happens in between."""

import contextlib
import os
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchcart.accounts.locks import FileLock, LockHeld
from batchcart.accounts.send_history import SendHistory, boot_id
from batchcart.accounts.state import AccountState, find_account_holder
from batchcart.model.errors import UsageError


class Clocks:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 1000.0, 1_800_000_000.0

    def sends(self, path: Path | None, capacity: int = 5) -> SendHistory:
        return SendHistory(path, capacity, lambda: self.monotonic, lambda: self.wall)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sends"


def last(sends: SendHistory, count: int) -> list[float]:
    return [sends.nth_last(number) for number in range(1, count + 1)]


def reboot(path: Path) -> None:
    """The file as it looks to the next boot: its boot's name is another one."""
    content = path.read_bytes()
    assert boot_id() in content
    with path.open("r+b") as file:  # others may have it mapped
        file.write(content.replace(boot_id(), bytes(16 * [7])))


@pytest.mark.parametrize("wall", [-86_400.0, 0.0, 1e9])
def test_sends_are_remembered_by_the_next_run_whatever_the_wall_clock_does(
    clocks: Clocks, path: Path, wall: float
) -> None:
    sends = clocks.sends(path)
    for moment in (996.0, 998.5, 1000.0):
        sends.record(moment)
    sends.close()
    clocks.wall += wall
    clocks.monotonic += 10

    assert last(clocks.sends(path), 4) == [1000.0, 998.5, 996.0, float("-inf")]


def test_after_a_reboot_the_wall_clock_tells_how_old_sends_are(clocks: Clocks, path: Path) -> None:
    sends = clocks.sends(path)
    sends.record(990.0)
    sends.set_bucket_empty_at(0, 1010.0)
    sends.close()
    reboot(path)
    clocks.monotonic, clocks.wall = 5.0, clocks.wall + 60
    sends = clocks.sends(path)

    assert sends.nth_last(1) == pytest.approx(5.0 - 70.0)
    assert sends.bucket_empty_at(0) == pytest.approx(5.0 - 50.0)


def test_a_step_of_the_wall_clock_is_seen_within_a_second(clocks: Clocks, path: Path) -> None:
    sends = clocks.sends(path)
    sends.record(1000.0)
    clocks.monotonic, clocks.wall = clocks.monotonic + 2, clocks.wall + 3600
    sends.record(1002.0)
    sends.close()
    reboot(path)
    clocks.monotonic, clocks.wall = 5.0, clocks.wall + 60

    assert clocks.sends(path).nth_last(1) == pytest.approx(5.0 - 60.0)


def test_after_a_reboot_with_the_wall_clock_set_back_no_send_lies_in_the_future(clocks: Clocks, path: Path) -> None:
    clocks.sends(path).record(1000.0)
    reboot(path)
    clocks.monotonic, clocks.wall = 5.0, clocks.wall - 86_400

    assert clocks.sends(path).nth_last(1) == 5.0


def test_a_send_that_left_later_is_remembered_at_its_later_time(clocks: Clocks, path: Path) -> None:
    sends = clocks.sends(path, capacity=2)
    numbers = [sends.record(1.0 + index) for index in range(3)]
    sends.update(numbers[2], 9.0)
    sends.update(numbers[0], 99.0)  # long overwritten

    assert last(clocks.sends(path, capacity=2), 2) == [9.0, 2.0]


def test_a_greater_capacity_keeps_what_was_remembered(clocks: Clocks, path: Path) -> None:
    sends = clocks.sends(path, capacity=2)
    for moment in (1.0, 2.0, 3.0):
        sends.record(moment)

    assert last(clocks.sends(path, capacity=4), 3) == [3.0, 2.0, float("-inf")]
    assert last(clocks.sends(path, capacity=1), 2) == [3.0, 2.0]


@given(
    st.lists(st.lists(st.floats(0, 10), max_size=8), max_size=4), st.lists(st.integers(1, 6), min_size=4, max_size=4)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_restart_forgets_a_send_that_a_window_counts(
    path: Path, runs: list[list[float]], capacities: list[int]
) -> None:
    path.unlink(missing_ok=True)
    clocks, sent, kept = Clocks(), [], min(capacities)
    for pauses, capacity in zip(runs, capacities, strict=False):
        sends = clocks.sends(path, capacity)
        for pause in pauses:
            clocks.monotonic += pause
            clocks.wall += pause * 3 - 7
            sends.record(clocks.monotonic)
            sent.append(clocks.monotonic)
        expected = [*reversed(sent), *[float("-inf")] * kept][:kept]

        assert last(sends, kept) == expected


PLACE = 64 + 24  # where the one account's bytes begin: behind the file's head and its own
RING = PLACE + 48 + 8 * 8


def damaged(content: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "short": content[:50],
        "cut": content[: RING + 20],
        "foreign": b"x" * len(content),
        "another mark": content[:64] + b"none" + content[68:],
        "a great length": content[:68] + struct.pack("<I", 1 << 30) + content[72:],
        "a small length": content[:68] + struct.pack("<I", 24) + content[72:],
        "no length": content[:68] + struct.pack("<I", 0) + content[72:],
        "no capacity": content[: PLACE + 32] + struct.pack("<QQ", 0, 5) + content[PLACE + 48 :],
        "great capacity": content[: PLACE + 32] + struct.pack("<QQ", 1 << 60, 5) + content[PLACE + 48 :],
        "not a number": content[:RING] + struct.pack("<d", float("nan")) * 2 + content[RING + 16 :],
        "infinite": content[:RING] + struct.pack("<d", float("inf")) * 2 + content[RING + 16 :],
        "no clock": content[: PLACE + 16] + struct.pack("<d", float("nan")) * 2 + content[PLACE + 32 :],
    }


@pytest.mark.parametrize("damage", list(damaged(b"")))
def test_a_damaged_file_is_as_good_as_none(clocks: Clocks, path: Path, damage: str) -> None:
    sends = clocks.sends(path)
    for moment in range(6):
        sends.record(float(moment))
    sends.close()
    path.write_bytes(damaged(path.read_bytes())[damage])
    sends = clocks.sends(path)

    assert last(sends, 1) == [float("-inf")]
    sends.record(7.0)
    assert clocks.sends(path).nth_last(1) == 7.0


@given(st.binary(max_size=250), st.sampled_from([0, 64, PLACE, PLACE + 32, RING]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_make_reading_sends_stumble(path: Path, content: bytes, start: int) -> None:
    path.unlink(missing_ok=True)
    sends = Clocks().sends(path, 2)
    for moment in (1.0, 2.0, 3.0):
        sends.record(moment)
    sends.close()
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)
    sends = Clocks().sends(path, 2)

    assert sends.nth_last(1) <= 1000.0
    sends.record(1000.0)
    assert sends.nth_last(1) == pytest.approx(1000.0)
    sends.close()


def test_accounts_share_a_file_and_each_has_its_own_sends_also_beside_other_runs(clocks: Clocks, path: Path) -> None:
    def sends(number: int, capacity: int) -> SendHistory:
        return SendHistory(path, capacity, lambda: clocks.monotonic, lambda: clocks.wall, b"%016d" % number)

    first = [sends(number, 1 + number) for number in range(300)]
    for number, one in enumerate(first):
        one.record(float(number))
        one.set_bucket_empty_at(number % 8, float(number))
    other = f"""
from pathlib import Path
from batchcart.accounts.send_history import SendHistory
for number in range(290, 310):
    sends = SendHistory(Path({str(path)!r}), 2000, lambda: 2000.0, key=b"%016d" % number)
    sends.record(1000.0 + number)
"""
    subprocess.run([sys.executable, "-c", other], check=True)
    more = [sends(number, 1) for number in range(310, 320)]
    for one in more:
        one.record(5.0)
    clocks.monotonic = 3000.0
    again = [sends(number, 1) for number in range(320)]

    assert [one.nth_last(1) for one in again[:290]] == [float(number) for number in range(290)]
    assert [one.bucket_empty_at(number % 8) for number, one in enumerate(again[:290])] == list(map(float, range(290)))
    assert [one.nth_last(1) for one in again[290:310]] == list(map(float, range(1290, 1310)))
    assert {one.nth_last(1) for one in again[310:]} == {5.0}
    assert path.stat().st_size < 4 << 20


def test_what_an_older_version_kept_for_an_account_is_taken_over_once(home: Path) -> None:
    state = AccountState.open("acme", "x")
    assert state.folder is not None
    state.folder.mkdir()
    now = time.monotonic()
    pairs = [(moment, time.time() + moment - now) for moment in (now - 30.0, now - 20.0, now - 10.0, now + 1.0)]
    levels = [(now + 5.0, time.time() + 5.0)] + [(0.0, 0.0)] * 7
    head = struct.pack("<8s16sQQ", b"bcsends1", boot_id(), 3, 4)
    ring = [pairs[3], pairs[1], pairs[2]]
    (state.folder / "sends").write_bytes(head + b"".join(struct.pack("<dd", *pair) for pair in levels + ring))
    for _ in range(2):
        sends = state.sends(10)
        assert last(sends, 4)[1:] == pytest.approx([now - 10.0, now - 20.0, float("-inf")])
        assert now <= sends.nth_last(1) <= now + 1.0
        assert sends.bucket_empty_at(0) == pytest.approx(now + 5.0)
        sends.close()
    assert list(state.folder.iterdir()) == []
    state.close()


def test_a_full_disk_is_said_before_anything_is_sent(path: Path) -> None:
    program = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from pathlib import Path
from batchcart.accounts.send_history import SendHistory
from batchcart.model.errors import UsageError
try:
    SendHistory(Path({str(path)!r}), 1 << 20)
except UsageError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "cannot be written" in told
    assert "it keeps limits across runs. Nothing was sent" in told


SENDING = """
import sys, time
from pathlib import Path
from batchcart.accounts.send_history import SendHistory
sends = SendHistory(Path(sys.argv[1]), 50)
while True:
    now = time.monotonic()
    number = sends.record(now)
    sends.set_bucket_empty_at(0, now)
    print(now, flush=True)
    sends.update(number, now)
"""


def test_a_killed_process_leaves_every_send_it_made(path: Path) -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", SENDING, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            told = [float(text) for text in process.stdout.read().splitlines(keepends=True) if text.endswith("\n")]
        kept = set(last(SendHistory(path, 50), 50))

        assert set(told[-49:]) <= kept  # one more may have been noted and not told


def test_sends_without_a_file_last_as_long_as_the_process(clocks: Clocks) -> None:
    sends = AccountState(None).sends(3)
    sends.record(1.0)

    assert sends.nth_last(1) == 1.0
    sends.close()
    AccountState(None).close()


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written: .*; it keeps limits across runs"):
        SendHistory(tmp_path / "none" / "sends", 3)


def test_closing_sends_twice_does_no_harm(clocks: Clocks, path: Path) -> None:
    sends = clocks.sends(path)
    sends.close()
    sends.close()


HOLDING = """
import sys, time
from pathlib import Path
from batchcart.accounts.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire("the thing")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    with contextlib.ExitStack() as stack:

        def hold() -> subprocess.Popen[str]:
            command = [sys.executable, "-c", HOLDING, str(tmp_path / "lock")]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            return process

        yield hold


def test_a_second_process_is_told_the_pid_of_the_first(
    tmp_path: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    process = holder()
    with pytest.raises(LockHeld) as caught:
        FileLock(tmp_path / "lock").acquire("the thing")

    assert str(caught.value).startswith(f"the thing is in use by another run (pid {process.pid}); ")


def test_a_killed_owners_lock_is_free_at_once(tmp_path: Path, holder: Callable[[], subprocess.Popen[str]]) -> None:
    process = holder()
    process.kill()
    process.wait()
    lock = FileLock(tmp_path / "lock")
    lock.acquire("the thing")

    assert (tmp_path / "lock").read_text() == str(os.getpid())
    lock.release()
    assert not (tmp_path / "lock").exists()


RACING = """
import os, sys, time
from pathlib import Path
from batchcart.accounts.locks import FileLock, LockHeld
path, guard = Path(sys.argv[1]), Path(sys.argv[1] + ".guard")
got = 0
end = time.monotonic() + 1.0
while time.monotonic() < end:
    lock = FileLock(path)
    try:
        lock.acquire("the thing")
    except LockHeld:
        continue
    os.close(os.open(guard, os.O_CREAT | os.O_EXCL))
    got += 1
    guard.unlink()
    lock.release()
print(got)
"""


def test_processes_that_race_for_a_lock_never_hold_it_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACING, str(tmp_path / "lock")]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    results = [(racer.communicate()[0], racer.returncode) for racer in racers]

    assert [code for _, code in results] == [0, 0, 0]
    assert sum(int(text) for text, _ in results) > 10


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "batchcart"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_whatever_an_account_remembers_is_for_its_owner_alone(home: Path) -> None:
    home.mkdir(parents=True, mode=0o755)
    account_state = AccountState.open("acme", "https://acme.example")
    account_state.sends(3).close()
    account_state.keep_tokens("origin", {"access_token": "x"})
    (folder,) = home.glob("acme-*")

    assert (mode(home), mode(folder)) == (0o700, 0o700)
    assert {path.name: mode(path) for path in home.iterdir() if path.is_file()} == {"locks": 0o600, "sends": 0o600}
    assert {path.name: mode(path) for path in folder.iterdir()} == {"tokens.json": 0o600}
    account_state.close()


def test_an_account_is_worked_on_by_one_run_at_a_time(home: Path) -> None:
    account_state = AccountState.open("acme", "x")
    with pytest.raises(LockHeld, match=rf"account 'acme' is in use by another run \(pid {os.getpid()}\)"):
        AccountState.open("acme", "x")
    AccountState.open("acme", "elsewhere").close()
    account_state.close()
    AccountState.open("acme", "x").close()


def test_accounts_of_strange_names_have_folders_of_their_own(home: Path) -> None:
    names = ["a/b", "a_b", "..", "é", "x" * 300]
    for name in names:
        account_state = AccountState.open(name, "x")
        account_state.keep_tokens("origin", {"access_token": "a"})
        account_state.close()

    assert len([path for path in home.iterdir() if path.is_dir()]) == len(names)


def test_a_run_of_an_older_version_keeps_its_account(home: Path) -> None:
    account_state = AccountState.open("acme", "x")
    account_state.keep_tokens("origin", {"access_token": "a"})
    account_state.close()
    (folder,) = home.glob("acme-*")
    old = FileLock(folder / "lock")
    old.acquire("the account")
    with pytest.raises(LockHeld, match=rf"account 'acme' is in use by another run \(pid {os.getpid()}\)"):
        AccountState.open("acme", "x")
    assert find_account_holder("acme", "x") is None
    old.release()
    (folder / "lock").write_text("1")  # of one that was killed
    AccountState.open("acme", "x").close()
    assert not (folder / "lock").exists()


ACCOUNT = """
import sys, time
from batchcart.accounts.state import AccountState, find_account_holder
AccountState.open(sys.argv[1], "x").sends(3).record(time.monotonic())
print("held", flush=True)
time.sleep(60)
"""


def test_the_run_that_has_an_account_is_named_and_its_kill_frees_the_account_with_its_sends(home: Path) -> None:
    ours = AccountState.open("other", "x")
    with subprocess.Popen([sys.executable, "-c", ACCOUNT, "acme"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert find_account_holder("acme", "x") == process.pid
        with pytest.raises(LockHeld, match=rf"account 'acme' is in use by another run \(pid {process.pid}\); wait"):
            AccountState.open("acme", "x")
        process.kill()
    account_state = AccountState.open("acme", "x")
    sends = account_state.sends(3)
    assert 0.0 <= time.monotonic() - sends.nth_last(1) < 60.0
    assert find_account_holder("acme", "x") == find_account_holder("other", "x") == os.getpid()
    sends.close()
    account_state.close()
    ours.close()
    assert find_account_holder("acme", "x") is None


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_thousands_of_accounts_hold_no_file_each(home: Path) -> None:
    before = open_files()
    opened = [AccountState.open(f"shop{number}", "x") for number in range(2_000)]
    sends = [account_state.sends(100) for account_state in opened]
    assert open_files() < before + 5
    for history, account_state in zip(sends, opened, strict=True):
        history.close()
        account_state.close()
    assert open_files() == before
    assert len(list(home.iterdir())) == 2


def test_renewed_tokens_are_kept_for_the_config_they_came_from(home: Path) -> None:
    account_state = AccountState.open("acme", "x")
    assert account_state.tokens("origin") == {}
    account_state.keep_tokens("origin", {"access_token": "a"})
    account_state.keep_tokens("origin", {"access_token": "b", "refresh_token": "c"})

    assert account_state.tokens("origin") == {"access_token": "b", "refresh_token": "c"}
    assert account_state.tokens("another") == {}
    account_state.close()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"origin":"o"}', b'{"origin":"o","tokens":[1]}', b"\xff", b"{"]
)
def test_damaged_tokens_are_as_good_as_none(home: Path, content: bytes) -> None:
    account_state = AccountState.open("acme", "x")
    assert account_state.folder is not None
    account_state.folder.mkdir()
    (account_state.folder / "tokens.json").write_bytes(content)

    assert account_state.tokens("o") == {}
    account_state.close()


def test_a_state_folder_that_cannot_be_made_is_said(home: Path) -> None:
    home.parent.write_text("a file")
    with pytest.raises(UsageError, match=r"the state folder .* cannot be created: .* Set XDG_STATE_HOME"):
        AccountState.open("acme", "x")


def test_an_account_that_ends_with_the_run_keeps_nothing(home: Path) -> None:
    account_state = AccountState(None)
    account_state.keep_tokens("o", {"a": "b"})

    assert account_state.tokens("o") == {}
    assert not home.exists()


@pytest.mark.parametrize("whole", [True, False])
def test_a_renewed_pair_that_a_kill_left_beside_its_place_is_taken_up_if_it_is_whole(
    home: Path, *, whole: bool
) -> None:
    account_state = AccountState.open("acme", "x")
    account_state.keep_tokens("origin", {"access_token": "older-access-token"})
    (kept,) = home.glob("*/tokens.json")
    text = kept.read_text().replace("older", "newer")
    Path(f"{kept}.new").write_text(text if whole else text[:-9])

    assert account_state.tokens("origin") == {"access_token": "newer-access-token" if whole else "older-access-token"}
    assert [path.name for path in kept.parent.glob("tokens*")] == ["tokens.json"]
    account_state.close()
