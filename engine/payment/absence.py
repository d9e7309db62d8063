"""What the views of late did not prove: the memory of a watcher that looks twice.

A view may leave something open: it does not list a receipt any more, or a deadline has
passed and it cannot say that nothing came. Then another is asked for, and what was open
before is remembered here until a view settles it. Pure; nearly no watcher has any.
"""

import msgspec
from msgspec.structs import replace

from engine.chain.feed import ChainView
from engine.payment.chain_rules import merely_absent
from engine.payment.model import Payment
from engine.payment.rules import proves_absence

__all__ = ["LOOK_TWICE_S", "AbsenceTracker"]

LOOK_TWICE_S = 2.0
"""A receipt that a view does not list any more is looked for again so much later."""


class AbsenceTracker(msgspec.Struct, gc=False):
    """See the module docstring. Moments are those at which the source was asked, ms."""

    absent: frozenset[tuple[str, int]] = frozenset()  # receipts that were not listed
    absent_at: int = 0
    unproven_since: float | None = None  # s, monotonic: of what a deadline asks

    @property
    def remain(self) -> bool:
        return bool(self.absent) or self.unproven_since is not None

    def looked_at_twice(
        self, payment: Payment, view: ChainView, asked_at: int
    ) -> ChainView:
        """The view; not `complete` if it is the first in which a receipt is missing."""
        absent = merely_absent(payment, view)
        if absent and absent <= self.absent:
            if asked_at >= self.absent_at + LOOK_TWICE_S * 1000:
                return view
        else:
            self.absent, self.absent_at = absent, asked_at
        return replace(view, complete=False) if absent else view

    def allow_verdict(
        self, view: ChainView, asked_at: int, deadline: int, now_s: float
    ) -> bool:
        """Whether a deadline (ms) that has passed may be judged by this view.

        `now_s`: monotonic seconds.
        """
        waited_s = 0.0
        if asked_at >= deadline and not view.complete:
            if self.unproven_since is None:
                self.unproven_since = now_s
            waited_s = now_s - self.unproven_since
        allowed = proves_absence(view, asked_at, deadline, waited_s)
        if allowed:
            self.unproven_since = None
        return allowed
