"""How a source is when it is behind: which blocks it lacks, and what it says of that.

Drawn once for each time that it is. Some say that they are behind, as Bitcoin Core does
in its first download, while it reads its mempool back, or when it has headers whose
blocks it lacks; others say nothing, and only their lower tip shows it.

Bitcoin Core: `getblockchaininfo` has `blocks`, `headers` and `initialblockdownload`;
`getmempoolinfo` has `loaded`. A node whose blocks were rolled back (an unclean stop,
`-reindex-chainstate`, `invalidateblock`) still has the headers above its tip, and may
or may not count them in `headers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from random import Random

from engine.chain.feed import ChainTx, SourceStatus, TxOut
from tests.simulation.chain import SimChain, Snapshot

__all__ = ["BEHIND", "CROWD", "Pose", "draw_pose", "strangers"]

BEHIND = frozenset({"behind", "days old", "download", "loading", "old index"})
"""Modes in which a source answers and is no witness."""


PLAIN = 3  # blocks

LOOSE = 10
"""Bitcoin Core gives what it rolls back to its mempool again, but of ten blocks only
(validation.cpp, InvalidateBlock)."""

FIRST = 16
"""Blocks that every source has: the chain of a world does not begin at 0."""


def _stranger(number: int) -> ChainTx:
    txid = sha256(f"stranger {number}".encode()).hexdigest()
    return ChainTx(txid, (TxOut(b"\x6a", 1),))


def strangers(numbers: range) -> dict[str, ChainTx]:
    """Transactions that pay nobody here, by their names."""
    return {tx.txid: tx for tx in map(_stranger, numbers)}


CROWD: dict[str, ChainTx] = strangers(range(24))
"""What is in every node's mempool and pays nobody here. When it is gone as well, it is
the mempool that was lost, and not a transaction that was evicted."""


@dataclass(slots=True)
class Pose:
    """See the module docstring. `cut`: blocks that it lacks below the newest."""

    cut: int = 0
    climbs: bool = False
    """Each time that it is asked how it is it may have one block more."""

    headers: bool = False
    """It counts the headers of what it lacks."""

    downloads: bool = False
    is_loaded: bool = True
    pool_share: float = 1.0
    """How much of the mempool it has."""

    loose: int = 0
    """The transactions of so many blocks at the top, if it lacks them, are in it."""

    doubt: str | None = None

    @property
    def is_over(self) -> bool:
        """It has caught up."""
        return not (self.cut or self.downloads or self.doubt) and self.is_loaded

    @property
    def is_plain(self) -> bool:
        """A block or two may be on their way."""
        return self.cut > PLAIN or self.doubt is not None or not self.is_loaded

    def climb(self, random: Random) -> None:
        if self.climbs and self.cut and random.random() < 0.3:
            self.cut -= 1
            self.downloads = self.downloads and self.cut > 0

    def view(self, chain: SimChain) -> Snapshot:
        """What it serves. What was rolled back may be in its mempool again."""
        now = chain.now
        cut = min(self.cut, len(now.best) - FIRST)
        best = now.best[: len(now.best) - cut]
        pool = dict(now.pool)
        for block in now.best[max(len(best), len(now.best) - self.loose) :]:
            pool |= {tx.txid: tx for tx in chain.blocks[block].txs[1:]}
        return Snapshot(best, self.share_of(pool), now.made)

    def share_of(self, pool: dict[str, ChainTx]) -> dict[str, ChainTx]:
        """Always the same ones, told by their names."""
        most = int(self.pool_share * 256)
        return {txid: tx for txid, tx in pool.items() if int(txid[:2], 16) < most}

    def tell(self, status: SourceStatus, chain: SimChain) -> SourceStatus:
        """What it says of itself, given what it would say if all were well."""
        height = chain.now.tip.height if self.headers else status.headers
        return SourceStatus(
            tip=status.tip,
            tip_time_s=status.tip_time_s,
            headers=height,
            initial_download=self.downloads,
            mempool_loaded=self.is_loaded,
            mempool_size=status.mempool_size,
            chainwork=status.chainwork,
            doubt=self.doubt,
        )


def draw_pose(mode: str, random: Random, blocks: int) -> Pose:
    """`blocks`: how many there are."""
    if mode == "loading":
        return Pose(is_loaded=False, pool_share=random.choice((0.0, 0.3, 0.9)))
    if mode == "download":
        return Pose(
            cut=random.choice((30, 60, blocks)),
            climbs=random.random() < 0.3,
            headers=random.random() < 0.7,
            downloads=True,
            pool_share=0.0,
        )
    if mode == "days old":
        return Pose(cut=blocks)
    doubt = "its address index is older than its tip" if mode == "old index" else None
    return Pose(
        cut=random.choice((1, 2, 3, 6, 12, 30)),
        climbs=random.random() < 0.3 and doubt is None,
        headers=random.random() < 0.4 and doubt is None,
        is_loaded=random.random() < 0.7 or doubt is not None,
        pool_share=random.choice((0.0, 0.0, 0.5, 1.0)),
        loose=LOOSE,
        doubt=doubt,
    )
