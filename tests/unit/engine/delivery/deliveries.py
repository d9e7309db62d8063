"""Events and results of a queue of deliveries, for its tests."""

from engine.store.records import Pending
from engine.store.writes import DeliveryResult

__all__ = [
    "NOW",
    "pending",
    "result",
]

NOW = 1_000_000


def pending(offset: int, next_at: int = 0, attempts: int = 0) -> Pending:
    return Pending(offset, offset, attempts, next_at, b"{}")


def result(offset: int, state: str = "delivered", next_at: int = 0) -> DeliveryResult:
    return DeliveryResult(
        channel_id="c",
        payment_id="p",
        offset=offset,
        seq=offset,
        attempt=1,
        at=NOW,
        latency_ms=1,
        status=200,
        outcome="delivered",
        error=None,
        state=state,
        next_at=next_at,
    )
