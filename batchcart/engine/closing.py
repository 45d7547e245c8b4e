"""Owns why an account is given up, in a sentence that says what to do next; what that stops is its session's."""

from batchcart.engine.circuit_breaker import Stop
from batchcart.engine.session import AccountSession
from batchcart.model.fault import fault_sentence
from batchcart.model.remedy import Remedy

_WHAT_TO_LOOK_AT = (
    "Its lines stay pending; check the account's address and path, and what stands in front of the shop "
    "(firewall, login, maintenance page), then run again"
)
_HOW_TO_GO_ON = "fix that, then run again, or continue regardless with --stop-after 0"
_SHOWN = 300  # characters of one line's reason in an account's


def close_as_foreign(session: AccountSession, why: str) -> None:
    """What answers is not the platform, to a harmless question either."""
    address, platform = session.account.address, session.account.adapter.name
    session.close("foreign", f"what answers at {address} is not {platform}: {why}. {_WHAT_TO_LOOK_AT}")


def close_for_redirect(session: AccountSession, why: str) -> None:
    """What answers leads elsewhere, and will the next time; what became of old writes may still be asked."""
    session.close("foreign", f"{why}, and redirects are never followed. {_WHAT_TO_LOOK_AT}", settles=True)


def close_as_barred(session: AccountSession, why: str, remedy: Remedy) -> None:
    """No request reaches the shop, as long as nobody has done something about it."""
    session.close("closed", remedy.follow(why))


def close_for_fault(session: AccountSession, error: Exception, activity: str) -> None:
    """Something of ours failed over this account's answers: give it up, so that no other account is touched."""
    session.close("fault", f"{fault_sentence(error, activity)}. Its lines stay pending, the other accounts continue")


def close_for_endings(session: AccountSession, stop: Stop, message: str) -> None:
    """Stop the account because of how its last lines ended; ``message`` is why the last of them did."""
    shown = message if len(message) <= _SHOWN else f"{message[: _SHOWN - 1]}…"
    match stop.why:
        case "foreign":
            reason = f"something in front of the shop keeps {stop.lines} lines from it: {shown}"
            session.close("foreign", f"{reason}. {_WHAT_TO_LOOK_AT}")
        case "doubts":
            reason = f"{stop.lines} lines ended in doubt, and none of the same operation well between them: {shown}"
            session.close("stopped", f"{reason}. Its other lines stay pending; {_HOW_TO_GO_ON}")
        case "reason":
            reason = f"{stop.lines} lines in a row did not end ok, and for the same reason: {shown}"
            session.close("stopped", f"{reason}. Its other lines stay pending; {_HOW_TO_GO_ON}")
