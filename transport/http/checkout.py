"""What a person who pays is shown: one payment, put into plain words. Pure.

`look(payment, ...)` says which of the page's stages a payment is in, with a headline
and a sentence for each; transport/http/pages.py renders it. It is not the API's view
of a payment (`transport/http/types.py`): a checkout page is open to whoever has its
link, so merchant data such as `metadata` is never part of it.

All amounts are satoshi, all times milliseconds (UTC).
"""

from enum import StrEnum

import msgspec

from engine.model import Flag, Payment, Status
from engine.money import payment_uri, sat_to_btc

__all__ = ["Checkout", "Stage", "Step", "btc", "grouped", "look", "qr_segments"]

_PAID = {Status.CONFIRMED, Status.FORWARDED}
_BECH32 = ("bc1", "tb1", "bcrt1")


class Stage(StrEnum):
    """What the page is about. The style sheet and the tests know these words."""

    WAITING = "waiting"
    ANNOUNCED = "announced"  # a webhook says so; the chain does not show it yet
    SEEN = "seen"
    CONFIRMING = "confirming"
    UNDERPAID = "underpaid"
    REPLACED = "replaced"  # it was there, and is gone; waiting again
    REVERSED = "reversed"  # it was confirmed, and is not any more
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Step(msgspec.Struct, frozen=True):
    """One line of the progress list: `done`, `now` or `next`."""

    label: str
    state: str


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows of a payment."""

    id: str
    seq: int
    stage: Stage
    status: Status
    headline: str
    sentence: str
    notes: tuple[str, ...]
    title: str  # of the document
    address: str
    network: str
    external_id: str | None
    amount_sat: int | None  # asked; None: any
    received_sat: int
    due_sat: int | None  # what the QR code asks for; None: any amount
    uri: str | None  # None: nothing is to be paid (any more)
    confirmations: int
    confirmations_required: int
    steps: tuple[Step, ...]
    txids: tuple[str, ...]
    expires_at: int | None  # None: no clock is running
    confirmed_at: int | None


def look(payment: Payment, *, was_confirmed: bool = False) -> Checkout:
    """The page's view of a payment.

    `was_confirmed`: its story tells of a `payment.reversed` (only asked for when the
    flags allow that there was one).
    """
    terms = payment.terms
    stage = _stage(payment, was_confirmed)
    headline, sentence = _words(payment, stage)
    due = _due_sat(payment, stage)
    payable = stage in {Stage.WAITING, Stage.REPLACED, Stage.UNDERPAID} or (
        stage is Stage.REVERSED and not payment.receipts
    )
    shown = stage is Stage.ANNOUNCED  # still there, but folded away
    return Checkout(
        id=payment.id,
        seq=payment.seq,
        stage=stage,
        status=payment.status,
        headline=headline,
        sentence=sentence,
        notes=_notes(payment, stage),
        title=_title(payment, stage),
        address=terms.address,
        network=terms.network,
        external_id=terms.external_id,
        amount_sat=terms.amount_sat,
        received_sat=payment.received_sat,
        due_sat=due,
        uri=payment_uri(terms.address, due, None) if payable or shown else None,
        confirmations=min(payment.confirmations, terms.confirmations_required),
        confirmations_required=terms.confirmations_required,
        steps=_steps(payment, stage),
        txids=tuple(dict.fromkeys(receipt.txid for receipt in payment.receipts)),
        expires_at=terms.expires_at if payable or shown else None,
        confirmed_at=payment.confirmed_at,
    )


def btc(sat: int) -> str:
    """BTC for people: all eight decimals are noise, two are the least."""
    whole, _, fraction = sat_to_btc(sat).partition(".")
    return f"{int(whole):,}.{fraction.ljust(2, '0')}"


def grouped(address: str) -> tuple[str, ...]:
    """An address in fours, as it is read aloud or compared."""
    return tuple(address[i : i + 4] for i in range(0, len(address), 4))


def qr_segments(uri: str) -> tuple[str, ...]:
    """The URI in the pieces that make the smallest QR code.

    A QR code writes capitals in 5.5 bits and anything else in 8. Bech32 addresses and
    the scheme may be upper case (BIP 173, BIP 321); the query stays lower case, for
    wallets that look for `amount` letter by letter (BIP 21), and "?" and "=" have no
    short form anyway.
    """
    scheme, _, rest = uri.partition(":")
    address, mark, query = rest.partition("?")
    if not address.lower().startswith(_BECH32):
        return (uri,)
    pieces = (f"{scheme}:{address}".upper(), mark + query)
    return tuple(piece for piece in pieces if piece)


def _stage(payment: Payment, was_confirmed: bool) -> Stage:
    status = payment.status
    ended = {
        Status.EXPIRED: Stage.EXPIRED,
        Status.CANCELLED: Stage.CANCELLED,
        Status.FAILED: Stage.FAILED,
    }
    if status in _PAID:
        return Stage.PAID
    if status in ended:
        return ended[status]
    if was_confirmed and (payment.is_paid or not payment.receipts):
        return Stage.REVERSED
    if status is Status.PENDING:
        if payment.claims:
            return Stage.ANNOUNCED
        gone = {Flag.REPLACED, Flag.REORGED} & set(payment.flags)
        return Stage.REPLACED if gone else Stage.WAITING
    if not payment.is_paid:
        return Stage.UNDERPAID
    return Stage.CONFIRMING if payment.confirmations else Stage.SEEN


def _due_sat(payment: Payment, stage: Stage) -> int | None:
    asked = payment.terms.amount_sat
    if asked is None or stage is not Stage.UNDERPAID:
        return asked
    return max(asked - payment.received_sat, 1)


def _words(payment: Payment, stage: Stage) -> tuple[str, str]:
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


def _notes(payment: Payment, stage: Stage) -> tuple[str, ...]:
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


def _title(payment: Payment, stage: Stage) -> str:
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
            return _words(payment, stage)[0]


def _steps(payment: Payment, stage: Stage) -> tuple[Step, ...]:
    """Waiting, seen, confirmations, paid: how far it is. None for what has ended."""
    if stage in {Stage.EXPIRED, Stage.CANCELLED, Stage.FAILED}:
        return ()
    required = payment.terms.confirmations_required
    count = min(payment.confirmations, required)
    at = {
        Stage.WAITING: 0,
        Stage.REPLACED: 0,
        Stage.ANNOUNCED: 1,
        Stage.UNDERPAID: 1,
        Stage.SEEN: 2,
        Stage.CONFIRMING: 2,
        Stage.REVERSED: 2 if payment.receipts else 0,
        Stage.PAID: 4,
    }[stage]
    plural = "" if required == 1 else "s"
    labels = (
        "Waiting for payment" if at == 0 else "Payment sent",
        "Seen in part" if stage is Stage.UNDERPAID else "Seen on the network",
        f"{required if at == 4 else count} of {required} confirmation{plural}",
        "Paid",
    )
    if stage is Stage.ANNOUNCED:
        labels = (labels[0], "Looking for it on the chain", *labels[2:])
    return tuple(
        Step(label, "done" if i < at else "now" if i == at else "next")
        for i, label in enumerate(labels)
    )
