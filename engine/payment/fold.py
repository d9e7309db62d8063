"""How events are made and folded: `EventBuilder` makes them, `evolve` folds them.

`decide` holds an `EventBuilder`: each `emit` makes the next event and folds it at once,
so that what follows is decided on the state it leaves. There is one fold (`_changed`,
`_step`), in a decision and in replay alike. A restart folds nothing: it reads the
payment as the journal keeps it beside the events; `paybell replay` compares the two.
"""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from engine.errors import BrokenSequence
from engine.money.amount import MAX_SAT
from engine.payment.amendment import amended
from engine.payment.booked import Bookkeeper, RateFor, with_worth
from engine.payment.events import Change, Event
from engine.payment.external_sums import external_flags
from engine.payment.forwarding import Forwarding
from engine.payment.model import (
    EventType,
    Flag,
    Payment,
    Receipt,
    Status,
)
from engine.payment.notes import Note
from engine.payment.transitions import check

__all__ = ["EventBuilder", "evolve", "outpoint"]

_MOST_SAT = 2 * MAX_SAT
"""What was known and what one view shows are each at most all there is. If together
they are more, the view is not believed when it has been read (`rules.follow`): no event
that leaves the rules tells of more than `MAX_SAT`."""

_STICKY: dict[EventType, Flag] = {
    EventType.LATE: Flag.LATE,
    EventType.REPLACED: Flag.REPLACED,
    EventType.REORGED: Flag.REORGED,
}


class EventBuilder:
    """Events told in one decision, and the payment as they leave it.

    An address may be showered with outputs, each of them an event that carries the sums
    after it. So the sums are carried on: adding all receipts up at each event would
    make a thousand outputs cost a million additions.
    """

    def __init__(
        self,
        payment: Payment,
        now: int,
        *,
        is_believed: bool = True,
        rate_for: RateFor | None = None,
    ) -> None:
        """`is_believed`: whether what was observed is evidence of anything. `rate_for`:
        what bitcoin is worth at the moment, for the books."""
        self.payment = payment
        self.now = now
        self.is_believed = is_believed
        self.events: list[Event] = []
        self.notes: list[Note] = []  # what was left out, for the log
        self.left_out_sat = 0  # shown by the view, and beyond what is followed
        self.wants_second = False  # it is deep enough; another source must say so too
        self.holds_back = False  # the view has money that may not be counted yet
        self.has_more = False  # the view has more news than were to be told at once
        self._sums: tuple[int, int] | None = None
        self._books = Bookkeeper(rate_for)

    @property
    def received_sat(self) -> int:
        """Of the payment as it is now."""
        return self._sums_now()[0]

    def emit(
        self,
        type: EventType,  # noqa: A002 - the wire's word
        *,
        status: Status | None = None,
        txid: str | None = None,
        **change: Any,
    ) -> None:
        """Add the next event; `change` are fields of `Change`. A payment that credits
        an account does so with its confirmation, whoever confirms it."""
        before = self.payment
        data = Change(**change)
        after = _changed(before, type, data, self.now)
        status = before.status if status is None else status
        data = self._books.told(before, after, type, data, status)
        after = with_worth(after, type, data)
        if after.receipts is before.receipts:
            received, depth = self._sums_now()
        elif (
            type is EventType.DETECTED
            and data.receipt is not None
            and not data.receipt.is_lightning
        ):
            received, depth = self._with_new(data.receipt)
        else:
            received, depth = after.received_sat, after.confirmations
        assert 0 <= received <= _MOST_SAT, received
        assert depth >= 0, depth
        self._sums = received, depth
        flags = _flags(after, type, data, received)
        event = Event(
            payment_id=before.id,
            seq=before.seq + 1,
            type=type,
            at=self.now,
            status=status,
            flags=flags,
            received_sat=received,
            confirmations=depth,
            txid=txid,
            data=data,
        )
        self.events.append(event)
        self.payment = _step(before, event, after)
        if type is EventType.CONFIRMED and before.terms.credit is not None:
            self.emit(
                EventType.CREDITED,
                txid=txid,
                credits=before.terms.credit.credits,
                credits_worth=self.payment.worth,
            )

    def _sums_now(self) -> tuple[int, int]:
        if self._sums is None:
            self._sums = self.payment.received_sat, self.payment.confirmations
        return self._sums

    def _with_new(self, receipt: Receipt) -> tuple[int, int]:
        """The sums with one more receipt of the chain, which is in no block yet."""
        received, depth = self._sums_now()
        is_paid_by_others = received >= self.payment.threshold_sat
        return received + receipt.amount_sat, depth if is_paid_by_others else 0


def outpoint(receipt: Receipt) -> tuple[str, int]:
    """What makes a receipt itself; nothing is counted twice by this key."""
    return receipt.txid, receipt.vout


def evolve(payment: Payment, event: Event) -> Payment:
    """The payment after the event.

    Raises `BrokenSequence` or `IllegalTransition` on an event that cannot follow:
    never for one that `decide` made on this payment.
    """
    if event.payment_id != payment.id or event.seq != payment.seq + 1:
        raise BrokenSequence(
            f"event {event.seq} of {event.payment_id} cannot follow"
            f" event {payment.seq} of {payment.id}"
        )
    changed = _changed(payment, event.type, event.data, event.at)
    changed = with_worth(changed, event.type, event.data)
    return _step(payment, event, changed)


def _step(before: Payment, event: Event, changed: Payment) -> Payment:
    """The last of every fold, when the change itself has been applied."""
    check(before.status, event.type, event.status)
    return replace(changed, status=event.status, flags=event.flags, seq=event.seq)


def _changed(payment: Payment, type: EventType, data: Change, at: int) -> Payment:  # noqa: A002
    receipts, claims = payment.receipts, payment.claims
    settled, confirmed_at = payment.settled_sat, payment.confirmed_at
    claimed = payment.claimed
    external, tokens, forward = payment.external, payment.tokens, payment.forward
    if data.forward is not None:
        forward = (forward or Forwarding(())).with_part(data.forward)
    if data.external is not None:
        external = data.external
    if data.token is not None:
        tokens = (*tokens, data.token.id)
    terms, updates = payment.terms, payment.updates
    if data.changed is not None:
        terms, updates = amended(terms, data.changed), updates + 1
    refunds, refunded_sat = payment.refunds, payment.refunded_sat
    otherwise = payment.paid_otherwise
    if data.refund is not None:
        if type is EventType.UPDATED:
            otherwise = {**otherwise, data.refund.id: data.refund.txid}
        else:
            refunds = (*refunds, data.refund.id)
        refunded_sat += data.refund.amount_sat
    if data.claim is not None:
        claims = tuple(claim for claim in claims if claim != data.claim)
    if type is EventType.DETECTED and data.claim is not None and not data.verified:
        claims = (*claims, data.claim)
        if data.claim.number is not UNSET:
            claimed = claimed.and_from(data.claim.at, data.claim.withdraw_at)
    elif type is EventType.REPLACED and data.receipt is not None:
        gone = outpoint(data.receipt)
        receipts = tuple(r for r in receipts if outpoint(r) != gone)
    elif type is EventType.DETECTED and data.receipt is not None:
        # It is new, or it would not be detected. An address may be showered with
        # outputs: to look for it among the others would cost a million comparisons.
        receipts = (*receipts, data.receipt)
    elif type is EventType.REORGED and data.receipt is not None:
        receipts = _upsert(receipts, (data.receipt,))
    elif type is EventType.CONFIRMING:
        receipts = _upsert(receipts, data.receipts)
    elif type is EventType.CONFIRMED:
        settled, confirmed_at = data.settled_sat or 0, at
    elif type is EventType.REVERSED:
        settled, confirmed_at = 0, None
    return replace(
        payment,
        terms=terms,
        receipts=receipts,
        claims=claims,
        settled_sat=settled,
        confirmed_at=confirmed_at,
        claimed=claimed,
        external=external,
        tokens=tokens,
        updates=updates,
        refunds=refunds,
        refunded_sat=refunded_sat,
        paid_otherwise=otherwise,
        forward=forward,
    )


def _upsert(
    receipts: tuple[Receipt, ...], changed: tuple[Receipt, ...]
) -> tuple[Receipt, ...]:
    by_outpoint = {outpoint(receipt): receipt for receipt in receipts}
    by_outpoint.update({outpoint(receipt): receipt for receipt in changed})
    return tuple(by_outpoint.values())


def _flags(
    after: Payment,
    type: EventType,  # noqa: A002
    data: Change,
    received: int,
) -> tuple[Flag, ...]:
    """`underpaid` and `overpaid` follow the sums; the others, once told, stay."""
    flags: set[Flag] = {
        f for f in after.flags if f not in {Flag.UNDERPAID, Flag.OVERPAID}
    }
    sticky = _STICKY.get(type)
    if sticky is not None and not (sticky is Flag.REPLACED and data.claim is not None):
        flags.add(sticky)
    if after.terms.is_external:
        flags |= external_flags(after)
    asked = after.terms.amount_sat
    if after.receipts and received < after.threshold_sat:
        flags.add(Flag.UNDERPAID)
    if asked is not None and received > asked + after.terms.tolerance_sat:
        flags.add(Flag.OVERPAID)
    return tuple(flag for flag in Flag if flag in flags)
