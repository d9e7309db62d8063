"""Every payment of the database beside the fold of its events; the projection mended.

The `payments` table is what a start reads; the events are what counts. Works on one
payment at a time, so memory does not grow with the journal. Offline: no node may hold
the database while it is mended.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

import msgspec

from engine.errors import BrokenSequence
from engine.payment.events import Event, decode
from engine.payment.model import Payment
from engine.payment.search import flag_bits
from engine.store.replay import UNFOLDABLE, Difference, fold
from engine.store.sqlite import invoices, search
from engine.store.sqlite.checksum import Damaged, is_event, state_crc, stored_state

__all__ = [
    "count_events",
    "differences",
    "missing_events",
    "rebuild",
]

_Row = tuple[int, str, int, str, int, str, bytes, int | None]

_payments = msgspec.json.Decoder(Payment)


def count_events(sql: sqlite3.Connection) -> int:
    row = sql.execute("SELECT count(*) FROM events").fetchone()
    return int(row[0])


def missing_events(sql: sqlite3.Connection) -> int:
    """How many were taken out of the journal by no one who may: its offsets have no
    gaps but for what retention took, which is counted."""
    last, count, pruned = sql.execute(
        'SELECT coalesce(max("offset"), 0), count(*),'
        " (SELECT coalesce(sum(events), 0) FROM pruned) FROM events"
    ).fetchone()
    return int(last) - int(count) - int(pruned)


def differences(sql: sqlite3.Connection) -> Iterator[tuple[int, Difference | None]]:
    """Go through every payment: (events read, what is wrong or None), one each."""
    has_lost = missing_events(sql) > 0
    rows = sql.execute(
        'SELECT "offset", payment_id, seq, type, at, merchant, body, crc FROM events'
        " ORDER BY payment_id, seq"
    )
    for payment_id, group in groupby(rows, key=lambda row: row[1]):
        stored = list(group)
        yield len(stored), _compare(sql, payment_id, stored, has_lost)
    without = sql.execute(
        "SELECT id, seq, pruned_seq, watched FROM payments p WHERE NOT EXISTS"
        " (SELECT 1 FROM events WHERE payment_id = p.id)"
    )
    for payment_id, seq, pruned_seq, watched in without:
        if pruned_seq == 0:
            yield 0, Difference(payment_id, "a payment without any event", 0)
        elif pruned_seq != seq or watched:
            detail = f"its snapshot is of seq {pruned_seq}, but it is at seq {seq}"
            yield 0, Difference(payment_id, detail, 0)
        else:
            yield 0, None  # the snapshot is all there is, and has its own checksum


def _compare(
    sql: sqlite3.Connection,
    payment_id: str,
    stored: list[_Row],
    has_lost: bool,
) -> Difference | None:
    count = len(stored)
    try:
        rebuilt = fold([_checked(row) for row in stored])
    except UNFOLDABLE as error:
        return Difference(payment_id, f"cannot be folded: {error}", count)
    row = sql.execute(
        "SELECT merchant, address, external_id, created_at, status, seq, state, crc"
        " FROM payments WHERE id = ?",
        (payment_id,),
    ).fetchone()
    if row is None:
        detail = "has events but is missing from the projection"
        return Difference(payment_id, detail, count, rebuilt)
    *columns, state, crc = row
    if columns == _columns(rebuilt) and _is_state(state, crc, rebuilt):
        return None
    status, seq = columns[-2:]
    if has_lost and seq > rebuilt.seq:
        detail = f"its events after seq {rebuilt.seq} are missing, up to seq {seq}"
        return Difference(payment_id, detail, count)
    detail = f"projection says {status} at seq {seq}, its events {rebuilt.status}"
    return Difference(payment_id, f"{detail} at seq {rebuilt.seq}", count, rebuilt)


def _checked(row: _Row) -> Event:
    """The event of a row, whose columns must say the same as its body."""
    _, payment_id, seq, kind, _, _, body, crc = row
    event = decode(body)
    if (event.payment_id, event.seq, event.type) != (payment_id, seq, kind):
        raise BrokenSequence(f"row {seq} ({kind}) holds another event")
    if not is_event(crc, *row[:-1]):
        raise BrokenSequence(f"row {seq} ({kind}) is not as it was written")
    return event


def _columns(payment: Payment) -> list[object]:
    terms = payment.terms
    return [
        terms.merchant,
        terms.address,
        terms.external_id,
        terms.created_at,
        payment.status,
        payment.seq,
    ]


def _is_state(state: bytes, crc: int | None, payment: Payment) -> bool:
    try:
        return _payments.decode(stored_state(state, crc)) == payment
    except (Damaged, msgspec.MsgspecError, ValueError, TypeError):
        return False


def rebuild(sql: sqlite3.Connection, payments: list[Payment]) -> None:
    """Cast the projection of these payments anew, in one transaction.

    A payment that was missing altogether is watched again.
    """
    sql.execute("BEGIN IMMEDIATE")
    for payment in payments:
        state = msgspec.json.encode(payment)
        changed = sql.execute(
            "UPDATE payments SET merchant = ?, address = ?, external_id = ?,"
            " created_at = ?, status = ?, seq = ?, state = ?, crc = ?, flags = ?"
            " WHERE id = ?",
            (
                *_columns(payment),
                state,
                state_crc(state),
                flag_bits(payment.flags),
                payment.id,
            ),
        ).rowcount
        if not changed:
            terms = payment.terms
            sql.execute(
                "INSERT INTO payments (id, merchant, address, external_id, status,"
                " seq, watched, created_at, flags, state, crc)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)",
                (
                    terms.id,
                    terms.merchant,
                    terms.address,
                    terms.external_id,
                    payment.status,
                    payment.seq,
                    terms.created_at,
                    flag_bits(payment.flags),
                    state,
                    state_crc(state),
                ),
            )
            sql.executemany(
                "INSERT OR IGNORE INTO invoices VALUES (?, ?, ?, ?, ?)",
                [invoices.values_of(terms.id, one) for one in terms.invoices],
            )
        query = "SELECT rank FROM payments WHERE id = ?"
        (rank,) = sql.execute(query, (payment.id,)).fetchone()
        search.insert(sql, payment, rank)
    sql.execute("COMMIT")
