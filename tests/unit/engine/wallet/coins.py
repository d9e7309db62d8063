"""Coins of keys that follow from a number, the transactions that made them, and the
judge of what is signed: Bitcoin Core's own script code."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import pbk
from pbk.script import PrecomputedTransactionData

from engine.bitcoin.signed_tx import TxIn, make_tx
from engine.chain.feed import TxOut
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.secret_key import SecretKey
from engine.wallet.signing import Signed

__all__ = ["KINDS", "TIP", "TestKeys", "coin", "judge", "made_coin", "previous_of"]

KINDS: tuple[SpendKind, ...] = ("p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr")
TIP = 1_000


class TestKeys:
    """The key of a coin follows from its wallet and index."""

    __test__ = False

    def key_of(self, coin: Coin) -> SecretKey:
        return key(coin.wallet, coin.index)


def key(wallet: str, index: int) -> SecretKey:
    return SecretKey(sha256(f"{wallet} {index}".encode()).digest())


def made_coin(
    kind: SpendKind, index: int, amount_sat: int, payment_id: str = ""
) -> tuple[Coin, bytes]:
    """A coin, and the raw transaction that made it (its second output)."""
    script = key("wal_test", index).script(kind)
    source = TxIn(sha256(f"source {kind} {index}".encode()).hexdigest(), 7)
    tx = make_tx(
        [source], [TxOut(b"\x00\x14" + bytes(20), 999), TxOut(script, amount_sat)]
    )
    made = Coin(
        txid=tx.txid,
        vout=1,
        amount_sat=amount_sat,
        script=script,
        wallet="wal_test",
        index=index,
        payment_id=payment_id or f"pay_{index}",
        merchant="shop",
        height=TIP - 10,
    )
    return made, tx.raw


def coin(kind: SpendKind, index: int, amount_sat: int, payment_id: str = "") -> Coin:
    return made_coin(kind, index, amount_sat, payment_id)[0]


def previous_of(coins: Iterable[Coin], kinds: Sequence[SpendKind]) -> dict[str, bytes]:
    """The raw transactions that made these coins, each of its kind."""
    return {
        c.txid: made_coin(kind, c.index, c.amount_sat)[1]
        for c, kind in zip(coins, kinds, strict=True)
    }


def judge(signed: Signed | bytes, spent: Sequence[TxOut]) -> bool:
    """Whether Bitcoin Core's consensus code takes every input of it."""
    raw = signed if isinstance(signed, bytes) else signed.raw
    tx = pbk.Transaction(raw)
    outputs = [
        pbk.TransactionOutput(pbk.ScriptPubkey(out.script), out.amount_sat)
        for out in spent
    ]
    known = PrecomputedTransactionData(tx, outputs)
    return all(
        pbk.ScriptPubkey(out.script).verify(
            out.amount_sat, tx, known, index, pbk.ScriptVerificationFlags.ALL
        )
        for index, out in enumerate(spent)
    )
