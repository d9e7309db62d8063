"""Deliveries as people look at them: of one payment, and what a channel still owes.

What is asked for is found by an index and bounded, however much there is. Attempts are
found by the event that they are of: offsets rise as events come, so that the index of
them is written at its end, as the journal is.
"""

import sqlite3
from typing import Any

from engine.store.epochs import event_id
from engine.store.records import ATTEMPTS, AttemptView, Backlog, DeliveryRecord
from engine.store.sqlite.listing_rows import one_moment
from engine.store.sqlite.outbox import skipped_before
from engine.store.sqlite.queries import EPOCH, stored_event
from engine.store.writes import Place

__all__ = ["backlog", "create", "deliveries_of"]

_STATES = ("pending", "dead")


def create(sql: sqlite3.Connection) -> None:
    """What m030 adds."""
    sql.execute("ALTER TABLE attempts ADD COLUMN answer TEXT")
    sql.execute('CREATE INDEX attempts_by_event ON attempts ("offset")')


_OF_PAYMENT = f"""
    SELECT c.id, o.state, o.attempts, o.next_at,
      e."offset", e.payment_id, e.seq, e.type, e.at, e.merchant, e.body, e.crc, {EPOCH}
    FROM events e CROSS JOIN channels c CROSS JOIN outbox o
      ON o.channel_id = c.id AND o."offset" = e."offset"
    WHERE e.payment_id = ?1 AND (e."offset", c.id) > (?2, ?3)
      AND (?4 IS NULL OR c.merchant = ?4)
    ORDER BY e.seq, c.id LIMIT ?5"""  # noqa: S608 - constants


def deliveries_of(
    sql: sqlite3.Connection,
    payment_id: str,
    merchant: str | None,
    after: Place,
    limit: int,
) -> list[DeliveryRecord]:
    """See `StoreReader.deliveries_of`."""
    channel_id, offset = after
    with one_moment(sql):
        rows = sql.execute(
            _OF_PAYMENT, (payment_id, offset, channel_id, merchant, limit)
        ).fetchall()
        return [_delivery(sql, row) for row in rows]


def _delivery(sql: sqlite3.Connection, row: tuple[Any, ...]) -> DeliveryRecord:
    channel_id, state, attempts, next_at, *event = row
    stored = stored_event(tuple(event))
    return DeliveryRecord(
        channel_id=channel_id,
        offset=stored.offset,
        event_id=event_id(stored.offset, event[-1]),
        payment_id=stored.payment_id,
        seq=stored.seq,
        type=event[3],
        state=state,
        attempts=attempts,
        next_at=next_at,
        wire=stored.wire,
        skipped=skipped_before(sql, channel_id, stored.payment_id, stored.offset),
        log=_log(sql, channel_id, stored.offset),
    )


def _log(
    sql: sqlite3.Connection, channel_id: str, offset: int
) -> tuple[AttemptView, ...]:
    """The newest attempts at one delivery, the newest first. Written as a range, so
    that SQLite reads them in this order rather than sort what there is."""
    rows = sql.execute(
        f"""SELECT id, "offset", {EPOCH}, payment_id, seq, attempt, at, latency_ms,
             status, outcome, error, answer
           FROM attempts e INDEXED BY attempts_by_event
           WHERE "offset" >= ?1 AND "offset" <= ?1 AND channel_id = ?2
           ORDER BY "offset" DESC, id DESC LIMIT ?3""",  # noqa: S608
        (offset, channel_id, ATTEMPTS),
    )
    return tuple(
        AttemptView(number, event_id(offset, epoch), *rest)
        for number, offset, epoch, *rest in rows
    )


def backlog(
    sql: sqlite3.Connection,
    channel_id: str,
    state: str,
    after: tuple[str, int],
    limit: int,
    count_up_to: int,
) -> Backlog:
    """See `StoreReader.backlog`."""
    assert state in _STATES, state
    with one_moment(sql):
        pending, dead = (_count(sql, channel_id, s, count_up_to) for s in _STATES)
        rows = sql.execute(
            f"""SELECT o."offset", {EPOCH}, o.payment_id, o.seq, e.type, o.attempts,
                 o.next_at
               FROM outbox o INDEXED BY outbox_{state}
               JOIN events e ON e."offset" = o."offset"
               WHERE o.channel_id = ? AND o.state = '{state}'
                 AND (o.payment_id, o."offset") > (?, ?)
               ORDER BY o.payment_id, o."offset" LIMIT ?""",  # noqa: S608 - constants
            (channel_id, *after, limit),
        ).fetchall()
    found = [
        DeliveryRecord(
            channel_id=channel_id,
            offset=offset,
            event_id=event_id(offset, epoch),
            payment_id=payment_id,
            seq=seq,
            type=kind,
            state=state,
            attempts=attempts,
            next_at=next_at,
        )
        for offset, epoch, payment_id, seq, kind, attempts, next_at in rows
    ]
    return Backlog(pending, dead, found)


def _count(sql: sqlite3.Connection, channel_id: str, state: str, up_to: int) -> int:
    row = sql.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM outbox INDEXED BY outbox_{state}"  # noqa: S608
        f" WHERE channel_id = ? AND state = '{state}' LIMIT ?)",
        (channel_id, up_to),
    ).fetchone()
    return int(row[0])
