"""Forwards for tests of the till's rules."""

from engine.lightning.node import Payout, PayoutStatus
from engine.lightning.till import TillForward, TillPolicy, TillState

__all__ = [
    "FAILED",
    "NOW",
    "PAID",
    "PENDING",
    "POLICY",
    "UNKNOWN",
    "forward",
    "invoiced",
]

NOW = 1_760_000_000_000
POLICY = TillPolicy(fee_ppm=0, fee_base_sat=0)

PAID = Payout(status=PayoutStatus.PAID, fee_msat=1_001)
PENDING = Payout(status=PayoutStatus.PENDING)
FAILED = Payout(status=PayoutStatus.FAILED, reason="no route")
UNKNOWN = Payout(status=PayoutStatus.UNKNOWN)


def forward(**changes: object) -> TillForward:
    """Wanted, of 5,000 sat."""
    base: dict[str, object] = {
        "id": "lnf_1",
        "payment_id": "pay_1",
        "merchant": "ann",
        "source": "till",
        "target": "own",
        "net_sat": 5_000,
        "key": "9f1b2c3d-0000-4000-8000-000000000001",
        "at": NOW,
        "moved_at": NOW,
        "next_at": NOW,
    }
    return TillForward(**(base | changes))  # type: ignore[arg-type]


def invoiced(state: TillState = TillState.INVOICED, **changes: object) -> TillForward:
    """With an invoice for 5,000 sat that holds for an hour; in doubt it was tried
    now."""
    doubtful = state in {TillState.PAYING, TillState.PENDING}
    base: dict[str, object] = {
        "state": state,
        "amount_sat": 5_000,
        "payment_hash": "ab" * 32,
        "bolt11": "lnbcrt1",
        "expires_at": NOW + 3_600_000,
        "tried_at": NOW if doubtful else 0,
    }
    return forward(**(base | changes))
