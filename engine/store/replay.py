"""Replay: the payments rebuilt from their events, and compared with the projection.

State is the fold of the journal; the `payments` table is only its shadow, kept for
speed. Whoever doubts it can check it, or cast it anew. Works on one payment at a time,
so memory does not grow with the journal. Offline: no node may hold the database.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

import msgspec

from engine.events import decode
from engine.model import EventType, Payment
from engine.story import BrokenSequence, evolve
from engine.transitions import IllegalTransition

__all__ = ["Difference", "count_events", "differences", "fold", "rebuild"]

_payments = msgspec.json.Decoder(Payment)


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
    events = [decode(body) for body in bodies]
    first = events[0]
    if first.type is not EventType.CREATED or first.data.terms is None:
        raise BrokenSequence(f"the first event is {first.type}, not payment.created")
    payment = Payment(terms=first.data.terms, seq=1)
    for event in events[1:]:
        payment = evolve(payment, event)
    return payment


def count_events(sql: sqlite3.Connection) -> int:
    row = sql.execute("SELECT count(*) FROM events").fetchone()
    return int(row[0])


def differences(sql: sqlite3.Connection) -> Iterator[tuple[int, Difference | None]]:
    """Go through every payment: (events read, what is wrong or None), one each."""
    rows = sql.execute("SELECT payment_id, body FROM events ORDER BY payment_id, seq")
    for payment_id, group in groupby(rows, key=lambda row: row[0]):
        bodies = [body for _, body in group]
        yield len(bodies), _compare(sql, payment_id, bodies)
    orphans = sql.execute(
        "SELECT id FROM payments p WHERE NOT EXISTS"
        " (SELECT 1 FROM events WHERE payment_id = p.id)"
    )
    for (payment_id,) in orphans:
        yield 0, Difference(payment_id, "a payment without any event", 0)


def _compare(
    sql: sqlite3.Connection, payment_id: str, bodies: list[bytes]
) -> Difference | None:
    try:
        rebuilt = fold(bodies)
    except (BrokenSequence, IllegalTransition, msgspec.MsgspecError) as error:
        return Difference(payment_id, f"cannot be folded: {error}", len(bodies))
    row = sql.execute(
        "SELECT state, status, seq FROM payments WHERE id = ?", (payment_id,)
    ).fetchone()
    if row is None:
        detail = "has events but is missing from the projection"
        return Difference(payment_id, detail, len(bodies), rebuilt)
    state, status, seq = row
    if _payments.decode(state) == rebuilt and (status, seq) == (
        rebuilt.status,
        rebuilt.seq,
    ):
        return None
    detail = f"projection says {status} at seq {seq}, its events {rebuilt.status}"
    return Difference(
        payment_id, f"{detail} at seq {rebuilt.seq}", len(bodies), rebuilt
    )


def rebuild(sql: sqlite3.Connection, payments: list[Payment]) -> None:
    """Cast the projection of these payments anew, in one transaction.

    A payment that was missing altogether is watched again.
    """
    sql.execute("BEGIN IMMEDIATE")
    for payment in payments:
        state = msgspec.json.encode(payment)
        changed = sql.execute(
            "UPDATE payments SET status = ?, seq = ?, state = ? WHERE id = ?",
            (payment.status, payment.seq, state, payment.id),
        ).rowcount
        if not changed:
            terms = payment.terms
            sql.execute(
                "INSERT INTO payments SELECT ?, coalesce(max(rank), 0) + 1, ?, ?, ?,"
                " ?, ?, 1, ?, ? FROM payments",
                (
                    terms.id,
                    terms.merchant,
                    terms.address,
                    terms.external_id,
                    payment.status,
                    payment.seq,
                    terms.created_at,
                    state,
                ),
            )
    sql.execute("COMMIT")
