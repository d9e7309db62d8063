"""What a notifier tells itself: times that have come, and answers to its questions.

An answer carries the incarnation of the notifier that asked. One that was asked for by
a predecessor speaks of queues that are others now.
"""

from typing import Any

import msgspec

__all__ = ["BreakerRested", "HeadRead", "PendingRead", "QueueDue", "Recorded"]


class QueueDue(msgspec.Struct, frozen=True):
    """The time has come that the queue of this payment waits for."""

    payment_id: str


class BreakerRested(msgspec.Struct, frozen=True):
    """The breaker's rest is over."""


class HeadRead(msgspec.Struct, frozen=True):
    """The next event of a payment as the outbox has it, or why it cannot be read."""

    incarnation: int
    payment_id: str
    head: Any


class PendingRead(msgspec.Struct, frozen=True):
    """The next payments with something owed, or why they cannot be read."""

    incarnation: int
    pending: Any


class Recorded(msgspec.Struct, frozen=True):
    """What an attempt came to was committed, or could not be."""

    incarnation: int
    payment_id: str
    outcome: Any
