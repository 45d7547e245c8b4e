"""Owns how an operation's end is shown: the shop's texts without the account's secrets; not what a result line says."""

from msgspec.structs import replace

from batchcart.accounts.redaction import Redactor, is_surely_clean, redact, redact_text
from batchcart.journal.result_line import Completion
from batchcart.model.outcome import Failed, InDoubt, Skipped, Succeeded


def clean_ending(ending: Completion, secrets: Redactor | None) -> Completion:
    """The ending with every text in it cleaned that a shop may have written, before a line is made of it."""
    if secrets is None:
        return ending
    match ending.outcome:
        case Succeeded() as done:
            texts = (done.cart_id or "", done.item_id or "", *done.names.values())
            if not done.body and is_surely_clean(texts, secrets):
                return ending
            outcome = replace(
                done,
                cart_id=done.cart_id and redact_text(done.cart_id, secrets),
                item_id=done.item_id and redact_text(done.item_id, secrets),
                names={name: redact_text(text, secrets) for name, text in done.names.items()},
                body=redact(done.body, secrets),
            )
            return replace(ending, outcome=outcome)
        case Failed(_, message, body) as refused:
            cleaned = replace(refused, message=redact_text(message, secrets), body=redact_text(body, secrets))
            return replace(ending, outcome=cleaned)
        case InDoubt(evidence, _, body) as unknown:
            shown = replace(unknown, evidence=redact_text(evidence, secrets), body=redact_text(body, secrets))
            return replace(ending, outcome=shown)
        case Skipped() as skipped:
            return replace(ending, outcome=replace(skipped, message=redact_text(skipped.message, secrets)))
