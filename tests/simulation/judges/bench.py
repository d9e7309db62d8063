"""Which judge has which event, and what is looked at in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView
from engine.payment.events import Event
from engine.payment.model import EventType, Payment, Status
from tests.simulation.broken import Broken
from tests.simulation.judges.arrivals import detected, late, must_tell_late
from tests.simulation.judges.book import Book
from tests.simulation.judges.case import Case
from tests.simulation.judges.deadlines import expired, let_go
from tests.simulation.judges.depth import confirmed, confirming
from tests.simulation.judges.forwards import credited, forwarded, refunded
from tests.simulation.judges.losses import reorged, replaced, reversed_
from tests.simulation.judges.news import News
from tests.simulation.judges.people import cancelled, created, updated
from tests.simulation.judges.sums import must_tell_sums, overpaid, underpaid
from tests.simulation.judges.views import is_not_as_served
from tests.simulation.record import Record

__all__ = ["JUDGES", "Judges"]

JUDGES: dict[EventType, Callable[[Case], str | None]] = {
    EventType.CREATED: created,
    EventType.DETECTED: detected,
    EventType.CONFIRMING: confirming,
    EventType.CONFIRMED: confirmed,
    EventType.EXPIRED: expired,
    EventType.UNDERPAID: underpaid,
    EventType.OVERPAID: overpaid,
    EventType.LATE: late,
    EventType.REPLACED: replaced,
    EventType.REORGED: reorged,
    EventType.REVERSED: reversed_,
    EventType.CANCELLED: cancelled,
    EventType.UPDATED: updated,
    EventType.CREDITED: credited,
    EventType.FORWARDING: forwarded,
    EventType.FORWARDED: forwarded,
    EventType.FAILED: forwarded,
    EventType.REFUNDED: refunded,
}
"""An event of another type is Broken: nobody in a world causes one."""

_BECOMES = {
    EventType.CONFIRMED: Status.CONFIRMED,
    EventType.EXPIRED: Status.EXPIRED,
    EventType.CANCELLED: Status.CANCELLED,
}


class Judges:
    """Keeps a book of every payment; has each decision judged as it is committed."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._scripts: dict[str, bytes] = {}
        self.books: dict[str, Book] = {}
        self.news = News(self.books, record)
        self.released: set[str] = set()

    def judge(self, payment: Payment, events: Sequence[Event]) -> None:
        """One decision: its events, and the payment that the engine makes of them."""
        decision: list[tuple[Book, Event]] = []
        for event in events:
            before = self._before(event)
            self._judge_one(before, event, decision)
            decision.append((before, event))
        book = self.books[payment.id]
        wrong = (
            must_tell_late(decision)
            or must_tell_sums(decision, book)
            or book.differs(payment)
        )
        if wrong is not None:
            raise Broken(f"{payment.id} #{payment.seq}: {wrong}")

    def see(self, payment_id: str, view: ChainView, asked_at: int) -> None:
        """A watcher is shown a view."""
        book, script = self.books[payment_id], self._scripts[payment_id]
        wrong = is_not_as_served(self._record, script, book.terms, view, asked_at)
        if wrong is not None:
            raise Broken(f"{payment_id} was shown what is not so: {wrong}")

    def watched_scripts(self) -> dict[str, bytes]:
        """By payment, of all that were not let go."""
        return {p: s for p, s in self._scripts.items() if p not in self.released}

    def release(self, payment_id: str, latest: int) -> None:
        wrong = let_go(self.books[payment_id], latest)
        if wrong is not None:
            raise Broken(f"{payment_id}: {wrong}")
        self.released.add(payment_id)

    def _before(self, event: Event) -> Book:
        book = self.books.get(event.payment_id)
        if book is not None:
            return book
        terms = event.data.terms
        if terms is None or terms.id != event.payment_id:
            raise Broken(f"{event.payment_id} begins with {event.type} #{event.seq}")
        self._scripts[terms.id] = parse_address(terms.address, terms.network).script
        return Book(terms)

    def _judge_one(
        self, before: Book, event: Event, earlier: list[tuple[Book, Event]]
    ) -> None:
        name = event.payment_id
        shown = self._record.shown.get(name, [])
        case = Case(
            record=self._record,
            script=self._scripts[name],
            before=before,
            event=event,
            earlier=earlier,
            views=[one for one in shown[-20:] if one.at == event.at],
            history=shown,
        )
        judge = JUDGES.get(event.type)
        wrong = "nobody asked for that" if judge is None else judge(case)
        after = before.copy()
        if wrong is None:
            after.enter(event)
            wrong = self._in_all(before, event, after)
        if wrong is not None:
            raise Broken(f"{name} #{event.seq} {event.type}: {wrong}")
        self.books[name] = after
        for receipt in event.data.receipts:
            if receipt.block_height is not None:
                top = receipt.block_height + receipt.confirmations - 1
                self._record.on_tip_written(top)

    def _in_all(self, before: Book, event: Event, after: Book) -> str | None:
        """What must be so of every event, whatever it tells."""
        goes_out = event.data.forward is not None or event.data.refund is not None
        if before.terms.id in self.released and not goes_out:
            return "the payment was let go"
        if event.seq != before.seq + 1:
            return f"it follows #{before.seq}"
        said = event.status, event.flags, event.received_sat, event.confirmations
        status = _status_after(before, event, after)
        so = status, after.flags, after.received_sat, after.depth
        return None if said == so else f"it says {said}, the record {so}"


def _status_after(before: Book, event: Event, after: Book) -> Status:
    became = _BECOMES.get(event.type)
    if became is not None:
        return became
    if event.data.forward is not None:
        return after.status_by_parts()
    if event.type is EventType.REVERSED:
        return Status.CONFIRMING if after.receipts else Status.PENDING
    if event.type is EventType.REPLACED and before.status is Status.CONFIRMING:
        return Status.CONFIRMING if after.receipts else Status.PENDING
    if event.data.verified and (
        before.status is Status.PENDING
        or (before.status is Status.EXPIRED and after.is_paid)
    ):
        return Status.CONFIRMING
    return before.status
