"""Job files as tools and systems leave them: read as they are meant, or refused in one sentence that names the kind."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from batchcart.accounts.config import load_config
from batchcart.jobs.file_kind import HEAD, binary_kind, text_kind
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.model.errors import BadLines, UsageError
from batchcart.platforms import load_adapters

LINES = [json.dumps({"op": "cart.count", "account": "sandbox-shoplo", "id": number}) for number in range(30)]
TEXT = "\n".join(LINES) + "\n"
SKIPPED = (0x184D2A50).to_bytes(4, "little") + (8).to_bytes(4, "little") + b"12345678"


def check(folder: Path, content: bytes, name: str = "job.jsonl") -> PlanStats:
    path = folder / name
    path.write_bytes(content)
    with open_job(str(path)) as source:
        return Planner(source, load_config(None, load_adapters()), None, allow_unknown=False).build_plan()


def refusal(folder: Path, content: bytes, name: str = "job.jsonl") -> str:
    with pytest.raises(UsageError) as caught:
        check(folder, content, name)
    return str(caught.value).replace(f"{folder}/", "")


def with_lines(change: Callable[[str], str], end: str = "\n") -> bytes:
    return "".join(change(line) + end for line in LINES).encode()


def zipped() -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("job.jsonl", TEXT)
    return place.getvalue()


def tarred() -> bytes:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode="w") as archive:
        entry = tarfile.TarInfo("job.jsonl")
        entry.size = len(TEXT)
        archive.addfile(entry, io.BytesIO(TEXT.encode()))
    return place.getvalue()


WHOLE_FILES: dict[str, tuple[bytes, str]] = {
    "UTF-16 with a mark": (TEXT.encode("utf-16"), "is in UTF-16"),
    "UTF-16 without one": (TEXT.encode("utf-16-le"), "is in UTF-16"),
    "UTF-16, great end first": (TEXT.encode("utf-16-be"), "is in UTF-16"),
    "UTF-32": (TEXT.encode("utf-32"), "is in UTF-32"),
    "UTF-32, great end first": (TEXT.encode("utf-32-be"), "is in UTF-32"),
    "array": (json.dumps([json.loads(line) for line in LINES]).encode(), "is a JSON array"),
    "array over lines": (("[\n" + ",\n".join(LINES) + "\n]\n").encode(), "is a JSON array"),
    "array with a mark": (("\ufeff[" + ",\n".join(LINES) + "]").encode(), "is a JSON array"),
    "pretty array": (json.dumps([json.loads(line) for line in LINES], indent=2).encode(), "is a JSON array"),
    "array beyond what is looked at": (("[" + ",".join(LINES * 90) + "]").encode(), "is a JSON array"),
    "array of rows": (b'[\n["op","account"],\n["cart.count","sandbox-shoplo"]\n]', "is a JSON array"),
    "pretty": ("\n".join(json.dumps(json.loads(line), indent=2) for line in LINES).encode(), "goes over several lines"),
    "one pretty object": (json.dumps({"op": "cart.count", "ids": [1]}, indent=1).encode(), "goes over several lines"),
    "numbers beyond all bounds": (b'[\n{"id":%s},\n{"id":1}]' % (b"9" * 9000), "is a JSON array"),
    "CR only": (with_lines(str, "\r"), "CR alone"),
    "CR only, and long": (with_lines(str, "\r") * 900, "CR alone"),
    "commas": (b"op,account,cart_id\ncart.get,acme,k1\ncart.get,acme,k2\n", "is a table (CSV)"),
    "semicolons": (b'"op";"account"\r\n"cart.get";"acme"\r\n', "is a table (CSV)"),
    "tabs": (b"op\taccount\ncart.get\tacme\n", "is a table (CSV)"),
    "a table of Excel's": (b"sep=;\r\nop;account\r\ncart.get;acme\r\n", "is a table (CSV)"),
    "YAML": (b"- op: cart.get\n  account: acme\n" * 30, "is YAML"),
    "a config": (b'[accounts.acme]\nplatform = "tray"\n', "is TOML"),
    "a web page": (b"<!DOCTYPE html>\n<html>\n<body>\n" * 30, "is a web page or XML"),
    "bzip2": (bz2.compress(TEXT.encode()), "compressed with bzip2"),
    "xz": (lzma.compress(TEXT.encode()), "compressed with xz"),
    "ZIP": (zipped(), "is a ZIP archive, or a workbook of Excel or LibreOffice; take the job out of it, or save a"),
    "tar": (tarred(), "is a tar archive"),
    "only zeros": (b"\0" * 9000, "nothing but NUL bytes"),
    "gzip by content": (gzip.compress(TEXT.encode()), "holds gzip data; give it a name that ends in .gz"),
    "zstd by content": (SKIPPED + zstd.compress(TEXT.encode()), "holds zstd data; give it a name that ends in .zst"),
}


@pytest.mark.parametrize(("content", "kind"), WHOLE_FILES.values(), ids=WHOLE_FILES.keys())
def test_a_file_of_another_kind_is_refused_once_with_its_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    said = refusal(tmp_path, content)

    assert kind in said
    assert said.startswith("job file job.jsonl ")
    assert "\n" not in said


LIKE_ALL: dict[str, tuple[bytes, str]] = {
    "json-seq": (with_lines(lambda line: f"\x1e{line}"), "record separator"),
    "commas between lines": (",\n".join(LINES).encode(), "a comma (byte 59) follows the object"),
    "commas before lines": ("\n,".join(LINES).encode(), "begins with a comma"),
    "a mark on each line": (with_lines(lambda line: f"\ufeff{line}"), "byte-order mark"),
    "Python's form": (with_lines(lambda line: str(json.loads(line))), "single quote"),
    "typographic quotes": (with_lines(lambda line: line.replace('"op"', "“op”")), "typographic quote"),
    "a trailing comma": (with_lines(lambda line: line.replace("}", ",}")), "a trailing comma"),
    "keys without quotes": (with_lines(lambda line: line.replace('"op"', "op")), "the key op (byte 2) stands without"),
    "None": (with_lines(lambda line: line.replace("}", ', "view": None}')), "None (byte"),
    "escaped twice": (with_lines(json.dumps), "encoded twice"),
    "escaped without quotes": (with_lines(lambda line: json.dumps(line)[1:-1]), "a backslash (byte 2)"),
    "HTML": (with_lines(lambda line: line.replace('"', "&quot;")), "&quot; (byte 2)"),
    "a log": (with_lines(lambda line: f"2026-01-01 INFO {line}"), "it begins with '2026-01-01"),
    "events of a stream": (with_lines(lambda line: f"data: {line}"), "it begins with 'data: "),
    "text": (b"Dear shop.\nPlease count the carts.\n" * 20, "it begins with 'Dear shop.'"),
    "more than one reason": (b"#!/bin/sh\nset -e\n\necho {'a'}\n" * 9, "none of the file's 27 lines is a JSON object"),
}


@pytest.mark.parametrize(("content", "kind"), LIKE_ALL.values(), ids=LIKE_ALL.keys())
def test_lines_that_are_all_wrong_for_one_reason_are_one_error(tmp_path: Path, content: bytes, kind: str) -> None:
    said = refusal(tmp_path, content)

    assert kind in said
    assert said.startswith("job.jsonl:")
    assert "\n" not in said


OWN_FILES = {
    "results": ({"line": 1, "account": "a", "platform": "tray", "op": "cart.get", "status": "ok"}, "result lines"),
    "carts": ({"version": 1, "account": "a", "platform": "tray", "id": "c", "items": []}, "neutral carts"),
    "something else": ({"name": "x", "price": 1}, "without the key op"),
}


@pytest.mark.parametrize(("entry", "kind"), OWN_FILES.values(), ids=OWN_FILES.keys())
def test_json_lines_that_are_no_job_are_one_error(tmp_path: Path, entry: object, kind: str) -> None:
    said = refusal(tmp_path, (json.dumps(entry) + "\n").encode() * 3000)

    assert said.startswith("job file job.jsonl is ")
    assert kind in said


ONE_LINE: dict[str, tuple[bytes, int, str]] = {
    "no line end between files": ((LINES[0] + LINES[1] + "\n").encode(), 1, "a second object (byte 59)"),
    "a mark inside": ((f"{LINES[0]}\n\ufeff{LINES[1]}\n").encode(), 2, "byte-order mark"),
    "a block of zeros": (f"{LINES[0]}\n".encode() + b"\0" * 512 + LINES[1].encode(), 2, "512 NUL bytes"),
    "a tail of zeros": (TEXT.encode() + b"\0" * 4096, 31, "4,096 NUL bytes"),
    "UTF-16 added": (TEXT.encode() + LINES[0].encode("utf-16-le"), 31, "as in UTF-16"),
    "cut off before a word": (f"{LINES[0]}\n{LINES[1][:-5]}".encode(), 2, "not JSON: "),
    "Ctrl-Z": (TEXT.encode() + b"\x1a", 31, "Ctrl-Z"),
    "Ctrl-Z behind a line": (TEXT.encode()[:-1] + b"\x1a", 30, "Ctrl-Z"),
    "a comment": (f"{LINES[0]}\n// two\n".encode(), 2, "begins a comment"),
    "CR inside": (f"{LINES[0]}\n{LINES[1]}\r{LINES[2]}\n".encode(), 2, "after a CR without LF"),
    "a no-break space": (f"{LINES[0]}\n\u00a0{LINES[1]}\n".encode(), 2, "U+00A0, no-break space"),
    "a line separator": (f"{LINES[0]}\n{LINES[1]}\u2028{LINES[2]}".encode(), 2, "U+2028, line separator"),
    "a tab in a text": (f'{LINES[0]}\n{{"op":"cart\tcount"}}\n'.encode(), 2, "a tab stands inside the text"),
    "cut off": (f"{LINES[0]}\n{LINES[1][:-1]}".encode(), 2, "the line ends before its object does"),
    "cut off in a text": (f"{LINES[0]}\n{LINES[1][:9]}".encode(), 2, "the line ends inside the text"),
    "cut off in a character": (f'{LINES[0]}\n{{"op":"ł'.encode()[:-1], 2, "in the middle of a character"),
    "another encoding": (LINES[0].encode() + '\n{"op":"wstążka"}\n'.encode("cp1250"), 2, "another encoding"),
    "capitals": (f'{LINES[0]}\n{{"op":TRUE}}\n'.encode(), 2, "JSON writes it in lower case, true"),
    "a rest": (f"{LINES[0]}\n{LINES[1]};\n".encode(), 2, "trailing characters (byte 59)"),
}


@pytest.mark.parametrize(("content", "line", "kind"), ONE_LINE.values(), ids=ONE_LINE.keys())
def test_one_wrong_line_is_told_with_its_number_and_kind(tmp_path: Path, content: bytes, line: int, kind: str) -> None:
    said = refusal(tmp_path, content)

    assert said.startswith(f"job.jsonl:{line}: ")
    assert kind in said
    assert len(said.splitlines()) in {1, 3}  # with the place below it, if it can be shown


def test_wrong_lines_among_good_ones_are_all_counted_however_many_are_alike(tmp_path: Path) -> None:
    bad = [line if place == 7 else f"{line}," for place, line in enumerate(LINES)]
    bad[9] = LINES[9]
    with pytest.raises(BadLines) as caught:
        check(tmp_path, "\n".join(bad).encode())

    assert caught.value.total == 28
    assert len(caught.value.every[0].lines) == 28


PACKED: dict[str, tuple[str, bytes, str]] = {
    "plain text": ("job.gz", TEXT.encode(), "is not compressed with gzip although its name ends in .gz"),
    "the other packing": ("job.gz", zstd.compress(TEXT.encode()), "holds zstd data although its name ends in .gz"),
    "the other way round": ("job.ZST", gzip.compress(TEXT.encode()), "holds gzip data although its name ends in .ZST"),
    "a third packing": (
        "job.gz",
        bz2.compress(TEXT.encode()),
        "is compressed with bzip2, although its name ends in",
    ),
    "twice": ("job.gz", gzip.compress(gzip.compress(TEXT.encode())), "was compressed twice"),
    "UTF-16 inside": ("job.gz", gzip.compress(TEXT.encode("utf-16")), "is in UTF-16"),
    "garbage behind": ("job.gz", gzip.compress(TEXT.encode()) + b"garbage", "something else follows"),
    "garbage behind zstd": ("job.zst", zstd.compress(TEXT.encode()) + b"garbage", "something else follows"),
    "cut off": ("job.gz", gzip.compress(TEXT.encode())[:-9], "is cut off"),
    "cut off zstd": ("job.zst", zstd.compress(TEXT.encode())[:-9], "is cut off"),
}


@pytest.mark.parametrize(("name", "content", "said"), PACKED.values(), ids=PACKED.keys())
def test_a_packed_file_that_is_not_what_it_says_is_told_so(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    assert refusal(tmp_path, content, name).startswith(f"job file {name} ")
    assert said in refusal(tmp_path, content, name)


def test_a_window_that_is_too_large_is_not_taken_for_damage(tmp_path: Path) -> None:
    wide = zstd.CompressionParameter.window_log, zstd.CompressionParameter.enable_long_distance_matching
    packer = zstd.ZstdCompressor(options=dict(zip(map(int, wide), (28, 1), strict=True)))

    said = refusal(tmp_path, packer.compress(TEXT.encode()) + packer.flush(), "job.zst")

    assert "window too large" in said
    assert "not whole" not in said


GOOD: dict[str, tuple[str, bytes]] = {
    "members": ("job.gz", gzip.compress(TEXT[:9].encode()) + gzip.compress(TEXT[9:].encode())),
    "zeros behind the members": ("job.gz", gzip.compress(TEXT.encode()) + b"\0" * 1024),
    "frames": ("job.zst", zstd.compress(TEXT[:99].encode()) + zstd.compress(TEXT[99:].encode())),
    "a frame to skip first": ("job.zst", SKIPPED + zstd.compress(TEXT.encode())),
    "a frame to skip last": ("job.zst", zstd.compress(TEXT.encode()) + SKIPPED),
    "a name in capitals": ("JOB.JSONL.GZ", gzip.compress(TEXT.encode())),
    "a name of another packing": ("job.xz", TEXT.encode()),
    "a mark and blank lines": ("job.jsonl", b"\xef\xbb\xbf\r\n \t\r\n" + TEXT.replace("\n", "\r\n").encode()),
}


@pytest.mark.parametrize(("name", "content"), GOOD.values(), ids=GOOD.keys())
def test_odd_but_whole_files_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    assert check(tmp_path, content, name).lines == 30


SPACE = st.sampled_from(["", " ", "\t", "\r", "\n", " \n"])


@given(st.binary(max_size=200), st.text(max_size=200), SPACE)
def test_no_first_bytes_make_it_stumble_and_a_job_line_is_never_refused(rest: bytes, text: str, space: str) -> None:
    binary_kind(rest)
    text_kind(rest)
    text_kind(text.encode(errors="surrogatepass"))
    job = space.encode() + LINES[0].encode() + b"\n" + rest

    assert text_kind(job) is None
    assert rest.count(0) > 20 or binary_kind(job) is None


def test_a_line_longer_than_what_is_looked_at_is_no_other_kind() -> None:
    line = json.dumps({"op": "cart.create", "data": {"Comment": "\u2028 [{\\" * HEAD}})

    assert text_kind(line.encode()[:HEAD]) is None
