"""An order and its payments: what is true of one because of the others. Pure.

Payments of one merchant with one `external_id` are attempts to pay one order. A shop
that hears that one expired must not cancel an order that another has paid; so what ends
or troubles a payment says how its order stands (`engine/store/orders.py`: as of the
commit). Money on any of them counts for the order.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from engine.payment.model import WAITED_FOR, Payment, Status

__all__ = ["MAX_PAYMENTS", "Order", "OrderStatus", "order_of"]

MAX_PAYMENTS = 50
"""The newest of an order that are looked at."""


class OrderStatus(StrEnum):
    """The best that any of its payments has come to."""

    PAID = "paid"
    CONFIRMING = "confirming"  # money is there, on one that is not paid yet
    PENDING = "pending"  # one is waited for
    UNPAID = "unpaid"  # all are over


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`paid_by`: the payment that was paid first, of those that are. `received_sat`:
    on the chain, by all payments of the order."""

    status: OrderStatus
    paid_by: str | None
    received_sat: int


def order_of(payments: Iterable[Payment]) -> Order:
    """How the order stands; `payments` are all of it, each once."""
    known = list(payments)
    paid = [one for one in known if one.counts_as_paid]
    first = min(paid, key=lambda one: (one.confirmed_at or 0, one.id), default=None)
    return Order(
        status=OrderStatus.PAID if paid else _open(known),
        paid_by=None if first is None else first.id,
        received_sat=sum(one.received_sat for one in known),
    )


def _open(known: list[Payment]) -> OrderStatus:
    if any(one.status is Status.CONFIRMING for one in known):
        return OrderStatus.CONFIRMING
    if any(one.status in WAITED_FOR for one in known):
        return OrderStatus.PENDING
    return OrderStatus.UNPAID
