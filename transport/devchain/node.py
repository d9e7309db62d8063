"""The works of the dev chain: a contents, the wallet that owns its coinbases, a miner.

Keeps these three in step; `DevChain` is its face, its lock and its only caller. Nothing
here blocks.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from engine.bitcoin.signed_tx import Tx
from engine.chain.feed import TxOut
from transport.devchain.mempool_and_blocks import (
    MAX_TRANSACTIONS,
    KnownTx,
    MempoolAndBlocks,
)
from transport.devchain.miner import (
    MAX_BLOCK_WEIGHT,
    MinedBlock,
    mine_block,
    subsidy_sat,
)
from transport.devchain.wallet import Coins, DevChainError, DevWallet

__all__ = ["START_HEIGHT", "DevNode"]

#: The chain starts so high that the coinbases of its first eleven blocks are mature.
START_HEIGHT: Final = 110
_FUNDING_BLOCKS: Final = 11

#: So many payments can be made before the first block must be mined, per block.
_FUNDING_COINS: Final = 500
_FUNDING_COIN_SAT: Final = 5_000_000

_BLOCK_INTERVAL_S: Final = 600

#: Room in a block for the header, the coinbase and its commitment.
_RESERVED_WEIGHT: Final = 4_000


class DevNode:
    """A chain that starts with mature coins; refuses by raising `DevChainError`."""

    def __init__(self, seed: bytes, now: Callable[[], float]) -> None:
        self._now = now
        self._tag = sha256(seed).digest()[:8]
        self._mined = 0
        self.wallet = DevWallet(seed)
        self.coins = Coins()
        self.contents = MempoolAndBlocks(self._on_coin)
        self._mempool_txids: frozenset[str] | None = None
        started_s = int(now())
        for height in range(1, START_HEIGHT + 1):
            age_s = (START_HEIGHT - height) * _BLOCK_INTERVAL_S
            self._mine([], started_s - age_s, split=height <= _FUNDING_BLOCKS)

    def mempool_txids(self) -> frozenset[str]:
        if self._mempool_txids is None:
            self._mempool_txids = frozenset(self.contents.mempool)
        return self._mempool_txids

    def check_room(self, blocks: int) -> None:
        """Refuse to mine what would grow the dev chain out of bounds."""
        if len(self.contents.entries) + blocks > MAX_TRANSACTIONS:
            raise DevChainError(
                f"the dev chain holds {MAX_TRANSACTIONS} transactions and mines no "
                "more: start it anew"
            )

    def mine(self, txids: Iterable[str]) -> str:
        """One block with those of these transactions that still wait and fit."""
        return self._mine(txids, int(self._now()))

    def accept(self, tx: Tx, *, check_scripts: bool) -> KnownTx:
        """Take it into the mempool, or raise `Rejected`."""
        entry = self.contents.accept(tx, int(self._now()), check_scripts=check_scripts)
        self._mempool_txids = None
        return entry

    def evict(self, txid: str) -> list[str]:
        """Drop it from the mempool with its descendants; all that went."""
        self._mempool_txids = None
        return self.contents.remove(txid)

    def rewind(self, depth: int) -> list[MinedBlock]:
        """Take the last blocks off, their transactions wait again; lowest block first.

        What the next block may spend is found anew, since coinbases went.
        """
        self._mempool_txids = None
        blocks = [self.contents.disconnect() for _ in range(depth)]
        self.coins.clear()
        for outpoint, out in self.contents.coins_of(self.wallet.script):
            if self.contents.is_ready(outpoint):
                self.coins.add(outpoint, out.amount_sat)
        return blocks[::-1]

    def is_own(self, out: TxOut) -> bool:
        return out.script == self.wallet.script

    def _mine(self, txids: Iterable[str], time_s: int, *, split: bool = False) -> str:
        previous, median_s = self.contents.tip, self.contents.median_time_s()
        entries = self._template(txids)
        reward = subsidy_sat(previous.height + 1) + sum(e.fee_sat for e in entries)
        self._mined += 1
        block = mine_block(
            previous,
            max(time_s, median_s + 1),
            median_s,
            [entry.tx for entry in entries],
            self._rewards(reward, split),
            self._mined.to_bytes(4, "little") + self._tag,
        )
        self.contents.connect(block)
        self._mempool_txids = None
        return block.header.hash

    def _template(self, txids: Iterable[str]) -> list[KnownTx]:
        """What fits into a block, in the given order, so that parents come first."""
        room = MAX_BLOCK_WEIGHT - _RESERVED_WEIGHT
        chosen: list[KnownTx] = []
        for txid in txids:
            entry = self.contents.mempool.get(txid)
            if entry is None:
                continue
            room -= entry.tx.weight
            if room < 0:
                break
            chosen.append(entry)
        return chosen

    def _rewards(self, reward: int, split: bool) -> list[TxOut]:
        script = self.wallet.script
        if not split:
            return [TxOut(script, reward)]
        coins = [TxOut(script, _FUNDING_COIN_SAT)] * _FUNDING_COINS
        return [TxOut(script, reward - _FUNDING_COINS * _FUNDING_COIN_SAT), *coins]

    def _on_coin(self, outpoint: tuple[str, int], out: TxOut, ready: bool) -> None:
        if not ready:
            self.coins.discard(outpoint)
        elif out.script == self.wallet.script:
            self.coins.add(outpoint, out.amount_sat)
