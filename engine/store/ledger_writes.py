"""Entries of the ledger that no event causes: parts of `engine.store.writes`."""

import msgspec

from engine.money.ledger import Posting

__all__ = ["LedgerEntry"]


class LedgerEntry(msgspec.Struct, frozen=True):
    """Postings with a cause of their own: a debit, an outgoing transaction.

    Conflict "cause": something was booked for it before. Conflict "balance": one of the
    accounts in `at_least_zero` (unit, account) would be, or stay, below zero; that is
    seen in the transaction that would bring it about, after all that was written before
    it. (What an event causes is booked with the event, and needs no entry.)
    """

    merchant: str
    cause: str  # unique in the whole ledger, for ever
    kind: str  # what it is, in a word: debit, sweep …
    at: int  # ms
    postings: tuple[Posting, ...]
    at_least_zero: tuple[tuple[str, str], ...] = ()
    note: str = ""
