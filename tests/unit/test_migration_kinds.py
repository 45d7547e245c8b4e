"""Carts files and files of keys as other tools leave them: each kind is refused in one sentence, and keys stay keys."""

import gzip
import json
from pathlib import Path

import pytest

from batchcart.accounts.config import load_config
from batchcart.migration.carts_file import read_carts
from batchcart.migration.key_file import read_cart_keys
from batchcart.model.errors import UsageError
from batchcart.platforms import load_adapters

ROWS = [{"cart_id": "abc", "status": "ok"}, {"cart_id": "def", "status": "ok"}]
KINDS = {
    "a table (CSV)": b"cart_id,name\nabc,Ann\ndef,Bob\n",
    "in UTF-16": "\ufeffabc\ndef\n".encode("utf-16-le"),
    "a JSON array": json.dumps(ROWS).encode(),
    "JSON that goes over several lines": json.dumps(ROWS[0], indent=2).encode(),
    "a web page or XML": b"<!DOCTYPE html><html></html>\n",
    "compressed with gzip": gzip.compress(b"abc\n"),
    "an SQLite database": b"SQLite format 3\0" + bytes(100),
}


def keys(folder: Path, content: bytes) -> list[str]:
    path = folder / "keys.txt"
    path.write_bytes(content)
    return list(read_cart_keys(path, load_config(None, load_adapters())["sandbox-shoplo"]))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_another_kind_are_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        keys(tmp_path, KINDS[kind])
    assert str(caught.value).startswith(f"{tmp_path}/keys.txt is {kind}")
    assert str(caught.value).endswith("It takes keys, one a line, or the result file of a run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["user:1", "doe,john", "a|b", "x;y", "---", "sep=1", "- a: b", "name: x", "b@c.org"])
def test_a_key_is_read_whatever_else_it_looks_like(tmp_path: Path, key: str) -> None:
    assert keys(tmp_path, f"\ufeff{key}\n{key}2\n".encode()) == [key, f"{key}2"]


@pytest.mark.parametrize("kind", KINDS)
def test_carts_of_another_kind_are_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "carts.jsonl"
    path.write_bytes(KINDS[kind])
    with pytest.raises(UsageError) as caught:
        list(read_carts(path))
    assert str(caught.value).startswith(f"carts file {path} is {kind}")
    assert "batchcart export" in str(caught.value)
    assert "job" not in str(caught.value)


def test_carts_with_blank_lines_and_a_mark_in_front_are_read(tmp_path: Path) -> None:
    path = tmp_path / "carts.jsonl"
    item = {"line": "l1", "product": "p1", "quantity": "2"}
    carts = [
        {"version": 1, "account": "s", "platform": "shoplo", "id": key, "currency": "PLN", "items": [item]}
        for key in ("a", "b", "c")
    ]
    path.write_bytes(b"\xef\xbb\xbf\r\n" + b"".join(json.dumps(cart).encode() + b"\r\n" for cart in carts))
    assert [cart.id for _, cart in read_carts(path)] == ["a", "b", "c"]
