"""How deep the money lies: `confirming`, up to the depth required, and `confirmed`.

Depth is counted by a current view alone, and as that view shows it now; it may fall.
Pure.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.events import Event
from engine.payment.fold import EventBuilder, outpoint
from engine.payment.model import EventType, Payment, Receipt, Status, Terms
from engine.payment.pertinent import Listed, depth_in
from engine.payment.quorum import key_of, needs_two

__all__ = ["emit_confirmed", "emit_depth", "emit_fallen", "is_deep", "sums_of_deep"]


def emit_fallen(builder: EventBuilder, view: ChainView, listed: Listed) -> None:
    """Receipts that lie less deep in their block than was told.

    The chain became shorter, or somebody had told us a wrong tip or height. A block
    above the tip of the view says nothing of that: its tip was read before.
    """
    assert view.is_current, view.source
    fallen = []
    for receipt, output in _in_blocks(builder, listed):
        height = output.block_height or 0
        if output.block_hash != receipt.block_hash or height > view.tip.height:
            continue
        depth, followed = depth_in(output, view), _followed(builder, receipt)
        less = min(depth, followed) < min(receipt.confirmations, followed)
        if less or height != receipt.block_height:
            fallen.append(_placed(receipt, output, depth, view, builder.now))
    _emit_moved(builder, view, fallen)


def emit_depth(builder: EventBuilder, view: ChainView, listed: Listed) -> None:
    """Receipts that lie deeper than was told, or are in a block for the first time."""
    assert view.is_current, view.source
    moved = []
    for receipt, output in _in_blocks(builder, listed):
        depth, followed = depth_in(output, view), _followed(builder, receipt)
        deeper = min(depth, followed) > min(receipt.confirmations, followed)
        if deeper or receipt.block_hash is None:
            # Two blocks named: the deeper one has won in `emit_losses` already.
            assert receipt.block_hash in {None, output.block_hash}, receipt.txid
            moved.append(_placed(receipt, output, depth, view, builder.now))
    _emit_moved(builder, view, moved)


def _in_blocks(
    builder: EventBuilder, listed: Listed
) -> Iterator[tuple[Receipt, Output]]:
    """Receipts that the source itself shows in a block."""
    for receipt in builder.payment.receipts:
        output = listed.get(outpoint(receipt))
        if output is not None and output.block_hash and output.verified_by_source:
            yield receipt, output


def _followed(builder: EventBuilder, receipt: Receipt) -> int:
    """Up to this depth each block is told."""
    required = builder.payment.terms.confirmations_required
    return max(receipt.depth_needed(required), 1)


def _emit_moved(builder: EventBuilder, view: ChainView, moved: list[Receipt]) -> None:
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
    assert depth > 0, depth
    return replace(
        receipt,
        block_hash=output.block_hash,
        block_height=output.block_height,
        confirmations=depth,
        source=view.source,
        seen_at=now,
        is_coinbase=receipt.is_coinbase or output.is_coinbase,
    )


def emit_confirmed(builder: EventBuilder, view: ChainView, listed: Listed) -> None:
    """Enough of what is counted lies deep enough, in this view, or came by Lightning:
    of that no view says anything."""
    payment = builder.payment
    if payment.status is not Status.CONFIRMING or not payment.receipts:
        return
    required = payment.terms.confirmations_required
    final = [receipt for receipt in payment.receipts if receipt.is_lightning]
    final_sat = sum(receipt.amount_sat for receipt in final)
    deep = []
    for receipt in payment.receipts:
        output = listed.get(outpoint(receipt))
        if output is None or output.block_hash != receipt.block_hash:
            continue
        if not output.verified_by_source or not _is_of_now(builder, output, view):
            continue
        if depth_in(output, view) >= receipt.depth_needed(required):
            deep.append(receipt)
    deep_sat = sum(receipt.amount_sat for receipt in deep)
    is_enough = final_sat + deep_sat >= payment.threshold_sat
    if is_enough and needs_two(payment.terms, deep_sat):
        deep = [r for r in deep if _is_seconded(payment.terms, r, view)]
        deep_sat = sum(receipt.amount_sat for receipt in deep)
        is_enough = final_sat + deep_sat >= payment.threshold_sat
        builder.wants_second = not is_enough
    if is_enough:
        settled_sat = final_sat + deep_sat
        assert 0 < settled_sat <= payment.received_sat, payment.id
        builder.emit(
            EventType.CONFIRMED,
            status=Status.CONFIRMED,
            txid=(*final, *deep)[-1].txid,
            settled_sat=settled_sat,
            source=view.source,
        )


def is_deep(receipt: Receipt, terms: Terms) -> bool:
    """Whether it counts, as it was told last."""
    return receipt.confirmations >= receipt.depth_needed(terms.confirmations_required)


def sums_of_deep(payment: Payment) -> tuple[int, int]:
    """What counts (sat), as it was told last: by Lightning, and in blocks. What is in
    no block counts in a view of its moment only."""
    by_lightning = by_chain = 0
    for receipt in payment.receipts:
        if receipt.is_lightning:
            by_lightning += receipt.amount_sat
        elif receipt.block_hash is not None and is_deep(receipt, payment.terms):
            by_chain += receipt.amount_sat
    return by_lightning, by_chain


def _is_of_now(builder: EventBuilder, output: Output, view: ChainView) -> bool:
    """Whether the source has it now, and not only had it when it was seen first.

    A view that is not complete lists what of the mempool is known, which may be of an
    earlier comparison, or of blocks that were undone: after a time in which the source
    was behind, hours old. Its news are of now, and so is what it has in a block. But
    what could not be written when it was news is news once more: then the view says
    that it is only remembered.
    """
    if output.block_hash is not None or view.complete:
        return True
    if output.txid in view.remembered:
        return False
    return (output.txid, output.vout) in map(outpoint, _news(builder.events))


def _news(events: list[Event]) -> Iterator[Receipt]:
    """Receipts that these events told of first; one may have been announced."""
    for event in events:
        if event.type is EventType.DETECTED and event.data.receipt is not None:
            yield event.data.receipt
        elif event.data.claim is not None and event.data.verified:
            yield from event.data.receipts


def _is_seconded(terms: Terms, receipt: Receipt, view: ChainView) -> bool:
    key = key_of(terms, receipt.txid, receipt.vout, receipt.block_hash)
    return key in view.seconded
