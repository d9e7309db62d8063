"""What the edges may ask of the engine about refunds: part of `engine.gateway.Gateway`.

As there, what a method returns is committed, and each may raise `EngineBusy`.
"""

from collections.abc import Callable
from typing import Protocol

from engine.payment.model import Payment
from engine.payment.refund import Refund
from engine.store.writes import KeptAnswer
from engine.wallet.plan import Plan

__all__ = ["KeepRefund", "RefundGateway"]

KeepRefund = Callable[[Refund], KeptAnswer | None]
"""Makes the answer to keep with a refund that is made."""


class RefundGateway(Protocol):
    """See the module docstring."""

    def open_refund(
        self, refund: Refund, payment: Payment, most_sat: int, keep: KeepRefund = ...
    ) -> Refund:
        """Make it, if with all others of its payment it is within `most_sat`, which was
        found by this state of the payment. Raises `Refused`, and `Duplicate` if the
        Idempotency-Key was used."""

    def move_refund(self, before: Refund, after: Refund) -> Refund:
        """Take a step. Raises `Refused` if somebody has taken another meanwhile."""

    def refund_by_hand(self, before: Refund, txid: str, by: str) -> Refund:
        """A person has paid it by other means: that is told as `payment.refunded`, in
        the same commit. Raises `Refused`."""

    def refund_psbt(self, refund: Refund) -> tuple[bytes, Plan]:
        """The transaction that pays a pending one, to be signed by the merchant's own
        wallet, and its plan. Asks sources; raises `Refused`, `CannotSpend`,
        `SigningError`, `SourceError`."""

    def refund(self, refund_id: str) -> Refund | None: ...

    def refunds_of(self, payment_id: str) -> list[Refund]:
        """All of a payment, as they were made."""

    def refunds_page(
        self, merchant: str | None, before_id: str | None, limit: int
    ) -> list[Refund]:
        """Of a merchant, or of all, the newest first; `before_id`: older than that."""

    def best_height(self) -> int:
        """Of the best block that any source has shown. Raises `EngineBusy`."""
