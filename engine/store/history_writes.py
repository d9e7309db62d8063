"""Rows of the past in numbers: parts of `engine.store.writes`."""

import msgspec

from engine.payment.history import Sum

__all__ = ["AddHistory", "ForgetHistory", "HistoryRow"]


class AddHistory(msgspec.Struct, frozen=True):
    """Add to the sums that are kept.

    Those of the events after one offset up to another: only if all events up to the
    first are in them, and none after it (`Committed.changed` 0: it is not so, and
    nothing was done). So an event is added once, whoever tries, and however often. With
    `through` None they are no events' (what the node was found to be).
    """

    sums: tuple[Sum, ...]
    after: int = 0
    through: int | None = None


class ForgetHistory(msgspec.Struct, frozen=True):
    """So many sums at most of a step go that began before (s)."""

    step_s: int
    before: int
    limit: int


HistoryRow = AddHistory | ForgetHistory
