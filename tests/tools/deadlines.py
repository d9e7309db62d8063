"""Deadlines that come when a test is ready for them.

A payment that is made with a second to live may be over before its test has looked at
it: others work on the machine, too. It is made with its usual time, and ended.
"""

from actors.edge.gateway import ActorGateway
from engine.errors import AmendmentRefused
from engine.payment.observations import Amend
from tests.tools.wait import wait_until

__all__ = ["end_soon"]

SOON_MS = 1_000


def end_soon(gateway: ActorGateway, payment_id: str) -> None:
    """Its deadline is moved to a second from now."""

    def is_moved() -> bool:
        payment = gateway.payment(payment_id)
        assert payment is not None
        wanted = Amend(by="api", expires_at=gateway.now() + SOON_MS)
        try:
            gateway.command(payment, wanted)
        except AmendmentRefused:  # that second was over when it was heard
            return False
        return True

    wait_until(is_moved, 10, f"the deadline of {payment_id} to be moved")
