"""The rules of a payment: `decide` what follows from an observation, `evolve` by it.

    decide(payment, observation, now_ms) -> [event]      may refuse, changes nothing
    evolve(payment, event) -> payment                    the fold; never decides

Both are pure: no I/O, no clock, no log. The state machine is the table in
`engine/payment/transitions.py`; the reading of a source's view of the chain is in
`engine/payment/chain_rules.py`. Called by the address actor, by replay, and by nobody
else.
"""

from engine.chain.feed import ChainView
from engine.errors import Refused
from engine.money.amount import MAX_SAT
from engine.payment.amendment import changes_of
from engine.payment.booked import RateFor
from engine.payment.chain_rules import read_view
from engine.payment.events import Event
from engine.payment.external_rules import external_deadline, may_expire, take_word
from engine.payment.fold import EventBuilder, evolve
from engine.payment.forward_rules import take_forward
from engine.payment.lightning_rules import expires_at, has_open_invoice, take_paid
from engine.payment.model import (
    FINAL,
    MAX_CLAIMS,
    WAITED_FOR,
    Claim,
    EventType,
    Payment,
    Status,
)
from engine.payment.notes import LeftOut, Note
from engine.payment.observations import (
    AgreeRest,
    Amend,
    Cancel,
    ConfirmByHand,
    Forward,
    GatewayWord,
    InvoiceGone,
    InvoicePaid,
    Observation,
    PaidOtherwise,
    ProviderClaim,
    RefundPaid,
    ReleasedByHand,
    Reviewed,
)
from engine.payment.rest_rules import take_rest

__all__ = [
    "decide",
    "evolve",
    "follow",
    "is_settled",
    "is_untouched",
    "next_deadline",
    "waits_for_node",
]

RELEASED = "the operator released its address"


def decide(payment: Payment, observation: Observation, now: int) -> list[Event]:
    """What follows from an observation at `now` (ms): events to commit, maybe none.

    Raises `Refused` for a command that cannot be obeyed. Deciding twice on the same
    observation, the first decision applied, gives nothing the second time.
    """
    return follow(payment, observation, now).events


def follow(
    payment: Payment,
    observation: Observation,
    now: int,
    most_news: int | None = None,
    rate_for: RateFor | None = None,
) -> EventBuilder:
    """Like `decide`: the events, and with them the payment that they leave.

    `most_news`: of a view, so many new receipts at most (`read_view`). `rate_for`: what
    bitcoin is worth at the moment; it decides nothing, and is told to the books.
    """
    builder = EventBuilder(payment, now, rate_for=rate_for)
    match observation:
        case ChainView():
            if not read_view(builder, observation, most_news):
                builder = EventBuilder(payment, now, is_believed=False)
        case ProviderClaim():
            _take_claim(builder, observation)
        case Reviewed():
            _pass_deadlines(builder, observation)
        case Cancel():
            _cancel(builder, observation)
        case ConfirmByHand():
            _confirm_by_hand(builder, observation)
        case ReleasedByHand():
            _release_by_hand(builder, observation)
        case GatewayWord():
            take_word(builder, observation)
        case RefundPaid():
            _tell_refund(builder, observation)
        case PaidOtherwise():
            _tell_otherwise(builder, observation)
        case Forward():
            take_forward(builder, observation.part)
        case InvoicePaid():
            take_paid(builder, observation)
        case InvoiceGone():
            _take_gone(builder, observation)
        case AgreeRest():
            take_rest(builder, observation)
        case Amend():
            _amend(builder, observation)
    assert not builder.events or builder.received_sat <= MAX_SAT, payment.terms.id
    return builder


def next_deadline(payment: Payment) -> int:
    """When (ms) the payment must be reviewed next; in the past: now."""
    if payment.claims:  # it neither expires nor is let go before they are withdrawn
        return min(claim.withdraw_at for claim in payment.claims)
    if payment.terms.is_external:
        return external_deadline(payment)
    return expires_at(payment) if _may_expire(payment) else payment.terms.monitor_until


def waits_for_node(payment: Payment, now: int, asked_at: int | None = None) -> bool:
    """Whether it would be over at `now` (ms), if only its Lightning node said that it
    was not paid; asked at `asked_at` it said so last (None: never)."""
    due = expires_at(payment)
    if now < due or (asked_at is not None and asked_at >= due):
        return False
    return has_open_invoice(payment) and _may_expire(payment)


def is_untouched(payment: Payment) -> bool:
    """Whether a view of nothing leaves the payment as it is: nothing was seen of it."""
    return not (payment.receipts or payment.claims or payment.settled_sat)


def is_settled(payment: Payment, now: int) -> bool:
    """Whether the watcher may be let go: nobody waits for the payment any more.

    A payment whose money is on its way is kept beyond `monitor_until`.
    """
    if payment.claims or now < payment.terms.monitor_until:
        return False
    waits = payment.status is Status.PENDING or (
        payment.status is Status.CONFIRMING and payment.is_paid
    )
    return not waits


def _may_expire(payment: Payment) -> bool:
    """Nothing expires while a webhook says that the money is on its way."""
    if payment.claims or payment.status not in WAITED_FOR:
        return False
    return not (payment.receipts and payment.is_paid)


def _take_claim(builder: EventBuilder, claim: ProviderClaim) -> None:
    """Tell at once what a webhook claims, marked as unproven; count nothing."""
    payment = builder.payment
    if payment.status in FINAL or not payment.terms.has_chain:
        return
    if claim.txid is not None and any(r.txid == claim.txid for r in payment.receipts):
        return
    for known in payment.claims:
        if claim.txid is None or known.txid in {claim.txid, None}:
            return  # the same, as far as anyone can tell
    if claim.txid is None and payment.receipts:
        return  # it may well be the receipt that the chain showed already
    withdraw_at = _withdraw_at(payment, claim, builder.now)
    if withdraw_at is None or len(payment.claims) >= MAX_CLAIMS:
        before = payment.claimed
        detail = (
            f"{claim.provider} announced it, after {before.taken} others that held the"
            f" payment for {before.held_ms // 1000} s"
        )
        builder.notes.append(Note(LeftOut.CLAIM, claim.txid or "", detail))
        return
    taken = Claim(
        provider=claim.provider,
        txid=claim.txid,
        amount_sat=claim.amount_sat,
        at=builder.now,
        withdraw_at=withdraw_at,
        replaceable=claim.replaceable,
        number=payment.claimed.taken + 1,
    )
    builder.emit(
        EventType.DETECTED,
        txid=claim.txid,
        claim=taken,
        source="webhook",
        verified=False,
    )


def _withdraw_at(payment: Payment, claim: ProviderClaim, now: int) -> int | None:
    """Until when (ms) the claim may stand; None: not at all.

    An unproven claim keeps a payment from expiring and from being cancelled. Whoever
    can claim could do so again and again, each time for another transaction: so there
    is an end to their number and to the time that they hold the payment, in all.
    """
    before = payment.claimed
    left_ms = claim.total_s * 1000 - before.held_ms
    until = min(now + claim.window_s * 1000, max(now, before.until) + max(left_ms, 0))
    return until if until > now and before.taken < claim.most else None


def _pass_deadlines(builder: EventBuilder, review: Reviewed) -> None:
    for claim in builder.payment.claims:
        if review.asked_at >= claim.withdraw_at:
            builder.emit(
                EventType.REPLACED,
                txid=claim.txid,
                claim=claim,
                reason="the chain does not corroborate what the webhook claimed",
            )
    payment = builder.payment
    if payment.terms.is_external:
        if may_expire(payment, builder.now):
            builder.emit(EventType.EXPIRED, status=Status.EXPIRED)
        return
    due = expires_at(payment)
    if not _may_expire(payment) or review.asked_at < due:
        return
    if not has_open_invoice(payment) or review.invoice_asked_at >= due:
        builder.emit(EventType.EXPIRED, status=Status.EXPIRED)


def _take_gone(builder: EventBuilder, gone: InvoiceGone) -> None:
    """What only its node can pay is over by the node's word; what the chain can pay,
    too, by that and a view (`Reviewed`)."""
    terms = builder.payment.terms
    if terms.has_chain or terms.lightning is None:
        return
    if gone.payment_hash == terms.lightning.payment_hash:
        _pass_deadlines(builder, Reviewed(gone.asked_at, gone.asked_at))


def _cancel(builder: EventBuilder, command: Cancel) -> None:
    payment = builder.payment
    if payment.status is Status.CANCELLED:
        return
    if payment.claims:
        raise Refused(
            "a webhook has announced money for this payment; it can be cancelled when"
            " the chain has not corroborated that within the set time"
        )
    if payment.receipts or payment.status not in {Status.PENDING, Status.EXPIRED}:
        raise Refused(
            f"a payment that is {payment.status} with {payment.received_sat} sat"
            " received cannot be cancelled; only an unpaid one can"
        )
    builder.emit(EventType.CANCELLED, status=Status.CANCELLED, by=command.by)


def _confirm_by_hand(builder: EventBuilder, command: ConfirmByHand) -> None:
    if builder.payment.counts_as_paid:
        return
    builder.emit(
        EventType.CONFIRMED,
        status=Status.CONFIRMED,
        settled_sat=0,
        by=command.by,
        reason="confirmed by hand",
    )


def _tell_refund(builder: EventBuilder, told: RefundPaid) -> None:
    """Once for each refund."""
    if told.refund.id not in builder.payment.refunds:
        builder.emit(EventType.REFUNDED, refund=told.refund, by=told.by)


def _tell_otherwise(builder: EventBuilder, told: PaidOtherwise) -> None:
    """Raises `Refused` where it was another one until now: the difference is wrong."""
    refund, payment = told.refund, builder.payment
    if refund.id not in payment.refunds:
        raise Refused(f"nobody was told that {refund.id} is paid")
    known = payment.paid_otherwise.get(refund.id, told.before)
    if known == refund.txid:
        return
    if known != told.before:
        raise Refused(f"{refund.id} was paid by {known}, not by {told.before}")
    builder.emit(EventType.UPDATED, refund=refund)


def _amend(builder: EventBuilder, wanted: Amend) -> None:
    changed = changes_of(builder.payment, wanted, builder.now)
    if changed is not None:
        builder.emit(EventType.UPDATED, changed=changed, by=wanted.by)


def _release_by_hand(builder: EventBuilder, command: ReleasedByHand) -> None:
    """A payment that nobody will look after any more must not stay open.

    Announced or too little money does not save it: whoever holds another's address
    could announce or send himself some. One that is paid in full waits for its depth.
    """
    payment = builder.payment
    if payment.status is Status.CONFIRMING and payment.is_paid:
        raise Refused(
            f"{payment.received_sat} sat are on their way to this payment; its address"
            " can be released when it is confirmed, by the chain or by hand"
        )
    if payment.status not in {*WAITED_FOR, Status.EXPIRED}:
        return
    for claim in payment.claims:
        builder.emit(EventType.REPLACED, txid=claim.txid, claim=claim, reason=RELEASED)
    if payment.status is Status.CONFIRMING:  # too little came in
        builder.emit(EventType.EXPIRED, status=Status.EXPIRED, reason=RELEASED)
    builder.emit(
        EventType.CANCELLED, status=Status.CANCELLED, by=command.by, reason=RELEASED
    )
