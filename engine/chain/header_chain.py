"""The best chain as one source has told it: which block stands at which height.

It is a window of hashes with a memory of the blocks that were in it and were rolled
back. It reads nothing and judges no block: `engine.chain.sync` extends it and rolls it
back, `engine.chain.script_index` asks it whether a receipt's block still counts. Pure;
not shared between sources.

Three answers are kept apart, because money hangs on them: a block is in the chain, it
is positively not in it (it was rolled back, or another block stands at its height), or
we cannot tell. What we cannot tell is never taken for "not in the chain".
"""

from collections import OrderedDict

from engine.chain.feed import Header, Tip

__all__ = ["KEEP_HEADERS", "HeaderChain"]

KEEP_HEADERS = 2_100
"""Blocks remembered: the 2,016 of the longest catch-up and some below the fork."""

_KEEP_OFF_CHAIN = 2 * KEEP_HEADERS


class HeaderChain:
    """The best chain's last blocks, without a gap, and what was rolled back."""

    def __init__(self, keep: int = KEEP_HEADERS) -> None:
        self._keep = keep  # heights in the window, at most
        self._at: dict[int, str] = {}  # height -> hash, a run without gaps
        self._height: dict[str, int] = {}  # hash -> height, the same run
        self._low = 0  # lowest height in the run
        self._before = ""  # the block below it
        self._tip: Tip | None = None  # the run's end; None when it is empty
        self._off: OrderedDict[str, None] = OrderedDict()  # rolled back, oldest first

    @property
    def tip(self) -> Tip | None:
        return self._tip

    @property
    def lowest(self) -> int | None:
        """The lowest height whose hash is known, or None when nothing is."""
        return self._low if self._tip else None

    def extend(self, header: Header) -> None:
        """Add the block after the tip. The first one may have any height.

        Raises ValueError, and changes nothing, for a block that does not follow.
        """
        tip = self._tip
        if tip and (header.prev_hash != tip.hash or header.height != tip.height + 1):
            raise ValueError(
                f"block {header.hash} at {header.height} does not follow "
                f"{tip.hash} at {tip.height}"
            )
        if not tip:
            self._low, self._before = header.height, header.prev_hash
        self._off.pop(header.hash, None)
        self._at[header.height] = header.hash
        self._height[header.hash] = header.height
        self._tip = Tip(header.height, header.hash)
        if len(self._at) > self._keep:
            self._before = self._at.pop(self._low)
            del self._height[self._before]
            self._low += 1
        self._assert_whole()

    @property
    def before(self) -> Tip | None:
        """The block below the lowest one; None when there is none, or no room for it.

        Its place in the chain is sure: the lowest one names it.
        """
        if self._tip is None or self._low == 0 or len(self._at) >= self._keep:
            return None
        return Tip(self._low - 1, self._before)

    def extend_back(self, header: Header) -> None:
        """Add the block `before`. ValueError, and nothing changed, for another."""
        if self.before != Tip(header.height, header.hash):
            raise ValueError(
                f"block {header.hash} at {header.height} is not {self.before}"
            )
        self._off.pop(header.hash, None)
        self._at[header.height] = header.hash
        self._height[header.hash] = header.height
        self._low, self._before = header.height, header.prev_hash
        self._assert_whole()

    def _assert_whole(self) -> None:
        """A run without gaps, in both directions of looking."""
        assert len(self._at) == len(self._height) <= self._keep
        assert self._tip is not None
        assert self._tip.height - self._low + 1 == len(self._at)

    def roll_back(self) -> Tip:
        """Take the tip away and remember it as off chain; ValueError if empty."""
        tip = self._tip
        if tip is None:
            raise ValueError("there is no block to roll back")
        del self._at[tip.height], self._height[tip.hash]
        before = self._at.get(tip.height - 1)
        self._tip = None if before is None else Tip(tip.height - 1, before)
        self.mark_off_chain(tip.hash)
        return tip

    def mark_off_chain(self, block_hash: str) -> None:
        """Remember the source's positive word that this block is not in its chain."""
        if block_hash in self._height:
            raise ValueError(f"block {block_hash} is in the chain; roll it back")
        self._off[block_hash] = None
        self._off.move_to_end(block_hash)
        if len(self._off) > _KEEP_OFF_CHAIN:
            self._off.popitem(last=False)

    def hash_at(self, height: int) -> str | None:
        return self._at.get(height)

    def is_off_chain(self, block_hash: str, height: int | None = None) -> bool:
        """Whether the block is positively not in the best chain.

        With its height known, another block standing there is proof too.
        """
        if block_hash in self._height:
            return False
        if block_hash in self._off:
            return True
        there = None if height is None else self._at.get(height)
        return there is not None and there != block_hash
