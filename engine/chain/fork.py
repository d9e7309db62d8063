"""Where the chain that we have read and a feed's chain part.

Asked in few requests: in growing steps downwards, then by halves. It judges nothing; a
feed whose chain is less than ours is not asked at all (`engine.chain.sync`).
"""

from engine.chain.feed import BlockFeed, Tip
from engine.chain.header_chain import HeaderChain

__all__ = ["find_fork"]


def find_fork(feed: BlockFeed, chain: HeaderChain, target: Tip) -> int | None:
    """Height of the last block that we and the feed share; see the module docstring.

    None: the feed's chain ends below what it was said to be, so it cannot be told.
    """
    ours = chain.tip
    if ours is None or ours == target:
        return target.height
    if target.height > ours.height:
        there = feed.block_hash(ours.height)
        if there is None or there == ours.hash:
            return None if there is None else ours.height
    return _last_common(feed, chain, min(ours.height, target.height))


def _last_common(feed: BlockFeed, chain: HeaderChain, high: int) -> int | None:
    """The highest shared block at or below `high`: in growing steps, then by halves.

    One less than our lowest block if none is shared; None if the feed's chain became
    shorter meanwhile.
    """
    lowest = chain.lowest or 0
    height, differs, step = high, high + 1, 1
    while height >= lowest:
        there = feed.block_hash(height)
        if there is None:
            return None
        if there == chain.hash_at(height):
            break
        differs, height, step = height, height - step, step * 2
    shared = max(height, lowest - 1)
    while differs - shared > 1:
        middle = (shared + differs) // 2
        there = feed.block_hash(middle)
        if there is None:
            return None
        if there == chain.hash_at(middle):
            shared = middle
        else:
            differs = middle
    return shared
