"""Payments as they are listed: by any choice of filters, newest first, page by page.

Each choice has an index to go by, so that a page costs what it shows and nothing by
what others have stored. What these share with the other queries is here too.
"""

import contextlib
import heapq
import sqlite3
from collections.abc import Iterator

import msgspec

from engine.payment.model import Payment, Status, Terms
from engine.payment.order import MAX_PAYMENTS
from engine.store.records import Page
from engine.store.sqlite.checksum import Damaged, stored_state

__all__ = [
    "NEWEST",
    "at_address",
    "list_payments",
    "one_moment",
    "payment_of",
    "payments_of_order",
]

_PAYMENTS = "SELECT rank, status, merchant, state, crc FROM payments"
_PaymentRow = tuple[int, str, str, bytes, int | None]

VISITED = 1_000
"""Payments that one page of a listing looks through for those that it lists."""

_LONG = {"address", "external_id"}
"""Filters of whose payments there may be many that the others leave out."""

NEWEST = 1 << 62  # above every rank

_payment_decoder = msgspec.json.Decoder(Payment)


def payment_of(state: bytes, crc: int | None) -> Payment:
    return _payment_decoder.decode(stored_state(state, crc))


@contextlib.contextmanager
def one_moment(sql: sqlite3.Connection) -> Iterator[None]:
    """What is read in here is of one moment, whatever is committed meanwhile."""
    sql.execute("BEGIN")
    try:
        yield
    finally:
        sql.execute("COMMIT")


def at_address(
    sql: sqlite3.Connection, address: str, before: int, limit: int
) -> Iterator[_PaymentRow]:
    """Payments to an address: who watches it first, then earlier ones, newest first.
    The one is in one small index, the others are in another."""
    yield from sql.execute(
        _PAYMENTS + " WHERE address = ? AND watched = 1 AND rank < ?",
        (address, before),
    )
    yield from sql.execute(
        _PAYMENTS + " WHERE address = ? AND watched = 0 AND rank < ?"
        " ORDER BY rank DESC LIMIT ?",
        (address, before, limit),
    )


def list_payments(
    sql: sqlite3.Connection,
    filters: dict[str, str],
    before_rank: int | None,
    limit: int,
) -> Page:
    """Newest first. `filters` may name status, external_id, address, merchant.

    Each choice of filters has an index to go by, but for some that only one merchant
    can make long: an order number or an address of so many payments that a page looks
    through `VISITED` of them at most. Such a page may be short and still have a next.
    """
    before = before_rank or NEWEST
    with one_moment(sql):
        if "address" in filters:
            rows = [*at_address(sql, filters["address"], before, VISITED)]
        elif "external_id" in filters:
            rows = _of_order(sql, filters, before)
        else:
            rows = [*_by_rank(sql, _ranks(sql, filters, before, limit + 1))]
    rows.sort(reverse=True)
    is_cut = False
    if not filters.keys().isdisjoint(_LONG):
        is_cut = len(rows) >= VISITED
        del rows[VISITED:]
    known = [("status", 1), ("merchant", 2)]
    wanted = [(at, filters[name]) for name, at in known if name in filters]
    fitting = [row for row in rows if all(row[at] == w for at, w in wanted)]
    page = fitting[:limit]
    next_rank = None
    if len(fitting) > limit:
        next_rank = page[-1][0]
    elif is_cut:
        next_rank = rows[-1][0]
    return Page(tuple(payment_of(state, crc) for *_, state, crc in page), next_rank)


def _of_order(
    sql: sqlite3.Connection, filters: dict[str, str], before: int
) -> list[_PaymentRow]:
    """The newest payments of an order number: of one merchant, or of each."""
    order, merchant = filters["external_id"], filters.get("merchant")
    query = (
        "SELECT merchant FROM payments WHERE external_id = ? AND merchant > ?"
        " ORDER BY merchant LIMIT 1"
    )
    merchants = _each(sql, query, order) if merchant is None else [merchant]
    ranks = (
        rank
        for name in merchants
        for (rank,) in sql.execute(
            "SELECT rank FROM payments WHERE external_id = ? AND merchant = ?"
            " AND rank < ? ORDER BY rank DESC LIMIT ?",
            (order, name, before, VISITED),
        )
    )
    return [*_by_rank(sql, heapq.nlargest(VISITED, ranks))]


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
    for *_, state, crc in _by_rank(sql, ranks):
        with contextlib.suppress(Damaged, msgspec.MsgspecError):
            found.append(payment_of(state, crc))
    return found


def _ranks(
    sql: sqlite3.Connection, filters: dict[str, str], before: int, limit: int
) -> list[int]:
    """The newest payments of a merchant, of a status, or of both; or of all."""
    if not filters:
        query = "SELECT rank FROM payments WHERE rank < ? ORDER BY rank DESC LIMIT ?"
        return [rank for (rank,) in sql.execute(query, (before, limit))]
    query = (
        "SELECT merchant FROM payments WHERE merchant > ?1 ORDER BY merchant LIMIT 1"
    )
    merchant, status = filters.get("merchant"), filters.get("status")
    merchants = _each(sql, query) if merchant is None else [merchant]
    statuses = [each.value for each in Status] if status is None else [status]
    ranks = (
        rank
        for name in merchants
        for each in statuses
        for (rank,) in sql.execute(
            "SELECT rank FROM payments WHERE merchant = ? AND status = ?"
            " AND rank < ? ORDER BY rank DESC LIMIT ?",
            (name, each, before, limit),
        )
    )
    return heapq.nlargest(limit, ranks)


def _each(sql: sqlite3.Connection, query: str, *fixed: str) -> Iterator[str]:
    """Each merchant once, by jumps in an index: `query` finds the next after one."""
    last = ""
    while row := sql.execute(query, (*fixed, last)).fetchone():
        last = row[0]
        yield last


def _by_rank(sql: sqlite3.Connection, ranks: list[int]) -> Iterator[_PaymentRow]:
    for rank in ranks:
        yield sql.execute(_PAYMENTS + " WHERE rank = ?", (rank,)).fetchone()
