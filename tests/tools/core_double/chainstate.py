"""Validation's part of the double: the block index and the active chain.

After validation.cpp and node/blockstorage.cpp. The index keeps every header that was
ever accepted; a block leaves the active chain and stays in the index. The active chain
goes to the most work whose data is all there and which is not marked invalid; of equal
work, the first stays.
"""

import itertools
from collections.abc import Iterator

from tests.tools.core_double.blocks import CoreBlock

__all__ = ["Chainstate", "Entry"]

WORK = 2  # GetBlockProof of regtest's bits


class Entry:
    """CBlockIndex: a header and what is had of its block."""

    __slots__ = ("block", "failed", "have_data", "n_tx", "prev", "pruned", "work")

    def __init__(self, block: CoreBlock, prev: "Entry | None") -> None:
        self.block = block
        self.prev = prev
        self.work: int = WORK + (prev.work if prev is not None else 0)
        self.n_tx = 0  # nTx: of the block when it was received; pruning leaves it
        self.have_data = False  # BLOCK_HAVE_DATA
        self.pruned = False
        self.failed: bool = prev is not None and prev.failed  # BLOCK_FAILED_MASK

    @property
    def hash(self) -> str:
        return self.block.hash

    @property
    def height(self) -> int:
        return self.block.height

    @property
    def median_time_s(self) -> int:
        """GetMedianTimePast: of this block and the ten before it."""
        times = [entry.block.time_s for entry in itertools.islice(self.back(), 11)]
        return sorted(times)[len(times) // 2]

    def back(self) -> Iterator["Entry"]:
        """This one and its ancestors."""
        entry: Entry | None = self
        while entry is not None:
            yield entry
            entry = entry.prev


class Chainstate:
    """Index and active chain. What came and went waits in `connected` and
    `disconnected` until the node takes it."""

    def __init__(self, first: CoreBlock) -> None:
        self.index: dict[str, Entry] = {}
        self.pruning = False
        self.held = False  # it connects nothing by itself: a test says when
        self.snapshot: Entry | None = None  # assumeutxo: the base of the snapshot
        self.connected: list[CoreBlock] = []
        self.disconnected: list[CoreBlock] = []  # the highest first; before the others
        entry = self._insert(first, data=True)
        self.active = [entry]

    @property
    def tip(self) -> Entry:
        return self.active[-1]

    @property
    def best_header(self) -> Entry:
        """m_best_header: the most work of what is not known to be invalid."""
        valid = (entry for entry in self.index.values() if not entry.failed)
        return max(valid, key=lambda entry: entry.work)

    def at(self, height: int) -> Entry | None:
        """The active chain's block."""
        return self.active[height] if 0 <= height < len(self.active) else None

    def contains(self, entry: Entry) -> bool:
        return self.at(entry.height) is entry

    # -- what comes from the network ---------------------------------------------------

    def accept_header(self, block: CoreBlock) -> Entry:
        """Known from now on, and nothing of it is had."""
        return self._insert(block, data=False)

    def accept(self, block: CoreBlock) -> Entry:
        entry = self._insert(block, data=True)
        self.activate()
        return entry

    def _insert(self, block: CoreBlock, *, data: bool) -> Entry:
        entry = self.index.get(block.hash)
        if entry is None:
            assert not self.index or block.prev in self.index, "prev-blk-not-found"
            entry = Entry(block, self.index.get(block.prev))
            self.index[block.hash] = entry
        if data:
            entry.have_data, entry.pruned = True, False
            entry.n_tx = len(block.txs)
        return entry

    # -- ActivateBestChain -------------------------------------------------------------

    def activate(self) -> None:
        if not self.held:
            self._go_to(self._best(), None)

    def advance(self, blocks: int | None = None) -> bool:
        """Connect the next ones of a chain that is held. Whether it has them all."""
        best = self._best()
        self._go_to(best, blocks)
        self.held = self.tip is not best
        return not self.held

    def _best(self) -> Entry:
        best = self.tip
        for entry in self.index.values():
            if entry.work > best.work and self._is_candidate(entry):
                best = entry
        return best

    def _is_candidate(self, entry: Entry) -> bool:
        """All of it is had, down to what is active; nothing of it is invalid."""
        if entry.failed:
            return False
        for each in entry.back():
            if self.contains(each):
                break
            if not (each.have_data or each.pruned or self._is_assumed(each)):
                return False
        return True

    def _is_assumed(self, entry: Entry) -> bool:
        base = self.snapshot
        return base is not None and entry.height <= base.height

    def _go_to(self, best: Entry, blocks: int | None) -> None:
        path = [entry for entry in best.back() if not self.contains(entry)][::-1]
        fork = path[0].height - 1 if path else best.height
        self._cut(fork)
        for entry in path[:blocks]:
            assert entry.height == len(self.active)
            self.active.append(entry)
            self.connected.append(entry.block)

    def _cut(self, height: int) -> None:
        while self.tip.height > height:
            self.disconnected.append(self.active.pop().block)

    # -- what a person or a mishap does ------------------------------------------------

    def rewind(self, height: int) -> None:
        """The tip is lower and the index knows the blocks above: coins that were not
        flushed before an unclean stop (some blocks), `-reindex-chainstate` (all). They
        are connected again by `advance`."""
        del self.active[height + 1 :]
        self.held = True

    def invalidate(self, block_hash: str) -> None:
        """`invalidateblock`: it and what follows it leave the chain, headers stay."""
        entry = self.index[block_hash]
        for each in self._from(entry):
            each.failed = True
        if self.contains(entry):
            self._cut(entry.height - 1)
        self.activate()

    def reconsider(self, block_hash: str) -> None:
        for each in self._from(self.index[block_hash]):
            each.failed = False
        self.activate()

    def _from(self, entry: Entry) -> list[Entry]:
        """It and all that stand on it."""
        return [each for each in self.index.values() if entry in each.back()]

    def prune(self, height: int) -> None:
        """`pruneblockchain`: no data up to this height."""
        self.pruning = True
        for entry in self.active[1 : height + 1]:
            entry.have_data, entry.pruned = False, True

    def load_snapshot(self, blocks: list[CoreBlock]) -> None:
        """`loadtxoutset`: the chain ends with these blocks, and has no data of them.
        From Core 28 on nTx stays 0 until the background has read them."""
        for block in blocks:
            self.snapshot = self.accept_header(block)
        self.activate()

    @property
    def prune_height(self) -> int:
        """GetPruneHeight + 1 of getblockchaininfo: the first block that it has."""
        last = max((e.height for e in self.active if e.pruned), default=-1)
        return last + 1
