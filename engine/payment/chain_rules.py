"""How a source's view of the chain is read into events. Part of `decide`; pure.

What may be believed:
- A view can take away only what it can testify about. A receipt in a block is lost
  only when the source positively knows that block to be off its best chain, or shows
  the receipt in another block of it (one chain cannot hold it twice); that it is
  merely missing from the answer proves nothing. A receipt in the mempool is gone when
  the source that last saw it no longer lists it, or when another source does not list
  it though it had `ABSENCE_GRACE_MS` to hear of it; the watcher looks twice before it
  lets a view say so (`merely_absent`).
- What a source only repeats from our own journal (`verified_by_source` is False)
  supports a receipt that we have; it is never news, and nothing is confirmed by it.
- Depth counts for `confirmed` as the view shows it now; in the record it only grows
  while the receipt stays in its block, so that a lagging source tells nothing twice.
- An output mined well before the payment was created pays something else.
- A view that shows more money than there can be is no evidence of anything, no more
  than an answer that failed: nothing follows from it.
"""

import math

from msgspec.structs import replace

from engine.chain.feed import BLOCK_TIME_SLACK_S, ChainView, Output
from engine.money.amount import MAX_SAT
from engine.payment.events import Event
from engine.payment.fold import EventBuilder, outpoint
from engine.payment.model import (
    MAX_RECEIPTS,
    PAID,
    Claim,
    EventType,
    Payment,
    Receipt,
    Status,
)

__all__ = ["blocks_lost", "known_outputs", "merely_absent", "read_view"]

ABSENCE_GRACE_MS = 600_000
"""How long another source gets to hear of an unconfirmed transaction: 10 min."""

_SUMS_ARE_TOLD = PAID | {Status.CONFIRMING, Status.EXPIRED}


def read_view(builder: EventBuilder, view: ChainView) -> bool:
    """Emit what the view shows: losses first, then news, then depth, then the sum.

    False: its outputs, or they with what others have shown, are more than `MAX_SAT`. It
    is not to be believed, and what was emitted must be thrown away.
    """
    listed = _pertinent(builder.payment, view)
    if sum(output.amount_sat for output in listed.values()) > MAX_SAT:
        return False
    lost = _emit_losses(builder, view, listed)
    _emit_news(builder, view, listed, lost=lost)
    _emit_depth(builder, view, listed)
    _emit_confirmed(builder, view, listed)
    return not builder.events or builder.received_sat <= MAX_SAT


def merely_absent(payment: Payment, view: ChainView) -> frozenset[tuple[str, int]]:
    """Receipts that this view would take away only by not listing them.

    One answer is not enough for that: behind one address there may be several nodes,
    with another mempool each, and its parts may not be of one moment. It is enough if
    it has news: that may be the replacement, and both must never be counted.
    """
    known = {outpoint(r): r.block_hash for r in payment.receipts}
    listed = _pertinent(payment, view).keys()
    if not view.complete or listed - known.keys():
        return frozenset()
    return frozenset(key for key in known.keys() - listed if known[key] is None)


def known_outputs(payment: Payment) -> tuple[Output, ...]:
    """The receipts that are in a block, as a source would list them."""
    return tuple(
        Output(
            receipt.txid,
            receipt.vout,
            receipt.amount_sat,
            receipt.block_hash,
            receipt.block_height,
            verified_by_source=False,
        )
        for receipt in payment.receipts
        if receipt.block_hash is not None
    )


def blocks_lost(before: Payment, events: list[Event]) -> list[tuple[int, str]]:
    """(height, hash) of the blocks that receipts lost by these events.

    The source that says so may be the one in the wrong: another, asked later, has read
    past such a block already, and would never look into it again.
    """
    lost = {event.txid for event in events if event.type is EventType.REORGED}
    return [
        (receipt.block_height, receipt.block_hash)
        for receipt in before.receipts
        if receipt.txid in lost
        and receipt.block_hash is not None
        and receipt.block_height is not None
    ]


def _pertinent(payment: Payment, view: ChainView) -> dict[tuple[str, int], Output]:
    """The outputs that can pay this payment, by outpoint."""
    created_s = payment.terms.created_at // 1000
    ignored = set(payment.terms.ignore)
    known = {outpoint(receipt) for receipt in payment.receipts}
    pertinent = {}
    for output in view.outputs:
        key = (output.txid, output.vout)
        old = (
            output.block_time_s is not None
            and output.block_time_s < created_s - BLOCK_TIME_SLACK_S
        )
        if key in known or (key not in ignored and not old and output.amount_sat > 0):
            pertinent[key] = output
    return pertinent


def _emit_losses(
    builder: EventBuilder, view: ChainView, listed: dict[tuple[str, int], Output]
) -> bool:
    """Whether a receipt is gone altogether, so that the sum is another."""
    before = len(builder.payment.receipts)
    for receipt in builder.payment.receipts:
        output = listed.get(outpoint(receipt))
        if _lost_its_block(receipt, output, view):
            # Who knows the fork knows what became of its blocks: this source, from now
            # on, is the one that saw the receipt last.
            receipt = _unconfirmed(receipt, view, builder.now)
            builder.emit(EventType.REORGED, txid=receipt.txid, receipt=receipt)
        absent = output is None and receipt.block_hash is None and view.complete
        if absent and _may_say_gone(receipt, view, builder.now):
            _emit_replaced(builder, receipt)
    _emit_reversed(builder, view, listed)
    return len(builder.payment.receipts) < before


def _lost_its_block(receipt: Receipt, output: Output | None, view: ChainView) -> bool:
    if receipt.block_hash is None:
        return False
    if output is not None and output.block_hash == receipt.block_hash:
        return False
    if receipt.block_hash in view.off_chain:
        return True
    # A source need not know a lost block any more. Another source may be the one that
    # is on the losing branch: it must show more depth than we were told before.
    return (
        output is not None
        and output.verified_by_source
        and output.block_hash is not None
        and (
            receipt.source == view.source
            or _depth(output, view) > receipt.confirmations
        )
    )


def _unconfirmed(receipt: Receipt, view: ChainView, now: int) -> Receipt:
    return replace(
        receipt,
        block_hash=None,
        block_height=None,
        confirmations=0,
        source=view.source,
        seen_at=now,
    )


def _may_say_gone(receipt: Receipt, view: ChainView, now: int) -> bool:
    same = receipt.source == view.source
    return same or now - receipt.seen_at >= ABSENCE_GRACE_MS


def _emit_replaced(builder: EventBuilder, receipt: Receipt) -> None:
    payment = builder.payment
    left = [r for r in payment.receipts if outpoint(r) != outpoint(receipt)]
    status = payment.status
    if status is Status.CONFIRMING and not left:
        status = Status.PENDING
    builder.emit(
        EventType.REPLACED,
        status=status,
        txid=receipt.txid,
        receipt=receipt,
        reason="no longer in the mempool nor in the best chain",
    )


def _emit_reversed(
    builder: EventBuilder, view: ChainView, listed: dict[tuple[str, int], Output]
) -> None:
    """After `confirmed`: is what it was told for still deep enough?

    Judged on where the receipts are now, so that a reorg which only moves a receipt
    to another block as deep reverses nothing.
    """
    payment = builder.payment
    if payment.status not in PAID:
        return
    # What a person confirmed was settled for nothing: nothing takes it back.
    needed = min(payment.settled_sat, payment.threshold_sat)
    if payment.terms.amount_sat is None:
        needed = payment.settled_sat
    required = payment.terms.confirmations_required
    deep = 0
    for receipt in payment.receipts:
        output = listed.get(outpoint(receipt))
        depth = receipt.confirmations
        if output is not None and receipt.block_hash is None:
            depth = _depth(output, view)
        if depth >= required:
            deep += receipt.amount_sat
    if deep < needed:
        status = Status.CONFIRMING if payment.receipts else Status.PENDING
        builder.emit(EventType.REVERSED, status=status, settled_sat=payment.settled_sat)


def _emit_news(
    builder: EventBuilder,
    view: ChainView,
    listed: dict[tuple[str, int], Output],
    *,
    lost: bool,
) -> None:
    known = {outpoint(receipt) for receipt in builder.payment.receipts}
    fresh = [
        o for key, o in listed.items() if key not in known and o.verified_by_source
    ]
    fresh.sort(key=_by_height)
    followed = fresh[: MAX_RECEIPTS - len(known)]
    for output in followed:
        _emit_detected(builder, view, output)
    assert len(builder.payment.receipts) <= MAX_RECEIPTS, builder.payment.id
    if followed or (lost and builder.payment.receipts):
        _emit_sums(builder)


def _by_height(output: Output) -> float:
    """The mempool comes after all blocks."""
    return math.inf if output.block_height is None else output.block_height


def _emit_detected(builder: EventBuilder, view: ChainView, output: Output) -> None:
    payment = builder.payment
    assert 0 < output.amount_sat <= MAX_SAT, output
    receipt = Receipt(
        txid=output.txid,
        vout=output.vout,
        amount_sat=output.amount_sat,
        source=view.source,
        seen_at=builder.now,
    )
    status = payment.status
    total = builder.received_sat + output.amount_sat
    late = status is Status.EXPIRED or status is Status.CANCELLED
    if status is Status.PENDING or (
        status is Status.EXPIRED and total >= payment.threshold_sat
    ):
        status = Status.CONFIRMING
    claim = _claim_for(payment, output)
    if claim is not None:
        # The webhook told of it already: that was its one `payment.detected`.
        builder.emit(
            EventType.CONFIRMING,
            status=status,
            txid=output.txid,
            claim=claim,
            receipts=(receipt,),
            source=view.source,
            verified=True,
        )
    else:
        builder.emit(
            EventType.DETECTED,
            status=status,
            txid=output.txid,
            receipt=receipt,
            source=view.source,
            verified=True,
        )
    if late:
        builder.emit(EventType.LATE, txid=output.txid, receipt=receipt)


def _claim_for(payment: Payment, output: Output) -> Claim | None:
    """The claim that this output corroborates: by txid, or the one that named none."""
    for claim in payment.claims:
        if claim.txid in {output.txid, None}:
            return claim
    return None


def _emit_sums(builder: EventBuilder) -> None:
    payment = builder.payment
    asked = payment.terms.amount_sat
    if asked is None or payment.status not in _SUMS_ARE_TOLD:
        return
    received = payment.received_sat
    if not payment.is_paid and payment.status not in PAID:
        assert received < asked, payment.id
        builder.emit(EventType.UNDERPAID, short_sat=asked - received)
    elif received > asked + payment.terms.tolerance_sat:
        builder.emit(EventType.OVERPAID, excess_sat=received - asked)


def _emit_depth(
    builder: EventBuilder, view: ChainView, listed: dict[tuple[str, int], Output]
) -> None:
    followed = max(builder.payment.terms.confirmations_required, 1)
    moved = []
    for receipt in builder.payment.receipts:
        output = listed.get(outpoint(receipt))
        if output is None or output.block_hash is None or not output.verified_by_source:
            continue
        depth = _depth(output, view)
        deeper = min(depth, followed) > min(receipt.confirmations, followed)
        if deeper or receipt.block_hash is None:
            # Two blocks named: the deeper one has won in `_emit_losses` already.
            assert receipt.block_hash in {None, output.block_hash}, receipt.txid
            moved.append(_placed(receipt, output, depth, view, builder.now))
    if moved:
        builder.emit(
            EventType.CONFIRMING,
            txid=moved[0].txid,
            receipts=tuple(moved),
            source=view.source,
        )


def _placed(
    receipt: Receipt, output: Output, depth: int, view: ChainView, now: int
) -> Receipt:
    assert output.block_height is not None, output  # it has a block's hash
    assert depth >= 0, depth
    return replace(
        receipt,
        block_hash=output.block_hash,
        block_height=output.block_height,
        confirmations=depth,
        source=view.source,
        seen_at=now,
    )


def _emit_confirmed(
    builder: EventBuilder, view: ChainView, listed: dict[tuple[str, int], Output]
) -> None:
    payment = builder.payment
    if payment.status is not Status.CONFIRMING or not payment.receipts:
        return
    required = payment.terms.confirmations_required
    deep = []
    for receipt in payment.receipts:
        output = listed.get(outpoint(receipt))
        if output is None or output.block_hash != receipt.block_hash:
            continue
        if not output.verified_by_source:
            continue
        if _depth(output, view) >= required:
            deep.append(receipt)
    settled_sat = sum(receipt.amount_sat for receipt in deep)
    if settled_sat >= payment.threshold_sat:
        assert 0 < settled_sat <= payment.received_sat, payment.id
        builder.emit(
            EventType.CONFIRMED,
            status=Status.CONFIRMED,
            txid=deep[-1].txid,
            settled_sat=settled_sat,
            source=view.source,
        )


def _depth(output: Output, view: ChainView) -> int:
    """Confirmations in this view: 1 in the tip itself, 0 in the mempool.

    A block above the tip came while the source was asked: it is 1 deep at least.
    """
    if output.block_height is None:
        return 0
    return max(view.tip.height - output.block_height + 1, 1)
