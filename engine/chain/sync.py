"""One round of reading a block feed into the script index.

This decides what to ask a feed and in which order; it knows no wire, no payment and no
watcher, and the number of its requests does not depend on how many scripts are
watched. The source actor calls `sync` whenever it wants the index to be current, in
its own blocking greenlet; only that greenlet touches the index.

The order of a round, and why:

1. `status`. If our tip is not an ancestor of its tip, the fork is looked for by height,
   and the blocks above it are undone; their transactions go back to the pool.
2. Blocks forward, each with a link to the one before.
3. The mempool's names, then the transactions that are new. To add is always safe: it
   exists, and a block that holds it takes it over in one step.
4. `status` again. Only if its tip was our own before step 3 and still is, and all that
   was named was given, is that list the mempool *at* our tip that we know, and may what
   is missing from it be removed. Otherwise a
   transaction mined in a block that we have not read would be in neither and look
   evicted; nothing is removed, and the round asks for another (`more`). A round that
   stopped short of the source's tip may meet it again at the end, rolled back to where
   we are: the list is of the longer chain all the same.

Only a current witness takes away (`engine.chain.witness`): of the mempool of one that
is behind, by either status of the round, only that is taken which is new and
double-spends nothing that we have. Of what is missing from a
current one's, `engine.chain.disappearance` says what may be believed to be gone.

A lower tip undoes nothing, whatever the source says of the higher one: Core after an
unclean stop, during -reindex-chainstate or after a rollback still knows the headers
above its tip and calls them no part of its best chain. Unless both chains' work is
known and the lower one's is more, the round ends as `lagging`, with nothing changed.
When its chain is as high as ours again, the blocks themselves say what is so.

An error in the middle leaves the index as of the last whole step.
"""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from engine.chain.feed import BLOCK_TIME_SLACK_S, Block, BlockFeed, SourceStatus, Tip
from engine.chain.fork import find_fork
from engine.chain.mempool_reader import MempoolReader, MempoolRound
from engine.chain.script_index import HeaderChain, ScriptIndex
from engine.chain.witness import (
    CURRENT,
    Assessment,
    Best,
    Standing,
    Yardstick,
    is_lower,
)
from engine.errors import SourceBehind, SourceGarbage, SourceUnavailable

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_ABSENCE",
    "MAX_CATCH_UP",
    "RoundLimits",
    "SyncResult",
    "read_older_block",
    "sync",
]

MAX_CATCH_UP = 2_016
"""Blocks that are read for payments that other sources have watched, and looked through
for a fork, at most: two weeks. Beyond, the history has a gap."""

MAX_ABSENCE = 13_104
"""Blocks read after an absence (a backup that was restored is one), at most: a quarter
of a year, some hours of reading. Beyond, the history has a gap (`engine.chain.unread`).
"""

Progress = Callable[[Tip | None, Tip], None]


class RoundLimits(msgspec.Struct, frozen=True):
    """What one round may do; a round that meets them says `more`."""

    blocks: int = 50
    txs: int = 2_000


DEFAULT_LIMITS = RoundLimits()
DEFAULT_YARDSTICK = Yardstick()


class SyncResult(msgspec.Struct, frozen=True):
    """What a round did. `touched` includes what failed rounds before it touched."""

    touched: frozenset[bytes]  # watched scripts whose outputs changed
    tip: Tip  # the index's tip
    status: SourceStatus  # the source's last word in this round
    assessment: Assessment = CURRENT  # by the worse of its two words
    is_level: bool = False  # all blocks up to its first word's tip were read
    blocks: int = 0  # applied
    undone: int = 0  # blocks rolled back
    requests: int = 0
    more: bool = False  # call again soon: there is more to read
    lagging: bool = False  # the source is behind us; nothing was believed
    gap: bool = False  # blocks were skipped: too many, or the node has them no more
    disappeared: int = 0  # from the mempool, too many at once to be believed

    @property
    def feed_tip(self) -> Tip:
        """The source's, at its last word in this round."""
        return self.status.tip

    @property
    def is_current(self) -> bool:
        """Whether the index now shows what a current witness shows."""
        return self.assessment.is_current and self.is_level and not self.lagging


def sync(
    feed: BlockFeed,
    index: ScriptIndex,
    on_progress: Progress | None = None,
    *,
    start_from: Tip | None = None,
    since_s: int | None = None,
    since_height: int | None = None,
    limits: RoundLimits = DEFAULT_LIMITS,
    yardstick: Yardstick = DEFAULT_YARDSTICK,
    status: SourceStatus | None = None,
    reader: MempoolReader | None = None,
    must_prove: bool = False,
) -> SyncResult:
    """Bring the index nearer to the feed's present. Raises `SourceError`.

    `status`: the feed's, if it was asked for it just now. `reader`: the feed's, if it
    is to remember what it has read of the mempool. `must_prove`: somebody waits to hear
    what is not there.
    While the index is empty, `start_from` is the tip up to which the journal's receipts
    are known; without one `since_s` (seconds, Unix) is when the oldest payment was made
    that may have been paid, if there is any, by a clock that may be wrong, and
    `since_height` how high the best tip was then, if that is known.
    `on_progress(index tip, source tip)` is called every few milliseconds of work; it is
    the place to let others run.
    """
    asked = feed.requests
    progress = on_progress or _silent
    index.begin_round()
    status = status or feed.status()
    target = status.tip
    undone, gap = 0, False
    if index.tip is None:
        if status.initial_download:
            _refuse_downloading(status, yardstick)
        first, gap = _first_height(
            feed, index, target, start_from, since_s, since_height
        )
        if first < feed.lowest:  # a pruned node, and we were away for long
            index.note_gap()
            first, gap = feed.lowest, True
    else:
        fork = None
        if not _is_lower(status, index.tip, yardstick.best):
            fork = find_fork(feed, index.chain, target)
        if fork is None:
            task = _mempool_task(feed, index, status, limits.txs, yardstick, progress)
            return _lagging(task, asked, reader or MempoolReader())
        assert fork <= target.height, (fork, target)
        first = max(fork - index.lookback, 0)  # only if all our blocks are undone
        undone = _undo_above(index, fork, partial(progress, index.tip, target))
        assert index.tip is None or index.tip.height <= fork, (index.tip, fork)
    blocks = _forward(feed, index, target, first, limits.blocks, progress)
    if index.tip is None:
        raise SourceUnavailable(f"{feed.name}: its chain changed while it was read")
    task = _mempool_task(feed, index, status, limits.txs, yardstick, progress)
    task = replace(task, blocks=blocks, undone=undone, must_prove=must_prove)
    pool = (reader or MempoolReader()).read(task)
    return SyncResult(
        touched=index.take_touched(),
        tip=index.tip,
        status=pool.last,
        assessment=pool.assessment,
        is_level=index.tip == target,
        blocks=blocks,
        undone=undone,
        requests=feed.requests - asked,
        more=pool.more,
        gap=gap,
        disappeared=pool.disappeared,
    )


def _refuse_downloading(status: SourceStatus, yardstick: Yardstick) -> None:
    """To begin in a first download is to read the whole history after it."""
    assessment = yardstick.assess(status)
    if not assessment.is_current:
        raise SourceBehind(assessment.reason or "")


def _mempool_task(
    feed: BlockFeed,
    index: ScriptIndex,
    status: SourceStatus,
    budget: int,
    yardstick: Yardstick,
    progress: Progress,
) -> MempoolRound:
    is_lower = index.tip is not None and _is_lower(status, index.tip, yardstick.best)
    return MempoolRound(
        feed=feed,
        index=index,
        first=status,
        yardstick=yardstick,
        budget=budget,
        progress=lambda: progress(index.tip, status.tip),
        may_replace=yardstick.assess(status).is_current and not is_lower,
    )


def _lagging(task: MempoolRound, asked: int, reader: MempoolReader) -> SyncResult:
    """Of its blocks nothing is believed. What is new in its mempool is money, maybe.

    Why it lags is said by what it says of itself, if that is why.
    """
    index, status, yardstick = task.index, task.first, task.yardstick
    ours = index.tip
    assert ours is not None
    pool = reader.read(task)
    assessment = yardstick.assess(status)
    if assessment.is_current:
        seen = replace(yardstick, best=Best(ours, yardstick.now_ms))
        assessment = seen.assess(status)
    if assessment.is_current:
        assessment = Assessment(
            Standing.BEHIND, f"its chain changed below block {ours.height:,}"
        )
    return SyncResult(
        touched=index.take_touched(),
        tip=ours,
        status=pool.last,  # it may have caught up, and shown more than anybody
        assessment=assessment,
        requests=task.feed.requests - asked,
        more=pool.is_cut,
        lagging=True,
    )


def _is_lower(status: SourceStatus, ours: Tip, best: Best | None) -> bool:
    """Whether the source's chain is less than the one that we have read."""
    known = best if best is not None and best.tip == ours else Best(ours, 0)
    return is_lower(status.tip, status.chainwork, known)


def _silent(_tip: Tip | None, _target: Tip) -> None:
    """Nobody wants to know."""


def _first_height(
    feed: BlockFeed,
    index: ScriptIndex,
    target: Tip,
    start_from: Tip | None,
    since_s: int | None,
    since_height: int | None,
) -> tuple[int, bool]:
    """(height of the first block to read into an empty index, whether with a gap).

    Some blocks below `start_from` are read again: scripts watched from now on may
    have been paid there, and a shallow reorg of our absence shows by their hashes.
    """
    fresh = max(target.height - index.lookback + 1, 0)
    if start_from is None:
        if since_s is None:
            return fresh, False
        low, gap = _first_since(feed, index, since_s - BLOCK_TIME_SLACK_S, fresh)
        if since_height is not None:
            wanted = max(since_height - index.lookback + 1, 0)
            low, lowest = min(low, wanted), max(fresh - MAX_CATCH_UP, 0)
            if low < lowest:
                index.note_gap()
                return lowest, True
        return low, gap
    if target.height - start_from.height > MAX_ABSENCE:
        index.note_gap()
        return fresh, True
    if start_from.height > target.height:
        # To begin here would be to believe a lagging node's mempool, and to take the
        # blocks above its tip for rolled back.
        raise SourceBehind(
            f"{feed.name}: is at block {target.height}, "
            f"and {start_from.height} was seen before; waiting until it has caught up"
            " (if its chain was made anew: start with a new --db)"
        )
    fork = _fork_of_absence(feed, index.chain, start_from)
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


def _undo_above(index: ScriptIndex, height: int, pause: Callable[[], None]) -> int:
    undone = 0
    while index.tip is not None and index.tip.height > height:
        index.undo_block(index.tip.hash, pause)
        pause()
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
