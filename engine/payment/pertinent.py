"""Which outputs of a view can pay a payment, and where they stand. Pure.

What is older than the payment pays something else, and so does what an earlier payment
to the address counted. What a view says of an output's block is taken with care: a
block may be above the view's tip by as many as come while a source is asked, and has
no place in its chain beyond that; of two heights that were told of one block the higher
counts, which is less depth.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.fold import outpoint
from engine.payment.model import Payment, Receipt
from engine.payment.notes import LeftOut, Note
from engine.payment.old_outputs import is_old

__all__ = ["depth_in", "Listed", "pertinent"]

NEWER_BLOCKS = 2
"""A source may have so many new blocks after it told its tip, and show outputs of them:
an explorer is asked one thing after another."""

MOST_NOTES = 10
"""Old outputs of a view that are noted, each in words of its own; how many more there
are is said in one."""

Listed = Mapping[tuple[str, int], Output]
"""Outputs by outpoint."""


def pertinent(
    payment: Payment, view: ChainView, notes: list[Note] | None = None
) -> Listed:
    """The outputs that can pay this payment, by outpoint.

    What is too old to do so is noted, if somebody wants to know.
    """
    if not view.outputs:
        return {}
    terms = payment.terms
    ignored = set(terms.ignore)
    known = {outpoint(receipt): receipt for receipt in payment.receipts}
    found = {}
    old: list[Output] = []
    for output in view.outputs:
        key = (output.txid, output.vout)
        receipt = known.get(key)
        if receipt is None:
            if output.amount_sat <= 0:
                continue
            if key in ignored or is_old(terms, output, view):
                old.append(output)
                continue
        found[key] = _placed(output, receipt, view)
    if notes is not None:
        notes += _too_old(old)
    return found


def _too_old(outputs: Sequence[Output]) -> Iterator[Note]:
    yield from map(_is_too_old, outputs[:MOST_NOTES])
    more = len(outputs) - MOST_NOTES
    if more > 0:
        yield Note(LeftOut.OLD, "", f"{more} more are older than the payment")


def _is_too_old(output: Output) -> Note:
    where = "the mempool"
    if output.block_height is not None:
        where = f"block {output.block_height}"
    return Note(
        LeftOut.OLD,
        f"{output.txid}:{output.vout}",
        f"{output.amount_sat} sat, in {where}, are older than the payment",
    )


def _placed(output: Output, receipt: Receipt | None, view: ChainView) -> Output:
    height = output.block_height
    if height is None:
        return output
    if (
        receipt is not None
        and receipt.block_height is not None
        and receipt.block_hash == output.block_hash
        and receipt.block_height > height
    ):
        height = receipt.block_height
    if height > view.tip.height + NEWER_BLOCKS:
        return replace(output, block_hash=None, block_height=None, block_time_s=None)
    if height != output.block_height:
        return replace(output, block_height=height)
    return output


def depth_in(output: Output, view: ChainView) -> int:
    """Confirmations in this view: 1 in the tip itself, 0 in the mempool.

    A block above the tip came while the source was asked: it is 1 deep at least.
    """
    if output.block_height is None:
        return 0
    return max(view.tip.height - output.block_height + 1, 1)
