"""Owns how an operation's end is shown: the shop's texts without the account's secrets; not what a result line says."""

from msgspec.structs import replace

from batchcart.accounts.redaction import Redactor, redacted, redacted_text
from batchcart.journal.result_line import Ending
from batchcart.model.outcome import Done, Refused, Skipped, Unknown


def shown_ending(ending: Ending, secrets: Redactor | None) -> Ending:
    """The ending with every text in it cleaned that a shop may have written, before a line is made of it."""
    if secrets is None:
        return ending
    match ending.outcome:
        case Done() as done:
            outcome = replace(
                done,
                cart_id=done.cart_id and redacted_text(done.cart_id, secrets),
                item_id=done.item_id and redacted_text(done.item_id, secrets),
                names={name: redacted_text(text, secrets) for name, text in done.names.items()},
                body=redacted(done.body, secrets),
            )
            return replace(ending, outcome=outcome)
        case Refused(_, message, body) as refused:
            cleaned = replace(refused, message=redacted_text(message, secrets), body=redacted_text(body, secrets))
            return replace(ending, outcome=cleaned)
        case Unknown(evidence, _, body) as unknown:
            shown = replace(unknown, evidence=redacted_text(evidence, secrets), body=redacted_text(body, secrets))
            return replace(ending, outcome=shown)
        case Skipped() as skipped:
            return replace(ending, outcome=replace(skipped, message=redacted_text(skipped.message, secrets)))
