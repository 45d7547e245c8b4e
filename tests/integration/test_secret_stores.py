"""Secrets that another program keeps: what a command prints, what a keyring has, and each way in which they fail."""

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from batchcart.accounts import secret_stores
from batchcart.accounts.config import AccountConfig, load_config
from batchcart.model.errors import UsageError
from batchcart.platforms import load_adapters

SECRET = "SECRET-FROM-A-STORE"


def account(folder: Path, reference: str) -> AccountConfig:
    config = folder / "batchcart.toml"
    config.write_text(
        f'[accounts.acme]\nplatform = "tray"\napi_address = "https://a.example"\naccess_token = {reference}\n'
    )
    return load_config(config, load_adapters()).find("acme")


def by_command(folder: Path, line: str) -> AccountConfig:
    return account(folder, f"{{ command = '''{line}''' }}")


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def token(entry: AccountConfig) -> str | None:
    return entry.resolve().credentials.get("access_token")


def refusal(entry: AccountConfig) -> str:
    with pytest.raises(UsageError) as caught:
        entry.resolve()
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_a_commands_first_line_is_the_secret_and_it_runs_once_in_the_configs_folder(tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text(SECRET)
    code = "import pathlib; open('count', 'a').write('x'); print(pathlib.Path('here.txt').read_text()); print('more')"
    entry = by_command(tmp_path, python(code))

    assert [token(entry), token(entry)] == [SECRET, SECRET]
    assert (tmp_path / "count").read_text() == "x"


def test_a_command_meets_no_shell(tmp_path: Path) -> None:
    words = by_command(tmp_path, python("import sys; print(''.join(sys.argv[1:]))") + " $HOME '*;|' \"a b\"c | ~")
    assert "holds a space" in refusal(words)
    words = by_command(tmp_path, python("import sys; print('-'.join(sys.argv[1:]))") + " $HOME '*;|' ab\"c\" | ~")
    assert token(words) == "$HOME-*;|-abc-|-~"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "the command is empty; write the program and its arguments"),
        ("pass 'show", "has a quotation mark or backslash too many"),
        ("no-such-program-here show", "cannot run: there is no program 'no-such-program-here'; install it, or write"),
        ("./not-there", "cannot run: there is no program './not-there'"),
        (python(f"import sys; print('{SECRET[:8]}' + '{SECRET[8:]}'); sys.exit(7)"), "failed with exit code 7; try it"),
        (python("pass"), "is empty; put the secret there"),
        (python("print('x' * 100000)"), "did not end within 30 s, or printed more than a secret"),
        (python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe\xfd\xfc')"), "printed what is not UTF-8"),
    ],
)
def test_a_command_that_gives_no_secret_is_told_with_account_and_key(
    tmp_path: Path, line: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said = refusal(by_command(tmp_path, line))

    assert said.startswith("account 'acme': access_token: ")
    assert told in said
    assert capfd.readouterr() == ("", "")


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_stores, "LONGEST_RUN", 0.3)
    began = time.monotonic()
    said = refusal(by_command(tmp_path, "sleep 60"))

    assert "the command 'sleep 60' did not end within 0 s" in said
    assert time.monotonic() - began < 30


def test_what_is_wrong_without_running_it_is_told_without_running_it(tmp_path: Path) -> None:
    by_command(tmp_path, python("open('ran', 'w')")).check()
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UsageError, match="there is no program 'no-such-program-here'"):
        by_command(tmp_path, "no-such-program-here").check()


class Ring(KeyringBackend):
    """A keyring with one entry."""

    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        return SECRET if (service, username) == ("batchcart", "acme") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def ring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("ring")
def test_a_secret_comes_from_the_keyring(tmp_path: Path) -> None:
    assert token(account(tmp_path, '{ keyring = "batchcart", user = "acme" }')) == SECRET


@pytest.mark.usefixtures("ring")
def test_a_keyring_without_the_entry_says_how_to_put_it_there(tmp_path: Path) -> None:
    said = refusal(account(tmp_path, '{ keyring = "my shops", user = "acme" }'))

    assert said.startswith("account 'acme': access_token: the keyring has nothing for service 'my shops'")
    assert said.endswith("keyring set 'my shops' acme")


@pytest.mark.usefixtures("ring")
def test_a_keyring_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    said = refusal(account(tmp_path, '{ keyring = "batchcart", user = "acme" }'))

    assert "the keyring cannot be read (NoKeyringError)" in said


@pytest.mark.parametrize(
    "reference", ['{ keyring = "a" }', '{ user = "a" }', '{ command = "a", env = "B" }', '{ env = "A", user = "b" }']
)
def test_a_reference_names_one_source(tmp_path: Path, reference: str) -> None:
    with pytest.raises(UsageError, match="expected a string"):
        account(tmp_path, reference)
