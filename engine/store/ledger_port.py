"""What may be asked of the ledger: part of `engine.store.port.StoreReader`, and the
records that it answers with. A ledger is one merchant's."""

from typing import Protocol

import msgspec

from engine.money.ledger import Posting

__all__ = ["LedgerBalance", "LedgerReader", "PostingRecord"]


class PostingRecord(msgspec.Struct, frozen=True, gc=False):
    """A posting as it is kept; ids grow in the order of posting, over all merchants."""

    id: int
    at: int  # ms
    merchant: str
    payment_id: str  # empty: of no payment
    seq: int  # of the event that caused it; 0: no event did
    cause: str  # of others: what it is; empty of an event's
    leg: int  # its place among the postings of its cause
    kind: str  # the event's type; opening, debit …
    posting: Posting
    note: str = ""


class LedgerBalance(msgspec.Struct, frozen=True, gc=False):
    """What came into an account less what went out, in one unit."""

    unit: str
    account: str
    balance: int


class LedgerReader(Protocol):
    """Port: each call sees one moment. Raises what `StoreReader` raises."""

    def balance(self, merchant: str, unit: str, account: str) -> int | None:
        """None: nothing was ever posted to it."""

    def balances(
        self, merchant: str, after: tuple[str, str], limit: int
    ) -> list[LedgerBalance]:
        """The next ones after this unit and account, in the order of both."""

    def postings(
        self, merchant: str, user: str | None, after: int, limit: int
    ) -> list[PostingRecord]:
        """The next ones after this id, oldest first: all, or those of one user."""

    def postings_before(
        self, merchant: str, user: str, before: int | None, limit: int
    ) -> list[PostingRecord]:
        """Of one user, newest first."""

    def postings_of(self, payment_id: str, cause: str = "") -> list[PostingRecord]:
        """Of one payment; or, with an empty `payment_id`, of that cause."""
