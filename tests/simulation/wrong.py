"""One wrong answer of an explorer, as its adapter hands it on: soon over, never true.

The adapter holds answers against one another (`transport/chain/esplora.py`). A tip
that does not follow from the one before is a doubt, an output whose block stands
elsewhere or nowhere has no place, and a history that is too long or contradicts itself
is incomplete. More money than there is goes through: the rules do not believe it.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.chain.feed import Output
from engine.errors import HistoryIncomplete

__all__ = ["DOUBT", "WRONG", "wrong_outputs"]

WRONG = frozenset({"misplaced", "too long", "too much money"})
"""Modes of a source by address, of what it says of an address."""

DOUBT = "jumped to a height that cannot be"

MOST_SAT = 21_000_000 * 100_000_000


def wrong_outputs(mode: str, outputs: Sequence[Output]) -> tuple[Output, ...]:
    """What is listed, as it is handed on in this mode. May raise `SourceError`."""
    if mode == "too much money":
        more = [replace(o, vout=o.vout + 1_000) for o in outputs]
        return tuple(replace(o, amount_sat=MOST_SAT) for o in (*outputs, *more))
    if mode == "too long":
        raise HistoryIncomplete("400 too many history entries", tuple(outputs[:1]))
    bare = tuple(
        replace(o, block_hash=None, block_height=None, block_time_s=None)
        for o in outputs
    )
    raise HistoryIncomplete("names a block that is not there", bare)
