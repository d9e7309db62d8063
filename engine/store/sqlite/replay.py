"""Replay: the payments rebuilt from their events, and compared with the projection.

State is the fold of the journal; the `payments` table is only its shadow, kept for
speed. Whoever doubts it can check it, or cast it anew. Works on one payment at a time,
so memory does not grow with the journal. Offline: no node may hold the database.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

import msgspec

from engine.errors import BrokenSequence, IllegalTransition
from engine.payment.events import Event, decode
from engine.payment.fold import evolve
from engine.payment.model import EventType, Payment
from engine.store.sqlite.checksum import Damaged, is_event, state_crc, stored_state

__all__ = [
    "Difference",
    "count_events",
    "differences",
    "fold",
    "missing_events",
    "rebuild",
]

_Row = tuple[int, str, int, str, int, str, bytes, int | None]

_payments = msgspec.json.Decoder(Payment)

_UNFOLDABLE = (
    BrokenSequence,
    IllegalTransition,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What events that somebody changed can do to rules that never met such ones."""


class Difference(msgspec.Struct, frozen=True):
    """A payment whose projection is not the fold of its events; or a broken story.

    `rebuilt` is what the projection should be; None if the events cannot be folded.
    """

    payment_id: str
    detail: str
    events: int
    rebuilt: Payment | None = None


def fold(bodies: list[bytes]) -> Payment:
    """A payment from its stored events, in order.

    Raises `BrokenSequence`, `IllegalTransition` or `msgspec.ValidationError`.
    """
    return _fold([decode(body) for body in bodies])


def _fold(events: list[Event]) -> Payment:
    first = events[0]
    if first.type is not EventType.CREATED or first.data.terms is None:
        raise BrokenSequence(f"the first event is {first.type}, not payment.created")
    if first.seq != 1:
        raise BrokenSequence(f"the first event has seq {first.seq}, not 1")
    payment = Payment(terms=first.data.terms, seq=1)
    for event in events[1:]:
        payment = evolve(payment, event)
        told = event.status, event.received_sat
        if told != (payment.status, payment.received_sat):
            raise BrokenSequence(
                f"event {event.seq} was told with {event.received_sat} sat,"
                f" {event.status}, but its story comes to {payment.received_sat} sat,"
                f" {payment.status}"
            )
    return payment


def count_events(sql: sqlite3.Connection) -> int:
    row = sql.execute("SELECT count(*) FROM events").fetchone()
    return int(row[0])


def missing_events(sql: sqlite3.Connection) -> int:
    """How many were taken out of the journal: its offsets have no gaps."""
    last, count = sql.execute(
        'SELECT coalesce(max("offset"), 0), count(*) FROM events'
    ).fetchone()
    return int(last) - int(count)


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
    orphans = sql.execute(
        "SELECT id FROM payments p WHERE NOT EXISTS"
        " (SELECT 1 FROM events WHERE payment_id = p.id)"
    )
    for (payment_id,) in orphans:
        yield 0, Difference(payment_id, "a payment without any event", 0)


def _compare(
    sql: sqlite3.Connection,
    payment_id: str,
    stored: list[_Row],
    has_lost: bool,
) -> Difference | None:
    count = len(stored)
    try:
        rebuilt = _fold([_checked(row) for row in stored])
    except _UNFOLDABLE as error:
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
            " created_at = ?, status = ?, seq = ?, state = ?, crc = ? WHERE id = ?",
            (*_columns(payment), state, state_crc(state), payment.id),
        ).rowcount
        if not changed:
            terms = payment.terms
            sql.execute(
                "INSERT INTO payments (id, merchant, address, external_id, status,"
                " seq, watched, created_at, state, crc)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
                (
                    terms.id,
                    terms.merchant,
                    terms.address,
                    terms.external_id,
                    payment.status,
                    payment.seq,
                    terms.created_at,
                    state,
                    state_crc(state),
                ),
            )
    sql.execute("COMMIT")
