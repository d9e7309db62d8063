"""A chain for the double of an explorer: blocks with true headers, and payments.

Only what an Esplora server tells of a chain: ids, headers that hash to them, which
transaction is where. Nothing is signed and nothing is checked. Blocks are of the moment
in which they are made.
"""

import hashlib
import time
from dataclasses import dataclass, field

__all__ = ["MINER", "ChainBlock", "ChainTx", "FakeChain"]

BITS = 0x207FFFFF  # of regtest: every other hash is small enough
MINER = "0014" + "4d" * 20
REWARD_SAT = 5_000_000_000


def _sha256d(raw: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(raw).digest()).digest()[::-1].hex()


@dataclass(eq=False)
class ChainTx:
    """`outputs`: (scriptPubKey as hex, satoshi)."""

    txid: str
    outputs: list[tuple[str, int]]
    is_coinbase: bool = False
    block: "ChainBlock | None" = None
    lie: dict[str, object] = field(default_factory=dict)  # in its status, once mined

    def pays(self, script: str) -> bool:
        return any(paid == script for paid, _ in self.outputs)


@dataclass(eq=False)
class ChainBlock:
    height: int
    prev: str
    time_s: int
    merkle_root: str
    nonce: int
    txs: list[ChainTx]
    hash: str = ""

    def __post_init__(self) -> None:
        words = (0x20000000, self.time_s, BITS, self.nonce)
        version, time_s, bits, nonce = (n.to_bytes(4, "little") for n in words)
        prev = bytes.fromhex(self.prev)[::-1]
        root = bytes.fromhex(self.merkle_root)[::-1]
        self.hash = _sha256d(version + prev + root + time_s + bits + nonce)


@dataclass
class FakeChain:
    """The best chain, what was in it once, and the mempool (oldest first)."""

    best: list[ChainBlock] = field(default_factory=list)
    stale: dict[str, ChainBlock] = field(default_factory=dict)
    mempool: list[ChainTx] = field(default_factory=list)
    made: int = 0  # transactions so far, which names them

    def __post_init__(self) -> None:
        if not self.best:
            self.mine()

    @property
    def tip(self) -> ChainBlock:
        return self.best[-1]

    def new_tx(self, *outputs: tuple[str, int], coinbase: bool = False) -> ChainTx:
        self.made += 1
        txid = _sha256d(b"transaction %d" % self.made)
        return ChainTx(txid, list(outputs), is_coinbase=coinbase)

    def pay(self, script: str, amount_sat: int) -> ChainTx:
        """A payment in the mempool."""
        tx = self.new_tx((script, amount_sat))
        self.mempool.append(tx)
        return tx

    def mine(self, blocks: int = 1, to: str = MINER) -> ChainBlock:
        """The first block takes the whole mempool."""
        for _ in range(blocks):
            height = len(self.best)
            prev = self.best[-1].hash if self.best else "00" * 32
            coinbase = self.new_tx((to, REWARD_SAT), coinbase=True)
            txs = [coinbase, *self.mempool]
            self.mempool = []
            root = _sha256d("".join(tx.txid for tx in txs).encode())
            time_s = int(time.time())
            block = ChainBlock(height, prev, time_s, root, self.made, txs)
            for tx in txs:
                tx.block = block
            self.best.append(block)
        return self.best[-1]

    def undo(self, blocks: int) -> None:
        """The last ones are in the best chain no longer; what they held waits again."""
        for _ in range(blocks):
            block = self.best.pop()
            self.stale[block.hash] = block
            for tx in block.txs:
                tx.block = None
            again = [tx for tx in block.txs if not tx.is_coinbase]
            self.mempool = [*again, *self.mempool]

    def reorg(self, depth: int) -> ChainBlock:
        """Other blocks in the place of the last ones, and one more; the first of them
        takes what waits."""
        self.undo(depth)
        return self.mine(depth + 1)
