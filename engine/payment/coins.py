"""The coins of a payment that may be sent on. Pure."""

from engine.bitcoin.address import parse_address
from engine.payment.model import Payment
from engine.wallet.coin import Coin

__all__ = ["block_of", "coins_of", "deep_coins"]


def coins_of(payment: Payment) -> list[Coin]:
    """Those that may be sent on: of a payment that is paid."""
    return deep_coins(payment) if payment.counts_as_paid else []


def deep_coins(payment: Payment) -> list[Coin]:
    """Its receipts that are deep enough, if the address is of a wallet of ours. That
    they are unspent, and that a key of theirs is here, is not said."""
    terms = payment.terms
    derived = terms.derived
    if derived is None:
        return []
    script = parse_address(terms.address, terms.network).script
    required = terms.confirmations_required
    return [
        Coin(
            txid=receipt.txid,
            vout=receipt.vout,
            amount_sat=receipt.amount_sat,
            script=script,
            wallet=derived.wallet,
            index=derived.index,
            payment_id=payment.id,
            merchant=terms.merchant,
            height=receipt.block_height,
            is_coinbase=receipt.is_coinbase,
        )
        for receipt in payment.receipts
        if receipt.block_height is not None
        and receipt.confirmations >= max(receipt.depth_needed(required), 1)
    ]


def block_of(payment: Payment, txid: str) -> str:
    """The block in which a receipt's transaction was seen; empty: none."""
    blocks = (r.block_hash for r in payment.receipts if r.txid == txid)
    return next((block for block in blocks if block is not None), "")
