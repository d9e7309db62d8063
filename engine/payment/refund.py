"""The nouns of giving money back: a refund, and where it stands. Values.

A refund is not an event: it is asked for, waits for an address or for coins, and may
be withdrawn. That it is paid is the event, `payment.refunded`, once for each.
Amounts are integer satoshi, times integer milliseconds (UTC).
"""

from enum import StrEnum

import msgspec

from engine.payment.money_terms import Worth

__all__ = ["COUNTS", "LIVING", "STEPS", "Refund", "RefundState"]


class RefundState(StrEnum):
    """Where a refund stands. The words are stored and part of the API."""

    OPEN = "open"  # its claim link waits for the payer's address
    PENDING = "pending"  # the address is known; coins are to be sent there
    PAYING = "paying"  # a signed transaction of ours is committed, and is on its way
    PAID = "paid"  # that is in the chain, and `payment.refunded` was told
    CANCELLED = "cancelled"  # withdrawn before any coin was moved
    EXPIRED = "expired"  # nobody claimed it in time


LIVING = frozenset({RefundState.OPEN, RefundState.PENDING, RefundState.PAYING})
"""They may still be paid."""

COUNTS = LIVING | {RefundState.PAID}
"""What these come to, of one payment, is never more than it received."""

STEPS: dict[RefundState | None, frozenset[RefundState]] = {
    None: frozenset({RefundState.OPEN, RefundState.PENDING}),
    RefundState.OPEN: frozenset(
        {RefundState.PENDING, RefundState.CANCELLED, RefundState.EXPIRED}
    ),
    RefundState.PENDING: frozenset(
        # It stays so while a PSBT is given out. Paid: by a wallet that is not ours.
        {
            RefundState.PENDING,
            RefundState.PAYING,
            RefundState.PAID,
            RefundState.CANCELLED,
        }
    ),
    # Its transaction can never be mined any more: it is paid anew by another one.
    RefundState.PAYING: frozenset({RefundState.PAID, RefundState.PENDING}),
    RefundState.PAID: frozenset(),
    RefundState.CANCELLED: frozenset(),
    RefundState.EXPIRED: frozenset(),
}
"""All steps that there are; the store takes each only from the state that it is in."""


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One sum that goes back to whoever paid."""

    id: str
    payment_id: str
    merchant: str
    state: RefundState
    amount_sat: int
    rate: str  # how the sum was found: then, now, given
    created_at: int
    worth: Worth | None = None
    is_by_link: bool = False  # the payer names the address
    expires_at: int = 0  # of a link; 0: there is none
    takes_fee: bool = False  # the network's fee is taken off the sum
    address: str = ""
    claimed_at: int = 0  # when the address was named
    after_height: int = 0  # outputs in blocks up to this one are older than the claim
    reason: str = ""  # the shop's note
    psbt_at: int = 0  # when one was first given out to be signed; 0: none was
    anchor: str = ""  # txid:vout of the coin that all its PSBTs spend
    psbt_least_sat: int = 0  # the least that one of them pays; 0: none was given out
    outgoing_id: str = ""
    txid: str = ""
    vout: int = 0
    fee_sat: int = 0  # of the transaction that paid it, if it was ours
    settled_at: int = 0  # paid, cancelled or expired
    by: str = ""  # whose hand, if it was one

    @property
    def is_living(self) -> bool:
        return self.state in LIVING
