"""What is agreed of a payment that Lightning can pay, and what came. Values; parts of
`model.py`.
"""

import msgspec

from engine.lightning.agreed import Invoice

__all__ = ["LIGHTNING", "Invoice", "Settled", "lightning_key"]

LIGHTNING = "lightning"
"""The method of a payment that only Lightning can pay. One that the chain can pay, too,
has the method `onchain` and `Terms.lightning`."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of the sum of a settled invoice at its node; all of it is received.
    `amount_sat` of the receipt (gross) is in whole satoshi, rounded down, and is net,
    fee and credit together."""

    net_sat: int = 0  # what came to the node's balance
    fee_sat: int = 0  # what the node kept: a channel that it needed, say; rounded up
    credit_sat: int = 0  # what cannot be spent yet (phoenixd's fee credit); up
    msat: int = 0  # beyond whole satoshi: 0 to 999, in no sum


def lightning_key(payment_hash: str) -> str:
    """What stands in the place of the address of a payment without a chain. No address
    holds a colon."""
    return f"{LIGHTNING}:{payment_hash}"
