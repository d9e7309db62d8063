"""What edges may ask about money that is sent on: part of `Gateway`."""

from typing import Protocol

from engine.lightning.till import TillForward
from engine.payment.model import Payment
from engine.store.outgoing_port import Paused
from engine.wallet.outgoing import Outgoing

__all__ = ["ForwardingGateway"]


class ForwardingGateway(Protocol):
    """See `engine/gateway.py`."""

    def forwarding_paused(self) -> Paused | None:
        """Since when nothing new is sent on; None: it is."""

    def pause_forwarding(self, by: str) -> None:
        """From now on, also after a restart; what is on its way is looked after."""

    def resume_forwarding(self) -> None: ...

    def sent_today(self, merchant: str) -> int:
        """What sweeps of the last 24 hours send, sat: the limit is held against it."""

    def retry_forward(self, payment: Payment) -> int:
        """Look at its coins anew, also at those that count as lost: a person says so.
        How many transactions of it had failed; 0: nothing is done."""

    def outgoing(self, outgoing_id: str) -> Outgoing | None: ...

    def outgoing_of(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        """The newest first."""

    def till_forward(self, forward_id: str) -> TillForward | None: ...

    def till_forwards_of(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[TillForward]:
        """What tills pass on of the merchant's payments, the newest first."""

    def resume_till_forward(self, forward: TillForward) -> TillForward | None:
        """Go on with it, now: a person says so. None: it has arrived, or was moved
        meanwhile."""

    def give_up_till_forward(self, forward: TillForward) -> TillForward | None:
        """It stays at the till: a person says so. None: it is over, its money may be on
        its way, or it was moved meanwhile."""
