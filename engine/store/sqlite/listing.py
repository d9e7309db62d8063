"""Payments as they are listed: by any choice of filters, page by page.

Each choice has an index to go by, so that a page costs what it shows and nothing by
what others have stored. Newest first in the order of creation, or the oldest; by what
happened to them (`updated`, `confirmed`) in `listing_by_change.py`.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

import msgspec

from engine.payment.model import Payment, Status, Terms
from engine.payment.order import MAX_PAYMENTS
from engine.store.further import ALL, Further
from engine.store.records import Page
from engine.store.sqlite import moments, search
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.listing_by_change import changed
from engine.store.sqlite.listing_rows import (
    NEWEST,
    PaymentRow,
    Span,
    by_rank,
    each,
    fits,
    one_moment,
)

__all__ = ["VISITED", "at_address", "list_payments", "payments_of_order"]

VISITED = 1_000
"""Payments that one page of a listing looks through for those that it lists."""

_OF_MERCHANTS = (
    "SELECT merchant FROM payments WHERE merchant > ?1 ORDER BY merchant LIMIT 1"
)
_OF_ORDER = (
    "SELECT merchant FROM payments WHERE external_id = ? AND merchant > ?"
    " ORDER BY merchant LIMIT 1"
)


def at_address(
    sql: sqlite3.Connection, address: str, limit: int
) -> Iterator[tuple[bytes, int | None]]:
    """Payments to an address, as (state, crc): who watches it first, then earlier ones,
    newest first. The one is in one small index, the others are in another."""
    yield from sql.execute(
        "SELECT state, crc FROM payments WHERE address = ? AND watched = 1", (address,)
    )
    yield from sql.execute(
        "SELECT state, crc FROM payments WHERE address = ? AND watched = 0 AND rank < ?"
        " ORDER BY rank DESC LIMIT ?",  # without the rank it may be sorted
        (address, NEWEST, limit),
    )


def list_payments(
    sql: sqlite3.Connection,
    filters: dict[str, str],
    place: int | None,
    limit: int,
    further: Further = ALL,
) -> Page:
    """`filters` may name status, external_id, address, merchant. `place`: where an
    earlier page ended.

    Each choice of filters has an index to go by, but for some that only one merchant
    can make long: an order number, an address or a sum of so many payments that a page
    looks through `VISITED` of them at most. Such a page may be short and still have a
    next.
    """
    with one_moment(sql):
        if further.by_change:
            return changed(sql, filters, place, limit, further, VISITED)
        rows, next_place = _page(sql, filters, place, limit, further)
    return Page(tuple(row.payment for row in rows), next_place)


def _page(
    sql: sqlite3.Connection,
    filters: dict[str, str],
    place: int | None,
    limit: int,
    further: Further,
) -> tuple[list[PaymentRow], int | None]:
    """Rows that fit, and where the next page begins; some more are looked at each time
    that too few of the last did."""
    found: list[PaymentRow] = []
    visited, wanted = 0, limit + 1
    while True:
        span = _span(sql, place, wanted, further)
        ranks = span.first(_ranks(sql, filters, span, further))
        found += [row for row in by_rank(sql, ranks) if fits(row, filters, further)]
        if len(found) > limit:
            return found[:limit], found[limit - 1].rank
        if len(ranks) < wanted:
            return found, None
        visited, place = visited + wanted, ranks[-1]
        if visited >= VISITED:
            return found, place
        wanted = min(3 * wanted, VISITED - visited)


def _span(
    sql: sqlite3.Connection, place: int | None, limit: int, further: Further
) -> Span:
    """What is left to list, as far as time and an earlier page say."""
    after, before, created = 0, NEWEST, further.created
    if place is not None and further.oldest_first:
        after = place
    elif place is not None:
        before = place
    if created.after is not None:
        first = moments.place_before(sql, moments.PAYMENTS, created.after)
        after = max(after, first)
    if created.before is not None:
        last = moments.place_after(sql, moments.PAYMENTS, created.before)
        before = before if last is None else min(before, last + 1)
    return Span(after, before, limit, further.oldest_first)


def _ranks(
    sql: sqlite3.Connection, filters: dict[str, str], span: Span, further: Further
) -> list[int]:
    """Of the payments in the span at least the first that fit, and few others."""
    merchant = filters.get("merchant")
    if further.sought is not None:
        order = further.sought.text
        names = each(sql, _OF_ORDER, order) if merchant is None else [merchant]
        return search.ranks_of(sql, further.sought, merchant, names, span)
    if "address" in filters:
        value = (filters["address"],)
        one = span.ranks(sql, "address = ? AND watched = 1", value)
        return one + span.ranks(sql, "address = ? AND watched = 0", value)
    if "external_id" in filters:
        order = filters["external_id"]
        names = each(sql, _OF_ORDER, order) if merchant is None else [merchant]
        where = "external_id = ? AND merchant = ?"
        return [r for name in names for r in span.ranks(sql, where, (order, name))]
    if merchant is None and "status" not in filters and further.flag is None:
        return span.ranks(sql, "rank IS NOT NULL")
    merchants = each(sql, _OF_MERCHANTS) if merchant is None else [merchant]
    if further.flag is not None:
        where = "merchant = ? AND flags != 0"
        return [r for name in merchants for r in span.ranks(sql, where, (name,))]
    status = filters.get("status")
    statuses = [one.value for one in Status] if status is None else [status]
    return [
        rank
        for name in merchants
        for one in statuses
        for rank in span.ranks(sql, "merchant = ? AND status = ?", (name, one))
    ]


def payments_of_order(sql: sqlite3.Connection, terms: Terms) -> list[Payment]:
    """The newest `MAX_PAYMENTS` of the order that these terms are of, but for damaged
    ones. For the writer, in its transaction: nothing that it finds may stop it."""
    query = (
        "SELECT rank FROM payments WHERE external_id = ? AND merchant = ?"
        " ORDER BY rank DESC LIMIT ?"
    )
    values = terms.external_id, terms.merchant, MAX_PAYMENTS
    ranks = [rank for (rank,) in sql.execute(query, values)]
    found = []
    for row in by_rank(sql, ranks):
        with contextlib.suppress(Damaged, msgspec.MsgspecError):
            found.append(row.payment)
    return found
