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

    Nor is a step taken by a hand that does not know of what may pay the refund beside
    it: withdrawn, or paid by us, while a PSBT for it was given out; withdrawn, or given
    out as a PSBT, when a transaction of ours for it was made.

    `seq`: the payment must be as it was at this event; else it is another sum that may
    go back. None: whatever became of it.
    """

    refund: Refund
    before: RefundState
    seq: int | None = None

    def overlooks(self, stored: Refund) -> str:
        """What may pay beside this step and was not known to whoever takes it, as a
        sentence. Empty: nothing."""
        after, was = self.refund.state, self.before
        is_withdrawn = after is RefundState.CANCELLED
        is_given_out = was is after is RefundState.PENDING
        knows_psbt = stored.psbt_at == self.refund.psbt_at
        knows_sent = stored.outgoing_id == self.refund.outgoing_id
        if (is_withdrawn or after is RefundState.PAYING) and not knows_psbt:
            return "a PSBT for this refund has just been given out"
        if (is_withdrawn or is_given_out) and not knows_sent:
            return "a transaction for this refund has just been made"
        return ""
