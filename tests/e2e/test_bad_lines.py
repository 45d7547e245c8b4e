"""Equal mistakes of a job are told in one sentence, every bad line can be reached, and a caret shows the place."""

import json
from pathlib import Path

import pytest
from cli_harness import Cli, batchcart

from batchcart.jobs.bad_lines import LineProblems
from batchcart.jobs.job_file import InvalidLine, RawLine
from batchcart.model.errors import BadLines


def judged(*lines: tuple[int, str], text: bytes = b"{}", json: bool = True) -> BadLines:
    """What is raised of these problems, by line."""
    bad = LineProblems("job.jsonl")
    for number, problem in lines:
        bad.add(RawLine(number, 0, text), InvalidLine(problem, json=json))
    with pytest.raises(BadLines) as raised:
        bad.check(1)
    return raised.value


def test_one_sentence_and_a_count_for_thousands_of_lines_of_an_account_that_is_not_there(shop: Cli) -> None:
    line = '{"op":"cart.get","account":"amce","cart_id":"k"}\n'
    (shop.folder / "job.jsonl").write_text(line * 3000 + line.replace('"op"', '"opp"'))
    ended = batchcart("check", "job.jsonl", "--json", folder=shop.folder, code=2)

    assert ended.err.splitlines()[0] == (
        "job.jsonl:1: account: 'amce' is not in batchcart.toml; did you mean 'acme'? "
        "The same is wrong with 2,999 more lines (2, 3, 4, 5, 6, …)"
    )
    assert ended.err.splitlines()[-1] == "batchcart: 3,001 of 3,001 lines in job.jsonl are wrong; nothing was sent"
    assert len(ended.err.splitlines()) <= 4
    problems = json.loads(ended.out)["problems"]
    assert (problems[0]["count"], problems[0]["lines"]) == (3000, list(range(1, 3001)))
    assert {number for one in problems for number in one["lines"]} == set(range(1, 3002))


def test_a_few_lines_of_one_mistake_are_told_one_by_one_in_the_files_order() -> None:
    found = judged((3, "op: missing"), (4, "data: missing"), (5, "op: missing"))

    assert found.problems == ("job.jsonl:3: op: missing", "job.jsonl:4: data: missing", "job.jsonl:5: op: missing")
    assert found.total == 3


def test_mistakes_that_differ_in_names_alone_are_folded_where_there_are_very_many() -> None:
    few = judged(*((n, f"cart: no earlier line creates 'c{n}'") for n in range(1, 21)))
    many = judged(*((n, f"cart: no earlier line creates 'c{n}'") for n in range(1, 41)))

    assert len(few.problems) == 20
    assert many.problems == (
        "job.jsonl:1: cart: no earlier line creates 'c1'. The like is wrong with 39 more lines (2, 3, 4, 5, 6, …)",
    )
    assert list(many.every[0].lines) == list(range(1, 41))


def test_the_place_in_a_line_that_is_no_json_is_shown_with_a_caret() -> None:
    text = b'{"op":"cart.get","account":"acme","cart_id":None,"id":"' + b"x" * 60 + b'"}'
    found = judged((7, "not JSON: None (byte 45) is Python's"), (8, "op: missing"), text=text, json=False)
    first, shown, caret = found.problems[0].splitlines()

    assert first == "job.jsonl:7: not JSON: None (byte 45) is Python's"
    assert shown[caret.index("^") :].startswith("None")
    assert len(shown) <= 80


def test_more_kinds_of_mistakes_than_can_be_listed_are_counted() -> None:
    words = [f"{a}{b}{c}: wrong" for a in "abcdefghijk" for b in "abcdefghij" for c in "abcdefghij"]
    found = judged(*enumerate(words, 1))

    assert len(found.problems) == 1000
    assert str(found).endswith("… and 100 more bad lines")
    assert found.verdict == "1,100 of 1,101 lines in job.jsonl are wrong; nothing was sent"


def test_the_config_of_the_jobs_folder_or_of_one_above_it_is_read(shop: Cli, tmp_path: Path) -> None:
    deep = shop.folder / "jobs" / "monday"
    deep.mkdir(parents=True)
    (deep / "job.jsonl").write_text('{"op":"cart.get","account":"acme","cart_id":"k"}\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "batchcart.toml").write_text("")
    assert "in order" in batchcart("check", "job.jsonl", folder=deep, code=0).out
    ended = batchcart("check", deep / "job.jsonl", folder=elsewhere, code=2)
    assert "'acme' is not in batchcart.toml" in ended.err
    (elsewhere / "batchcart.toml").unlink()
    assert (
        f"Config: {shop.folder / 'batchcart.toml'}"
        in batchcart("accounts", "--job", deep / "job.jsonl", folder=elsewhere, code=0).out
    )


def test_accounts_shows_where_secrets_come_from_and_none_of_them(shop: Cli) -> None:
    keys = {"token": {"env": "NOT_SET_ANYWHERE"}, "private_key": {"file": "acme.key"}}
    acme = 'platform = "3dcart"\nsecure_url = "https://acme.example.com"\n'
    secrets = "\n".join(f'{key} = {{ {how} = "{name}" }}' for key, one in keys.items() for how, name in one.items())
    tray = 'platform = "tray"\napi_address = "https://loja.example"\naccess_token = "an-access-token-in-clear"\n'
    (shop.folder / "batchcart.toml").write_text(f"[accounts.acme]\n{acme}{secrets}\n[accounts.loja]\n{tray}")
    out = batchcart("accounts", folder=shop.folder, code=0).out

    assert "acme: 3dcart at https://" in out
    assert "environment variable NOT_SET_ANYWHERE, which is not set" in out
    assert f"file {shop.folder / 'acme.key'}, which does not exist" in out
    assert "access_token  in the config itself" in out
    assert "in-clear" not in out
    assert "sandbox-tray" in out


def test_without_a_config_the_places_are_named_that_were_looked_at(tmp_path: Path) -> None:
    out = batchcart("accounts", folder=tmp_path, code=0).out

    assert "There is no config; `batchcart init` writes one. Looked for at:" in out
    assert f"  {tmp_path / 'batchcart.toml'}" in out
