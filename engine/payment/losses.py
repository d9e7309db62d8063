"""Money that goes: `replaced`, `reorged`, and what is `reversed` by it. Pure.

A view can take away only what it can testify about; `engine/payment/chain_rules.py`
says what that is. None of this is asked of a view that is not of a current source.
"""

from msgspec.structs import replace

from engine.chain.feed import MEMPOOL_EXPIRY_MS, ChainView, Output
from engine.payment.events import Event
from engine.payment.fold import EventBuilder, outpoint
from engine.payment.model import EventType, Payment, Receipt, Status
from engine.payment.pertinent import Listed, depth_in, pertinent

__all__ = [
    "ABSENCE_GRACE_MS",
    "blocks_lost",
    "emit_losses",
    "emit_reversed",
    "is_unconfirmed",
    "merely_absent",
]

ABSENCE_GRACE_MS = 600_000
"""How long another source gets to hear of an unconfirmed transaction: 10 min."""


def merely_absent(
    payment: Payment, view: ChainView, asked_at: int
) -> frozenset[tuple[str, int]]:
    """Receipts that this view would take away only by not listing them.

    One answer is not enough for that: behind one address there may be several nodes,
    with another mempool each, and its parts may not be of one moment. It is enough if
    it has news: that may be the replacement, and both must never be counted.
    """
    if not (view.is_current and view.complete and payment.receipts):
        return frozenset()
    known = {outpoint(receipt): receipt for receipt in payment.receipts}
    listed = pertinent(payment, view).keys()
    if listed - known.keys():
        return frozenset()
    return frozenset(
        key
        for key in known.keys() - listed
        if is_unconfirmed(known[key]) and _would_list(known[key], view, asked_at)
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


def emit_losses(builder: EventBuilder, view: ChainView, listed: Listed) -> bool:
    """Whether a receipt is gone altogether, so that the sum is another."""
    assert view.is_current, view.source
    before = len(builder.payment.receipts)
    # It may be the replacement, and both must never be counted.
    has_news = bool(listed.keys() - {outpoint(r) for r in builder.payment.receipts})
    replaced = {txid for txid, _ in view.conflicted}
    for receipt in builder.payment.receipts:
        output = listed.get(outpoint(receipt))
        if _lost_its_block(receipt, output, view):
            # Who knows the fork knows what became of its blocks: this source, from now
            # on, is the one that saw the receipt last.
            receipt = _unconfirmed(receipt, view, builder.now)
            builder.emit(EventType.REORGED, txid=receipt.txid, receipt=receipt)
        # Its place was taken: to wait for the rest of the mempool is to count both.
        is_replaced = has_news and receipt.txid in replaced
        is_proven = view.complete or is_replaced
        absent = output is None and is_unconfirmed(receipt) and is_proven
        is_telling = has_news or _would_list(receipt, view, builder.now)
        if absent and is_telling and _had_time(receipt, view, builder.now):
            _emit_replaced(builder, receipt)
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
            or depth_in(output, view) > receipt.confirmations
        )
    )


def is_unconfirmed(receipt: Receipt) -> bool:
    """Whether it can leave the mempool. A settled invoice never was there."""
    return receipt.block_hash is None and not receipt.is_lightning


def _unconfirmed(receipt: Receipt, view: ChainView, now: int) -> Receipt:
    return replace(
        receipt,
        block_hash=None,
        block_height=None,
        confirmations=0,
        source=view.source,
        seen_at=now,
    )


def _had_time(receipt: Receipt, view: ChainView, now: int) -> bool:
    same = receipt.source == view.source
    return same or now - receipt.seen_at >= ABSENCE_GRACE_MS


def _would_list(receipt: Receipt, view: ChainView, now: int) -> bool:
    """Whether the source's mempool is old enough to have it, if it were not gone.

    A node that was killed may have lost its mempool while we were not there to see it:
    what it does not list proves nothing of what came before, until everybody would have
    dropped it. What it has listed to us since, and lists no more, has left.
    """
    age_ms = now - receipt.seen_at
    return (
        receipt.seen_at >= view.mempool_since
        or receipt.txid in view.left
        or age_ms >= MEMPOOL_EXPIRY_MS
    )


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


def emit_reversed(builder: EventBuilder, view: ChainView, listed: Listed) -> None:
    """After `confirmed`: is what it was told for still deep enough?

    Judged on where the receipts are now, so that a reorg which only moves a receipt
    to another block as deep reverses nothing.
    """
    payment = builder.payment
    if not payment.counts_as_paid:
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
            depth = depth_in(output, view)
        if depth >= receipt.depth_needed(required):
            deep += receipt.amount_sat
    if deep < needed:
        status = Status.CONFIRMING if payment.receipts else Status.PENDING
        builder.emit(EventType.REVERSED, status=status, settled_sat=payment.settled_sat)
