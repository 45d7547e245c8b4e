"""The job file: where it may come from, what a line is, and what a line may say by itself."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from batchcart.jobs.job_file import LONGEST_LINE, InvalidLine, RawLine, parse_line
from batchcart.jobs.opening import open_job
from batchcart.model.errors import UsageError
from batchcart.model.operation import Operation, OperationKind

GET = b'{"op":"cart.get","account":"a","cart_id":"k"}'


def read(text: str | bytes, default: str | None = None) -> Operation:
    return parse_line(RawLine(1, 0, text.encode() if isinstance(text, str) else text), default)


def complaints(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidLine) as caught:
        read(text)
    return list(caught.value.problems)


def lines_of(path: Path) -> list[RawLine]:
    with open_job(str(path)) as source:
        return list(source.lines())


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught, open_job(str(path)):
        pass
    return str(caught.value)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_line_ends_of_every_system_are_taken(tmp_path: Path, end: bytes) -> None:
    job = tmp_path / "job.jsonl"
    job.write_bytes(GET + end + end + b" \t" + end + GET)

    assert [(line.number, line.text) for line in lines_of(job)] == [(1, GET), (4, GET)]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    job = tmp_path / "job.jsonl"
    job.write_bytes(b"\xef\xbb\xbf" + GET + b"\n" + GET + b"\n")

    assert [line.text for line in lines_of(job)] == [GET, GET]


@given(
    st.lists(st.sampled_from([b"", b" ", GET, GET + b" ", b"\xc3\xa4" * 40, b"x" * 5000])), st.booleans(), st.booleans()
)
def test_every_line_can_be_read_again_at_its_place(texts: list[bytes], crlf: bool, bom: bool) -> None:  # noqa: FBT001
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else ".") / f"batchcart-lines-{os.getpid()}"
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + (b"\r\n" if crlf else b"\n").join(texts))
    try:
        with open_job(str(path)) as source:
            lines = list(source.lines())

            assert [source.read(line.offset, len(line.text)) for line in lines] == [line.text for line in lines]
            assert [line.text for line in lines] == [text for text in texts if text.strip()]
    finally:
        path.unlink()


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_of_one_mebibyte_is_taken_and_one_more_byte_is_not(tmp_path: Path, bom: bytes, end: bytes) -> None:
    job = tmp_path / "job.jsonl"
    for length, too_long in ((LONGEST_LINE, False), (LONGEST_LINE + 1, True)):
        job.write_bytes(bom + b"x" * length + end)
        (line,) = lines_of(job)

        assert line.too_long is too_long


def test_lines_after_a_line_that_is_too_long_keep_number_and_place(tmp_path: Path) -> None:
    job = tmp_path / "job.jsonl"
    job.write_bytes(b"x" * (3 * LONGEST_LINE) + b"\n" + GET + b"\n")
    first, second = lines_of(job)

    assert (first.too_long, second.number, second.text) == (True, 2, GET)
    assert second.offset == 3 * LONGEST_LINE + 1
    with pytest.raises(InvalidLine, match=r"longer than 1,048,576 bytes"):
        parse_line(first, None)


@pytest.mark.parametrize("ending", [".jsonl", ".gz", ".zst"])
def test_packed_files_say_the_same_as_plain_ones(tmp_path: Path, ending: str) -> None:
    job = tmp_path / f"job{ending}"
    packs: dict[str, Callable[[bytes], bytes]] = {".jsonl": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
    job.write_bytes(packs[ending](GET + b"\n") * 2)

    assert [line.text for line in lines_of(job)] == [GET, GET]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_damaged_packed_files_are_refused_in_words(tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(os.urandom(200_000))
    job = tmp_path / f"job{ending}"
    for content in (whole[:-3], whole[:100_000], whole[:4] + b"\xff" * 9 + whole[13:]):
        job.write_bytes(content)

        assert refusal(job).startswith(f"job file {job} is not whole: ")


@pytest.mark.parametrize(
    ("content", "kind"), [(gzip.compress(GET), "gzip"), (zstd.compress(GET), "zstd")], ids=["gzip", "zstd"]
)
def test_a_packed_file_with_a_plain_name_is_told_from_text(tmp_path: Path, content: bytes, kind: str) -> None:
    job = tmp_path / "job.jsonl"
    job.write_bytes(content)

    assert f"holds {kind} data" in refusal(job)


WITHOUT_ZSTD = """
import sys
sys.modules["backports"] = sys.modules["compression.zstd"] = None
from batchcart.model.errors import UsageError
from batchcart.jobs.opening import open_job
try:
    open_job("job.zst").__enter__()
except UsageError as error:
    print(error)
"""


def test_a_zst_file_without_the_extra_names_the_command_that_adds_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_ZSTD], capture_output=True, text=True, check=True)

    assert done.stdout == "job file job.zst: reading .zst needs the extra: pip install 'batchcart[zstd]'\n"


def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    for name in ("none.jsonl", "none.gz"):
        assert refusal(tmp_path / name).startswith(f"job file {tmp_path}/{name} does not exist; give the path")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read: Too many levels" in refusal(tmp_path / "loop")


def test_a_folder_that_takes_no_spool_is_named(tmp_path: Path) -> None:
    job = tmp_path / "job.gz"
    job.write_bytes(gzip.compress(GET))
    with pytest.raises(UsageError, match=r"no room to decompress"), open_job(str(job), spool_folder=tmp_path / "none"):
        pass


def test_errors_of_the_work_on_a_job_are_not_taken_for_the_files_own(tmp_path: Path) -> None:
    job = tmp_path / "job.jsonl"
    job.write_bytes(GET)
    for error in (FileNotFoundError(), EOFError("of a shop"), IsADirectoryError()):
        with pytest.raises(type(error)), open_job(str(job)):
            raise error


def test_a_named_pipe_is_read_once_and_can_be_read_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(GET + b"\n" + GET,)).start()
    with open_job(str(pipe)) as source:
        assert [line.number for line in source.lines()] == [1, 2]
        assert [line.number for line in source.lines()] == [1, 2]


READ_STDIN = """
from batchcart.jobs.opening import open_job
from batchcart.model.errors import UsageError
try:
    with open_job("-") as source:
        print(source.name, [line.number for line in source.lines()])
except UsageError as error:
    print("refused:", error)
"""


def test_standard_input_is_a_job_file_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_STDIN], input=GET + b"\n\n" + GET, capture_output=True, check=True
    )

    assert done.stdout == b"<stdin> [1, 3]\n"


def test_a_closed_standard_input_is_said() -> None:
    shell = ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, READ_STDIN]
    done = subprocess.run(shell, capture_output=True, check=True)

    assert done.stdout == b"refused: job file -: standard input is closed\n"


def test_all_keys_of_a_line_reach_the_operation() -> None:
    line = (
        '{"op":"item.update","account":"a","cart":"c","cart_id":7,"item":"i","item_id":8,"view":"v","id":9,'
        '"data": {"price": 1.10, "x": "\\u00e9"} }'
    )

    assert read(line) == Operation(
        1, OperationKind.ITEM_UPDATE, "a", "c", "7", "i", "8", b'{"price": 1.10, "x": "\\u00e9"}', b"", "v", 9
    )


def test_the_default_account_serves_lines_that_name_none() -> None:
    assert read('{"op":"cart.count"}', "a").account == "a"
    assert read('{"op":"cart.count","account":"b"}', "a").account == "b"
    assert complaints('{"op":"cart.count"}') == [
        "account: missing; name one on the line, or give --account NAME for the lines without"
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"op":"cart.gte","account":"a"}', "op: 'cart.gte' is not an operation; did you mean 'cart.get'?"),
        ('{"account":"a"}', "op: missing; expected a string"),
        ('{"op":5,"account":"a"}', "op: expected a string, found 5"),
        ('{"op":"cart.get","acount":"a"}', "acount: there is no such field; did you mean 'account'?"),
        ('{"op":"cart.get","account":""}', 'account: expected a string that is not empty, found ""'),
        ('{"op":"cart.get","account":"a","cart":null}', "cart: expected a string that is not empty, found null"),
        ('{"op":"cart.get","account":"a","cart":""}', 'cart: expected a string that is not empty, found ""'),
        ('{"op":"cart.update","account":"a","data":null}', "data: expected an object, found null"),
        ('{"op":"cart.update","account":"a","data":[1]}', "data: expected an object, found [1]"),
        ('{"op":"cart.get","account":"a","query":"x"}', 'query: expected an object, found "x"'),
        (
            '{"op":"cart.get","account":"a","data":{}}',
            "data: cart.get is a read and takes no data; what narrows a read stands in query",
        ),
        (
            '{"op":"cart.delete","account":"a","query":{}}',
            "query: cart.delete is a write and takes no query; what is written stands in data",
        ),
        ("[]", 'expected an object such as {"op":"cart.get",…}, found []'),
        ('"op"', 'expected an object such as {"op":"cart.get",…}, found "op"'),
    ],
)
def test_a_wrong_line_is_told_key_and_expectation(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@pytest.mark.parametrize("value", ["true", "1.5", "-1", "[]", "null"])
def test_only_texts_and_whole_numbers_are_keys_of_carts(value: str) -> None:
    (complaint,) = complaints(f'{{"op":"cart.get","account":"a","cart_id":{value}}}')

    expected = "cart_id: expected a string that is not empty or a whole number of at least 0, found "
    assert complaint == expected + value


def test_an_id_that_no_result_could_carry_is_refused() -> None:
    assert read('{"op":"cart.get","account":"a","id":-9223372036854775808}').id == -(1 << 63)
    assert complaints('{"op":"cart.get","account":"a","id":9223372036854775808}')[0].startswith(
        "id: expected a string or"
    )


def test_a_word_that_is_very_long_is_cut_in_the_complaint() -> None:
    assert all(len(complaint) < 300 for complaint in complaints(b'{"op":"%s","account":"a"}' % (b"x" * 10_000)))
    assert all(len(complaint) < 300 for complaint in complaints(b'{"op":"cart.get","%s":1}' % (b"x" * 10_000)))


def test_characters_that_steer_a_terminal_are_not_printed() -> None:
    assert "\x1b" not in complaints('{"op":"cart.get","account":"a","\\u001b[2J\\n":1}')[0]
    assert "\x1b" not in complaints('{"op":"\\u001b[2J","account":"a"}')[0]
