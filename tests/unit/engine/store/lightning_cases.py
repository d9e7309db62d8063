"""Invoices for tests of the store."""

from typing import Any

from engine.payment.events import opening
from engine.payment.lightning_terms import LIGHTNING, lightning_key
from engine.store.writes import Entry, UpstreamCursor, Write
from tests.unit.payment_cases import EXPIRY, T0, invoice, terms

__all__ = ["LIGHTNING_READS", "LIGHTNING_ROWS", "hash_of", "invoiced"]


def hash_of(number: int) -> str:
    return f"{number:064x}"


def invoiced(number: int, node: str = "shop", **changes: object) -> Write:
    """The creation of a payment that Lightning alone can pay."""
    payment_hash = hash_of(number)
    fields: dict[str, object] = {
        "id": f"ln{number}",
        "method": LIGHTNING,
        "address": lightning_key(payment_hash),
        "lightning": invoice(payment_hash=payment_hash, node=node, expires_at=EXPIRY),
    }
    event, payment = opening(terms(**(fields | changes)))
    return Write((Entry(payment, (event,)),))


LIGHTNING_READS: dict[str, list[tuple[Any, ...]]] = {
    "payment_of_invoice": [(hash_of(1),), ("none",)],
    "open_invoices": [("shop",), ("shop", hash_of(9), 10), ("none", "", 10)],
    "has_payable_invoice": [("shop", 0), ("shop", EXPIRY + 1), ("none", 0)],
    "upstream_cursor": [("shop",), ("none",)],
}
"""For the plans of queries: arguments of each question."""

LIGHTNING_ROWS: dict[type, list[Any]] = {
    UpstreamCursor: [UpstreamCursor("shop", "c1", T0), UpstreamCursor("shop", "c2", T0)]
}
"""And an example of each row."""
