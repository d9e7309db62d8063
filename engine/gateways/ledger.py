"""What the edges may ask of the ledger: part of `engine.gateway.Gateway`."""

from typing import Protocol

from engine.store.ledger_port import LedgerBalance, PostingRecord
from engine.store.writes import Conflict, LedgerEntry

__all__ = ["LedgerGateway"]


class LedgerGateway(Protocol):
    """Of one merchant's ledger, each of them. Reads are of the store as it is."""

    def balance(self, merchant: str, unit: str, account: str) -> int:
        """0: also of one to which nothing was ever posted."""

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

    def posted_for(self, cause: str) -> list[PostingRecord]:
        """What was posted for a cause that is no event."""

    def post(self, entry: LedgerEntry) -> Conflict | None:
        """Post it. A `Conflict` "cause": it was before; "balance": there is too little.
        Raises `EngineBusy`."""
