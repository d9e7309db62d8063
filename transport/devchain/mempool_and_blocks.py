"""What the dev chain holds true: blocks, mempool, who spent what.

The rules of a node, as far as a shop's payments meet them: a transaction is accepted
if its inputs exist, are mature, unspent (or replaceable: BIP 125), signed, and pay the
relay fee. It mines nothing and knows no wallet; it tells `on_coin` of outputs that
appear or go, and `DevChain` is its only caller, under its lock.

Error texts of `accept` are Bitcoin Core's own, since that is what explorers hand on.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from engine.bitcoin.signed_tx import Digests, Tx, check_signature
from engine.chain.feed import ChainTx, Header, TxOut
from transport.devchain.miner import COINBASE_MATURITY, MinedBlock, genesis
from transport.devchain.wallet import DevChainError, dust_sat

__all__ = ["MAX_TRANSACTIONS", "KnownTx", "MempoolAndBlocks", "Rejected"]

Outpoint = tuple[str, int]

#: Enough for long demonstrations; a dev chain is refused more rather than the memory
#: of the whole node (about 2 KB per transaction).
MAX_TRANSACTIONS: Final = 300_000

#: Blocks that a reorg left behind and that can still be asked for.
_STALE_KEPT: Final = 200

#: Core's limit of unconfirmed ancestors, the transaction itself included.
_MAX_ANCESTORS: Final = 25

#: Core's limit of what one replacement may evict.
_MAX_REPLACED: Final = 100

_MAX_TX_WEIGHT: Final = 400_000


class Rejected(DevChainError):
    """The mempool does not take a transaction; the message is as Core's."""


class KnownTx(msgspec.Struct):
    """A transaction of the mempool (`block_hash` None) or of the best chain."""

    tx: Tx
    chain_tx: ChainTx
    prevouts: tuple[TxOut, ...]
    fee_sat: int
    seen_s: int
    block_hash: str | None = None
    height: int = 0
    position: int = 0  # within its block


class MempoolAndBlocks:
    """The mempool and all blocks; attributes may be read, methods change them."""

    def __init__(self, on_coin: Callable[[Outpoint, TxOut, bool], None]) -> None:
        self._on_coin = on_coin
        self.entries: dict[str, KnownTx] = {}
        self.mempool: dict[str, KnownTx] = {}  # parents always before children
        self.spenders: dict[Outpoint, str] = {}
        self.by_script: dict[bytes, dict[str, None]] = {}
        self.best: list[str] = []
        self.blocks: dict[str, MinedBlock] = {}
        self._stale: OrderedDict[str, None] = OrderedDict()
        self.connect(genesis())

    @property
    def tip(self) -> Header:
        return self.blocks[self.best[-1]].header

    def in_best_chain(self, block: MinedBlock) -> bool:
        height = block.header.height
        return height < len(self.best) and self.best[height] == block.header.hash

    def median_time_s(self) -> int:
        times = [self.blocks[name].header.time_s for name in self.best[-11:]]
        return sorted(times)[len(times) // 2]

    def output(self, outpoint: Outpoint) -> TxOut | None:
        entry = self.entries.get(outpoint[0])
        if entry is None or not 0 <= outpoint[1] < len(entry.tx.outputs):
            return None
        return entry.tx.outputs[outpoint[1]]

    def is_ready(self, outpoint: Outpoint) -> bool:
        """Confirmed, mature for the next block, and unspent even in the mempool."""
        entry = self.entries.get(outpoint[0])
        if entry is None or entry.block_hash is None or outpoint in self.spenders:
            return False
        return not entry.tx.is_coinbase or self._is_mature(entry)

    def descendants(self, txid: str) -> list[str]:
        """Those that spend its outputs, those that spend theirs, and so on."""
        found: dict[str, None] = {}
        queue = deque([txid])
        while queue:
            entry = self.entries[queue.popleft()]
            for vout in range(len(entry.tx.outputs)):
                child = self.spenders.get((entry.tx.txid, vout))
                if child is not None and child not in found:
                    found[child] = None
                    queue.append(child)
        return list(found)

    def accept(self, tx: Tx, now_s: int, *, check_scripts: bool = True) -> KnownTx:
        """Take a transaction into the mempool, or raise `Rejected`."""
        prevouts = self._check(tx)
        fee = sum(out.amount_sat for out in prevouts) - sum(
            out.amount_sat for out in tx.outputs
        )
        if fee < 0:
            raise Rejected("bad-txns-in-belowout")
        if fee < tx.vsize:
            raise Rejected(f"min relay fee not met, {fee} < {tx.vsize}")
        replaced = self._replaced(tx, fee)
        if check_scripts:
            digests = Digests(tx, prevouts)
            for index, spent in enumerate(prevouts):
                wrong = check_signature(digests, tx, index, spent)
                if wrong is not None:
                    raise Rejected(f"mandatory-script-verify-flag-failed ({wrong})")
        for txid in replaced:
            if txid in self.mempool:  # not gone as a descendant of an earlier one
                self.remove(txid)
        entry = KnownTx(tx, tx.chain_tx(), prevouts, fee, now_s)
        self._add(entry)
        self.mempool[tx.txid] = entry
        return entry

    def remove(self, txid: str) -> list[str]:
        """Forget a mempool transaction and its descendants; what went, itself first."""
        gone = [txid, *self.descendants(txid)]
        for name in reversed(gone):
            del self.mempool[name]
            self._forget(self.entries[name])
        return gone

    def connect(self, block: MinedBlock) -> None:
        """Put a block on top; all but its coinbase must be in the mempool."""
        name, height = block.header.hash, block.header.height
        coinbase = block.txs[0]
        now_s = block.header.time_s
        self.best.append(name)
        self.blocks[name] = block
        self._add(KnownTx(coinbase, coinbase.chain_tx(), (), 0, now_s, name, height))
        for position, tx in enumerate(block.txs[1:], 1):
            entry = self.mempool.pop(tx.txid)
            entry.block_hash, entry.height, entry.position = name, height, position
            self._offer(entry)
        matured = height + 1 - COINBASE_MATURITY
        if matured > 0:
            self._offer(self.entries[self.blocks[self.best[matured]].txs[0].txid])

    def disconnect(self) -> MinedBlock:
        """Take the last block off; its transactions wait in the mempool again, first.

        Coins are not offered anew: the caller rebuilds what it knows of them.
        """
        block = self.blocks[self.best.pop()]
        back = {}
        for tx in block.txs[1:]:
            entry = self.entries[tx.txid]
            entry.block_hash, entry.height = None, 0
            back[tx.txid] = entry
        self.mempool = {**back, **self.mempool}
        self._forget(self.entries[block.txs[0].txid])
        self._stale[block.header.hash] = None
        if len(self._stale) > _STALE_KEPT:
            oldest, _ = self._stale.popitem(last=False)
            del self.blocks[oldest]
        return block

    def coins_of(self, script: bytes) -> Iterable[tuple[Outpoint, TxOut]]:
        """Unspent outputs of this script, confirmed or not."""
        for txid in self.by_script.get(script, ()):
            for vout, out in enumerate(self.entries[txid].tx.outputs):
                if out.script == script and (txid, vout) not in self.spenders:
                    yield (txid, vout), out

    def _check(self, tx: Tx) -> tuple[TxOut, ...]:
        """The outputs that `tx` spends, if all but money and scripts is right."""
        if tx.is_coinbase:
            raise Rejected("coinbase")
        if len(self.entries) >= MAX_TRANSACTIONS:
            raise Rejected(
                f"the dev chain holds {MAX_TRANSACTIONS} transactions and takes no "
                "more: start it anew"
            )
        known = self.entries.get(tx.txid)
        if known is not None:
            where = "block chain" if known.block_hash else "mempool"
            raise Rejected(f"Transaction already in {where}")
        if tx.weight > _MAX_TX_WEIGHT:
            raise Rejected("tx-size")
        if tx.locktime and any(txin.sequence != 0xFFFFFFFF for txin in tx.inputs):
            self._check_locktime(tx.locktime)
        for out in tx.outputs:
            unspendable = out.script[:1] == b"\x6a"
            if not unspendable and out.amount_sat < dust_sat(out.script):
                raise Rejected("dust")
        outpoints = [(txin.txid, txin.vout) for txin in tx.inputs]
        if len(set(outpoints)) != len(outpoints):
            raise Rejected("bad-txns-inputs-duplicate")
        prevouts = []
        for outpoint in outpoints:
            prevout = self.output(outpoint)
            spender = self.spenders.get(outpoint)
            if prevout is None or (spender and spender not in self.mempool):
                raise Rejected("bad-txns-inputs-missingorspent")
            parent = self.entries[outpoint[0]]
            if parent.tx.is_coinbase and not self._is_mature(parent):
                raise Rejected("bad-txns-premature-spend-of-coinbase")
            prevouts.append(prevout)
        if len(self._ancestors(tx)) >= _MAX_ANCESTORS:
            raise Rejected("too-long-mempool-chain")
        return tuple(prevouts)

    def _check_locktime(self, locktime: int) -> None:
        reached = len(self.best) if locktime < 500_000_000 else self.median_time_s()
        if locktime >= reached:
            raise Rejected("non-final")

    def _ancestors(self, tx: Tx) -> set[str]:
        found: set[str] = set()
        queue = [txin.txid for txin in tx.inputs]
        while queue and len(found) < _MAX_ANCESTORS:
            txid = queue.pop()
            entry = self.mempool.get(txid)
            if entry is not None and txid not in found:
                found.add(txid)
                queue.extend(txin.txid for txin in entry.tx.inputs)
        return found

    def _replaced(self, tx: Tx, fee: int) -> list[str]:
        """Conflicting transactions, if `tx` pays enough to replace them (BIP 125).

        Without the signalling rule: nodes replace whatever pays more (full RBF).
        """
        conflicts: dict[str, None] = {}
        for txin in tx.inputs:
            spender = self.spenders.get((txin.txid, txin.vout))
            if spender is not None:
                conflicts[spender] = None
        if not conflicts:
            return []
        gone = dict(conflicts)
        for txid in list(conflicts)[: _MAX_REPLACED + 1]:
            gone.update(dict.fromkeys(self.descendants(txid)))
        if len(gone) > _MAX_REPLACED:
            raise Rejected("too many potential replacements")
        if any(txin.txid in gone for txin in tx.inputs):
            raise Rejected("bad-txns-spends-conflicting-tx")
        paid = sum(self.mempool[txid].fee_sat for txid in gone)
        direct = (self.mempool[txid] for txid in conflicts)
        cheaper = any(fee * e.tx.vsize <= e.fee_sat * tx.vsize for e in direct)
        if cheaper or fee < paid + tx.vsize:
            raise Rejected(
                f"insufficient fee, rejecting replacement {tx.txid}: {fee} sat against "
                f"{paid} sat"
            )
        return list(conflicts)

    def _is_mature(self, entry: KnownTx) -> bool:
        return len(self.best) - entry.height >= COINBASE_MATURITY

    def _add(self, entry: KnownTx) -> None:
        tx = entry.tx
        self.entries[tx.txid] = entry
        for script in self._scripts(entry):
            self.by_script.setdefault(script, {})[tx.txid] = None
        if not tx.is_coinbase:
            for txin, prevout in zip(tx.inputs, entry.prevouts, strict=True):
                outpoint = (txin.txid, txin.vout)
                self.spenders[outpoint] = tx.txid
                self._on_coin(outpoint, prevout, False)

    def _forget(self, entry: KnownTx) -> None:
        tx = entry.tx
        del self.entries[tx.txid]
        for script in self._scripts(entry):
            holders = self.by_script[script]
            holders.pop(tx.txid, None)
            if not holders:
                del self.by_script[script]
        for vout, out in enumerate(tx.outputs):
            self._on_coin((tx.txid, vout), out, False)
        if not tx.is_coinbase:
            for txin, prevout in zip(tx.inputs, entry.prevouts, strict=True):
                outpoint = (txin.txid, txin.vout)
                del self.spenders[outpoint]
                if self.is_ready(outpoint):
                    self._on_coin(outpoint, prevout, True)

    def _offer(self, entry: KnownTx) -> None:
        for vout, out in enumerate(entry.tx.outputs):
            if (entry.tx.txid, vout) not in self.spenders:
                self._on_coin((entry.tx.txid, vout), out, True)

    def _scripts(self, entry: KnownTx) -> set[bytes]:
        scripts = {out.script for out in entry.tx.outputs}
        return scripts | {out.script for out in entry.prevouts}
