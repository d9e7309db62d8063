"""The opening of the ledger, when it comes to a database that has payments already.

What is confirmed of each payment then is posted once, as it stands, with the kind
`opening` and no worth in money: what bitcoin was worth at its moment nobody wrote down,
and a rate of today would be a guess. From then on each event says what it changes.

It reads every payment once, in the migration: some ten seconds for a million. To do it
at a payment's first change would leave a ledger that does not know what the merchant
has, and which rows it still misses. A payment whose row is damaged has no opening;
`paybell ledger check` names it.
"""

import sqlite3
import time
from collections.abc import Iterator

import msgspec

from engine.money.ledger import OPENING
from engine.payment.booked import booked_of
from engine.payment.booking import opening_of
from engine.payment.model import Payment
from engine.store.ledger_port import PostingRecord
from engine.store.sqlite import ledger
from engine.store.sqlite.checksum import Damaged, stored_state

__all__ = ["write"]

_PAGE = 1_000

_payments = msgspec.json.Decoder(Payment)


def write(sql: sqlite3.Connection) -> None:
    """Post the openings. Part of its caller's transaction."""
    now, last = time.time_ns() // 1_000_000, 0
    while True:
        rows = sql.execute(
            "SELECT rank, state, crc FROM payments WHERE rank > ?"
            " ORDER BY rank LIMIT ?",
            (last, _PAGE),
        ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        ledger.insert(
            sql, [r for _, state, crc in rows for r in _opening(state, crc, now)]
        )


def _opening(state: bytes, crc: int | None, now: int) -> Iterator[PostingRecord]:
    try:
        payment = _payments.decode(stored_state(state, crc))
    except (Damaged, msgspec.MsgspecError, ValueError, TypeError):
        return
    for leg, posting in enumerate(opening_of(payment, booked_of(payment))):
        yield PostingRecord(
            id=0,
            at=now,
            merchant=payment.terms.merchant,
            payment_id=payment.id,
            seq=0,
            cause=OPENING,
            leg=leg,
            kind=OPENING,
            posting=posting,
        )
