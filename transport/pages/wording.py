"""Every sentence that a payer reads, in one place: headlines, sentences, notes, titles.

Plain words for people who know nothing of mempools: what is, and what to do now. Pure;
called by transport/pages/checkout.py.
"""

from engine.money.amount import sat_to_btc
from engine.payment.model import Flag, Payment
from transport.pages.stages import Stage

__all__ = ["btc", "notes_of", "title_of", "words_of"]


def btc(sat: int) -> str:
    """BTC for people: all eight decimals are noise, two are the least."""
    whole, _, fraction = sat_to_btc(sat).partition(".")
    return f"{int(whole):,}.{fraction.ljust(2, '0')}"


def words_of(payment: Payment, stage: Stage) -> tuple[str, str]:
    """Headline and sentence: what is, and what to do now."""
    asked, required = payment.terms.amount_sat, payment.terms.confirmations_required
    received = f"{btc(payment.received_sat)} BTC"
    count = f"{min(payment.confirmations, required)} of {required}"
    match stage:
        case Stage.WAITING if asked is None:
            return "Waiting for your payment", "Send any amount to this address."
        case Stage.WAITING:
            return (
                "Waiting for your payment",
                "Scan the code with your wallet, or copy the address and the amount.",
            )
        case Stage.ANNOUNCED:
            return (
                "Payment announced",
                "Your payment was announced to us, but it is not yet seen on the"
                " chain. We are looking for it; do not pay again.",
            )
        case Stage.SEEN:
            return (
                "Payment seen",
                f"{received} are on the way: {count} confirmations. "
                + _closing(payment),
            )
        case Stage.CONFIRMING:
            return (
                "Payment is being confirmed",
                f"{count} confirmations of {received}. " + _closing(payment),
            )
        case Stage.UNDERPAID:
            assert asked is not None  # without one, any sum is enough
            return (
                "Part of it has arrived",
                f"{received} of {btc(asked)} BTC were received. Please send the rest,"
                f" {btc(max(asked - payment.received_sat, 1))} BTC, to the same"
                " address.",
            )
        case Stage.REPLACED:
            return (
                "The transaction was replaced",
                "The transaction that we had seen was replaced or dropped by the"
                " network, so it pays nothing here. We are waiting again.",
            )
        case Stage.REVERSED if payment.receipts:
            return (
                "Confirmation withdrawn",
                "The network replaced the block that held your payment, so it no"
                f" longer counts as confirmed: {count} confirmations now. It usually"
                " comes back by itself; do not pay again.",
            )
        case Stage.REVERSED:
            return (
                "Payment reversed",
                "The network replaced the block that held your payment, and the"
                " payment is no longer there. We are waiting for it again.",
            )
        case Stage.PAID if not payment.receipts:
            return "Paid", "The shop has confirmed this payment by hand."
        case Stage.PAID:
            return "Paid", f"{received} arrived and are confirmed. Thank you."
        case Stage.EXPIRED:
            return "Expired", _expired(payment, received)
        case Stage.CANCELLED if payment.receipts:
            return (
                "Cancelled",
                f"The shop cancelled this payment, but {received} arrived afterwards."
                " Please contact the shop.",
            )
        case Stage.CANCELLED:
            return "Cancelled", "The shop cancelled this payment. Please do not pay it."
        case Stage.FAILED:
            return (
                "Something went wrong",
                "This payment could not be completed. Please contact the shop.",
            )


def _closing(payment: Payment) -> str:
    required = payment.terms.confirmations_required
    if required <= 1:
        return "A block takes about ten minutes; you may close this page."
    return "Each takes about ten minutes; you may close this page."


def _expired(payment: Payment, received: str) -> str:
    if payment.receipts:
        return (
            f"Only {received} arrived in time, which is not enough."
            " Please contact the shop."
        )
    if payment.claims:
        return (
            "The time is over. Your payment was announced to us but is not yet seen on"
            " the chain; we go on looking. Please do not pay again."
        )
    return (
        "The time for this payment is over. Please do not pay it any more; ask the"
        " shop for a new one. If you have paid already, we still look for it."
    )


def notes_of(payment: Payment, stage: Stage) -> tuple[str, ...]:
    """What is unusual, a plain sentence each, beside the main one."""
    notes, flags = [], set(payment.flags)
    asked = payment.terms.amount_sat
    if Flag.OVERPAID in flags and asked is not None:
        more = btc(payment.received_sat - asked)
        notes.append(
            f"You sent {more} BTC more than was asked. Please ask the shop for it back."
        )
    if Flag.LATE in flags and stage is not Stage.CANCELLED:
        notes.append("It arrived after the time was over, and was recognised late.")
    if Flag.REORGED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append(
            "The network replaced a block that held your payment; it is being"
            " confirmed again. You need not do anything."
        )
    if stage in {Stage.SEEN, Stage.CONFIRMING, Stage.UNDERPAID} and payment.claims:
        notes.append("More was announced, but is not yet seen on the chain.")
    if Flag.REPLACED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append("An earlier transaction was replaced; this one counts.")
    return tuple(notes)


def title_of(payment: Payment, stage: Stage) -> str:
    asked, required = payment.terms.amount_sat, payment.terms.confirmations_required
    count = f"{min(payment.confirmations, required)}/{required}"
    match stage:
        case Stage.PAID:
            return "Paid ✓"
        case Stage.WAITING | Stage.REPLACED:
            return f"Pay {btc(asked)} BTC" if asked is not None else "Pay in bitcoin"
        case Stage.UNDERPAID:
            assert asked is not None
            return f"Pay {btc(max(asked - payment.received_sat, 1))} BTC more"
        case Stage.SEEN | Stage.CONFIRMING:
            return f"{count} confirmed"
        case _:
            return words_of(payment, stage)[0]
