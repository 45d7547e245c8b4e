"""Owns the words between a hub and its seats; it does not act on any of them.

An account is named by its number in the journal. With it goes the ``epoch``: how often the account was given away, so
that words about an earlier time are told from those about this one. Ages cross, moments don't, for clocks differ; the
moments in rows are those of the hub's wall clock, which a seat is told when it comes.
"""

from typing import Literal

import msgspec

from batchcart.accounts.options import AccountOptions
from batchcart.accounts.proxy import Proxy
from batchcart.journal.batch import EndRow, IntentRow
from batchcart.journal.codec import SentRequest
from batchcart.model.events import Event
from batchcart.runs.snapshot import AccountSnapshot

ResponseRow = tuple[int, int, str, tuple[int | None, str | None, bytes | None, str | None]]
"""An answer's row, with types that a peer's words are held against."""


class _Word(msgspec.Struct, frozen=True, array_like=True):
    """Something that is said."""


# From a seat


class Hello(_Word, frozen=True, tag="hello"):
    """A seat is here; ``name`` is what a person may know it by, ``version`` that of batchcart.

    One that is ``late`` was cut off and wants no work: it brings what it was answered meanwhile.
    """

    version: str
    pid: int
    name: str
    late: bool = False


class AccountRows(msgspec.Struct, frozen=True, array_like=True):
    """What one account's journal is to take, in the order of the kinds."""

    account: int
    epoch: int
    intents: list[IntentRow]
    responses: list[ResponseRow]
    results: list[EndRow]
    states: list[tuple[str, str]]
    events: list[tuple[float, Event]]


class Rows(_Word, frozen=True, tag="rows"):
    """Write these down together and say so; until then no other bundle comes."""

    accounts: list[AccountRows]


class LateAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a request whose seat was cut off: its answer, if that is to be remembered; how its line ended."""

    account: int
    epoch: int
    intent: IntentRow
    response: ResponseRow | None
    result: EndRow | None


class LateTokens(msgspec.Struct, frozen=True, array_like=True):
    """Tokens that the shop renewed for a seat that was cut off; ``replaced`` are those that the hub had kept before."""

    account: int
    origin: str
    replaced: dict[str, str]
    tokens: dict[str, str]


class Late(_Word, frozen=True, tag="late"):
    """What came after this seat was cut off from its hub, in the run that calls itself so."""

    run: str
    answers: list[LateAnswer]
    tokens: list[LateTokens] = []


class More(_Word, frozen=True, tag="more"):
    """Another parcel is wanted, of so many lines."""

    account: int
    epoch: int
    lines: int


class Finished(_Word, frozen=True, tag="finished"):
    """The account is at rest here, and all that it noted is on the hub's disk.

    ``empty_in`` are the seconds until its buckets have leaked empty, ``learnt`` what was learnt of its limits.
    """

    account: int
    epoch: int
    snapshot: AccountSnapshot
    empty_in: list[float]
    learnt: bytes


class FreshTokens(_Word, frozen=True, tag="tokens"):
    """The shop renewed these: keep them and say so; they are used only then."""

    account: int
    epoch: int
    origin: str
    tokens: dict[str, str]


class Learnt(_Word, frozen=True, tag="learnt"):
    """What was learnt of the shop's limit, for whoever has the account next."""

    account: int
    epoch: int
    memory: bytes


class Seen(_Word, frozen=True, tag="seen"):
    """The seat lives. Accounts that look otherwise than when they were seen last, with their epochs."""

    accounts: list[tuple[int, int, AccountSnapshot]] = []


class Leaving(_Word, frozen=True, tag="leaving"):
    """The seat was told to end: it wants to give all its accounts back."""


class Broken(_Word, frozen=True, tag="broken"):
    """The seat cannot go on; with ``journal`` nobody can, since journal and job do not fit together."""

    why: str
    journal: bool = False


# From the hub


class Welcome(_Word, frozen=True, tag="welcome"):
    """The seat is taken on. ``wall`` is the hub's clock; ``run`` the run's own name, ``job`` its job's."""

    wall: float
    run: str
    job: str
    default_account: str | None
    patience: float
    stop_after: int


class Taken(_Word, frozen=True, tag="taken"):
    """Of the late answers so many were waited for, and are on the disk; and the ``tokens`` of so many accounts."""

    answers: int
    tokens: int = 0


class Refused(_Word, frozen=True, tag="refused"):
    """The seat is not taken on, and why."""

    why: str


class Take(_Word, frozen=True, tag="take"):
    """Work for this account from now on. Of all that a hub says, this alone holds secrets.

    ``origin`` are the settings as the config has them, ``tokens`` those that were renewed, ``past`` what was secret
    once; ``certificate`` is the client's, and its key. ``limits`` have count and seconds of windows, size and leak of
    buckets. ``sent`` are the ages of its last sends in seconds, the oldest first; ``empty_in`` the seconds until its
    buckets are empty; ``probe`` numbers its next question.
    """

    account: int
    epoch: int
    name: str
    platform: str
    address: str
    options: AccountOptions
    limits: list[tuple[Literal["window", "bucket"], int, float]]
    origin: dict[str, str]
    secret_names: list[str]
    tokens: dict[str, str]
    past: list[str]
    proxy: Proxy | None
    ca_text: str | None
    certificate: tuple[str, str] | None
    sent: list[float]
    empty_in: list[float]
    learnt: bytes
    probe: int


class JobStep(msgspec.Struct, frozen=True, array_like=True):
    """A line of a chain: its text; and how it ended and what it brought, or what was sent for it before."""

    chain: int
    line: int
    text: bytes
    status: str = ""
    learnt: str = ""
    sent: list[SentRequest] = []


class Parcel(_Word, frozen=True, tag="parcel"):
    """Lines of an account, chain after chain; a chain that is cut goes on in the next parcel.

    ``rest`` says that no other one comes.
    """

    account: int
    epoch: int
    steps: list[JobStep]
    rest: bool


class Written(_Word, frozen=True, tag="written"):
    """The bundle is on the disk; or why it is not, and nothing may be sent any more."""

    failure: str = ""


class Kept(_Word, frozen=True, tag="kept"):
    """The tokens are on the disk; or why they are not."""

    account: int
    epoch: int
    failure: str = ""


class Drop(_Word, frozen=True, tag="drop"):
    """Give the account back: begin nothing more for it, and say when it is at rest."""

    account: int
    epoch: int


class Halt(_Word, frozen=True, tag="halt"):
    """Begin nothing more at all, and end within the requests in flight."""


class Bye(_Word, frozen=True, tag="bye"):
    """The run is over."""


FromSeat = Hello | Rows | Late | More | Finished | FreshTokens | Learnt | Seen | Leaving | Broken
FromHub = Welcome | Taken | Refused | Take | Parcel | Written | Kept | Drop | Halt | Bye
