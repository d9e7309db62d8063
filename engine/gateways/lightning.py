"""What edges may ask about Lightning: part of `Gateway`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.lightning.account import Account
from engine.lightning.node import Balance, Can, InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamReport

__all__ = ["LightningGateway"]


class LightningGateway(Protocol):
    """See `engine/gateway.py`."""

    def lightning_account(self, merchant: str) -> Account | None:
        """The one that makes this merchant's invoices; None: there is none."""

    def lightning_can(self, account: str) -> Can: ...

    def make_invoice(
        self, account: str, merchant: str, asked: InvoiceAsked
    ) -> InvoiceMade:
        """Blocks until the node answered. Raises `LightningError`, or `EngineBusy`
        where the merchant or the node has too many such calls under way."""

    def lightning_balance(self, account: str) -> Balance | None:
        """As the node said it last; None: not lately, or there is no such account. Of
        memory alone, no request: asked whenever an invoice is made."""

    def look_at_invoice(self, payment_hash: str) -> None:
        """Somebody says that it was paid: the node is asked soon. Does not block."""

    def upstreams(self) -> Sequence[UpstreamReport]:
        """All held connections, by name."""

    def listen_upstreams(
        self, listener: Callable[[UpstreamReport], None]
    ) -> Callable[[], None]:
        """Call it at each change of one, until the returned function is called. It must
        not block, or raise."""

    def reconnect(self, name: str) -> UpstreamReport | None:
        """Begin anew, now; None: there is none of that name."""
