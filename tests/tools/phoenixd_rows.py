"""The rows of phoenixd's database, and how it says them; see `phoenixd_double.py`."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Invoice", "Outgoing", "now_ms", "pretty"]


def now_ms() -> int:
    return int(time.time() * 1000)


def pretty(value: Any, *, nulls: bool = False) -> str:
    """As kotlinx.serialization prints it."""
    return json.dumps(value if nulls else _without_nulls(value), indent=4)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


@dataclass
class Invoice:
    """A row of payments_incoming. Amounts in msat. On-chain ones have no hash."""

    created_at: int
    payment_hash: str = ""
    preimage: str = ""
    serialized: str = ""
    description: str | None = None
    external_id: str | None = None
    webhook_url: str | None = None
    requested_msat: int | None = None
    expires_in_s: int = 3_600
    net_msat: int = 0  # amountReceived: after the fees, fee credit in it
    fees_msat: int = 0
    received_at: int | None = None

    def said(self) -> dict[str, Any]:
        expires_at = self.created_at + self.expires_in_s * 1000
        requested = self.requested_msat
        return {
            "type": "incoming_payment",
            "subType": "lightning",
            "paymentHash": self.payment_hash,
            "preimage": self.preimage,
            "externalId": self.external_id,
            "description": self.description,
            "invoice": self.serialized,
            "isPaid": self.received_at is not None,
            "isExpired": now_ms() > expires_at,
            "requestedSat": None if requested is None else requested // 1000,
            "receivedSat": self.net_msat // 1000,
            "fees": self.fees_msat,
            "payerNote": None,
            "payerKey": None,
            "expiresAt": expires_at,
            "completedAt": self.received_at,
            "createdAt": self.created_at,
        }


@dataclass
class Outgoing:
    payment_hash: str
    amount_msat: int
    fees_msat: int
    preimage: str
    status: str = "pending"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: int = field(default_factory=now_ms)
    completed_at: int | None = None

    def said(self) -> dict[str, Any]:
        is_paid = self.status == "succeeded"
        return {
            "type": "outgoing_payment",
            "subType": "lightning",
            "paymentId": self.id,
            "paymentHash": self.payment_hash,
            "preimage": self.preimage if is_paid else None,
            "isPaid": is_paid,
            "sent": (self.amount_msat + self.fees_msat) // 1000,
            "fees": self.fees_msat if is_paid else 0,
            "completedAt": self.completed_at,
            "createdAt": self.created_at,
        }
