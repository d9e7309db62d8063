"""A refund that cannot be paid is an alert until the next try, whenever that is."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.facts.alerts import Alerts
from actors.facts.counters import Counters
from actors.money.refund_payer import WAITS, RefundPayer
from engine.errors import CannotSpend
from engine.wallet.forward_policy import ForwardPolicy
from tests.unit.engine.store.refund_cases import refund


@pytest.mark.parametrize("every_s", [10.0, 600.0, 86_400.0])
def test_its_alert_stands_from_one_round_to_the_next(every_s: float) -> None:
    alerts = Alerts(Counters())
    clock = SimpleNamespace(now=lambda: 0)
    node: Any = SimpleNamespace(alerts=alerts, clock=clock)
    follower: Any = None
    payer = RefundPayer(node, follower, ForwardPolicy(every_s=every_s))

    def cannot(_refund: object) -> Any:
        raise CannotSpend("funds", "no coin is here")
        yield

    prepare: Any = cannot
    payer._prepare = prepare  # type: ignore[method-assign]
    for _ in payer._pay(refund(1, "p1")):
        pass
    before_the_next = int(every_s * 1_000) + 30_000
    assert [one.kind for one in alerts.standing(before_the_next)] == [WAITS]
