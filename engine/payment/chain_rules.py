"""How a source's view of the chain is read into events. Part of `decide`; pure.

What may be believed:
- A view that is not of a current source shows money, and nothing else: it is read for
  news alone. It takes nothing away, counts no depth, confirms nothing.
- A view can take away only what it can testify about. A receipt in a block is lost
  only when the source positively knows that block to be off its best chain, or shows
  the receipt in another block of it (one chain cannot hold it twice); that it is
  merely missing from the answer proves nothing. A receipt in the mempool is gone when
  the source that last saw it no longer lists it, or when another source does not list
  it though it had `ABSENCE_GRACE_MS` to hear of it; the watcher looks twice before it
  lets a view say so (`merely_absent`).
- What took the place of a receipt waits where the view may not take that away (yet):
  both are never counted.
- What a source only repeats from our own journal (`verified_by_source` is False)
  supports a receipt that we have; it is never news, and nothing is confirmed by it.
- Depth counts as the view shows it now. It may fall: what was confirmed by it is then
  reversed (`engine/payment/depth.py`).
- What is older than the payment pays something else (`engine/payment/old_outputs.py`).
- A view that shows more money than there can be is no evidence of anything, no more
  than an answer that failed: nothing follows from it.
"""

import math

from engine.chain.feed import ChainView, Output
from engine.money.amount import MAX_SAT
from engine.payment.crowd import MOST_RECEIPTS, followed
from engine.payment.depth import emit_confirmed, emit_depth, emit_fallen
from engine.payment.fold import EventBuilder, outpoint
from engine.payment.losses import emit_losses, emit_reversed, is_unconfirmed
from engine.payment.model import (
    TIME_IS_OVER,
    Claim,
    EventType,
    Payment,
    Receipt,
    Status,
)
from engine.payment.notes import LeftOut, Note
from engine.payment.pertinent import Listed, pertinent
from engine.payment.sums import emit_sums

__all__ = ["known_outputs", "read_view"]


def read_view(
    builder: EventBuilder, view: ChainView, most_news: int | None = None
) -> bool:
    """Emit what the view shows: losses first, then news, then depth, then the sum.

    With more than `most_news` receipts that are new it ends after so many of them, and
    `builder.has_more` says so: the view is read once more when these are believed.

    False: its outputs, or they with what others have shown, are more than `MAX_SAT`. It
    is not to be believed, and what was emitted must be thrown away.
    """
    listed = pertinent(builder.payment, view, builder.notes)
    if sum(output.amount_sat for output in listed.values()) > MAX_SAT:
        return False
    lost = False
    if view.is_current:
        lost = emit_losses(builder, view, listed)
        emit_fallen(builder, view, listed)
        emit_reversed(builder, view, listed)
    news = _emit_news(builder, view, listed, most_news)
    if builder.payment.receipts and (news or lost) and not builder.has_more:
        emit_sums(builder)
    if view.is_current and not builder.has_more:
        emit_depth(builder, view, listed)
        emit_confirmed(builder, view, listed)
    return not builder.events or builder.received_sat <= MAX_SAT


def known_outputs(payment: Payment) -> tuple[Output, ...]:
    """The receipts that are in a block, as a source would list them."""
    return tuple(
        Output(
            receipt.txid,
            receipt.vout,
            receipt.amount_sat,
            receipt.block_hash,
            receipt.block_height,
            is_coinbase=receipt.is_coinbase,
            verified_by_source=False,
        )
        for receipt in payment.receipts
        if receipt.block_hash is not None
    )


def _emit_news(
    builder: EventBuilder, view: ChainView, listed: Listed, most: int | None
) -> bool:
    """Whether there were any."""
    known = {outpoint(receipt) for receipt in builder.payment.receipts}
    taken = _in_place_of_receipts(builder.payment, view, listed)
    fresh = [
        o
        for key, o in listed.items()
        if key not in known and o.verified_by_source and o.txid not in taken
    ]
    builder.holds_back = any(o.txid in taken for o in listed.values())
    chosen = followed(builder.payment.receipts, fresh)
    if len(chosen) < len(fresh):
        _note_left_out(builder, fresh, chosen)
    builder.has_more = most is not None and len(chosen) > most
    for output in sorted(chosen, key=_by_height)[:most]:
        _emit_detected(builder, view, output)
    # And a settled invoice, which is followed whatever else there is.
    assert len(builder.payment.receipts) <= MOST_RECEIPTS + 1, builder.payment.id
    return bool(chosen)


def _in_place_of_receipts(
    payment: Payment, view: ChainView, listed: Listed
) -> set[str]:
    """The transactions that the source showed in the place of what is still counted,
    and those in the place of these."""
    by, taken = dict(view.conflicted), set[str]()
    for receipt in payment.receipts if by else ():
        txid = by.get(receipt.txid)
        if is_unconfirmed(receipt) and outpoint(receipt) not in listed:
            while txid is not None and txid not in taken:
                taken.add(txid)
                txid = by.get(txid)
    return taken


def _note_left_out(
    builder: EventBuilder, fresh: list[Output], chosen: list[Output]
) -> None:
    left, sats = len(fresh) - len(chosen), sum(o.amount_sat for o in fresh)
    builder.left_out_sat = sats - sum(o.amount_sat for o in chosen)
    detail = f"{left} outputs of {builder.left_out_sat} sat in all are not followed"
    builder.notes.append(Note(LeftOut.TOO_MANY, "", detail))


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
        is_coinbase=output.is_coinbase,
    )
    status = payment.status
    total = builder.received_sat + output.amount_sat
    late = status in TIME_IS_OVER
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
