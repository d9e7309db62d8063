"""What a source says of blocks that only our journal speaks of.

A receipt in a block older than the index's window is repeated in views, but nothing is
confirmed by it until its source has said that it has the block
(`Output.verified_by_source`). So the source is asked: once, for in the best chain such
a block stays but for a reorg deeper than the window.

When the source says that the block is not in its chain, or has another one at its
height, the money may be in a block that was not read here either: the chain left ours
further down than we began to read. Then the blocks from there on are read, downwards,
each named by the one above it, and by them the index knows what became of the receipts.
A node that has forgotten the block (bcoin does) and one on a branch that never had it
look alike; either has at least a window's blocks on top of the other block, and what
stands at a height of its chain is its word, there as within the window.

And a script may be watched late: in a round aside, by an index that has read blocks
without it. Those in which it may have been paid since its payment was made are read
once more, from the window downwards; until then its view is not complete.

Pure but for the feed that it asks. One source's; only its worker touches it.
"""

from enum import Enum, auto

from msgspec.structs import replace

from engine.chain.feed import BlockFeed, ChainView, Output, Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import read_older_block
from engine.errors import SourceError

__all__ = ["MAX_BACKFILL", "OldBlocks"]

MAX_ASKS = 20
"""Old blocks that a round asks the source about; after a restart there may be many."""

MAX_BACKFILL = 1_008
"""Blocks read below the window for one receipt, at most: a week."""

_BLOCKS = 50  # of them in one round


class BlockStatus(Enum):
    IN_CHAIN = auto()
    NOT_IN_CHAIN = auto()  # the source knows the block, and says so
    ANOTHER_THERE = auto()  # it does not know the block, and has one at its height
    UNKNOWN = auto()


class OldBlocks:
    """See the module docstring."""

    def __init__(self) -> None:
        self._statuses: dict[str, BlockStatus] = {}  # by block
        self._asks_left = 0
        self._read_down_to: dict[
            bytes, int
        ] = {}  # script -> the height to read down to
        self._late: dict[bytes, int] = {}  # the same, of those that are watched late
        self._is_unreadable = False  # what is below the window, as long as the tip is

    @property
    def has_more(self) -> bool:
        """Whether older blocks are to be read, in another round and soon."""
        is_late = bool(self._late) and not self._is_unreadable
        return is_late or bool(self._read_down_to)

    def begin_round(self) -> None:
        self._asks_left = MAX_ASKS

    def clear(self) -> None:
        """The index begins anew."""
        self._statuses.clear()
        self._read_down_to.clear()
        self._late.clear()
        self._is_unreadable = False

    def tip_moved(self, *, deep: bool) -> None:
        """That a block is in its chain still holds, unless a reorg was `deep`: beyond
        the window."""
        good = BlockStatus.IN_CHAIN
        self._statuses = {
            b: s for b, s in self._statuses.items() if s is good and not deep
        }
        self._is_unreadable = False

    def verify(
        self, feed: BlockFeed, index: ScriptIndex, script: bytes, view: ChainView
    ) -> ChainView:
        """The view, with the source's word on blocks that only the journal named."""
        outputs, off_chain = [], list(view.off_chain)
        for output in view.outputs:
            if output.verified_by_source or output.block_hash is None:
                outputs.append(output)
                continue
            status = self._status(feed, output)
            if status is BlockStatus.IN_CHAIN:
                outputs.append(replace(output, verified_by_source=True))
                continue
            if status is not BlockStatus.UNKNOWN and self._reaches(index, output):
                height = output.block_height or 0
                self._read_down_to[script] = min(
                    self._read_down_to.get(script, height), height
                )
            elif status is BlockStatus.NOT_IN_CHAIN:
                off_chain.append(output.block_hash or "")
                continue
            outputs.append(output)
        return replace(view, outputs=tuple(outputs), off_chain=tuple(off_chain))

    def look_back(
        self, feed: BlockFeed, index: ScriptIndex, script: bytes, born: int
    ) -> None:
        """For a script that is watched late, if it is: its payment was made when the
        block at height `born` was the best tip. Below a window's blocks under that,
        what pays it is older."""
        lowest = index.late.get(script)
        if lowest is None:
            return
        down_to = max(born - index.lookback + 1, 0)
        if down_to >= lowest:
            index.settle_late(script, is_whole=True)
        elif down_to < feed.lowest or lowest - down_to > MAX_BACKFILL:
            index.settle_late(script, is_whole=False)
        else:
            self._late[script] = down_to

    def backfill(self, feed: BlockFeed, index: ScriptIndex) -> frozenset[bytes]:
        """Read some older blocks. Returns the scripts of which more is known now.

        Failing, it fails no round: a node may have pruned them. Then the receipts stay
        as they are until the tip moves, but for those that the source denies.
        """
        if not self.has_more:
            return frozenset()
        try:
            read = self._read_for_late(feed, index)
            down_to = min(self._read_down_to.values(), default=None)
            for _ in range(_BLOCKS - read):
                before = index.chain.before
                if down_to is None or before is None or before.height < down_to:
                    break
                read_older_block(feed, index, before)
        except SourceError:
            self._is_unreadable = True
        return self._settled(index) | index.take_touched()

    def _read_for_late(self, feed: BlockFeed, index: ScriptIndex) -> int:
        """How many blocks it took. Each is read once for all that want it."""
        for read in range(_BLOCKS):
            self._late = {s: low for s, low in self._late.items() if s in index.late}
            if not self._late:
                return read
            height = max(index.late[script] for script in self._late) - 1
            place = _place(index, height)
            if place is not None:
                read_older_block(feed, index, place)
            for script, down_to in self._late.items():
                lowest = index.late[script]
                if lowest <= down_to or (place is None and lowest > height):
                    index.settle_late(script, is_whole=lowest <= down_to)
        return _BLOCKS

    def _settled(self, index: ScriptIndex) -> frozenset[bytes]:
        """Scripts of whose receipts is known by now what can be."""
        if not self._read_down_to:
            return frozenset()
        down_to = min(self._read_down_to.values())
        before = index.chain.before
        reached = before.height + 1 if before is not None else down_to
        if self._is_unreadable:
            reached = down_to
        settled = frozenset(
            s for s, low in self._read_down_to.items() if low >= reached
        )
        for script in settled:
            del self._read_down_to[script]
        return settled

    def _reaches(self, index: ScriptIndex, output: Output) -> bool:
        before = index.chain.before
        if before is None or output.block_height is None or self._is_unreadable:
            return False
        return 0 <= before.height - output.block_height < MAX_BACKFILL

    def _status(self, feed: BlockFeed, output: Output) -> BlockStatus:
        block = output.block_hash or ""
        if block not in self._statuses and self._asks_left > 0:
            self._asks_left -= 1
            try:
                self._statuses[block] = _ask(feed, block, output.block_height)
            except SourceError:
                return BlockStatus.UNKNOWN  # asked again in the next round
        return self._statuses.get(block, BlockStatus.UNKNOWN)


def _place(index: ScriptIndex, height: int) -> Tip | None:
    """The block at this height, if the index knows its name."""
    block, before = index.chain.hash_at(height), index.chain.before
    if block is not None:
        return Tip(height, block)
    return before if before is not None and before.height == height else None


def _ask(feed: BlockFeed, block: str, height: int | None) -> BlockStatus:
    header = feed.header(block)
    if header is not None and header.in_best_chain is not None:
        return (
            BlockStatus.IN_CHAIN if header.in_best_chain else BlockStatus.NOT_IN_CHAIN
        )
    there = None if height is None else feed.block_hash(height)
    return BlockStatus.UNKNOWN if there in {None, block} else BlockStatus.ANOTHER_THERE
