"""Owns telling from a file's first bytes that it is of another kind than text in lines; it does not read jobs.

Each kind gets one sentence, so that a file of it is not refused line by line. What only all lines together tell, such
as a record separator in front of each, is the planner's to see.
"""

import csv
import json
import re
from collections.abc import Sequence

from batchcart.model.text_encoding import utf_of

HEAD = 1 << 16
"""Bytes of a file that are looked at."""

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"BZh", "compressed with bzip2", "decompress it: bunzip2"),
    (b"\xfd7zXZ\0", "compressed with xz", "decompress it: unxz"),
    (b"PK\x03\x04", "a ZIP archive, or a workbook of Excel or LibreOffice", "take the job out of it"),
    (b"PK\x05\x06", "an empty ZIP archive", "take the job itself"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "take the job out of it"),
    (b"Rar!\x1a\x07", "a RAR archive", "take the job out of it"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "decompress it: unlz4"),
    (b"LZIP", "compressed with lzip", "decompress it: lzip -d"),
    (b"\x1f\x9d", "compressed with compress", "decompress it: uncompress"),
    (b"\xff\x06\0\0sNaPpY", "compressed with snappy", "decompress it"),
    (b"%PDF-", "a PDF", "give the job itself"),
    (b"SQLite format 3\0", "an SQLite database", "give the job itself"),
    (b"PAR1", "a Parquet file", "write it as JSON Lines"),
    (b"ARROW1", "an Arrow file", "write it as JSON Lines"),
    (b"Obj\x01", "an Avro file", "write it as JSON Lines"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old Excel or Word", "write it as JSON Lines"),
    (b"-----BEGIN PGP", "encrypted with PGP", "decrypt it first"),
    (b"age-encryption.org", "encrypted with age", "decrypt it first"),
)
_PACKED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    *((bytes([0x50 + low]) + b"\x2a\x4d\x18", "zstd") for low in range(16)),  # a frame to be skipped (RFC 8878)
)
_TAR = slice(257, 262)
_CELL = re.compile(r"[^\W\d][\w .()/-]{0,59}")
_TOML = re.compile(r"\[\[?[A-Za-z_][\w.\"' -]*\]?\]\s*(?:#.*)?")
_YAML = re.compile(r"---(?:\s.*)?|- [\w-]+:(?:\s.*)?|[\w-]+:(?:\s[^{]*)?")


def packing_of(head: bytes) -> str:
    """What decompresses a file that begins so: "gzip", "zstd", or "" if it is compressed with neither."""
    return next((kind for magic, kind in _PACKED if head.startswith(magic)), "")


def binary_kind(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins so and is no text in UTF-8, and what to do with it; None if that is not known."""
    for magic, kind, then in _MAGIC:
        if head.startswith(magic):
            return kind, then
    if head[_TAR] == b"ustar":
        return "a tar archive", "take the job out of it"
    if encoding := utf_of(head):
        then = f"save it as UTF-8 (PowerShell: Out-File -Encoding utf8; elsewhere: iconv -f {encoding} -t UTF-8)"
        return f"in {encoding}, as Windows tools write text", then
    if head and not head.strip(b"\0"):
        return "nothing but NUL bytes, as a crash or a full disk leaves a file", "write it again"
    return None


def text_kind(head: bytes) -> tuple[str, str] | None:
    """What a text is that begins so and is no JSON Lines, and what to do with it; None if it may be."""
    text = head.decode(errors="replace").removeprefix("\ufeff").lstrip()
    first, _, rest = text.partition("\n")
    first = first.rstrip()
    if text.startswith("<"):
        return "a web page or XML", "give the job itself"
    if text.startswith(("{", "[")):
        return _json_kind(text, first, rest, whole=len(head) < HEAD)
    if first.startswith("sep=") or _is_table(text.splitlines()[:2]):
        return "a table (CSV)", "write each row as a JSON object on a line of its own"
    if _YAML.fullmatch(first):
        return "YAML", "write each operation as a JSON object on a line of its own"
    return None


def kind_sentence(head: bytes, noun: str) -> str:
    """What a file is that should be JSON Lines, and what to do with it; "" if it may be. ``noun`` names the file."""
    if packing := packing_of(head):
        return f"compressed with {packing}; decompress it"
    kind, then = binary_kind(head) or text_kind(head) or ("", "")
    return f"{kind}; {then.replace('the job', noun).replace('operation', 'line')}" if kind else ""


def _json_kind(text: str, first: str, rest: str, *, whole: bool) -> tuple[str, str] | None:
    if "\r" in first and "\n" not in text and _all_objects(first.split("\r")[:2]):
        return "in lines that end with CR alone, as on an old Mac", "end them with LF: tr '\\r' '\\n'"
    if _TOML.fullmatch(first):
        return "TOML, such as a config", "give the job itself"
    second = len(text) - len(rest.lstrip()) if rest.strip() else len(text)  # where the second line begins
    over_lines = second < len(text) and _parse_prefix(text) > second
    if text.startswith("["):
        inside = text[1:].lstrip().startswith(("{", "[")) or (not whole and not text[1:].strip())
        if inside and (over_lines or second == len(text)):
            return "a JSON array", "write each of its objects on a line of its own, for example with jq -c '.[]'"
    if over_lines:
        return "JSON that goes over several lines", "write each object on one line, for example with jq -c ."
    return None


def _parse_prefix(text: str) -> int:
    """How far the text from its beginning is one JSON value, or the beginning of one."""
    try:
        _, end = json.JSONDecoder(parse_int=str).raw_decode(text)
    except json.JSONDecodeError as error:
        end = error.pos
    except RecursionError:
        end = 0
    return end


def _all_objects(lines: Sequence[str]) -> bool:
    return all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines if line.strip())


def _is_table(lines: Sequence[str]) -> bool:
    """Whether the first line is a header of words, and the second has as many cells."""
    for delimiter in ",;\t|":
        rows = list(csv.reader([line for line in lines if len(line) < 10_000], delimiter=delimiter))
        header = rows[0] if rows else []
        if len(header) > 1 and all(_CELL.fullmatch(cell.strip()) for cell in header):
            return len(rows) < 2 or len(rows[1]) == len(header)
    return False
