"""Owns what led to the end of one line: its text in the job, what was asked of the shop, what came back.

Secrets of the config are taken out of all of it; what would be too long is cut.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import AccountConfig
from batchcart.accounts.redaction import Redactor, compile_redactor, redact_text
from batchcart.accounts.secrets import read_secret
from batchcart.jobs.checks import preview_request
from batchcart.jobs.job_file import InvalidLine, JobSource, RawLine, parse_line
from batchcart.jobs.opening import open_job
from batchcart.journal.codec import SentRequest
from batchcart.journal.queries import load_history
from batchcart.journal.remaining import LineLeft, cart_key_before
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.errors import UsageError
from batchcart.model.http import Request
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.runs.request_text import preview_text

LONGEST = 2048
"""Characters that are shown of a job line, a request or an answer."""

_MOST_REQUESTS = 10


@dataclass(frozen=True, slots=True)
class LineDetail:
    """A job line, what was sent for it, and what was answered; "" where that is not known.

    Each request is a text and what became of it.
    """

    job_line: str
    requests: tuple[tuple[str, str], ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Telling:
    """What is asked about lines of one run; ``source`` is None where its job is not there."""

    connection: Connection
    source: JobSource | None
    entries: Mapping[str, AccountConfig]
    secrets: Redactor | None

    def explain(self, line: LineLeft, cart_id: str | None, answer: str) -> LineDetail:
        """What led to the end of a line."""
        text = self._read(line)
        shown = self._show(text.decode("utf-8", "replace"))
        return LineDetail(shown, tuple(self._requests(line, text, cart_id)), self._show(answer))

    def _read(self, line: LineLeft) -> bytes:
        """The line's text in the job; nothing if the job is not there any more, or not what it was."""
        if self.source is None:
            return b""
        planned = line.planned
        text = self.source.read(planned.offset, planned.length)
        return text if RawLine(planned.line, planned.offset, text).digest == planned.digest else b""

    def _requests(self, line: LineLeft, text: bytes, cart_id: str | None) -> Iterator[tuple[str, str]]:
        """What was sent, as the journal has it; of a line that is no longer in doubt, as it follows from the job."""
        if line.status is Status.SKIPPED:
            return
        found = load_history(self.connection, line.planned.line)
        if not found and line.status is not None and (built := self._build(line, text, cart_id)):
            yield built, ""
        for number, sent in enumerate(found[:_MOST_REQUESTS]):
            whole = self._build(line, text, cart_id) if number == 0 else ""
            yield self._show(_sent_text(sent)) if sent.body is not None or not whole else whole, self._show(_came(sent))

    def _build(self, line: LineLeft, text: bytes, cart_id: str | None) -> str:
        """The line's request as it follows from the job; "" where the config or the job does not have it any more."""
        entry = self.entries.get(line.name)
        if not text or entry is None or entry.adapter.name != line.platform:
            return ""
        with suppress(InvalidLine, KeyError, ValueError):
            operation = parse_line(RawLine(line.planned.line, line.planned.offset, text), line.name)
            key = operation.cart_id or cart_id
            if key is None and operation.kind is not OperationKind.CART_CREATE:
                key = cart_key_before(self.connection, line)
            request = preview_request(structs.replace(operation, cart_id=key), entry.adapter)
            return self._show(" ".join((request.method, *preview_text(request, entry))).rstrip())
        return ""

    def _show(self, text: str) -> str:
        clean = redact_text(text, self.secrets)
        return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}… ({len(clean) - LONGEST:,} characters more)"


@contextmanager
def open_telling(connection: Connection, entries: Mapping[str, AccountConfig]) -> Iterator[Telling]:
    """What can be asked about the lines of the run of this journal."""
    job = get_meta(connection, "job") or ""
    with ExitStack() as stack:
        source = None
        if Path(job).is_file():
            with suppress(UsageError):
                source = stack.enter_context(open_job(job))
        yield Telling(connection, source, entries, compile_redactor(_secrets(entries)))


def _secrets(entries: Mapping[str, AccountConfig]) -> Iterator[str]:
    """The secrets of the config that can be read without running anything."""
    for name, entry in entries.items():
        for key, value in entry.secret_settings.items():
            if isinstance(value, str) or value.env or value.file:
                with suppress(UsageError):
                    yield read_secret(value, f"account {name!r}: {key}", entry.folder)


def _sent_text(sent: SentRequest) -> str:
    body = "" if sent.body is None else f" {sent.body.decode('utf-8', 'replace')}"
    return f"{Request(sent.method, sent.path, sent.query)}{body}"


def _came(sent: SentRequest) -> str:
    """What became of a request."""
    if sent.response is not None:
        return f"HTTP {sent.response.status} {sent.response.body.decode('utf-8', 'replace')}".rstrip()
    return sent.why or "no answer came"
