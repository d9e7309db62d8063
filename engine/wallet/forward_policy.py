"""By which rules money is sent on, and what a look at a transaction means. Pure."""

from typing import Final

import msgspec

from engine.chain.broadcast import Sighting
from engine.wallet.fees import FeeRules
from engine.wallet.outgoing import Outgoing, OutgoingState, moved

__all__ = ["FINAL_DEPTH", "SETTLED_DEPTH", "ForwardPolicy", "seen_as"]

SETTLED_DEPTH: Final = 12
"""So deep in the best chain a transaction of ours is looked after no more, until a
payment that it spends is reversed: as many blocks as every source remembers."""

FINAL_DEPTH: Final = 6
"""So deep a stranger's spend of a coin of ours is final."""


class ForwardPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the node (`engine/settings/table.py`)."""

    destinations: frozenset[str] = frozenset()  # that the operator named
    anywhere: bool = False  # also to others
    per_day_sat: int | None = 100_000_000  # of one merchant; None: no limit
    every_s: float = 10.0
    confirmations: int = 1
    bump_after_s: int = 3_600
    target_blocks: int = 6
    fees: FeeRules = FeeRules()

    def allows(self, destination: str) -> bool:
        return self.anywhere or destination in self.destinations


def seen_as(before: Outgoing, sighting: Sighting, needed: int, at: int) -> Outgoing:
    """After a look at it; the same one if it is as it was.

    `needed`: the depth at which it has arrived. One that was replaced or has failed is
    otherwise only by being in a block so deep all the same.
    """
    state = _state(before, sighting, needed)
    if state is None or state is before.state:
        is_same = sighting.block_hash == before.block_hash
        if before.state is not OutgoingState.CONFIRMED or is_same:
            return before
        place = {"block_hash": sighting.block_hash, "block_height": sighting.height}
        return msgspec.structs.replace(before, **place)
    if state is not OutgoingState.CONFIRMED:
        return moved(before, state, at, block_hash="", block_height=None)
    return moved(
        before,
        state,
        at,
        block_hash=sighting.block_hash,
        block_height=sighting.height,
        is_open=True,
    )


def _state(before: Outgoing, sighting: Sighting, needed: int) -> OutgoingState | None:
    has_arrived = sighting.depth >= max(needed, 1)
    match before.state:
        case OutgoingState.REPLACED | OutgoingState.FAILED:
            return OutgoingState.CONFIRMED if has_arrived else None
        case OutgoingState.PREPARED:
            return None
    if has_arrived:
        return OutgoingState.CONFIRMED
    return OutgoingState.SEEN if sighting.is_known else OutgoingState.BROADCAST
