"""Postings of money on its way out: to its owner, back to payers, to miners. Pure.

Each function takes differences: less than before goes back where it came from. What it
says of one cause (an event, or a row of `engine.store.ledger_writes`) is booked once.
"""

from engine.money.ledger import FEES, ONCHAIN, OWN, REFUNDS, SAT, Posting, moved
from engine.money.worth import Quoted, Worth, at_rate, quoted_in

__all__ = ["refunded", "swept"]


def swept(
    swept_sat: int, fee_sat: int, quote: Quoted | None = None, source: str = ONCHAIN
) -> tuple[Posting, ...]:
    """So much of a payment's money has left our addresses (or the `source` where it
    came by Lightning) for its owner, and of that `fee_sat` for the miners or the
    network; the difference from what was booked before."""
    arrived = swept_sat - fee_sat
    found: list[Posting] = []
    if arrived:
        worth = at_rate(arrived, quote)
        found.append(moved(SAT, source, OWN, arrived, worth))
    if fee_sat:
        worth = at_rate(fee_sat, quote)
        found.append(moved(SAT, source, FEES, fee_sat, worth))
    return tuple(found)


def refunded(
    amount_sat: int, fee_sat: int, worth: Worth | None = None, *, is_ours: bool = True
) -> tuple[Posting, ...]:
    """So much went back to the payer, and `fee_sat` beside it to the miners: of coins
    at our addresses, or (`is_ours` False) of the owner's wallet."""
    source = ONCHAIN if is_ours else OWN
    found: list[Posting] = []
    if amount_sat:
        found.append(moved(SAT, source, REFUNDS, amount_sat, worth))
    if fee_sat:
        cost = at_rate(fee_sat, quoted_in(worth))
        found.append(moved(SAT, source, FEES, fee_sat, cost))
    return tuple(found)
