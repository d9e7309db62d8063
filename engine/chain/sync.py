"""One round of reading a block feed into the script index.

This decides what to ask a feed and in which order; it knows no wire, no payment and no
watcher, and the number of its requests does not depend on how many scripts are
watched. The source actor calls `sync` whenever it wants the index to be current, in
its own blocking greenlet; only that greenlet touches the index.

The order of a round, and why:

1. `tip`. If our tip is not an ancestor of it, the fork is looked for by height, and the
   blocks above it are undone; their transactions go back to the pool.
2. Blocks forward, each with a link to the one before.
3. The mempool's names, then the transactions that are new. To add is always safe: it
   exists, and a block that holds it takes it over in one step.
4. `tip` again. Only if it was our own tip before step 3 and still is, is that list the
   mempool *at* our tip, and may what is missing from it be removed. Otherwise a
   transaction mined in a block that we have not read would be in neither and look
   evicted; nothing is removed, and the round asks for another (`more`). A round that
   stopped short of the source's tip may meet it again at the end, rolled back to where
   we are: the list is of the longer chain all the same.

A lower tip is not yet a rollback: a node behind a load balancer may lag. Blocks are
undone only on a positive word: the feed knows our tip and says that it is not in its
best chain, or has another block at its height. Otherwise the round ends as `lagging`,
with nothing changed. A node that forgets a block when it is invalidated (bcoin) is
lagging by this rule until its chain is as high as ours again.

An error in the middle leaves the index as of the last whole step.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from engine.chain.feed import BLOCK_TIME_SLACK_S, Block, BlockFeed, Tip
from engine.chain.script_index import HeaderChain, ScriptIndex
from engine.errors import SourceGarbage, SourceUnavailable

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_CATCH_UP",
    "Limits",
    "SyncResult",
    "read_older_block",
    "sync",
]

MAX_CATCH_UP = 2_016
"""Blocks read after an absence, at most: two weeks. Beyond, the history has a gap."""

_CHUNK = 100  # mempool transactions asked for at once, between two calls of progress
_NAMES = 5_000  # mempool names looked through between two calls of progress

Progress = Callable[[Tip | None, Tip], None]


class Limits(msgspec.Struct, frozen=True):
    """What one round may do; a round that meets them says `more`."""

    blocks: int = 50
    txs: int = 2_000


DEFAULT_LIMITS = Limits()


class SyncResult(msgspec.Struct, frozen=True):
    """What a round did. `touched` includes what failed rounds before it touched."""

    touched: frozenset[bytes]  # watched scripts whose outputs changed
    tip: Tip  # the index's tip
    feed_tip: Tip  # the source's, at its last word in this round
    blocks: int = 0  # applied
    undone: int = 0  # blocks rolled back
    requests: int = 0
    more: bool = False  # call again soon: there is more to read
    lagging: bool = False  # the source is behind us; nothing was believed
    gap: bool = False  # blocks were skipped: over MAX_CATCH_UP, or the node has none


def sync(
    feed: BlockFeed,
    index: ScriptIndex,
    on_progress: Progress | None = None,
    *,
    start_from: Tip | None = None,
    since_s: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> SyncResult:
    """Bring the index nearer to the feed's present. Raises `SourceError`.

    While the index is empty, `start_from` is the tip up to which the journal's receipts
    are known; without one `since_s` (seconds, Unix) is when the oldest payment was made
    that may have been paid, if there is any. `on_progress(index tip, source tip)` is
    called every few milliseconds of work; it is the place to let others run.
    """
    asked = feed.requests
    progress = on_progress or _silent
    index.begin_round()
    target = feed.status().tip
    if index.tip is None:
        first, gap = _first_height(feed, index, target, start_from, since_s)
        if first < feed.lowest:  # a pruned node, and we were away for long
            index.note_gap()
            first, gap = feed.lowest, True
        undone = 0
    else:
        gap = False
        fork = _fork(feed, index.chain, target)
        if fork is None:
            return _result(feed, index, asked, index.tip, target, lagging=True)
        assert fork <= target.height, (fork, target)
        first = max(fork - index.lookback, 0)  # only if all our blocks are undone
        undone = _undo_above(index, fork)
        assert index.tip is None or index.tip.height <= fork, (index.tip, fork)
    blocks = _forward(feed, index, target, first, limits.blocks, progress)
    if index.tip is None:
        raise SourceUnavailable(f"{feed.name}: its chain changed while it was read")
    more, last = _mempool(feed, index, target, limits.txs, progress)
    return _result(
        feed, index, asked, index.tip, last,
        blocks=blocks, undone=undone, more=more, gap=gap,
    )  # fmt: skip


def _silent(_tip: Tip | None, _target: Tip) -> None:
    """Nobody wants to know."""


def _result(
    feed: BlockFeed,
    index: ScriptIndex,
    asked: int,
    tip: Tip,
    feed_tip: Tip,
    *,
    blocks: int = 0,
    undone: int = 0,
    more: bool = False,
    lagging: bool = False,
    gap: bool = False,
) -> SyncResult:
    return SyncResult(
        touched=index.take_touched(),
        tip=tip,
        feed_tip=feed_tip,
        blocks=blocks,
        undone=undone,
        requests=feed.requests - asked,
        more=more,
        lagging=lagging,
        gap=gap,
    )


def _first_height(
    feed: BlockFeed,
    index: ScriptIndex,
    target: Tip,
    start_from: Tip | None,
    since_s: int | None,
) -> tuple[int, bool]:
    """(height of the first block to read into an empty index, whether with a gap).

    Some blocks below `start_from` are read again: scripts watched from now on may
    have been paid there, and a shallow reorg of our absence shows by their hashes.
    """
    fresh = max(target.height - index.lookback + 1, 0)
    if start_from is None:
        if since_s is None:
            return fresh, False
        return _first_since(feed, index, since_s - BLOCK_TIME_SLACK_S, fresh)
    if target.height - start_from.height > MAX_CATCH_UP:
        index.note_gap()
        return fresh, True
    fork = _fork_of_absence(feed, index.chain, start_from)
    if fork is None and start_from.height > target.height:
        # To begin here would be to believe a lagging node's mempool.
        raise SourceUnavailable(
            f"{feed.name}: is at block {target.height}, "
            f"and {start_from.height} was seen before; waiting until it has caught up"
        )
    known = start_from.height if fork is None else fork
    return max(min(known, target.height) - index.lookback + 1, 0), False


def _first_since(
    feed: BlockFeed, index: ScriptIndex, since_s: int, fresh: int
) -> tuple[int, bool]:
    """As `_first_height`: the first block that is not older than this, by halves."""
    low = lowest = max(fresh - MAX_CATCH_UP, 0)
    high = fresh
    while low < high:
        middle = (low + high) // 2
        block_hash = feed.block_hash(middle)
        header = feed.header(block_hash) if block_hash is not None else None
        if header is None:
            raise SourceUnavailable(f"{feed.name}: its chain changed while it was read")
        if header.time_s < since_s:
            low = middle + 1
        else:
            high = middle
    gap = low == lowest > 0
    if gap:
        index.note_gap()
    return low, gap


def _fork_of_absence(
    feed: BlockFeed, chain: HeaderChain, start_from: Tip
) -> int | None:
    """Where the chain we knew leaves the feed's; None if it cannot tell.

    Blocks that were rolled back while we were away are marked as off chain.
    """
    block_hash = start_from.hash
    for _ in range(MAX_CATCH_UP):
        header = feed.header(block_hash)
        if header is None:
            return None
        if header.in_best_chain is None:
            return None
        if header.in_best_chain:
            return header.height
        chain.mark_off_chain(block_hash)
        block_hash = header.prev_hash
    return None


def _fork(feed: BlockFeed, chain: HeaderChain, target: Tip) -> int | None:
    """Height of the last block that we and the feed share; None if it lags."""
    ours = chain.tip
    if ours is None or ours == target:
        return target.height
    if target.height > ours.height:
        there = feed.block_hash(ours.height)
        if there is None or there == ours.hash:
            return None if there is None else ours.height
    elif target.height < ours.height:
        header = feed.header(ours.hash)
        if header is None or header.in_best_chain is not False:
            return None
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
        if feed.block_hash(middle) == chain.hash_at(middle):
            shared = middle
        else:
            differs = middle
    return shared


def _undo_above(index: ScriptIndex, height: int) -> int:
    undone = 0
    while index.tip is not None and index.tip.height > height:
        index.undo_block(index.tip.hash)
        undone += 1
    return undone


def _forward(
    feed: BlockFeed,
    index: ScriptIndex,
    target: Tip,
    first: int,
    budget: int,
    progress: Progress,
) -> int:
    """Apply blocks up to the target, `budget` at most. Returns how many.

    It ends early when the feed's chain changes on the way; the next round sees to it.
    """
    for done in range(budget):
        height = first if index.tip is None else index.tip.height + 1
        if height > target.height:
            return done
        at_top = height == target.height
        block_hash = target.hash if at_top else feed.block_hash(height)
        if block_hash is None:
            return done
        block = _block(feed, Tip(height, block_hash))
        if index.tip is not None and block.header.prev_hash != index.tip.hash:
            return done
        index.apply_block(block, partial(progress, index.tip, target))
        progress(index.tip, target)
    return budget


def read_older_block(feed: BlockFeed, index: ScriptIndex, place: Tip) -> None:
    """Let the index know `index.chain.before`, which is `place`. See `SourceError`."""
    index.apply_older_block(_block(feed, place))


def _block(feed: BlockFeed, place: Tip) -> Block:
    block = feed.block(place.hash)
    if block.header.hash != place.hash or block.header.height != place.height:
        raise SourceGarbage(f"{feed.name}: sent another block than {place.hash}")
    return block


def _mempool(
    feed: BlockFeed, index: ScriptIndex, target: Tip, budget: int, progress: Progress
) -> tuple[bool, Tip]:
    """Add what is new; remove what is gone if that can be known.

    Returns (whether there is more to read, the source's tip at the end). Removals wait
    until all is added, so that a replacement arrives together with what it replaces.
    """
    names = feed.mempool()
    new = []
    for number, txid in enumerate(names):
        if not index.knows(txid):
            new.append(txid)
        if number % _NAMES == 0:
            progress(index.tip, target)
    for start in range(0, min(len(new), budget), _CHUNK):
        chunk = new[start : min(start + _CHUNK, budget)]
        index.apply_mempool(feed.transactions(chunk).values(), ())
        progress(index.tip, target)
    last = feed.status().tip
    at_our_tip = target == index.tip == last
    if len(new) > budget or not at_our_tip:
        return True, last
    index.apply_mempool((), index.gone_from(names), whole=True)
    return False, last
