"""The alert of a watcher that keeps crashing and is left alone. No actor.

A watcher that has crashed shows nothing any more, so whose payment it is has to be
read. Its merchant is told, or, if even that cannot be read, the node's operator alone.
"""

from __future__ import annotations

from actors.node import Node
from engine.payment.model import Payment

__all__ = ["alert_of", "all_over", "over"]

QUARANTINED = "watcher.quarantined"
DETAIL = "its watcher keeps crashing and is left alone; the log says why"


def alert_of(node: Node, payment_id: str) -> None:
    """Raised as soon as it is known whose it is, and still so."""

    def read(answer: Payment | Exception | None) -> None:
        trouble = node.watchers.trouble_of(payment_id)
        if trouble is None or not trouble.quarantined:
            return  # woken meanwhile
        merchant = answer.terms.merchant if isinstance(answer, Payment) else None
        now = node.clock.now()
        node.alerts.raise_(QUARANTINED, payment_id, DETAIL, now, merchant=merchant)

    node.read(lambda store: store.payment(payment_id), read)


def over(node: Node, payment_id: str) -> None:
    node.alerts.clear(QUARANTINED, payment_id)


def all_over(node: Node) -> None:
    """All watchers begin anew: who crashes still is put aside once more."""
    for alert in node.alerts.standing(node.clock.now()):
        if alert.kind == QUARANTINED:
            over(node, alert.subject)
