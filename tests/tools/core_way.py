"""A node of Core's lineage as the way out, in memory, after its sources.

What `sendrawtransaction` answers, and in which order it looks, is that of
node/transaction.cpp (`BroadcastTransaction`) and validation.cpp (`PreChecks`,
`CheckFeeRate`), with the words of policy/rbf.cpp; they go through the same
reading as a real node's. Scripts are verified by Core's own code (`pbk`). As `gettxout`
without its mempool has it, a coin is spent when a block says so.
"""

from collections.abc import Sequence

import msgspec

from engine.bitcoin.signed_tx import Tx, decode_tx
from engine.chain.broadcast import Outpoint, Sent, Sighting, Spender, Verdict
from engine.chain.feed import TxOut
from engine.errors import SourceUnavailable
from engine.wallet.coin import COINBASE_DEPTH
from engine.wallet.size import fee_of
from tests.unit.engine.wallet.coins import judge
from transport.calling.chain_words import sent_by

__all__ = ["CoreWay"]

INCREMENTAL = 1_000


class Mined(msgspec.Struct):
    tx: Tx
    height: int
    block_hash: str
    is_coinbase: bool = False


class CoreWay:
    """Implements `engine.chain.broadcast.Broadcaster`. A test moves its chain."""

    name = "core"

    def __init__(self, height: int) -> None:
        self.height = height
        self.branch = "a"
        self.mined: dict[str, Mined] = {}
        self.pool: dict[str, Tx] = {}
        self.estimate: int | None = 2_000
        self.min_fee = 1_000  # the mempool's, sat per 1,000 vB
        self.lags = False  # its estimate knows nothing of a mempool that fills
        self.is_down = False
        self.loses_answers = False  # it takes a transaction, and nobody hears of it
        self.lies: dict[str, bytes] = {}  # raw transactions, by the id it is asked for
        self.sends: list[bytes] = []
        self.said: list[str] = []  # its words, of refusals

    # -- the chain ---------------------------------------------------------------------

    def fund(self, raw: bytes, height: int, *, is_coinbase: bool = False) -> str:
        tx = decode_tx(raw)
        self.mined[tx.txid] = Mined(tx, height, self._name(height), is_coinbase)
        return tx.txid

    def mine(self, *txids: str, blocks: int = 1) -> None:
        """Blocks; the first holds these, or else all of the mempool."""
        self.height += 1
        for txid in txids or tuple(self.pool):
            self._into_block(self.pool.pop(txid))
        self.height += blocks - 1

    def mine_raw(self, raw: bytes) -> None:
        """A transaction that the mempool never saw."""
        self.height += 1
        self._into_block(decode_tx(raw))

    def lose_blocks(self, count: int) -> None:
        """Others are as high; what the last ones held is in no place any more."""
        self.branch += "b"
        for txid, at in list(self.mined.items()):
            if at.height > self.height - count:
                del self.mined[txid]

    def _into_block(self, tx: Tx) -> None:
        for other in [o for o in self.pool.values() if _spends(o) & _spends(tx)]:
            del self.pool[other.txid]
        self.mined[tx.txid] = Mined(tx, self.height, self._name(self.height))

    def _name(self, height: int) -> str:
        return f"{self.branch}{height}".rjust(64, "0")

    # -- the port ----------------------------------------------------------------------

    def send(self, raw: bytes) -> Sent:
        self._must_be_up()
        self.sends.append(raw)
        refusal = self._refusal(raw)
        if refusal is not None:
            self.said.append(refusal[1])
            return sent_by(*refusal)
        if self.loses_answers:
            raise SourceUnavailable("core: the connection broke in the answer")
        return Sent(Verdict.TAKEN)

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        self._must_be_up()
        if txid in self.lies:
            return self.lies[txid]
        found = self.mined[txid].tx if txid in self.mined else self.pool.get(txid)
        if found is None:
            raise SourceUnavailable(f"core: no such transaction: {txid}")
        return found.raw

    def fee_rate(self, blocks: int) -> int | None:
        self._must_be_up()
        if self.estimate is None or self.lags:
            return self.estimate
        return max(self.estimate, self.min_fee)

    def least_rate(self) -> int:
        self._must_be_up()
        return self.min_fee

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        self._must_be_up()
        txid = decode_tx(raw).txid
        at = self.mined.get(txid)
        if at is None:
            return Sighting(in_mempool=txid in self.pool)
        return Sighting(False, at.block_hash, at.height, self.height - at.height + 1)

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        self._must_be_up()
        return {
            coin: Spender(at.tx.txid, self.height - at.height + 1)
            for at in self.mined.values()
            for coin in _spends(at.tx).intersection(coins)
            if at.height > after_height
        }

    def close(self) -> None: ...

    # -- what a mempool looks at -------------------------------------------------------

    def _refusal(self, raw: bytes) -> tuple[int, str] | None:
        """None: it is in the mempool now. Its answer, otherwise."""
        tx = decode_tx(raw)
        if tx.txid in self.mined:
            return -27, "Transaction outputs already in utxo set"
        if tx.txid in self.pool:
            return None
        spent: list[TxOut] = []
        for name, vout in [(i.txid, i.vout) for i in tx.inputs]:
            source = self.mined.get(name)
            if source is None or self._is_spent((name, vout)):
                return -25, "bad-txns-inputs-missingorspent"
            depth = self.height + 1 - source.height
            if source.is_coinbase and depth < COINBASE_DEPTH:
                words = f"tried to spend coinbase at depth {depth}"
                return -26, f"bad-txns-premature-spend-of-coinbase, {words}"
            spent.append(source.tx.outputs[vout])
        fee = _sum(spent) - _sum(tx.outputs)
        wanted = fee_of(tx.weight, self.min_fee)
        if fee < wanted:
            return -26, f"min relay fee not met, {fee} < {wanted}"
        rivals = [o for o in self.pool.values() if _spends(o) & _spends(tx)]
        old = sum(self._fee(other) for other in rivals)
        if rivals and fee < old + fee_of(tx.weight, INCREMENTAL):
            words = f"insufficient fee, rejecting replacement {tx.txid}"
            return -26, f"{words}, not enough additional fees to relay; {fee} < {old}"
        if not judge(raw, spent):
            return -26, "mandatory-script-verify-flag-failed (Script failed)"
        for other in rivals:
            del self.pool[other.txid]
        self.pool[tx.txid] = tx
        return None

    def _fee(self, tx: Tx) -> int:
        spent = [
            self.mined[name].tx.outputs[vout] for name, vout in sorted(_spends(tx))
        ]
        return _sum(spent) - _sum(tx.outputs)

    def _is_spent(self, coin: Outpoint) -> bool:
        return any(coin in _spends(at.tx) for at in self.mined.values())

    def _must_be_up(self) -> None:
        if self.is_down:
            raise SourceUnavailable("core: nobody answers")


def _sum(outputs: Sequence[TxOut]) -> int:
    return sum(out.amount_sat for out in outputs)


def _spends(tx: Tx) -> set[Outpoint]:
    return {(txin.txid, txin.vout) for txin in tx.inputs}
