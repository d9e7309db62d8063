"""How what pays a script is put into a view: in its order, and not without end. Pure.

Somebody may shower an address with outputs. Up to `MOST_SHOWN` all are shown; of more
the largest, and the view says that it is not complete.
"""

import heapq
from collections.abc import Collection

from engine.chain.feed import Output

__all__ = ["MOST_SHOWN", "SKIPPED", "as_shown"]

MOST_SHOWN = 5_000
"""Outputs of one view: some 10 ms of its watcher's time."""

SKIPPED = "blocks were skipped that may pay it: too many, or it has them no more"
"""Why a view is not complete after a gap in the history."""


def as_shown(
    outputs: Collection[Output], gap: str | None
) -> tuple[tuple[Output, ...], str | None]:
    """(those that are shown, why they are not all, if so). `gap`: why else."""
    if len(outputs) > MOST_SHOWN:
        gap = f"{len(outputs)} outputs pay it; only the {MOST_SHOWN} largest are shown"
        outputs = heapq.nlargest(MOST_SHOWN, outputs, key=_by_amount)
    return tuple(sorted(outputs, key=_by_age)), gap


def _by_amount(output: Output) -> tuple[int, str, int]:
    return output.amount_sat, output.txid, output.vout


def _by_age(output: Output) -> tuple[bool, int, str, int]:
    """Confirmed before unconfirmed, then by block, then by outpoint."""
    height = output.block_height
    return height is None, height or 0, output.txid, output.vout
