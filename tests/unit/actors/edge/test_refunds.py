"""A step of a refund that is committed is told of, whoever still waits for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.edge.gateway import ActorGateway
from actors.messages import RefundMoved
from engine.errors import EngineBusy
from engine.payment.refund import Refund, RefundState
from engine.store.writes import Committed, Conflict, Outcome, Write
from tests.unit.engine.store.refund_cases import refund


class Stage:
    """A node whose journal answers when the test says so."""

    def __init__(self) -> None:
        self.told: list[RefundMoved] = []
        self.replies: list[Any] = []

        def append(_write: Write, reply: Any) -> None:
            self.replies.append(reply)

        node: Any = SimpleNamespace(
            append=append, refunds=SimpleNamespace(tell=self.told.append)
        )
        store: Any = None
        wallets: Any = object()
        self.gateway = ActorGateway(node, store, wallets=wallets)

    def claim(self) -> None:
        before = refund(1)
        after = Refund(
            id=before.id,
            payment_id=before.payment_id,
            merchant=before.merchant,
            state=RefundState.PENDING,
            amount_sat=before.amount_sat,
            rate=before.rate,
            created_at=before.created_at,
            address="somewhere",
        )
        with pytest.raises(EngineBusy) as late:
            self.gateway.move_refund(before, after)
        assert late.value.unknown


@pytest.mark.parametrize(
    ("outcome", "is_told"),
    [(Committed(), True), (Conflict("refund", "not open any more"), False)],
)
def test_a_claim_that_is_committed_after_the_time_out_is_heard_of(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, is_told: bool
) -> None:
    """Else nobody would watch its address until the node starts anew."""
    monkeypatch.setattr("actors.edge.kept.ASK_S", 0.0)
    stage = Stage()
    stage.claim()
    assert stage.told == []
    for reply in stage.replies:
        reply(outcome)
    assert stage.told == ([RefundMoved("ref_000001")] if is_told else [])
