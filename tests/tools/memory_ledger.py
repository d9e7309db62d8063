"""The ledger of the store in memory: postings in a list, balances counted anew."""

from collections.abc import Iterable

from msgspec.structs import replace

from engine.money.ledger import balances
from engine.payment.booking import postings_of
from engine.payment.events import Event
from engine.payment.model import Terms
from engine.store.ledger_port import LedgerBalance, PostingRecord
from engine.store.ledger_writes import LedgerEntry
from tests.tools.memory_rows import Refused, Tables

__all__ = ["MemoryLedger", "post_event", "post_row"]


def post_event(tables: Tables, event: Event, terms: Terms) -> None:
    name, merchant = event.payment_id, terms.merchant
    for leg, posting in enumerate(postings_of(event, terms)):
        kind, at = event.type.value, event.at
        _add(
            tables,
            PostingRecord(0, at, merchant, name, event.seq, "", leg, kind, posting),
        )


def post_row(tables: Tables, row: LedgerEntry) -> int:
    for leg, posting in enumerate(row.postings):
        record = PostingRecord(
            0, row.at, row.merchant, "", 0, row.cause, leg, row.kind, posting, row.note
        )
        _add(tables, record)
    sums = _sums(tables.ledger.values(), row.merchant)
    for account in row.at_least_zero:
        if sums.get(account, 0) < 0:
            raise Refused("balance", f"{account} is below zero")
    return len(row.postings)


def _add(tables: Tables, record: PostingRecord) -> None:
    def key(one: PostingRecord) -> tuple[object, ...]:
        return one.payment_id, one.seq, one.cause, one.leg

    if any(key(one) == key(record) for one in tables.ledger.values()):
        raise Refused("cause", f"{key(record)} was booked before")
    number = max(tables.ledger, default=0) + 1
    tables.put(tables.ledger, number, replace(record, id=number))


def _sums(
    records: Iterable[PostingRecord], merchant: str
) -> dict[tuple[str, str], int]:
    return balances(one.posting for one in records if one.merchant == merchant)


class MemoryLedger:
    """Implements `LedgerReader`."""

    _tables: Tables

    def balance(self, merchant: str, unit: str, account: str) -> int | None:
        return _sums(self._tables.ledger.values(), merchant).get((unit, account))

    def balances(
        self, merchant: str, after: tuple[str, str], limit: int
    ) -> list[LedgerBalance]:
        sums = sorted(_sums(self._tables.ledger.values(), merchant).items())
        return [LedgerBalance(*key, amount) for key, amount in sums if key > after][
            :limit
        ]

    def postings(
        self, merchant: str, user: str | None, after: int, limit: int
    ) -> list[PostingRecord]:
        found = self._of(merchant, user)
        return [one for one in found if one.id > after][:limit]

    def postings_before(
        self, merchant: str, user: str, before: int | None, limit: int
    ) -> list[PostingRecord]:
        found = self._of(merchant, user)[::-1]
        return [one for one in found if before is None or one.id < before][:limit]

    def postings_of(self, payment_id: str, cause: str = "") -> list[PostingRecord]:
        return [
            one
            for one in self._tables.ledger.values()
            if one.payment_id == payment_id and (payment_id or one.cause == cause)
        ]

    def _of(self, merchant: str, user: str | None) -> list[PostingRecord]:
        return [
            one
            for one in self._tables.ledger.values()
            if one.merchant == merchant and user in {None, one.posting.user}
        ]
