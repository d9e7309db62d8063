"""Refunds as rows, for tests of stores."""

from engine.payment.refund import Refund, RefundState
from tests.unit.payment_cases import T0

__all__ = ["refund"]


def refund(
    number: int, payment_id: str | None = None, sat: int = 1_000, **more: object
) -> Refund:
    """The open refund of this number, of the payment of that number if none is named;
    its link is over a millisecond later than the one before."""
    values: dict[str, object] = {
        "id": f"ref_{number:06d}",
        "payment_id": payment_id or f"p{number}",
        "merchant": "ann",
        "state": RefundState.OPEN,
        "amount_sat": sat,
        "rate": "given",
        "created_at": T0,
        "expires_at": T0 + number,
        **more,
    }
    return Refund(**values)  # type: ignore[arg-type]
