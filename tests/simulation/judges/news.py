"""Money that was shown and must be told of: also by a source that is behind.

A judge of an event sees what should not be. Here is kept what a watcher was shown and
has not told yet; when the process and its disk have been well for long enough, nothing
may be left. A view that could know of it and shows it no more ends the wait. What took
the place of money that is still counted is told when that may be taken away, and not
before: both are never counted (docs/states.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.chain.feed import ChainView
from tests.simulation.judges.book import Book
from tests.simulation.judges.case import is_old
from tests.simulation.record import Outpoint, Record, outpoint_of

__all__ = ["News"]

MOST_SAT = 21_000_000 * 100_000_000
"""A view with more than that is no evidence of anything."""


class News:
    """See the module docstring. `books`: by payment, kept by the judges."""

    def __init__(self, books: Mapping[str, Book], record: Record) -> None:
        self._books = books
        self._record = record
        self._first: dict[str, dict[Outpoint, int]] = {}  # true ms, by payment
        self._last: dict[str, int] = {}  # true ms: when it was shown anything

    def on_shown(self, payment_id: str, view: ChainView, true_ms: int) -> None:
        book = self._books[payment_id]
        self._last[payment_id] = true_ms
        before = self._first.pop(payment_id, {})
        if sum(output.amount_sat for output in view.outputs) > MOST_SAT:
            return
        found = {
            key: before.get(key, true_ms)
            for output in view.outputs
            if (key := outpoint_of(output)) not in book.receipts
            and key not in book.terms.ignore
            and output.verified_by_source
            and not is_old(book.terms, output)
            and not self._replaces(book, view.source, output.txid)
        }
        if found:
            self._first[payment_id] = found

    def _replaces(self, book: Book, source: str, txid: str) -> bool:
        """Whether the source showed it in the place of what is counted, or of what was
        in the place of that."""
        rivals, looked_at = self._record.rivals(source), set[str]()
        counted = {k[0] for k, r in book.receipts.items() if r.block_hash is None}
        place = [txid]
        while place:
            one = place.pop()
            if one not in looked_at:
                looked_at.add(one)
                place += rivals.put_out_by(one)
        return not counted.isdisjoint(looked_at - {txid})

    def forget(self) -> None:
        """The process died: it knows no more what it was shown. The next view shows it
        again, whenever a source has one."""
        self._first.clear()

    def shown_at(self, payment_id: str) -> int:
        """True ms of the last view that its watcher was given, in any process."""
        return self._last.get(payment_id, 0)

    def untold(self, payment_id: str, until: int) -> Outpoint | None:
        """What was shown before `until` (true ms), and ever since, and is not told."""
        book = self._books[payment_id]
        for key, since in self._first.get(payment_id, {}).items():
            if since < until and key not in book.receipts:
                return key
        return None
