"""What is older than a payment pays something else. Pure.

An address may have been used before. What paid it then must not pay a newer order, and
no clock is asked which is which: neither this node's, which may be hours ahead, nor
that of a block, which its miner sets. So the terms keep what was known when the address
was given out: the best tip, and what the source's index knew to pay the script in the
mempool and in the last blocks (`as_of`). By that an output is old
(`is_old`):

- if it was known then;
- if its block is `SURELY_OLD` blocks or more below that tip;
- between, if it is not known whether it was there: as long as that tip is in the
  source's chain. If a reorg took it, blocks of that height are newer than the payment.
  Where the index was asked, all that was there was known, and nothing else is old.

A payment from before tips were kept goes by the time of its creation, as it did then:
what was mined two hours before is old.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.chain.feed import BLOCK_TIME_SLACK_S, ChainView, Output, Tip
from engine.payment.model import Terms

__all__ = [
    "MOST_KNOWN",
    "NO_BLOCK",
    "SURELY_OLD",
    "as_of",
    "asks_about",
    "is_asked_about",
    "is_old",
]

SURELY_OLD = 12
"""Blocks below the tip, about two hours: no reorg was ever so deep, and the script
index keeps as many (`engine.chain.script_index.LOOKBACK`)."""

NO_BLOCK = -1
"""The height of the tip where none was known: then no block is old."""

MOST_KNOWN = 500
"""Outputs kept in the terms, the largest: they are written down with the payment."""


def as_of(terms: Terms, tip: Tip | None, past: ChainView | None) -> Terms:
    """The terms of a payment that is created now.

    `tip`: the best that any source has shown. `past`: what pays the script in the
    mempool and in the last `SURELY_OLD` blocks of an index, if there is any.
    """
    known = () if past is None else past.outputs
    largest = sorted(known, key=lambda output: -output.amount_sat)[:MOST_KNOWN]
    there = tuple((output.txid, output.vout) for output in largest)
    is_past_known = (
        past is not None
        and past.is_current
        and past.complete
        and past.tip == tip
        and len(known) <= MOST_KNOWN
    )
    return replace(
        terms,
        tip_height=NO_BLOCK if tip is None else tip.height,
        # Kept where it will be asked about: there may be a million payments.
        tip_hash="" if tip is None or is_past_known else tip.hash,
        is_past_known=is_past_known,
        ignore=tuple(dict.fromkeys((*terms.ignore, *there))),
    )


def is_old(terms: Terms, output: Output, view: ChainView) -> bool:
    """Whether the output is older than the payment. Those in `ignore` are, too."""
    height = output.block_height
    if terms.tip_height is None:
        return _is_old_by_time(terms, output)
    if height is None or height > terms.tip_height:
        return False
    if height <= terms.tip_height - SURELY_OLD:
        return True
    return not terms.is_past_known and terms.tip_hash not in view.off_chain


def asks_about(terms: Terms) -> Tip | None:
    """The tip whose place in the chain decides about outputs of about its height."""
    if terms.tip_height is None or not terms.tip_hash:
        return None
    return Tip(terms.tip_height, terms.tip_hash)


def is_asked_about(
    since: Tip, outputs: Sequence[Output], known: Sequence[Output]
) -> bool:
    """Whether one of these outputs is old or not by whether that tip still stands."""
    counted = {(output.txid, output.vout) for output in known}
    return any(
        output.block_height is not None
        and since.height - SURELY_OLD < output.block_height <= since.height
        and (output.txid, output.vout) not in counted
        for output in outputs
    )


def _is_old_by_time(terms: Terms, output: Output) -> bool:
    created_s = terms.created_at // 1000
    return (
        output.block_time_s is not None
        and output.block_time_s < created_s - BLOCK_TIME_SLACK_S
    )
