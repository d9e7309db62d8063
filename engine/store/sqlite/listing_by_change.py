"""Payments in the order of what happened to them: their last event, or confirmation.

It goes by the events of the journal, of one merchant or of all, and shows a payment at
the event that counts: its last one for `updated`, the confirmation that stands for
`confirmed`. So no column changes with each event, and no index. What is pruned of the
journal is not listed. A place is an offset.
"""

import sqlite3

from engine.payment.model import EventType
from engine.store.further import Further
from engine.store.records import Page
from engine.store.sqlite import moments
from engine.store.sqlite.listing_rows import NEWEST, PaymentRow, by_id, fits

__all__ = ["changed"]

_EVENTS = 'SELECT "offset", payment_id, seq, type, at FROM events'
_Event = tuple[int, str, int, str, int]


def changed(
    sql: sqlite3.Connection,
    filters: dict[str, str],
    place: int | None,
    limit: int,
    further: Further,
    most: int,
) -> Page:
    """A page; it looks through `most` events at most, and so may be short and still
    have a next."""
    found: list[tuple[int, PaymentRow]] = []
    visited, wanted = 0, limit + 1
    while True:
        events = _events(sql, filters.get("merchant"), place, further, wanted)
        for event in events:
            row = _shown_at(sql, event, further)
            if row is not None and fits(row, filters, further):
                found.append((event[0], row))
        if len(found) > limit:
            return _page_of(found[:limit], found[limit - 1][0])
        if len(events) < wanted:
            return _page_of(found, None)
        visited, place = visited + wanted, events[-1][0]
        if visited >= most:
            return _page_of(found, place)
        wanted = min(3 * wanted, most - visited)


def _page_of(found: list[tuple[int, PaymentRow]], place: int | None) -> Page:
    return Page(tuple(row.payment for _, row in found), place)


def _events(
    sql: sqlite3.Connection,
    merchant: str | None,
    place: int | None,
    further: Further,
    most: int,
) -> list[_Event]:
    times = further.confirmed if further.confirmed.is_bounded else further.updated
    after, before = 0, NEWEST
    if place is not None and further.oldest_first:
        after = place
    elif place is not None:
        before = place
    if times.after is not None:
        after = max(after, moments.place_before(sql, moments.EVENTS, times.after))
    if times.before is not None:
        last = moments.place_after(sql, moments.EVENTS, times.before)
        before = before if last is None else min(before, last + 1)
    order = "" if further.oldest_first else " DESC"
    of_one = "" if merchant is None else "merchant = ? AND "
    return sql.execute(
        f'{_EVENTS} WHERE {of_one}"offset" > ? AND "offset" < ?'
        f' ORDER BY "offset"{order} LIMIT ?',
        (*(() if merchant is None else (merchant,)), after, before, most),
    ).fetchall()


def _shown_at(
    sql: sqlite3.Connection, event: _Event, further: Further
) -> PaymentRow | None:
    """The payment, if this is the event at which it is listed."""
    _, payment_id, seq, kind, at = event
    if further.confirmed.is_bounded:
        if kind != EventType.CONFIRMED or not further.confirmed.holds(at):
            return None
        row = by_id(sql, payment_id)
        if row is None or row.payment.confirmed_at != at:
            return None  # it was reversed
        return row if _is_updated_in(sql, row, further) else None
    if not further.updated.holds(at):
        return None
    row = by_id(sql, payment_id)
    return row if row is not None and row.seq == seq else None


def _is_updated_in(sql: sqlite3.Connection, row: PaymentRow, further: Further) -> bool:
    if not further.updated.is_bounded:
        return True
    found = sql.execute(
        "SELECT at FROM events WHERE payment_id = ? AND seq = ?", (row.id, row.seq)
    ).fetchone()
    return found is not None and further.updated.holds(found[0])
