"""Single invoices that a node is asked about, and what becomes of the answers.

No actor: it lives in the turns of an upstream's actor.
"""

import logging

from actors.lightning.deliveries import InvoiceDeliveries
from actors.lightning.messages import LookedUp, LookUp
from actors.lightning.questions import Questions
from actors.messages import Command
from actors.node import Node
from engine.lightning.node import InvoiceSeen, InvoiceStatus
from engine.payment.observations import InvoiceGone

__all__ = ["LookUps"]

log = logging.getLogger("paybell.lightning")


class LookUps:
    """See the module docstring."""

    __slots__ = ("_account", "_asking", "_deliveries", "_node", "_questions")

    def __init__(self, node: Node, account: str, deliveries: InvoiceDeliveries) -> None:
        self._node = node
        self._account = account
        self._deliveries = deliveries
        self._questions = Questions()
        self._asking: dict[str, str] = {}  # under way: payments by hash

    def add(self, payment_hash: str, payment_id: str) -> None:
        """A payment wants to know, as the invoice's time is over."""
        if not self._questions.add(payment_hash, payment_id):
            self._node.counters.add("lightning.lookups_refused")

    def claim(self, payment_hash: str) -> None:
        """Somebody says that it was paid."""
        if not self._questions.claim(payment_hash):
            self._node.counters.add("lightning.claims_refused")

    def wait_s(self) -> float | None:
        """Until the next may be asked; None: there is none."""
        return self._questions.wait_s(self._node.clock.monotonic())

    def take(self) -> LookUp | None:
        taken = self._questions.take(self._node.clock.monotonic())
        if not taken:
            return None
        self._asking = taken
        return LookUp(tuple(taken))

    def put_back(self) -> None:
        """The worker ended before it answered."""
        self._questions.put_back(self._asking)
        self._asking = {}

    def on_looked_up(self, found: LookedUp) -> None:
        """What was not asked is put back, if there was an error."""
        for seen, asked_at in found.seen:
            self._take(seen, self._asking.pop(seen.payment_hash), asked_at)
        for payment_hash, error in found.dropped:
            payment_id = self._asking.pop(payment_hash, "")
            self._node.counters.add("lightning.garbage")
            log.warning("upstream.no_answer upstream=%s payment=%s hash=%s detail=%s",
                        self._account, payment_id, payment_hash, error)  # fmt: skip
        self.put_back()

    def _take(self, seen: InvoiceSeen, payment_id: str, asked_at: int) -> None:
        """One that is still open, or that the node does not know (another node was put
        in its place), proves nothing: whoever wants to know asks again."""
        match seen.status:
            case InvoiceStatus.PAID:
                self._deliveries.bring((seen,))
            case InvoiceStatus.EXPIRED:
                watcher = self._node.watchers.get(payment_id) if payment_id else None
                if watcher is not None:
                    gone = InvoiceGone(
                        payment_hash=seen.payment_hash, asked_at=asked_at
                    )
                    watcher.tell(Command(gone, lambda _answer: None))
            case InvoiceStatus.UNKNOWN:
                self._node.counters.add("lightning.unknown")
                log.warning("upstream.unknown_invoice upstream=%s payment=%s hash=%s",
                            self._account, payment_id, seen.payment_hash)  # fmt: skip
