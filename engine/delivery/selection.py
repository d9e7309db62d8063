"""Which events go to a channel: its `types`. Pure.

A channel names types (`payment.confirmed`), or all of a group (`payment.*`, `alert.*`).
One that names nothing is told every event of a payment, also of types that come with a
later version: a shop that asked for all of them gets all of them. Alerts concern the
people who run a node and not its orders, so they go only to channels that name them: an
endpoint that was made before there were alerts is not surprised by one.
"""

from collections.abc import Sequence
from enum import StrEnum

from engine.payment.model import EventType

__all__ = [
    "ALERTS",
    "FOR_PEOPLE",
    "PAYMENTS",
    "NAMES",
    "AlertType",
    "every_payment",
    "is_chosen",
]

PAYMENTS = "payment.*"
ALERTS = "alert.*"


class AlertType(StrEnum):
    """What is told of an alert (`engine/ports.py`). No events of the journal."""

    RAISED = "alert.raised"
    RESOLVED = "alert.resolved"


FOR_PEOPLE: tuple[str, ...] = (
    EventType.DETECTED,
    EventType.CONFIRMED,
    EventType.UNDERPAID,
    EventType.OVERPAID,
    EventType.LATE,
    EventType.REPLACED,
    EventType.REORGED,
    EventType.REVERSED,
    EventType.FAILED,
    EventType.REFUNDED,
)
"""What a person is told who asked for nothing else: that money comes, that it is there,
and what somebody has to look at. Not every block, and no order that ran out unpaid."""


NAMES: tuple[str, ...] = (*EventType, PAYMENTS, *AlertType, ALERTS)
"""What a channel may name: the types of this version, and the groups."""


def every_payment(types: Sequence[str]) -> bool:
    """Whether a channel of these `types` is told every event of a payment."""
    return not types or PAYMENTS in types


def is_chosen(types: Sequence[str], type_: str) -> bool:
    """Whether an event or an alert of this type goes to a channel of these `types`."""
    if type_ in types:
        return True
    if type_.startswith("alert."):
        return ALERTS in types
    return every_payment(types)
