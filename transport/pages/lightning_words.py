"""What a payer reads of a payment that Lightning pays, where it is not what is said of
the chain: there is nothing to wait for, and no address to send the rest to. Pure.
"""

from engine.payment.model import Invoice, Payment
from transport.pages.language import Words
from transport.pages.stages import Stage
from transport.pages.wording import can_be_sent, rest_sat

__all__ = ["lightning_steps", "lightning_words", "rest_words"]


def lightning_words(
    payment: Payment, stage: Stage, words: Words
) -> tuple[str, str] | None:
    """Headline and sentence; None: those of the chain (`wording.py`)."""
    keys = _keys_of(payment, stage)
    return None if keys is None else (words.say(keys[0]), words.say(keys[1]))


def rest_words(
    payment: Payment, words: Words, rest: Invoice | None, *, may_ask: bool
) -> tuple[str, str] | None:
    """The same of a payment that is short, and whose rest Lightning can pay: `rest`
    does, or one that may be asked for. None: neither."""
    asked = payment.terms.amount_sat
    if asked is None or (rest is None and not may_ask):
        return None
    missing = rest_sat(payment)
    key = "rest_both" if can_be_sent(missing) else "rest_lightning"
    return words.say("underpaid"), words.say(
        key,
        received=words.bitcoin(payment.received_sat),
        asked=words.bitcoin(asked),
        rest=words.bitcoin(missing),
    )


def _keys_of(payment: Payment, stage: Stage) -> tuple[str, str] | None:
    terms = payment.terms
    if terms.lightning is None:
        return None
    match stage:
        case Stage.PAID if _is_by_lightning(payment):
            return "paid", "paid_at_once"
        case Stage.WAITING if terms.has_chain and terms.lightning.is_unified:
            return "waiting", "waiting_unified"
        case Stage.WAITING if terms.has_chain:
            return "waiting", "waiting_both"
        case Stage.WAITING if terms.amount_sat is None:
            return "waiting", "waiting_lightning_any"
        case Stage.WAITING:
            return "waiting", "waiting_lightning"
        case Stage.UNDERPAID if not terms.has_chain:
            return "underpaid", "underpaid_lightning"
        case Stage.EXPIRED if not terms.has_chain and not payment.receipts:
            return "expired", "expired_lightning"
    return None


def lightning_steps(
    payment: Payment, stage: Stage, words: Words
) -> tuple[str, ...] | None:
    """Waiting, paid; None: the steps of the chain."""
    terms = payment.terms
    if terms.lightning is None:
        return None
    if not terms.has_chain or (stage is Stage.WAITING and not payment.receipts):
        is_paid = stage in {Stage.PAID, Stage.LATE}
        first = "step_sent" if is_paid else "step_waiting"
        return words.say(first), words.say("step_paid")
    if _is_by_lightning(payment):
        return words.say("step_sent"), words.say("step_paid")
    return None


def _is_by_lightning(payment: Payment) -> bool:
    return bool(payment.receipts) and all(r.is_lightning for r in payment.receipts)
