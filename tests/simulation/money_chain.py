"""The simulated chain with real transactions: serialized, hashed, spending one another.

Payers' coins come from nowhere, as in `chain.py`; what they pay to us can be spent by
whoever signs for it, and only by him. A transaction goes where what it spends goes: out
of the mempool, out of the chain.
"""

from collections.abc import Iterable, Sequence

from engine.bitcoin.signed_tx import TxIn, decode_tx, make_tx
from engine.bitcoin.transaction import parse_tx
from engine.chain.feed import ChainTx, TxOut
from tests.simulation.chain import SimChain

__all__ = ["MoneyChain"]

Refusal = tuple[int, str]
"""Bitcoin Core's code and reason: validation.cpp, policy/rbf.cpp."""

MISSING = (-25, "bad-txns-inputs-missingorspent")


class MoneyChain(SimChain):
    """See the module docstring."""

    def __init__(self, now_s: int) -> None:
        self.raws: dict[str, bytes] = {}
        self.ours: dict[str, ChainTx] = {}  # that a mempool has ever taken, by id
        self.least_rate = 1_000  # sat per 1,000 vB, of the mempool
        self._in_this_block: frozenset[str] = frozenset()
        super().__init__(now_s)

    # -- what is sent ----------------------------------------------------------------

    def submit(self, raw: bytes) -> Refusal | None:
        """As a node takes it that hears of it from us. None: it is in the mempool."""
        tx = parse_tx(raw)
        if self._block_of(self.now, tx.txid) is not None:
            return -27, "Transaction outputs already in utxo set"
        if tx.txid in self._pool:
            return None
        if not self._may_be_spent(tx):
            return MISSING
        fee, vsize = self.fee_of(tx), decode_tx(raw).vsize
        if fee * 1_000 < self.least_rate * vsize:
            return -26, "mempool min fee not met"
        rivals = {self._spent[coin] for coin in tx.spends if coin in self._spent}
        for rival in sorted(rivals):
            before = self.fee_of(self.txs[rival])
            size_before = decode_tx(self.raws[rival]).vsize
            if fee < before + vsize or fee * size_before <= before * vsize:
                return -26, "insufficient fee, rejecting replacement"
        self.raws[tx.txid] = raw
        self.ours[tx.txid] = tx
        self._register(tx)
        self._accept(tx)
        return None

    def fee_of(self, tx: ChainTx) -> int:
        """Of one that spends what is known."""
        spent = sum(self.txs[t].outputs[n].amount_sat for t, n in tx.spends)
        return spent - sum(output.amount_sat for output in tx.outputs)

    def spender_in_best(self, coin: tuple[str, int]) -> tuple[str, int] | None:
        """Which transaction of the best chain spends it, and how deep it lies."""
        for txid in self._by_coin.get(coin, ()):
            header = self._block_of(self.now, txid)
            if header is not None:
                return txid, len(self._best) - header.height
        return None

    def spender_in_pool(self, coin: tuple[str, int]) -> str | None:
        return self._spent.get(coin)

    def is_ours(self, coin: tuple[str, int]) -> bool:
        """Whether only we can spend it: it is an output that somebody was paid."""
        return coin[0] in self.txs

    def is_there(self, coin: tuple[str, int]) -> bool:
        """Whether its transaction is in the best chain or the mempool."""
        return not self.is_ours(coin) or self.has(self.now, coin[0])

    def _may_be_spent(self, tx: ChainTx) -> bool:
        return all(
            self.is_there(coin) and self.spender_in_best(coin) is None
            for coin in tx.spends
        )

    # -- as before, with parents -----------------------------------------------------

    def pay(
        self,
        outputs: Iterable[tuple[bytes, int]],
        spends: Sequence[tuple[str, int]] = (),
    ) -> ChainTx:
        """A thief has no key of ours: then all stays as it is."""
        for coin in spends:
            if self.is_ours(coin):
                return self.txs[self._by_coin[coin][-1]]
        return super().pay(outputs, spends)

    def _new_tx(
        self, label: str, outputs: Sequence[TxOut], coins: Sequence[tuple[str, int]]
    ) -> ChainTx:
        number = int(label.removeprefix("tx "))
        made = make_tx([TxIn(*coin, sequence=number) for coin in coins], outputs)
        self.raws[made.txid] = made.raw
        return parse_tx(made.raw)

    def evict(self, txid: str) -> None:
        """With all that spends it, unless it leaves the mempool for a block."""
        super().evict(txid)
        if txid in self._in_this_block or txid not in self.txs:
            return
        for vout in range(len(self.txs[txid].outputs)):
            child = self._spent.get((txid, vout))
            if child is not None:
                self.evict(child)

    def mine(
        self,
        txids: Iterable[str],
        now_s: int,
        reward: Sequence[tuple[bytes, int]] = (),
    ) -> str:
        """Without those whose inputs are not there."""
        self._tidy()
        chosen: list[str] = []
        for txid in txids:
            parents = {t for t, _ in self.txs[txid].spends if t in self.txs}
            seen = self.now
            if all(t in chosen or self._block_of(seen, t) is not None for t in parents):
                chosen.append(txid)
        self._in_this_block = frozenset(chosen)
        block_hash = super().mine(chosen, now_s, reward)
        self._in_this_block = frozenset()
        return block_hash

    def give_back(self, txid: str) -> bool:
        return self._may_be_spent(self.txs[txid]) and super().give_back(txid)

    def _tidy(self) -> None:
        """What was left in the mempool by blocks that gave way."""
        for tx in self.pool:
            if not self._may_be_spent(tx):
                self.evict(tx.txid)
