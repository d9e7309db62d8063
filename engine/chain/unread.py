"""Blocks that no source has read: after an absence that was too long, or on a node that
had pruned them by then.

Of a payment that was open then nobody can say that nothing came: its money may be in
one of them. That stays so over restarts, so it is written down with the place where
reading goes on, and it is over when a source that has the blocks has read them. Pure.
"""

import msgspec
from msgspec.structs import replace

from engine.chain.feed import ChainView, Tip
from engine.chain.shown import SKIPPED

__all__ = ["Unread", "seen_by"]


class Unread(msgspec.Struct, frozen=True, gc=False):
    """Blocks above `after` and below `below`. `after.hash` is empty if it is not known
    what was read before them."""

    after: Tip
    below: Tip

    @classmethod
    def of(cls, after: Tip | None, below: Tip | None) -> "Unread | None":
        """As it was written down; None: there are none."""
        if after is None or below is None or after.height + 1 >= below.height:
            return None
        return cls(after, below)

    def and_these(self, other: "Unread") -> "Unread":
        """One stretch that holds both."""
        return Unread(
            min(self.after, other.after, key=lambda tip: tip.height),
            max(self.below, other.below, key=lambda tip: tip.height),
        )

    @property
    def all_read(self) -> "Unread":
        """What is written down when a source has read them."""
        return Unread(self.below, self.below)


def seen_by(view: ChainView, tip_height: int | None) -> ChainView:
    """The view, for a payment that was made when this was the best tip (None: that is
    not known): not complete, if it was open while blocks were not read."""
    if not view.unread_below:
        return view
    if tip_height is not None and tip_height + 1 >= view.unread_below:
        return view
    return replace(view, complete=False, gap=view.gap or SKIPPED)
