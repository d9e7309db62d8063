"""Events as the node writes them, made up for tests of the clients."""

from typing import Any

__all__ = ["event", "iso"]


def iso(ms: int) -> str:
    s, ms = divmod(ms, 1000)
    minutes, s = divmod(s, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-03-04T{hours:02}:{minutes:02}:{s:02}.{ms:03}Z"


def event(
    seq: int, *, epoch: str = "aaaaaaaa", at: int | None = None, **more: Any
) -> dict[str, Any]:
    """Number `seq` of a payment, `at` so many ms of one day (else its number)."""
    name = f"evt_{epoch}_{seq + 100}" if epoch else f"evt_{seq + 100}"
    return {
        "id": name,
        "offset": seq + 100,
        "payment_id": "pay_1",
        "seq": seq,
        "type": "payment.confirming",
        "at": iso(seq if at is None else at),
        "status": "confirming",
        "flags": [],
        "address": "bcrt1q",
        "external_id": "order-1",
        "merchant": "default",
        "amount_sat": 5_000,
        "received_sat": 5_000,
        "confirmations": seq,
        "confirmations_required": 3,
        "txid": None,
        "data": {},
        **more,
    }
