"""Which output of the chain pays which refund that we did not send ourselves. Pure.

A merchant whose keys are not here pays by its own wallet, from the PSBT or as it likes.
What can be seen of that, whatever wallet it is, is the output at the payer's address:
of the right sum, in a block that is newer than the claim. It pays one refund only: the
store sees to that, by the outpoint.
"""

from collections.abc import Collection, Iterable, Iterator

from engine.chain.feed import ChainView, Output
from engine.payment.refund import Refund

__all__ = ["paid_by", "pays"]

MOST_FEE_PERCENT = 10
"""Where the fee is taken off the sum, a wallet may have taken so much of it."""


def pays(refund: Refund, output: Output, view: ChainView) -> bool:
    """Whether this output may be the one."""
    height = output.block_height
    if not view.is_current or not output.verified_by_source or height is None:
        return False
    if not refund.after_height < height <= view.tip.height:
        return False
    return _least_sat(refund) <= output.amount_sat <= refund.amount_sat


def _least_sat(refund: Refund) -> int:
    """Less does not pay it. A small sum may be paid by a PSBT of ours whose fee is more
    than any wallet's is taken to be."""
    if not refund.takes_fee:
        return refund.amount_sat
    least = refund.amount_sat - refund.amount_sat * MOST_FEE_PERCENT // 100
    return min(least, refund.psbt_least_sat or least)


def paid_by(
    refunds: Iterable[Refund],
    view: ChainView,
    used: Collection[tuple[str, int]] = (),
) -> Iterator[tuple[Refund, Output]]:
    """Refunds to one address, each with an output that pays it; no output twice, and
    none of those `used`.

    An output goes to the refund that the fewest others could pay: the smallest that it
    fits, and one that is to arrive whole before one of the same sum that bears its fee;
    else what was sent for the one might be left with nothing it fits. Of like ones the
    first that was claimed comes first, and of like outputs the first that was mined.
    """
    left = sorted(
        refunds, key=lambda r: (r.amount_sat, r.takes_fee, r.claimed_at, r.id)
    )
    outputs = sorted(
        (output for output in view.outputs if (output.txid, output.vout) not in used),
        key=lambda o: (o.amount_sat, o.block_height or 0, o.txid, o.vout),
    )
    for output in outputs:
        for refund in left:
            if pays(refund, output, view):
                left.remove(refund)
                yield refund, output
                break
