"""Hashes of blocks and transactions as a source tells them, and heights of blocks.

What both kinds of source share: nothing is taken for a hash that is none, and a height
that was told once, which never changes, is not asked for again.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence

__all__ = ["BlockHeights", "are_hashes", "is_hash"]

MAX_HEIGHTS = 4_096
"""Heights that are remembered for one source."""

_HASH = re.compile("[0-9a-f]{64}")
_DIGITS = b"0123456789abcdef"


def is_hash(text: str) -> bool:
    """Whether it is 64 hex digits in lower case."""
    return _HASH.fullmatch(text) is not None


def are_hashes(texts: Sequence[str]) -> bool:
    """Whether each one is. Quick, as a mempool has 100,000 names."""
    if set(map(len, texts)) - {64}:
        return False
    return not "".join(texts).encode(errors="replace").translate(None, _DIGITS)


class BlockHeights:
    """Heights of the blocks that one source told of, the newest of them."""

    def __init__(self) -> None:
        self._heights: OrderedDict[str, int] = OrderedDict()  # oldest first

    def get(self, block_hash: str) -> int | None:
        return self._heights.get(block_hash)

    def remember(self, block_hash: str, height: int) -> int:
        """Keep it; returns the height."""
        assert height >= 0, height
        self._heights[block_hash] = height
        self._heights.move_to_end(block_hash)
        if len(self._heights) > MAX_HEIGHTS:
            self._heights.popitem(last=False)
        return height
