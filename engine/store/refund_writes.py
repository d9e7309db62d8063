"""Rows of refunds: parts of `engine.store.writes`.

Both look, in the transaction that writes them, at what only the store knows of one
moment. What stands in the way is a `Conflict` whose `what` is "refund" and whose
`detail` is a sentence for people; another `seq` of the payment is the usual one.
"""

import msgspec

from engine.payment.refund import Refund, RefundState

__all__ = ["MoveRefund", "OpenRefund"]


class OpenRefund(msgspec.Struct, frozen=True):
    """A new refund. It is there only if, with all others of its payment that are paid
    or may yet be, it is within what came in.

    `seq`: of the payment as it was looked at for `most_sat`; as it moves on, that may
    be another sum.
    """

    refund: Refund
    seq: int
    most_sat: int  # that all refunds of the payment may come to
    most_of_payment: int  # refunds of it, in whatever state
    most_of_merchant: int  # living ones


class MoveRefund(msgspec.Struct, frozen=True):
    """The refund as it is after a step. It is taken from this state only: of any number
    of hands that would, one does. One that is paid may only name another transaction.

    Nor is one withdrawn, or paid by us, by a hand that does not know that a PSBT for it
    was given out.

    `seq`: the payment must be as it was at this event; else it is another sum that may
    go back. None: whatever became of it.
    """

    refund: Refund
    before: RefundState
    seq: int | None = None

    def overlooks(self, stored: Refund) -> bool:
        """Whether this step would make a PSBT that is out pay beside it."""
        must_know = self.refund.state in {RefundState.CANCELLED, RefundState.PAYING}
        return must_know and stored.psbt_at != self.refund.psbt_at
