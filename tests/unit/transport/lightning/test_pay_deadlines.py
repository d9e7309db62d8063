"""How long a payment may be under way before the till believes that it never began."""

import pytest

from engine.lightning.till_steps import SETTLE_MS
from transport.lightning import electrum_rpc
from transport.lightning.blink_graphql import ACT_S
from transport.lightning.blink_payments import PROBE_S
from transport.lightning.electrum import PAY_S
from transport.lightning.phoenixd import PAY_DEADLINE_S


@pytest.mark.parametrize(
    ("kind", "longest_s"),
    [
        ("blink", PROBE_S + ACT_S),
        ("electrum", electrum_rpc.LIST_S + PAY_S),
        ("phoenixd", PAY_DEADLINE_S),
    ],
)
def test_a_payment_has_begun_before_its_absence_is_believed(
    kind: str, longest_s: float
) -> None:
    """From the till's word that it pays to the last byte of what it asks for."""
    assert longest_s * 1_000 < SETTLE_MS, kind
