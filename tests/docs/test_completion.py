"""What the shells offer after Tab, asked of real shells with the scripts that `batchcart completion` prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import batchcart

from batchcart.platforms import load_adapters

_BUILT_IN = [f"sandbox-{name}" for name in load_adapters()]
_CONFIG = '[accounts.acme]\nplatform = "tray"\n[accounts.alba]\nplatform = "no such"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a config, a job file, and a `batchcart` of this checkout to be found on the path."""
    (tmp_path / "batchcart.toml").write_text(_CONFIG)
    (tmp_path / "june.jsonl").write_text("{}\n")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "batchcart"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m batchcart "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    own = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": root, "TERM": "xterm"}
    return {**os.environ, **own}


def shell(command: list[str], folder: Path) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


def bash(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words, by calling the function that it would call itself."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        source <(batchcart completion bash)
        COMP_WORDS=(batchcart {quoted}); COMP_CWORD={len(words)}
        compopt() {{ echo "$2 of the shell's own"; }}
        $(complete -p batchcart | sed 's/.*-F \\([^ ]*\\).*/\\1/') batchcart
        echo "${{COMPREPLY[@]}}"
    """
    return shell(["bash", "--norc", "-c", script], folder)


def test_names_that_a_shell_would_take_for_more_than_a_name_are_not_offered(folder: Path) -> None:
    odd = ("$(touch evil)", "a b", "`x`", "a;b", "-rf", "a\\nb", "a'b", "*")
    config = "".join(f'[accounts."{name}"]\nplatform = "tray"\n' for name in odd)
    (folder / "batchcart.toml").write_text(_CONFIG + config)
    assert bash(folder, "run", "--account", "a") == ["acme", "alba"]
    assert bash(folder, "run", "--account", "") == ["acme", "alba", *_BUILT_IN]


def test_bash_offers_commands_options_and_accounts(folder: Path) -> None:
    assert bash(folder, "s") == ["status", "settle", "schema", "seat", "sandbox"]
    assert bash(folder, "run", "--acc") == ["--account"]
    assert bash(folder, "run", "--account", "a") == ["acme", "alba"]
    assert bash(folder, "doctor", "acme", "sandbox-t") == ["sandbox-tray"]
    assert bash(folder, "completion", "") == ["bash", "zsh", "fish"]


def test_bash_offers_its_own_files_where_a_job_is_wanted(folder: Path) -> None:
    assert bash(folder, "run", "ju")[:2] == ["default", "of"]


def test_another_config_on_the_line_gives_its_accounts(folder: Path) -> None:
    (folder / "other.toml").write_text("[accounts.zeta]\n")

    assert bash(folder, "check", "--config", "other.toml", "--account", "z") == ["zeta"]


def test_a_broken_config_or_word_offers_what_is_left_and_says_nothing(folder: Path) -> None:
    (folder / "batchcart.toml").write_text("accounts = [")

    assert bash(folder, "run", "--account", "") == _BUILT_IN
    assert bash(folder, "rnu", "--acc") == []


def test_completing_imports_neither_aiohttp_nor_rich(folder: Path) -> None:
    told = "print([name for name in ('aiohttp', 'rich', 'jinja2') if name in sys.modules], file=sys.stderr)"
    program = f"import sys; from batchcart.cli import main\ntry: main()\nfinally: {told}"
    asked = {"COMP_WORDS": "batchcart run --account a", "COMP_CWORD": "3", "_BATCHCART_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**environment(folder), **asked, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["plain,acme", "plain,alba"]
    assert done.stderr == "[]\n"


def test_an_unknown_shell_is_told_which_there_are(tmp_path: Path) -> None:
    assert "'bash', 'zsh', 'fish'" in batchcart("completion", "tcsh", folder=tmp_path, code=2).err


@pytest.mark.storm
def test_fish_offers_commands_and_accounts(folder: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")

    def offered(line: str) -> list[str]:
        return shell([fish, "-N", "-c", f"batchcart completion fish | source; complete -C '{line}'"], folder)

    assert "status" in offered("batchcart st")
    assert offered("batchcart run --account a") == ["acme", "alba"]


@pytest.mark.storm
def test_zsh_offers_commands_and_accounts(folder: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not installed")
    # The functions by which zsh would fill its menu print instead.
    program = """
        autoload -U compinit && compinit -u
        eval "$(batchcart completion zsh)"
        compadd() { print -l -- $completions; }
        _describe() { print -l -- ${completions_with_descriptions%%:*}; }
        words=(batchcart %s); CURRENT=$#words
        _batchcart_completion; exit 0
    """

    def offered(words: str) -> list[str]:
        return shell([zsh, "-f", "-c", program.replace("%s", words)], folder)

    assert "status" in offered("st")
    assert offered("run --account a") == ["acme", "alba"]
