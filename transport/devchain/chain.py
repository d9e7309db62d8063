"""The dev chain: bitcoin's chain in one process, for demos, development and tests.

A `BlockFeed` (see `devfeed`) like Bitcoin Core, but under our hand: it pays, mines,
reorganises, replaces, evicts and fails on command. Its transactions and blocks are
real ones, serialized, signed and with regtest's proof of work, from regtest's genesis
block on. It is money for nobody and keeps nothing: a restart begins anew.

Everything is computation under one lock, so any greenlet may call anything; nothing
blocks. Callbacks of `subscribe` run in the caller's greenlet after a change is
complete and the lock released. With a `seed` and an injected `now` every hash is
reproducible.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from secrets import token_bytes
from time import time
from typing import Final

from engine.bitcoin.address import parse_address
from engine.bitcoin.signed_tx import decode_tx
from engine.chain.feed import TxOut
from engine.errors import InvalidAmount, InvalidTransaction
from engine.money.amount import check_sat
from transport.devchain.feed import DevFeed
from transport.devchain.mempool_and_blocks import KnownTx, MempoolAndBlocks, Rejected
from transport.devchain.node import DevNode
from transport.devchain.wallet import NETWORK, AddressKind, DevChainError, dust_sat

__all__ = ["DevChain", "DevChainError", "Rejected", "UnknownTransaction"]

log = logging.getLogger(__name__)

#: A coinbase is spendable 100 blocks later, so no reorg of this depth reaches a spend.
MAX_REORG: Final = 99
MAX_BLOCKS_AT_ONCE: Final = 1_000
MAX_OUTPUTS: Final = 2_000
MAX_FEE_RATE: Final = 10_000.0


class UnknownTransaction(DevChainError):
    """No such transaction where one was needed."""


class DevChain(DevFeed):
    """Operations raise `DevChainError` or `InvalidAddress`, both ValueErrors."""

    def __init__(
        self, *, seed: bytes | int | None = None, now: Callable[[], float] = time
    ) -> None:
        if isinstance(seed, int):
            seed = str(seed).encode()
        super().__init__(DevNode(token_bytes(16) if seed is None else seed, now), now)
        self._listeners: list[Callable[[], object]] = []

    def new_address(self, kind: AddressKind = "p2wpkh") -> str:
        """A fresh regtest address to be paid to, of any kind."""
        with self._lock:
            return self._node.wallet.new_address(kind)

    def pay(self, address: str, amount_sat: int, fee_rate: float = 1.0) -> str:
        """Pay an address; the txid of what is now in the mempool."""
        return self.pay_many([(address, amount_sat)], fee_rate)

    def pay_many(
        self, payments: Sequence[tuple[str, int]], fee_rate: float = 1.0
    ) -> str:
        """One transaction with an output per payment, in this order.

        An address may occur more than once. Fee rate in sat/vB, at least 1.
        """
        _check_fee_rate(fee_rate)
        if not 1 <= len(payments) <= MAX_OUTPUTS:
            raise DevChainError(f"a transaction has 1 to {MAX_OUTPUTS} payments")
        outputs = [_output(address, amount) for address, amount in payments]
        with self._lock:
            tx = self._node.wallet.payment(outputs, self._node.coins, fee_rate)
            self._node.accept(tx, check_scripts=False)
        self._changed()
        return tx.txid

    def mine(self, blocks: int = 1) -> list[str]:
        """Mine blocks, the mempool's transactions into the first; their hashes."""
        if not 1 <= blocks <= MAX_BLOCKS_AT_ONCE:
            raise DevChainError(f"mine 1 to {MAX_BLOCKS_AT_ONCE} blocks at once")
        with self._lock:
            self._node.check_room(blocks)
            hashes = [self._node.mine(self.contents.mempool) for _ in range(blocks)]
        self._changed()
        return hashes

    def reorg(
        self, depth: int = 1, drop: Iterable[str] = (), *, remine: bool = True
    ) -> list[str]:
        """Replace the last `depth` blocks by `depth + 1` others; the new hashes.

        Transactions in `drop`, which must be in those blocks or in the mempool, are
        gone afterwards with all their descendants. The other ones of those blocks are
        mined again at their old height, or with `remine=False` wait in the mempool.
        """
        with self._lock:
            dropped = list(dict.fromkeys(drop))
            self._check_reorg(depth, dropped)
            self._node.check_room(depth + 1)
            old = self._node.rewind(depth)
            for txid in dropped:
                if txid in self.contents.mempool:  # not gone with an earlier one
                    self._node.evict(txid)
            hashes = []
            for block in old:
                txids = [tx.txid for tx in block.txs[1:]] if remine else []
                hashes.append(self._node.mine(txids))
            hashes.append(self._node.mine([]))
        self._changed()
        return hashes

    def replace(
        self, txid: str, to: str | None = None, fee_rate: float | None = None
    ) -> str:
        """Replace an unconfirmed payment of ours by one that pays a higher fee (RBF).

        It spends the same inputs (and more only if the fee wants them). Its payments
        go to the address `to` with their old amounts, or all back to the wallet.
        Descendants of the old transaction are gone. Without a fee rate, it doubles.
        """
        with self._lock:
            old = self._unconfirmed(txid)
            rate = self._replacement_rate(old, fee_rate)
            outputs = []
            if to is not None:
                script = parse_address(to, NETWORK).script
                paid = (o for o in old.tx.outputs if not self._node.is_own(o))
                outputs = [TxOut(script, out.amount_sat) for out in paid]
                if not outputs:
                    raise DevChainError(f"{txid} pays nobody but the dev chain itself")
            gone = [txid, *self.contents.descendants(txid)]
            tx = self._node.wallet.spend(
                [
                    ((txin.txid, txin.vout), out.amount_sat)
                    for txin, out in zip(old.tx.inputs, old.prevouts, strict=True)
                ],
                outputs,
                self._node.coins,
                rate,
                least_fee=sum(self.contents.mempool[name].fee_sat for name in gone),
            )
            self._node.accept(tx, check_scripts=False)
        self._changed()
        return tx.txid

    def evict(self, txid: str) -> list[str]:
        """Drop a transaction from the mempool, as a full node does; all that went."""
        with self._lock:
            self._unconfirmed(txid)
            gone = self._node.evict(txid)
        self._changed()
        return gone

    def broadcast(self, raw: bytes) -> str:
        """Take anybody's transaction, as a node does; its txid. Raises `Rejected`."""
        try:
            tx = decode_tx(raw)
        except InvalidTransaction as error:
            raise Rejected(f"TX decode failed: {error}") from error
        with self._lock:
            self._node.accept(tx, check_scripts=True)
        self._changed()
        return tx.txid

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back after each change of chain or mempool; returns the way to stop.

        The callback must not block: it runs in the greenlet that made the change.
        """
        self._listeners.append(callback)

        def stop() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return stop

    @property
    def contents(self) -> MempoolAndBlocks:
        """Everything that is known, to be read and never changed, without yielding."""
        return self._node.contents

    def _unconfirmed(self, txid: str) -> KnownTx:
        entry = self.contents.entries.get(txid)
        if entry is None:
            raise UnknownTransaction(f"the dev chain does not know {txid}")
        if entry.block_hash is not None:
            raise DevChainError(f"{txid} is confirmed: only a reorg can drop it")
        return entry

    def _replacement_rate(self, old: KnownTx, fee_rate: float | None) -> float:
        if not all(self._node.is_own(out) for out in old.prevouts):
            raise DevChainError(f"{old.tx.txid} does not spend the dev chain's coins")
        old_rate = old.fee_sat / old.tx.vsize
        rate = min(old_rate * 2, MAX_FEE_RATE) if fee_rate is None else fee_rate
        _check_fee_rate(rate)
        if rate <= old_rate:
            raise DevChainError(
                f"a replacement pays more than the {old_rate:.2f} sat/vB of the "
                f"transaction that it replaces, not {rate:.2f}"
            )
        return rate

    def _check_reorg(self, depth: int, dropped: Iterable[str]) -> None:
        height = self.contents.tip.height
        deepest = min(MAX_REORG, height)
        if not 1 <= depth <= deepest:
            raise DevChainError(f"a reorg replaces 1 to {deepest} blocks now")
        for txid in dropped:
            entry = self.contents.entries.get(txid)
            if entry is None:
                raise UnknownTransaction(f"the dev chain does not know {txid}")
            if entry.tx.is_coinbase:
                raise DevChainError(f"{txid} is a coinbase: it goes with its block")
            if entry.block_hash is not None and entry.height <= height - depth:
                raise DevChainError(
                    f"{txid} is in block {entry.height}, below the {depth} replaced"
                )

    def _changed(self) -> None:
        for callback in tuple(self._listeners):
            try:
                callback()
            except Exception:  # one bad listener must not fail a payment
                log.exception("devchain.listener_failed")


def _output(address: str, amount_sat: int) -> TxOut:
    """The output of one payment; `InvalidAddress` and dust are told here."""
    script = parse_address(address, NETWORK).script
    try:
        check_sat(amount_sat)
    except InvalidAmount as error:
        raise DevChainError(str(error)) from error
    dust = dust_sat(script)
    if amount_sat < dust:
        raise DevChainError(
            f"{amount_sat} sat are dust: nodes relay no less than {dust} sat there"
        )
    return TxOut(script, amount_sat)


def _check_fee_rate(fee_rate: float) -> None:
    if not isfinite(fee_rate) or not 1 <= fee_rate <= MAX_FEE_RATE:
        raise DevChainError(
            f"a fee rate is 1 to {MAX_FEE_RATE:.0f} sat/vB, not {fee_rate:g}"
        )
