"""Which of very many outputs one payment follows: dust must not hide money. Pure.

Each receipt is an event and a place in the payment's record, so there is an end to
them. Up to `MAX_RECEIPTS` every output is followed. Beyond, money is followed by its
size: each size (a power of four) has `SEATS` of its own. So who wants to hide a
payment must himself send twenty outputs of about its amount.

What is left out is noted, and its sum counts where it matters: nothing expires of which
the chain shows enough (`EventBuilder.left_out_sat`).
"""

from collections import Counter
from collections.abc import Sequence

from engine.chain.feed import Output
from engine.money.amount import MAX_SAT
from engine.payment.model import MAX_RECEIPTS, Receipt

__all__ = ["MOST_RECEIPTS", "SEATS", "followed"]

SEATS = 20
"""Outputs of one size that are followed whatever there is of other sizes."""


def _size(amount_sat: int) -> int:
    """1 to 3 sat are of one size, 4 to 15 of the next, and so on."""
    return (amount_sat.bit_length() + 1) // 2


MOST_RECEIPTS = MAX_RECEIPTS + SEATS * _size(MAX_SAT)
"""No payment has more receipts of the chain than this."""


def followed(known: Sequence[Receipt], fresh: Sequence[Output]) -> list[Output]:
    """Those of the new outputs for which there is room, the largest first."""
    known = [receipt for receipt in known if not receipt.is_lightning]
    room = MAX_RECEIPTS - len(known)
    if len(fresh) <= room:
        return list(fresh)
    largest_first = sorted(fresh, key=lambda output: -output.amount_sat)
    chosen = largest_first[: max(room, 0)]
    of_size = Counter(_size(receipt.amount_sat) for receipt in known)
    of_size.update(_size(output.amount_sat) for output in chosen)
    for output in largest_first[len(chosen) :]:
        size = _size(output.amount_sat)
        if of_size[size] < SEATS:
            of_size[size] += 1
            chosen.append(output)
    assert len(known) + len(chosen) <= MOST_RECEIPTS, (len(known), len(chosen))
    return chosen
