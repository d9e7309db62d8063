"""The payment that tests of the judges are about."""

from engine.payment.model import Terms
from tests.simulation.chain import address_of, script_of

__all__ = ["SCRIPT", "TERMS"]

SCRIPT = script_of("order")

TERMS = Terms(
    id="p",
    network="regtest",
    address=address_of("order"),
    amount_sat=1_000,
    tolerance_sat=0,
    confirmations_required=1,
    created_at=0,
    expires_at=0,
    monitor_until=0,
    poll_interval_s=30,
)
