"""A Lightning node that is asked through a counter, so that an operator sees of each
account how often it was asked, and how often that came to nothing.

It stands before all who ask: readers, edges, tills. The connection that is held is no
request, nor is what an adapter asks by itself while it holds one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors.lightning import LightningError
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    LightningNode,
    NodeListener,
    PaidPage,
    Payout,
)

__all__ = ["Counted"]


class Counted:
    """Implements `LightningNode`. `requests` and `errors` only grow, and begin at 0
    with the process; an error is whatever was no answer, a refusal too."""

    __slots__ = ("_node", "errors", "requests")

    def __init__(self, node: LightningNode) -> None:
        self._node = node
        self.requests = 0
        self.errors = 0

    def __repr__(self) -> str:
        return repr(self._node)

    @property
    def can(self) -> Can:
        return self._node.can

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        with self._one():
            return self._node.create(asked)

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        with self._one():
            return self._node.lookup(payment_hash)

    def paid_since(self, cursor: str) -> PaidPage:
        with self._one():
            return self._node.paid_since(cursor)

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        self._node.stream(listener, ended)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        with self._one():
            return self._node.pay(bolt11, max_fee_msat=max_fee_msat, key=key)

    def payout(self, payment_hash: str) -> Payout:
        with self._one():
            return self._node.payout(payment_hash)

    def balance(self) -> Balance:
        with self._one():
            return self._node.balance()

    @contextmanager
    def _one(self) -> Iterator[None]:
        self.requests += 1
        try:
            yield
        except LightningError:
            self.errors += 1
            raise
