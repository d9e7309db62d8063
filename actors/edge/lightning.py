"""The way in to Lightning nodes: part of the gateway.

An invoice is made in the greenlet of the request that wants it: it waits for somebody
outside. So few wait at once, of one merchant and at one node, and none for long; who is
refused was asked for nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import gevent
from msgspec.structs import replace

from actors.edge.kept import KeptRows
from actors.edge.wallets import WalletDesk
from actors.facts.upstreams import InvoiceOpened, LookAt, Reconnect, Upstream
from actors.lightning.counted import Counted
from actors.node import Node
from engine.errors import EngineBusy
from engine.errors.lightning import LightningError, NodeUnavailable
from engine.lightning.account import Account
from engine.lightning.account_tables import account_of
from engine.lightning.node import Balance, Can, InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamReport
from engine.payment.model import Payment
from engine.store.port import StoreReader

__all__ = ["LightningDesk"]

MAKE_S = 15.0
"""A payer waits for the page."""

AT_ONCE_OF_MERCHANT = 16
AT_ONCE_AT_NODE = 64
"""Calls under way: a node that hangs holds so many requests for `MAKE_S`."""


class LightningDesk(KeptRows):
    """Implements `engine.gateways.lightning.LightningGateway`."""

    def __init__(
        self,
        node: Node,
        store: StoreReader,
        wallets: WalletDesk,
        orders: StoreReader | None = None,
    ) -> None:
        super().__init__(node, store, wallets, orders)
        self._making: Counter[tuple[str, str]] = Counter()  # calls under way

    def lightning_account(self, merchant: str) -> Account | None:
        accounts = {name: one.account for name, one in self._node.upstreams.items()}
        return account_of(accounts, merchant)

    def lightning_can(self, account: str) -> Can:
        return self._node.upstreams[account].node.can

    def make_invoice(
        self, account: str, merchant: str, asked: InvoiceAsked
    ) -> InvoiceMade:
        upstream = self._node.upstreams[account]
        counters = self._node.counters
        late = NodeUnavailable(f"{account} gave no answer within {MAKE_S:.0f} s")
        with self._place(account, merchant):
            try:
                with gevent.Timeout(MAKE_S, late):
                    made = upstream.node.create(asked)
            except LightningError:
                counters.add("lightning.invoices_failed")
                raise
        counters.add("lightning.invoices_made")
        upstream.ref.tell(InvoiceOpened())
        return made

    def lightning_balance(self, account: str) -> Balance | None:
        upstream = self._node.upstreams.get(account)
        return None if upstream is None else upstream.balance.now

    def look_at_invoice(self, payment_hash: str) -> None:
        upstreams = self._node.upstreams

        def found(answer: object) -> None:
            invoice = answer.terms.lightning if isinstance(answer, Payment) else None
            if invoice is not None and invoice.node in upstreams:
                upstreams[invoice.node].ref.tell(LookAt(payment_hash))

        if upstreams:
            self._node.read(lambda store: store.payment_of_invoice(payment_hash), found)

    def upstreams(self) -> Sequence[UpstreamReport]:
        return [_report(one) for _name, one in sorted(self._node.upstreams.items())]

    def listen_upstreams(
        self, listener: Callable[[UpstreamReport], None]
    ) -> Callable[[], None]:
        return self._node.upstreams.news.listen(listener)

    def reconnect(self, name: str) -> UpstreamReport | None:
        upstream = self._node.upstreams.get(name)
        if upstream is None:
            return None
        upstream.ref.tell(Reconnect())
        return upstream.report.now

    @contextmanager
    def _place(self, account: str, merchant: str) -> Iterator[None]:
        """Raises `EngineBusy`: too many wait already."""
        bounds = {
            ("at", account): AT_ONCE_AT_NODE,
            ("of", merchant): AT_ONCE_OF_MERCHANT,
        }
        for place, most in bounds.items():
            if self._making[place] >= most:
                self._node.counters.add("lightning.invoices_refused")
                raise EngineBusy(f"{account} has too many invoices to make", 1)
        self._making.update(bounds.keys())
        try:
            yield
        finally:
            for place in bounds:
                self._making[place] -= 1
                if not self._making[place]:
                    del self._making[place]


def _report(one: Upstream) -> UpstreamReport:
    """As its actor publishes it, and how often it was asked until now."""
    if not isinstance(one.node, Counted):
        return one.report.now
    asked, errors = one.node.requests, one.node.errors
    return replace(one.report.now, requests=asked, errors=errors)
