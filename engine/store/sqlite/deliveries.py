"""Deliveries as people look at them: of one payment, and what a channel still owes.

What is asked for is found by an index and bounded, however much there is. Attempts are
found by the event that they are of: offsets rise as events come, so that the index of
them is written at its end, as the journal is.
"""

import sqlite3
from typing import Any

from engine.merchants.name import EVERYBODY
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


_EVENTS = f"""
    SELECT e."offset", e.payment_id, e.seq, e.type, e.at, e.merchant, e.body, e.crc,
      {EPOCH}
    FROM events e WHERE e.payment_id = ? AND e."offset" >= ? ORDER BY e.seq"""  # noqa: S608 - constants

_CHANNELS = "SELECT id FROM channels INDEXED BY channels_of_merchant WHERE merchant = ?"


def deliveries_of(
    sql: sqlite3.Connection,
    payment_id: str,
    merchant: str | None,
    after: Place,
    limit: int,
) -> list[DeliveryRecord]:
    """See `StoreReader.deliveries_of`."""
    found: list[DeliveryRecord] = []
    channels: list[str] | None = None
    channel_id, offset = after
    with one_moment(sql):
        for event in sql.execute(_EVENTS, (payment_id, offset)):
            if channels is None:
                channels = _told(sql, event[5], merchant)
            if not channels:
                return []
            for row in _of_event(sql, event[0], channels):
                if (event[0], row[0]) > (offset, channel_id):
                    found.append(_delivery(sql, (*row, *event)))
                if len(found) == limit:
                    return found
    return found


def _told(sql: sqlite3.Connection, whose: str, merchant: str | None) -> list[str]:
    """Channels that may be told of a payment that is `whose`: its merchant's, and those
    for all; of these the ones of `merchant` (None: all). Not all that there are: others
    may have thousands."""
    owners = {whose, EVERYBODY} & (
        {whose, EVERYBODY} if merchant is None else {merchant}
    )
    return [row[0] for owner in owners for row in sql.execute(_CHANNELS, (owner,))]


def _of_event(
    sql: sqlite3.Connection, offset: int, channels: list[str]
) -> list[tuple[Any, ...]]:
    """Its deliveries to these channels, in the order of these."""
    places = ", ".join("?" * len(channels))
    rows = sql.execute(
        "SELECT channel_id, state, attempts, next_at FROM outbox"  # noqa: S608
        f' WHERE channel_id IN ({places}) AND "offset" = ?',
        (*channels, offset),
    )
    return sorted(rows)


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
