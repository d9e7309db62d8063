"""The actor of a payment that Lightning alone can pay.

It hears that its invoice was paid by a `Command` from its node's upstream. When its
time is over it has the node asked, and expires by nothing but the node's word: until
that comes it asks again, with patience, and its payment stays open. That it waits for
long is said in the tree, and an alert.

Idle, it is this object and a place in the list of those who wait for the same deadline.
"""

from actors.messages import LookUpInvoice
from actors.node import Node
from actors.watching.chainless import ChainlessActor
from engine.payment.lightning_rules import open_invoices
from engine.payment.model import Payment
from engine.payment.review import LONG_WAIT_S, NODE_IS_SILENT, again_s
from engine.payment.rules import waits_for_node

__all__ = ["InvoiceActor", "look_up"]

WAITS = "payment.waits"


class InvoiceActor(ChainlessActor):
    """Waits for one invoice; see the module docstring."""

    __slots__ = ("_silent_since",)

    def __init__(
        self, node: Node, payment: Payment | None = None, deadline: int | None = None
    ) -> None:
        super().__init__(node, payment, deadline)
        self._silent_since: float | None = None  # monotonic s, when it was asked first

    @property
    def doubt(self) -> str | None:
        return None if self._silent_since is None else NODE_IS_SILENT

    def _on_review_due(self, now: int) -> None:
        if not waits_for_node(self.payment, now):
            super()._on_review_due(now)
            return
        look_up(self._node, self.payment)
        now_s = self._node.clock.monotonic()
        if self._silent_since is None:
            self._silent_since = now_s
        waited_s = now_s - self._silent_since
        if waited_s >= LONG_WAIT_S:
            payment_id, merchant = self.payment.id, self.payment.terms.merchant
            alerts = self._node.alerts
            alerts.raise_(WAITS, payment_id, NODE_IS_SILENT, now, merchant=merchant)
        self._wait_until(now + round(again_s(waited_s) * 1000))

    def _wait_on(self) -> None:
        if not waits_for_node(self.payment, self._node.clock.now()):
            self._heard()
        super()._wait_on()

    def _heard(self) -> None:
        """Before it is let go, too: who waits for a node never is. The alert may be of
        one that crashed."""
        self._silent_since = None
        if len(self._node.alerts):
            self._node.alerts.clear(WAITS, self.payment.id)


def look_up(node: Node, payment: Payment) -> None:
    """Have the payment's invoices looked up that may still be paid as far as is known.
    The answers come as a `Command` each, or not at all."""
    if payment.terms.lightning is None or not waits_for_node(payment, node.clock.now()):
        return
    for invoice in open_invoices(payment):
        upstream = node.upstreams.get(invoice.node)
        if upstream is not None:  # else it is no account of ours any more
            upstream.ref.tell(LookUpInvoice(invoice.payment_hash, payment.id))
