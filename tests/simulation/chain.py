"""The simulated chain: blocks, a mempool, reorgs, replacements. The truth of a world.

It signs nothing and proves no work; a transaction is what it pays and what it spends.
Every change makes a new `Snapshot`, which sources serve (the newest, or an older one
when they lag, or that of a branch which never was the best). The oracle asks the chain
itself. Everything here is decided by the caller, who lends the randomness too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from engine.bitcoin.address import script_to_address
from engine.chain.feed import Block, ChainTx, Header, Output, Tip, TxOut
from engine.chain.packed_tx import PackedTxs, pack
from tests.simulation.cold_keys import COLD, cold_script
from tests.simulation.hot_keys import HOT, hot_script

__all__ = [
    "FIRST_HEIGHT",
    "MATURITY",
    "SimChain",
    "Snapshot",
    "address_of",
    "script_of",
]

FIRST_HEIGHT = 0

MATURITY = 100
"""From this depth on a miner's reward is money: nobody can spend it before."""

_COINBASE = ("00" * 32, 0xFFFFFFFF)


def script_of(label: str) -> bytes:
    """A P2WPKH script that belongs to this label; one that we have the key of, if the
    label is of the hot wallet, or its owner, if it is of the cold one."""
    if label.startswith(HOT):
        return hot_script(int(label.removeprefix(HOT)))
    if label.startswith(COLD):
        return cold_script(int(label.removeprefix(COLD)))
    return b"\x00\x14" + sha256(label.encode()).digest()[:20]


def address_of(label: str, network: str = "regtest") -> str:
    address = script_to_address(script_of(label), network)
    assert address is not None
    return address


_MINER = script_of("miner")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A node's best chain and mempool at one moment; `made`: blocks it knows."""

    best: tuple[str, ...]
    pool: dict[str, ChainTx]
    made: int

    @property
    def tip(self) -> Tip:
        return Tip(FIRST_HEIGHT + len(self.best) - 1, self.best[-1])

    def at(self, height: int) -> str | None:
        index = height - FIRST_HEIGHT
        return self.best[index] if 0 <= index < len(self.best) else None


class SimChain:
    """See the module docstring."""

    def __init__(self, now_s: int, blocks: int = 32) -> None:
        self.blocks: dict[str, Block] = {}
        self.number: dict[str, int] = {}  # block hash -> when it was made
        self.txs: dict[str, ChainTx] = {}
        self.paying: dict[bytes, list[str]] = {}  # script -> txids
        self.mined_in: dict[str, list[str]] = {}  # txid -> block hashes
        self.rewards: dict[str, ChainTx] = {}  # of miners who pay with them
        self._packed: dict[str, Block] = {}
        self._best: list[str] = []
        self._pool: dict[str, ChainTx] = {}
        self._spent: dict[tuple[str, int], str] = {}  # by the pool
        self._by_coin: dict[tuple[str, int], list[str]] = {}  # all spenders ever
        self._labels = 0
        for left in range(blocks, 0, -1):
            # The older half is days old: such a tip shows its age.
            older = left - blocks // 2
            age_s = left * 600 + (86_400 + older * 28_800 if older > 0 else 0)
            self.mine((), now_s - age_s)

    # -- reading ---------------------------------------------------------------------

    @property
    def now(self) -> Snapshot:
        """The present, as a value that later changes leave alone."""
        if self._now is None:
            self._now = Snapshot(tuple(self._best), dict(self._pool), len(self.blocks))
        return self._now

    @property
    def pool(self) -> Sequence[ChainTx]:
        return tuple(self._pool.values())

    def in_best(self, seen: Snapshot, block_hash: str) -> bool:
        return seen.at(self.blocks[block_hash].header.height) == block_hash

    def packed(self, block_hash: str) -> Block:
        """The block as a node's adapter hands it on."""
        block = self._packed.get(block_hash)
        if block is None:
            plain = self.blocks[block_hash]
            block = Block(plain.header, PackedTxs(tuple(map(pack, plain.txs))))
            self._packed[block_hash] = block
        return block

    def outputs(self, seen: Snapshot, script: bytes) -> list[Output]:
        """Every output that pays the script, in this snapshot."""
        found = []
        for txid in self.paying.get(script, ()):
            header = self._block_of(seen, txid)
            if header is None and txid not in seen.pool:
                continue
            reward = self.rewards.get(txid)
            for vout, output in enumerate((reward or self.txs[txid]).outputs):
                if output.script != script:
                    continue
                amount = output.amount_sat
                if header is None:
                    found.append(Output(txid, vout, amount))
                else:
                    found.append(
                        Output(
                            txid, vout, amount,
                            header.hash, header.height, header.time_s,
                            is_coinbase=reward is not None,
                        )
                    )  # fmt: skip
        return found

    def _block_of(self, seen: Snapshot, txid: str) -> Header | None:
        for block_hash in self.mined_in.get(txid, ()):
            if self.in_best(seen, block_hash):
                return self.blocks[block_hash].header
        return None

    def branch(self, tip: Tip) -> Snapshot:
        """The chain that ends in this block, whatever became of it."""
        hashes = []
        block_hash = tip.hash
        while block_hash in self.blocks:
            hashes.append(block_hash)
            block_hash = self.blocks[block_hash].header.prev_hash
        return Snapshot(tuple(reversed(hashes)), {}, len(self.blocks))

    def rival(self, random: Random) -> Snapshot:
        """Another branch, as a node sees it that is cut off from the rest: some of the
        newest blocks are others, with some of the same transactions in them."""
        depth = random.choice((1, 1, 2, 3))
        best = self._best[:-depth]
        loose = [tx for h in self._best[-depth:] for tx in self.blocks[h].txs[1:]]
        pool = {tx.txid: tx for tx in loose} | self._pool
        time_s = self.blocks[self._best[-1]].header.time_s
        for height in range(len(best), len(self._best)):
            mined = [txid for txid in pool if random.random() < 0.4]
            txs = [pool.pop(txid) for txid in mined]
            best.append(self._make(best[-1], FIRST_HEIGHT + height, time_s, txs))
        return Snapshot(tuple(best), pool, len(self.blocks))

    # -- changing --------------------------------------------------------------------

    def pay(
        self,
        outputs: Iterable[tuple[bytes, int]],
        spends: Sequence[tuple[str, int]] = (),
    ) -> ChainTx:
        """A transaction into the mempool, in the place of what it double-spends."""
        self._labels += 1
        label = f"tx {self._labels}"
        coins = tuple(spends) or ((sha256(f"coin {label}".encode()).hexdigest(), 0),)
        paid = tuple(TxOut(script, amount) for script, amount in outputs)
        tx = self._new_tx(label, paid, coins)
        self._register(tx)
        self._accept(tx)
        return tx

    def _new_tx(
        self, label: str, outputs: Sequence[TxOut], coins: Sequence[tuple[str, int]]
    ) -> ChainTx:
        name = sha256(label.encode()).hexdigest()
        return ChainTx(name, tuple(outputs), tuple(coins))

    def _register(self, tx: ChainTx) -> None:
        self.txs[tx.txid] = tx
        for coin in tx.spends:
            self._by_coin.setdefault(coin, []).append(tx.txid)
        for output in tx.outputs:
            known = self.paying.setdefault(output.script, [])
            if tx.txid not in known:
                known.append(tx.txid)

    def evict(self, txid: str) -> None:
        """Out of the mempool, as when it is full or has forgotten."""
        tx = self._pool.pop(txid, None)
        for coin in tx.spends if tx is not None else ():
            self._spent.pop(coin, None)
        self._now = None

    def mine(
        self,
        txids: Iterable[str],
        now_s: int,
        reward: Sequence[tuple[bytes, int]] = (),
    ) -> str:
        """A block with these transactions on the tip; its hash. `reward`: whom its
        miner pays with what is new in it."""
        txs = [self.txs[txid] for txid in txids]
        prev_hash = self._best[-1] if self._best else "00" * 32
        height = FIRST_HEIGHT + len(self._best)
        block_hash = self._make(prev_hash, height, now_s, txs, reward)
        self._best.append(block_hash)
        for tx in txs:
            for coin in tx.spends:
                self.evict(self._spent.get(coin, ""))
            self.evict(tx.txid)
        self._now = None
        return block_hash

    def _make(
        self,
        prev_hash: str,
        height: int,
        time_s: int,
        txs: Sequence[ChainTx],
        reward: Sequence[tuple[bytes, int]] = (),
    ) -> str:
        number = len(self.blocks)
        block_hash = sha256(f"block {number}".encode()).hexdigest()
        coinbase = ChainTx(
            sha256(f"coinbase {number}".encode()).hexdigest(),
            (TxOut(_MINER, 5_000), *(TxOut(script, sat) for script, sat in reward)),
            (_COINBASE,),
        )
        if reward:
            self.rewards[coinbase.txid] = coinbase
            self.mined_in[coinbase.txid] = [block_hash]
            for script, _ in reward:
                self.paying.setdefault(script, []).append(coinbase.txid)
        header = Header(block_hash, prev_hash, height, time_s, True)
        self.number[block_hash] = number
        self.blocks[block_hash] = Block(header, (coinbase, *txs))
        for tx in txs:
            self.mined_in.setdefault(tx.txid, []).append(block_hash)
        return block_hash

    def undo(self, depth: int) -> list[str]:
        """Take blocks away; the txids they had, which are now nowhere."""
        loose: list[str] = []
        for _ in range(depth):
            block = self.blocks[self._best.pop()]
            loose[:0] = [tx.txid for tx in block.txs[1:]]
        self._now = None
        return loose

    def give_back(self, txid: str) -> bool:
        """Into the mempool again, unless something there spends the same."""
        tx = self.txs[txid]
        if any(coin in self._spent for coin in tx.spends) or self.is_dead(txid):
            return False
        self._accept(tx)
        return True

    def is_dead(self, txid: str) -> bool:
        """Whether the best chain has it, or spends what it spends."""
        seen = self.now
        return any(
            self._block_of(seen, rival) is not None
            for coin in self.txs[txid].spends
            for rival in self._by_coin[coin]
        )

    def has(self, seen: Snapshot, txid: str) -> bool:
        """Whether this snapshot has the transaction, in a block or not."""
        return txid in seen.pool or self._block_of(seen, txid) is not None

    def left_out(self, before: Snapshot, after: Snapshot) -> set[str]:
        """What `before` had in its mempool, or in blocks that were undone since, and
        `after` has nowhere, with nothing there that would say why."""
        kept = set(after.best)
        undone = {
            tx.txid
            for block in before.best
            if block not in kept
            for tx in self.blocks[block].txs[1:]
        }
        return {
            txid
            for txid in (before.pool.keys() | undone) - after.pool.keys()
            if self._block_of(after, txid) is None and not self.is_spent(after, txid)
        }

    def spend_what_is_lost(self) -> None:
        """Transactions that are nowhere, for no reason, are double-spent: only then are
        they gone for good, for whoever has seen them."""
        seen = self.now
        for txid, tx in list(self.txs.items()):
            lost = txid not in seen.pool and self._block_of(seen, txid) is None
            if lost and not self.is_spent(self.now, txid):
                self.pay([(_MINER, 1)], tx.spends)

    def is_spent(self, seen: Snapshot, txid: str) -> bool:
        """Whether this snapshot has another transaction that spends the same. Nothing
        spends what a miner's reward does."""
        return txid not in self.rewards and any(
            rival != txid
            and (rival in seen.pool or self._block_of(seen, rival) is not None)
            for coin in self.txs[txid].spends
            for rival in self._by_coin[coin]
        )

    def _accept(self, tx: ChainTx) -> None:
        for coin in tx.spends:
            self.evict(self._spent.get(coin, ""))
        self._pool[tx.txid] = tx
        for coin in tx.spends:
            self._spent[coin] = tx.txid
        self._now = None

    _now: Snapshot | None = None
