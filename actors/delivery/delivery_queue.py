"""What a notifier keeps of each payment that it owes something, and tells itself.

No actor: `actors/delivery/notifier.py` works with these.
"""

import sqlite3
from enum import Enum
from typing import Any

import msgspec

from engine.store.records import Pending
from engine.store.sqlite import queries
from engine.store.writes import DeliveryResult

__all__ = [
    "HeadRead",
    "Lane",
    "LaneDue",
    "PendingRead",
    "Pump",
    "Recorded",
    "State",
    "owed",
]


class State(Enum):
    READY = "ready"  # waits for a worker
    BUSY = "busy"  # an attempt or its commit is under way
    RESTING = "resting"  # waits for the time of its next attempt


class Lane:
    """One payment that has something pending for the channel."""

    __slots__ = ("head", "more", "result", "state")

    def __init__(self, head: Pending | None) -> None:
        self.head = head  # what to send next, when known without a read
        self.state = State.READY
        self.more = False  # events came while it was busy
        self.result: DeliveryResult | None = None  # waits to be committed


class LaneDue(msgspec.Struct, frozen=True):
    """The payment's next attempt is due."""

    payment_id: str


class Pump(msgspec.Struct, frozen=True):
    """The breaker's rest is over."""


class HeadRead(msgspec.Struct, frozen=True):
    """The next event of a payment, as the outbox has it."""

    incarnation: int  # of the notifier that asked
    payment_id: str
    head: Any


class PendingRead(msgspec.Struct, frozen=True):
    """All payments with something owed."""

    incarnation: int
    pending: Any


class Recorded(msgspec.Struct, frozen=True):
    """An attempt's outcome was committed, or could not be."""

    incarnation: int
    payment_id: str
    result: DeliveryResult
    outcome: Any


def owed(sql: sqlite3.Connection, channel_id: str) -> tuple[int, list[tuple[str, int]]]:
    """The journal's last offset, and the payments with something pending up to it."""
    sql.execute("BEGIN")
    try:
        return queries.last_offset(sql), queries.pending_payments(sql, channel_id)
    finally:
        sql.execute("COMMIT")
