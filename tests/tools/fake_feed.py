"""A block feed in memory: a tree of blocks and a mempool, and a hook in every call.

It behaves as a node does: a reorg returns the transactions of the blocks it leaves,
unless the new branch has them or double-spends them. `on_call` runs before each call
with its name; there a test changes the chain, or raises the error it wants to see.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from engine.chain.feed import Block, ChainTx, Header, SourceStatus, Tip, TxOut
from engine.errors import SourceUnavailable

__all__ = ["FakeFeed", "make_tx"]

COINBASE = ("00" * 32, 0xFFFFFFFF)


def make_tx(
    label: str,
    pays: Sequence[tuple[bytes, int]],
    spends: Sequence[tuple[str, int]] = (),
) -> ChainTx:
    txid = sha256(label.encode()).hexdigest()
    inputs = tuple(spends) or ((sha256(b"coin" + label.encode()).hexdigest(), 0),)
    return ChainTx(txid, tuple(TxOut(s, a) for s, a in pays), inputs)


class FakeFeed:
    def __init__(
        self, height: int = 0, first_height: int = 0, time_s: int = 1_700_000_000
    ) -> None:
        self.name = "fake"
        self.requests = 0
        self.lowest = 0  # blocks below are pruned
        self.says: dict[str, Any] = {}  # of itself, in its status
        self.on_call: Callable[[str], None] = lambda call: None
        self.blocks: dict[str, Block] = {}
        self.best: list[str] = []
        self.first_height = first_height
        self._time_s = time_s  # of height 0; a second later with each
        self.pool: dict[str, ChainTx] = {}
        self.vanished: set[str] = set()  # was at some moment in neither
        self.acts = 0  # a test may count what it did, for labels that differ
        self._made = 0
        for _ in range(height + 1):
            self.mine([])

    @property
    def now(self) -> Tip:
        return Tip(self.first_height + len(self.best) - 1, self.best[-1])

    def add(self, tx: ChainTx) -> ChainTx:
        """Into the mempool, in the place of what it double-spends."""
        for other in list(self.pool.values()):
            if set(other.spends) & set(tx.spends):
                self.evict(other.txid)
        self.pool[tx.txid] = tx
        return tx

    def evict(self, txid: str) -> None:
        """Out of the mempool, with its descendants."""
        tx = self.pool.pop(txid, None)
        if tx is None:
            return
        self.vanished.add(txid)
        for child in list(self.pool.values()):
            if any(parent == txid for parent, _ in child.spends):
                self.evict(child.txid)

    def mine(self, txs: Iterable[ChainTx] | None = None) -> Block:
        """A block on the tip; None takes the whole mempool."""
        chosen = tuple(self.pool.values()) if txs is None else tuple(txs)
        self._made += 1
        height = self.first_height + len(self.best)
        block_hash = sha256(f"block {self._made}".encode()).hexdigest()
        prev_hash = self.best[-1] if self.best else "00" * 32
        coinbase = make_tx(f"coinbase {self._made}", [(b"\x51miner", 50)], [COINBASE])
        header = Header(block_hash, prev_hash, height, self._time_s + height, True)
        self.blocks[block_hash] = Block(header, (coinbase, *chosen))
        self.best.append(block_hash)
        for tx in chosen:
            self.pool.pop(tx.txid, None)
            for other in list(self.pool.values()):
                if set(other.spends) & set(tx.spends):
                    self.evict(other.txid)
        return self.blocks[block_hash]

    def undo(self, depth: int = 1) -> list[Block]:
        """The last blocks leave the best chain; their transactions come back."""
        undone = []
        for _ in range(depth):
            block = self.blocks[self.best.pop()]
            undone.append(block)
            self.vanished.add(block.txs[0].txid)
            back = {tx.txid: tx for tx in block.txs[1:]}
            self.pool = back | self.pool
        return undone

    def reorg(self, depth: int, branch: Sequence[Iterable[ChainTx]]) -> None:
        """Another branch from `depth` blocks below, one entry for each new block."""
        self.undo(depth)
        for txs in branch:
            self.mine(txs)

    def forget(self, block_hash: str) -> None:
        """As bcoin does after invalidateblock."""
        del self.blocks[block_hash]

    def has(self, txid: str) -> bool:
        return txid in self.pool or any(
            tx.txid == txid for h in self.best for tx in self.blocks[h].txs
        )

    def _called(self, name: str) -> None:
        self.requests += 1
        self.on_call(name)

    def status(self) -> SourceStatus:
        self._called("status")
        return SourceStatus(self.now, **self.says)

    def header(self, block_hash: str) -> Header | None:
        self._called("header")
        block = self.blocks.get(block_hash)
        if block is None:
            return None
        h = block.header
        return Header(h.hash, h.prev_hash, h.height, h.time_s, block_hash in self.best)

    def block_hash(self, height: int) -> str | None:
        self._called("block_hash")
        at = height - self.first_height
        return self.best[at] if 0 <= at < len(self.best) else None

    def block(self, block_hash: str) -> Block:
        self._called("block")
        block = self.blocks[block_hash]
        if block.header.height < self.lowest:
            raise SourceUnavailable("fake: Block not available (pruned data)")
        return block

    def mempool(self) -> frozenset[str]:
        self._called("mempool")
        return frozenset(self.pool)

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        self._called("transactions")
        return {txid: self.pool[txid] for txid in txids if txid in self.pool}
