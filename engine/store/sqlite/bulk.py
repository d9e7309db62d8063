"""Many writes as few statements: what a transaction holds, gathered and then written.

A statement per row costs more than the row: Python prepares each, and gives up and
takes back the interpreter's lock round it, which a busy hub makes wait. So the writes
of a batch are gathered and put in with some statements of many rows each; SQLite works
through one without the interpreter. What comes out is what one write after the other
would leave; where the order shows, `write_rows` is called on in between (`_ORDERED`).

Raises what SQLite raises; a unique key that stands in the way undoes the statement,
and its caller the rest. Called by the journal inside its transaction.
"""

import sqlite3

import msgspec

from engine.merchants.name import EVERYBODY
from engine.money.amount import MAX_SAT
from engine.payment.booking import postings_of
from engine.payment.events import CommittedEvent, encode, with_offset
from engine.payment.forward_rules import concerns_forwarder
from engine.payment.model import EventType
from engine.payment.search import flag_bits
from engine.payment.till_rules import concerns_till
from engine.store.ledger_port import PostingRecord
from engine.store.lightning_writes import closed_by, opened_by
from engine.store.sqlite import invoices, ledger, moments, outgoing, search, till
from engine.store.sqlite.checksum import event_crc, state_crc
from engine.store.sqlite.multi_insert import Many
from engine.store.sqlite.rows import write_rows
from engine.store.writes import (
    ChannelRow,
    Committed,
    Entry,
    Forget,
    ForgetDeliveries,
    ForgetIdempotency,
    LedgerEntry,
    MoveRefund,
    OpenRefund,
    Place,
    Prune,
    PurgeDeliveries,
    Release,
    RemoveChannel,
    Requeue,
    Row,
    Write,
)

__all__ = ["Bulk"]

_ORDERED = {
    ChannelRow,
    Forget,
    ForgetDeliveries,
    ForgetIdempotency,
    MoveRefund,
    OpenRefund,
    LedgerEntry,
    Prune,
    PurgeDeliveries,
    Release,
    RemoveChannel,
    Requeue,
}
"""Rows that other rows or the outbox of events depend on: these are written in turn."""

_EVENTS = Many("INSERT INTO events VALUES", 8)

_CREATED = Many(
    "INSERT INTO payments (rank, id, merchant, address, external_id, status, seq,"
    " watched, created_at, flags, state, crc) VALUES",
    12,
)
_MOVED = Many(
    "UPDATE payments SET status = new.column2, seq = new.column3,"
    " state = new.column4, crc = new.column5, flags = new.column6 FROM (VALUES",
    7,
    ") AS new WHERE id = new.column1 AND seq = new.column7",
)
_MOVED_ONE = (
    "UPDATE payments SET status = ?2, seq = ?3, state = ?4, crc = ?5, flags = ?6"
    " WHERE id = ?1 AND seq = ?7"
)

# Mirrored by engine/delivery/channel.py, `wants`.
# Channel by channel, so that each one's rows are neighbours as they are put in. Only
# channels that may be meant are looked at, however many others the node has.
_OUTBOX = """
    INSERT INTO outbox (channel_id, "offset", payment_id, seq, state, attempts, next_at)
    SELECT c.id, e."offset", e.payment_id, e.seq, 'pending', 0, 0
    FROM channels c CROSS JOIN events e
    WHERE c.merchant = ?1 AND c.enabled AND e."offset" > ?2
      AND (c.types = '' OR instr(c.types, ',' || e.type || ',') > 0)"""
_OUTBOX_OF_MERCHANT = f"{_OUTBOX} AND e.merchant = ?1"

_NOT_THE_NEXT = "events.payment_id: not the next event of its payment"

_state_encoder = msgspec.json.Encoder()


class Bulk:
    """Gathers writes, and writes them on `finish`. One for each transaction, or for
    each savepoint."""

    def __init__(
        self, sql: sqlite3.Connection, offset: int, rank: int, epoch: str
    ) -> None:
        self.offset = offset  # of the last event so far
        self.rank = rank  # of the last payment so far
        self._sql = sql
        self._epoch = epoch  # the present one
        self._in_outbox = offset  # events up to here are in the outbox
        self._events: list[object] = []
        self._postings: list[PostingRecord] = []  # that these cause
        self._merchants: dict[str, None] = {}  # of these, in order
        self._created: list[object] = []
        # The last state counts; with the seq that the payment must have before.
        self._moved: dict[str, tuple[str, str, int, bytes, int, int, int]] = {}
        self._to_forward: list[tuple[str, str, int]] = []  # payment, merchant, seq
        self._noted = rank  # the times of payments up to here
        self._keys = search.SearchKeys()  # by which payments are found
        self._invoices: list[object] = []
        self._closed: list[str] = []  # payment hashes
        self._renamed: list[tuple[str | None, str]] = []  # order number, payment
        self._to_tills: list[tuple[str, str, int]] = []  # payment, account, seq
        self._rows: list[tuple[int, Row]] = []
        self._committed: list[tuple[CommittedEvent, ...]] = []
        self._changed: list[int] = []
        self._more: dict[int, Place] = {}  # of the few writes that are not done

    def add(self, write: Write) -> None:
        """The next write of the transaction. What no write can mean is asserted."""
        number = len(self._committed)
        events: list[CommittedEvent] = []
        for entry in write.entries:
            assert entry.events, "a payment changes by its events only"
            self._append(entry, events)
            self._project(entry)
        self._committed.append(tuple(events))
        self._changed.append(0)
        for row in write.rows:
            if type(row) in _ORDERED:
                self.flush()
                self._rows.append((number, row))
                self.flush()
            else:
                self._rows.append((number, row))

    def finish(self) -> list[Committed]:
        """Write what is left; what becomes of each write once this is committed."""
        self.flush()
        pairs = zip(self._committed, self._changed, strict=True)
        more = self._more
        return [
            Committed(events, changed, more.get(number))
            for number, (events, changed) in enumerate(pairs)
        ]

    def _append(self, entry: Entry, events: list[CommittedEvent]) -> None:
        terms, values = entry.payment.terms, self._events
        merchant = terms.merchant
        self._merchants[merchant] = None
        last_seq = entry.events[0].seq - 1
        for event in entry.events:
            self.offset = offset = self.offset + 1
            name, seq, at = event.payment_id, event.seq, event.at
            assert name == terms.id, "an event of another payment"
            assert seq == last_seq + 1, "seq has no gaps"
            assert 0 <= event.received_sat <= MAX_SAT, "more than there is"
            last_seq = seq
            kind = event.type.value  # sqlite3 binds a plain str at once
            body = encode(event, terms)
            crc = event_crc(offset, name, seq, kind, at, merchant, body)
            values += (offset, name, seq, kind, at, merchant, body, crc)
            wire = with_offset(offset, body, self._epoch)
            events.append(CommittedEvent(offset, event, merchant, wire))
            if terms.forward_to and concerns_forwarder(event):
                self._to_forward.append((name, merchant, seq))
            by = terms.lightning
            if by is not None:
                if by.is_till and concerns_till(event):
                    self._to_tills.append((name, by.node, seq))
                if (opened := opened_by(event, terms)) is not None:
                    self._invoices += invoices.values_of(name, opened)
                self._closed += closed_by(event, terms)
            for leg, posting in enumerate(postings_of(event, terms)):
                record = PostingRecord(
                    0, at, merchant, name, seq, "", leg, kind, posting
                )
                self._postings.append(record)
        assert last_seq == entry.payment.seq, "not the payment that the events leave"

    def _project(self, entry: Entry) -> None:
        payment = entry.payment
        state = _state_encoder.encode(payment)
        status, seq, crc = payment.status.value, payment.seq, state_crc(state)
        before = entry.events[0].seq - 1
        if before > 0:
            earlier = self._moved.get(payment.id)
            if earlier is not None:
                if earlier[2] != before:
                    raise sqlite3.IntegrityError(_NOT_THE_NEXT)
                before = earlier[-1]
            flags = flag_bits(payment.flags)
            self._moved[payment.id] = payment.id, status, seq, state, crc, flags, before
            if any(event.type is EventType.UPDATED for event in entry.events):
                self._renamed.append((payment.terms.external_id, payment.id))
            self._keys.moved(payment.terms, entry.events, self.offset)
            return
        terms = payment.terms
        self.rank += 1
        self._created += (
            self.rank,
            terms.id,
            terms.merchant,
            terms.address,
            terms.external_id,
            status,
            seq,
            1,
            terms.created_at,
            flag_bits(payment.flags),
            state,
            crc,
        )
        self._keys.created(terms, entry.events, self.rank, self.offset)

    def flush(self) -> None:
        """Write what was gathered so far, for whoever must see it."""
        if self._events:
            _EVENTS.run(self._sql, self._events)
            self._events = []
            for merchant in self._merchants:
                self._sql.execute(_OUTBOX_OF_MERCHANT, (merchant, self._in_outbox))
            self._merchants.clear()
            self._sql.execute(_OUTBOX, (EVERYBODY, self._in_outbox))
            moments.note(self._sql, moments.EVENTS, self._in_outbox, self.offset)
            self._in_outbox = self.offset
        if self._postings:
            ledger.insert(self._sql, self._postings)
            self._postings = []
        if self._created:
            _CREATED.run(self._sql, self._created)
            self._created = []
            moments.note(self._sql, moments.PAYMENTS, self._noted, self.rank)
            self._noted = self.rank
        if self._moved:
            self._move()
        if self._renamed:
            self._sql.executemany(
                "UPDATE payments SET external_id = ? WHERE id = ?", self._renamed
            )
            self._renamed = []
        self._keys.write(self._sql)
        if self._invoices:
            invoices.insert(self._sql, self._invoices)
            self._invoices = []
        if self._closed:
            invoices.close(self._sql, self._closed)
            self._closed = []
        if self._to_forward:
            outgoing.queue_event(self._sql, self._to_forward)
            self._to_forward = []
        if self._to_tills:
            till.queue_event(self._sql, self._to_tills)
            self._to_tills = []
        if self._rows:
            rows = [row for _, row in self._rows]
            for (number, _), changed in zip(
                self._rows, write_rows(self._sql, rows), strict=True
            ):
                self._changed[number] += changed.rows
                if changed.more_after is not None:
                    self._more[number] = changed.more_after
            self._rows = []

    def _move(self) -> None:
        moved = list(self._moved.values())
        self._moved = {}
        if len(moved) == 1:
            found = self._sql.execute(_MOVED_ONE, moved[0]).rowcount
        else:
            values = [value for row in moved for value in row]
            found = _MOVED.run(self._sql, values)
        if found != len(moved):
            raise sqlite3.IntegrityError(_NOT_THE_NEXT)
