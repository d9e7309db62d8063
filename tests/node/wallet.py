"""The customer of the tests: holds mined coins and pays any kind of address.

Signs by itself (tests/node/rawtx.py); the node only gets finished transactions. Every
payment spends one coin and gives the change back to the wallet, which may spend it
before it is confirmed. Runs in the test's greenlet.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import coincurve

from tests.node.rawtx import (
    RBF_SEQUENCE,
    Coin,
    base58check,
    hash160,
    p2pkh,
    script_for,
    signed,
    txid_of,
)

__all__ = ["Wallet"]

DEFAULT_FEE_SAT = 5_000
REPLACEMENT_STEP_SAT = 5_000


class Node(Protocol):
    """What a wallet needs of a node."""

    def send(self, raw: bytes) -> str: ...


@dataclass(frozen=True)
class Payment:
    """What was signed under one txid, kept to replace or to double-spend it."""

    coin: Coin
    outputs: tuple[tuple[str, int], ...]
    fee_sat: int
    change: Coin
    raw: bytes


class Wallet:
    """Mined coins of one key, and the payments made with them."""

    def __init__(self, node: Node, key: coincurve.PrivateKey) -> None:
        self.node = node
        self.key = key
        self.pubkey = key.public_key.format()
        self.address = base58check(0x6F, hash160(self.pubkey))
        self.coins: deque[Coin] = deque()
        self.payments: dict[str, Payment] = {}

    def receive(self, txid: str, vout: int, amount_sat: int) -> None:
        """Take note of an output that pays this wallet."""
        self.coins.append(Coin(txid, vout, amount_sat))

    def pay(
        self, address: str, amount_sat: int, *, fee_sat: int = DEFAULT_FEE_SAT
    ) -> str:
        """Pay one address; the txid, which is in the mempool by now. Replaceable."""
        return self.pay_many([(address, amount_sat)], fee_sat=fee_sat)

    def pay_many(
        self, outputs: Sequence[tuple[str, int]], *, fee_sat: int = DEFAULT_FEE_SAT
    ) -> str:
        """Pay several outputs (one address may be there twice) in one transaction.

        Output n of the transaction is outputs[n]; the change comes last.
        """
        needed = sum(amount for _, amount in outputs) + fee_sat
        coin = next(coin for coin in self.coins if coin.amount_sat > needed)
        self.coins.remove(coin)
        return self._send(self._signed(coin, outputs, fee_sat))

    def replace(
        self,
        txid: str,
        outputs: Sequence[tuple[str, int]] | None = None,
        *,
        fee_sat: int | None = None,
    ) -> str:
        """Replace a payment in the mempool (BIP 125) by one with a higher fee.

        Same outputs if none are given; an empty list takes all the money back.
        """
        old = self.payments[txid]
        new = self._signed(
            old.coin,
            old.outputs if outputs is None else outputs,
            fee_sat if fee_sat is not None else old.fee_sat + REPLACEMENT_STEP_SAT,
        )
        if old.change in self.coins:
            self.coins.remove(old.change)
        return self._send(new)

    def conflicting(self, txid: str, outputs: Sequence[tuple[str, int]] = ()) -> bytes:
        """A transaction that spends the same coin, signed and not sent.

        For BcoinNode.mine_block and BcoinNode.reorg(instead=…): a double spend that
        only the miner sees. With no outputs it takes the money back.
        """
        old = self.payments[txid]
        return self._signed(old.coin, outputs, old.fee_sat + 1).raw

    def forget(self, txid: str) -> None:
        """Never spend the change of a payment that will not be in the chain."""
        self.coins.remove(self.payments[txid].change)

    def raw(self, txid: str) -> bytes:
        """The bytes of a payment that this wallet made."""
        return self.payments[txid].raw

    def _signed(
        self, coin: Coin, outputs: Sequence[tuple[str, int]], fee_sat: int
    ) -> Payment:
        back_sat = coin.amount_sat - fee_sat - sum(amount for _, amount in outputs)
        assert back_sat > 0, f"{coin.amount_sat} sat are too few for {outputs}"
        paid = [(script_for(address), amount) for address, amount in outputs]
        paid.append((p2pkh(self.pubkey), back_sat))
        raw = signed(self.key, [coin], paid, RBF_SEQUENCE)
        change = Coin(txid_of(raw), len(outputs), back_sat)
        return Payment(coin, tuple(outputs), fee_sat, change, raw)

    def _send(self, payment: Payment) -> str:
        txid = self.node.send(payment.raw)
        self.payments[txid] = payment
        self.coins.append(payment.change)
        return txid
